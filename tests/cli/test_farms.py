from __future__ import annotations

from pathlib import Path

import pytest

from farm_tasks.farms.files import HERE, KITS
from tests.cli.command_line import run

ROOT = Path(__file__).resolve().parents[2]


def test_every_farm_is_listed_and_has_a_page() -> None:
    listed = [line.split()[0] for line in run("farms").stdout.splitlines()]
    assert listed == sorted(KITS)
    for name in KITS:
        assert (ROOT / "docs" / "farms" / f"{name}.md").is_file()


def test_every_file_for_a_farm_is_in_a_kit() -> None:
    ours = {"__init__.py", "dialects.py", "files.py"}
    there = {
        str(path.relative_to(HERE))
        for path in HERE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {one for kit in KITS.values() for one in kit.files.values()} == there - ours


def test_the_files_of_a_farm_are_copied_as_it_wants_them(tmp_path: Path) -> None:
    done = run("farms", "deadline", "--copy-to", str(tmp_path))
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "FarmTasks"
    assert sorted(Path(line) for line in done.stdout.splitlines()) == sorted(folder.iterdir())
    assert (folder / "farm_tasks_client.py").read_bytes() == (HERE / "client.py").read_bytes()


def test_a_changed_file_is_not_replaced_unless_it_is_said(tmp_path: Path) -> None:
    arguments = ["farms", "tractor", "--copy-to", str(tmp_path)]
    run(*arguments)
    copy = tmp_path / "farm_tasks_tractor.py"
    assert run(*arguments).returncode == 0
    copy.write_text("changed here")
    done = run(*arguments)
    assert (done.returncode, "give --force" in done.stderr) == (2, True)
    assert copy.read_text() == "changed here"
    assert run(*arguments, "--force").returncode == 0
    assert copy.read_text() != "changed here"


@pytest.mark.parametrize("arguments", [["--copy-to", "x"], ["lsf"]])
def test_a_farm_has_to_be_named(arguments: list[str]) -> None:
    assert run("farms", *arguments).returncode == 2


def test_the_paths_of_a_farms_files_can_be_asked(tmp_path: Path) -> None:
    done = run("farms", "openjd")
    assert Path(done.stdout.strip()) == HERE / "openjd" / "publish.yaml"
