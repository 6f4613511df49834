"""The commands on the pages of docs/farms, run as they stand there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from farm_tasks.sandbox import SandboxInfo
from tests.support.media import movie, picture

pytestmark = pytest.mark.chaos

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs" / "farms").glob("*.md"))
NOT_EXECUTED = "# not executed here"


def blocks(page: Path, kind: str) -> list[list[str]]:
    """The lines of each fenced block of this kind, without the indentation of a list."""
    found = re.findall(rf"^( *)```{kind}\n(.*?)^ *```$", page.read_text(), re.M | re.S)
    return [[line.removeprefix(indent) for line in text.splitlines()] for indent, text in found]


def commands(page: Path) -> list[str]:
    run: list[str] = []
    for lines in blocks(page, "console"):
        if lines[0] != NOT_EXECUTED:
            assert all(line.startswith("$ ") for line in lines), f"{page.name}: {lines}"
            run += [line.removeprefix("$ ") for line in lines]
    return run


class Place:
    """A machine with the files, the folders and the commands that the pages speak of."""

    def __init__(self, projects: Path, tmp_path: Path) -> None:
        self._folder = tmp_path / "here"
        self._moved = {"/projects/": f"{projects}/", "/mnt/": f"{tmp_path}/mnt/",
                       "/srv/": f"{tmp_path}/srv/"}  # fmt: skip
        binaries = tmp_path / "bin"
        for folder in (self._folder, binaries, projects / "demo", projects / ".farm-tasks-spool"):
            folder.mkdir(exist_ok=True)
        for name, module in (("farm-tasks", "farm_tasks.cli"), ("openjd", "openjd")):
            command = binaries / name
            command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n')
            command.chmod(0o755)
        self._environment = {
            **os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "JOB_ID": "1234",
        }  # fmt: skip

    def make(self, kitsu: SandboxInfo, projects: Path) -> None:
        """The movie and the frames that the pages publish."""
        movie(kitsu, projects / "demo" / "comp_v003.mov", seconds=0.5)
        first = picture(kitsu, projects / "demo" / "beauty.1001.png")
        for number in (1002, 1003):
            shutil.copy(first, projects / "demo" / f"beauty.{number}.png")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        for written, here in self._moved.items():
            command = command.replace(written, here)
        return subprocess.run(
            ["/bin/bash", "-o", "pipefail", "-c", command], cwd=self._folder, check=False,
            env=self._environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip


@pytest.mark.usefixtures("kitsu_worker")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_on_a_page_works(
    page: Path, kitsu: SandboxInfo, projects: Path, tmp_path: Path
) -> None:
    place = Place(projects, tmp_path)
    run = commands(page)
    assert run
    if any("/projects/demo/" in command for command in run):
        place.make(kitsu, projects)
    for command in run:
        done = place.run(command)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_snippet_is_python(page: Path) -> None:
    for lines in blocks(page, "python"):
        compile("\n".join(lines), page.name, "exec")


def test_the_index_names_every_page() -> None:
    index = next(page for page in PAGES if page.name == "README.md").read_text()
    for page in PAGES:
        assert page.name == "README.md" or f"({page.name})" in index
