"""A new user's first minutes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import psutil
import pytest

from tests.cli.command_line import Terminal, run

pytestmark = pytest.mark.chaos

CALM = {"PYTHONWARNINGS": ""}
"""Celery warns of this and that when its worker starts."""


def processes_of(home: Path) -> list[str]:
    """Command lines of what runs with the sandbox's folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        about = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
        if any(str(home) in one for one in about):
            found.append(" ".join(about))
    return found


def test_the_demo_shows_it_all_and_what_it_leaves_can_be_used(tmp_path: Path) -> None:
    home = tmp_path / "home"
    at_home = ("--home", str(home))
    try:
        with Terminal("demo", "--size", "15", "--keep", *at_home, env=CALM) as terminal:
            code = terminal.end(400)  # 60 s on an idle machine with everything cached
            shown = terminal.text
        assert code == 0, shown[-1000:]
        assert re.search(r"[1-9]\d?% .*uploading +[\d.]+ MB/s", shown)
        assert "preview is ready: 1920x1080" in shown
        thumbnail = home / "projects" / "demo" / "SQ01_SH010_compositing_thumbnail.png"
        assert thumbnail.read_bytes()[:4] == b"\x89PNG"
        for told in ("login", "password", "logs", "farm-tasks sandbox down", str(thumbnail)):
            assert told in shown

        assert run("sandbox", "status", *at_home).returncode == 0
        exported = run("sandbox", "up", "--export", *at_home)
        assert exported.returncode == 0
        env = dict(
            shlex.split(line.removeprefix("export "))[0].split("=", 1)
            for line in exported.stdout.splitlines()
        )
        checked = run("doctor", env=env)
        assert checked.returncode == 0, checked.stdout
        batch = ("batch", "download", "--project", "Demo", "--into", str(home / "projects" / "all"))
        assert run(*batch, env=env).returncode == 0
        assert [one.name for one in (home / "projects" / "all").iterdir()] == [
            "SQ01_SH010_Compositing_v001.mp4"
        ]
    finally:
        down = run("sandbox", "down", "--remove", *at_home)
    assert down.returncode == 0
    assert processes_of(home) == []
    assert run("sandbox", "status", *at_home).returncode == 3
    assert "No sandbox was running" in run("sandbox", "down", *at_home).stdout


def test_control_c_ends_what_was_started(tmp_path: Path) -> None:
    home = tmp_path / "home"
    try:
        with Terminal("demo", "--size", "250", "--home", str(home), env=CALM) as terminal:
            terminal.read_until(r"[1-9]\d?% .*uploading", 300)
            terminal.press_control_c()
            assert terminal.end(60) == 130
            assert "Traceback" not in terminal.text
        assert processes_of(home) == []
    finally:
        run("sandbox", "down", "--remove", "--home", str(home))


def test_a_sandbox_that_cannot_start_says_why_in_the_end(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("sandbox", "up", "--home", str(tmp_path / "file"))
    assert done.returncode == 2
    home = tmp_path / "home"
    home.mkdir()
    (home / "instance.json").write_text('{"template": "another one", "secrets": {}, "seed": {}}')
    done = run("sandbox", "up", "--home", str(home))
    assert done.returncode == 5
    assert done.stderr.splitlines()[-1].startswith("error: ")
