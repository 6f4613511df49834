from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

import pytest

from farm_tasks.cli import checks
from farm_tasks.sandbox import SandboxInfo
from tests.cli.command_line import ROOT, run
from tests.support.environment import environment_of

OWN_NAMES = "celery kombu redis requests urllib3 gazu".split()


def test_the_versions_asked_for_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {
        re.split(r"[\[<>=]", one)[0]: re.sub(r"^[\w-]+(\[.*\])?", "", one)
        for one in project["dependencies"]
    }
    assert {name: declared[name] for name in OWN_NAMES} == checks.REQUIRED


def test_a_submitter_needs_no_kitsu(farm: dict[str, str]) -> None:
    done = run("doctor", env=farm)
    assert done.returncode == 75, "no worker answers"
    for line in ("Kitsu ", "read roots ", "write roots "):
        assert re.search(rf"-\s+{line}.*not set here \(only workers need it\)", done.stdout)
    assert re.search(r"ok\s+broker", done.stdout)
    assert re.search(r"ok\s+result backend", done.stdout)
    assert re.search(r"FAILED\s+worker", done.stdout)
    assert "farm-tasks worker" in done.stdout


def test_what_redis_may_lose_is_a_hint_and_no_failure(farm: dict[str, str]) -> None:
    from farm_tasks.submit.connection import redis_client

    assert [one.state for one in checks.result_backend()] == ["ok"]
    redis_client().config_set("maxmemory-policy", "allkeys-lru")
    redis_client().config_set("appendonly", "no")
    try:
        found = list(checks.result_backend())
    finally:
        redis_client().config_set("maxmemory-policy", "noeviction")
        redis_client().config_set("appendonly", "yes")
    assert [one.state for one in found] == ["ok", "hint", "hint"]
    assert not any(one.exit_code for one in found)
    assert "noeviction" in found[1].advice
    assert "appendonly yes" in found[2].advice


def test_no_password_is_shown() -> None:
    secret = {
        "FARM_TASKS_BROKER_URL": "redis://:s3cret@127.0.0.1:1/0",
        "FARM_TASKS_RESULT_BACKEND": "redis://:s3cret@127.0.0.1:1/1",
        "KITSU_HOST": "http://127.0.0.1:1",
        "KITSU_BOT_TOKEN": "s3cret",
    }
    done = run("doctor", env=secret)
    assert done.returncode == 75
    assert "s3cret" not in done.stdout + done.stderr
    assert "FARM_TASKS_BROKER_URL" in done.stdout
    assert "KITSU_HOST" in done.stdout


def test_a_setting_that_cannot_be_used_ends_it() -> None:
    done = run("doctor", "--json", env={"FARM_TASKS_READ_ROOTS": "relative"})
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 2
    assert found[-1]["state"] == "failed"
    assert "FARM_TASKS_READ_ROOTS" in found[-1]["text"]


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "REQUIRED", {"celery": "<1", "no-such-library": ">=1"})
    libraries = list(checks.versions())[1]
    assert libraries.exit_code == 2
    assert "no-such-library is missing" in libraries.text
    assert "celery is 5" in libraries.text
    assert "pip install" in libraries.advice


def test_roots_are_tried_and_not_just_looked_at(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    roots = {
        "FARM_TASKS_READ_ROOTS": os.pathsep.join([str(tmp_path), str(gone)]),
        # Even root cannot make files there.
        "FARM_TASKS_WRITE_ROOTS": os.pathsep.join([str(tmp_path), "/proc"]),
    }
    with environment_of(roots):
        found = list(checks.roots())
    assert [one.exit_code for one in found] == [0, 3, 0, 4]
    assert "free" in found[2].text
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LITTLE_SPACE", 10**18)
    with environment_of({"FARM_TASKS_WRITE_ROOTS": str(tmp_path)}):
        assert list(checks.roots())[1].state == "hint"


def test_kitsu_is_asked_who_we_are(sandbox: SandboxInfo) -> None:
    with environment_of(sandbox.environment()):
        server, login = checks.kitsu()
    assert sandbox.kitsu_host in server.text
    assert "role admin" in login.text
    assert "bot" in login.text


def test_a_token_that_kitsu_refuses_is_a_denial(sandbox: SandboxInfo) -> None:
    with environment_of({**sandbox.environment(), "KITSU_BOT_TOKEN": "not-a-token"}):
        server, login = checks.kitsu()
    assert server.state == "ok"
    assert login.exit_code in {4, 5}
    assert "KITSU_BOT_TOKEN" in login.advice


def test_what_limits_are_in_force_now_is_shown() -> None:
    limited = {
        "FARM_TASKS_BANDWIDTH": "00:00-12:00 up 2MB/s, 12:00-24:00 up 2MB/s",
        "FARM_TASKS_RATE": "2/s",
    }
    with environment_of(limited):
        bandwidth, rate = checks.limits()
    assert bandwidth.text.startswith("up 2.0 MB/s, down unlimited now (00:00")
    assert rate.text == "120 transfers a minute now (2/s)"
    with environment_of({}):
        assert list(checks.limits()) == []
