from __future__ import annotations

import json
from pathlib import Path

import pytest

from farm_tasks.cli import doctor, path_checks
from tests.cli.command_line import run
from tests.support.environment import environment_of


@pytest.fixture
def paths(tmp_path: Path) -> Path:
    file = tmp_path / "paths.toml"
    file.write_text(
        f"[show]\nlinux = '{tmp_path}'\nmacos = '{tmp_path}'\nwindows = 'P:\\'\n"
        "canonical = '/projects'\n[gone]\nlinux = '/gone/for/good'\nmacos = '/gone/for/good'\n"
        "[office]\ncanonical = 'O:\\'\nwindows = 'O:\\'\n"
    )
    return file


def test_it_prints_the_path_and_tells_the_rule(paths: Path) -> None:
    done = run("map-path", "P:/a.mov", "R:\\a.mov", env={"FARM_TASKS_PATH_MAP": str(paths)})
    assert done.returncode == 3, "one has no rule"
    assert done.stdout == "/projects/a.mov\nR:\\a.mov\n"
    used, not_used = done.stderr.splitlines()
    assert used.strip() == f"[show] windows P:\\ is canonical /projects. ({paths})"
    assert not_used.strip() == f"not mapped: No root in {paths} holds it."


def test_it_maps_to_another_system_and_says_all_of_it_in_json(paths: Path) -> None:
    done = run("map-path", "/projects/a", "--to", "windows", "--map", str(paths), "--json")
    assert json.loads(done.stdout) == {
        "path": "/projects/a",
        "to": "windows",
        "mapped": "P:\\a",
        "rule": {"table": "show", "key": "canonical", "root": "/projects"},
        "file": str(paths),
        "why": "[show] canonical /projects is windows P:\\.",
    }


def test_a_worker_does_not_start_with_a_wrong_map(paths: Path) -> None:
    paths.write_text("[show]\nlinux = '/a'\n[other]\nlinux = '/a'")
    done = run("worker", env={"FARM_TASKS_PATH_MAP": str(paths)})
    assert done.returncode == 2
    assert "[show] linux /a and [other] linux /a" in done.stderr


def test_without_a_map_it_says_what_to_do() -> None:
    done = run("map-path", "/a")
    assert done.returncode == 2
    assert "FARM_TASKS_PATH_MAP" in done.stderr


def test_the_doctor_says_which_places_are_here(paths: Path) -> None:
    with environment_of({"FARM_TASKS_PATH_MAP": str(paths)}):
        found = list(path_checks.path_map())
    assert [one.state for one in found] == ["ok", "ok", "hint", "not set"]
    assert str(paths.parent) in found[1].text
    assert "/gone/for/good" in found[2].text
    assert "[office]" in found[3].text


def test_the_doctor_names_what_is_wrong_with_the_map(paths: Path) -> None:
    paths.write_text("[show]\nlinux = 'relative'")
    with environment_of({"FARM_TASKS_PATH_MAP": str(paths)}):
        wrong = next(one for one in doctor._findings() if one.name == "path map")
    assert (wrong.state, wrong.exit_code) == ("failed", 2)
    assert "[show] linux" in wrong.text
    with environment_of({}):
        assert list(path_checks.path_map()) == []
