from __future__ import annotations

import subprocess
import sys
import time

import pytest

from farm_tasks import submit
from tests.cli.command_line import COMMAND, ROOT, Terminal, environment, run


@pytest.mark.alone
def test_help_is_quick() -> None:
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        assert run("--help").returncode == 0
        seconds.append(time.perf_counter() - began)
    assert min(seconds) <= 0.3


def test_help_names_every_command_and_the_exit_codes() -> None:
    shown = run("--help").stdout
    for (
        name
    ) in "submit status watch cancel list batch spool worker map-path doctor demo sandbox".split():
        assert f"\n  {name} " in shown
    assert "75" in shown


def test_each_command_has_help() -> None:
    for arguments in (
        *(["submit"], ["submit", "publish_preview"], ["status"], ["watch"], ["cancel"], ["list"]),
        *(["batch"], ["batch", "download"], ["worker"], ["doctor"], ["demo"]),
        *(["sandbox"], ["sandbox", "up"], ["sandbox", "down"], ["sandbox", "status"]),
    ):
        done = run(*arguments, "--help")
        assert done.returncode == 0, (arguments, done.stderr)
        assert "Usage: farm-tasks " in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "no-such-id"],
        ["watch", "no-such-id"],
        ["cancel", "no-such-id"],
        ["list"],
        ["submit", "download_preview_file", "no-id", "/a"],
        ["submit", "--help"],
    ],
)
def test_a_submitters_command_loads_neither_gazu_nor_the_worker(
    arguments: list[str], farm: dict[str, str]
) -> None:
    program = (
        "import atexit, sys\n"
        "def tell():\n"
        "    heavy = {'gazu', 'requests', 'farm_tasks.worker', 'farm_tasks.kitsu', 'rich'}\n"
        "    print('LOADED', sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
        "atexit.register(tell)\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "from farm_tasks.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False, capture_output=True, text=True, cwd=ROOT, env=environment(farm),
    )  # fmt: skip
    assert "LOADED []" in done.stderr


def test_an_error_is_one_line_and_an_exit_code(farm: dict[str, str]) -> None:
    done = run("watch", "no\x1b[31m-such\n-id", env=farm)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith("error: There is no submission no\\x1b[31m-such")
    assert len(done.stderr.splitlines()) == 1


def test_the_debug_variable_shows_the_traceback(farm: dict[str, str]) -> None:
    done = run("watch", "no-such-id", env={**farm, "FARM_TASKS_DEBUG": "1"})
    assert "Traceback" in done.stderr
    assert "UnknownSubmission" in done.stderr


def test_a_redis_that_is_away_is_a_temporary_failure() -> None:
    away = {
        "FARM_TASKS_BROKER_URL": "redis://127.0.0.1:1/0",
        "FARM_TASKS_RESULT_BACKEND": "redis://127.0.0.1:1/1",
    }
    for arguments in (["list"], ["watch", "x"], ["status", "x"]):
        done = run(*arguments, env=away)
        assert done.returncode == 75
        assert "FARM_TASKS_BROKER_URL" in done.stderr


def test_a_setting_that_cannot_be_used_is_named() -> None:
    done = run("list", env={"FARM_TASKS_RESULT_DAYS": "soon"})
    assert done.returncode == 2
    assert "FARM_TASKS_RESULT_DAYS" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_wrong_usage_ends_with_2() -> None:
    assert run("no-such-command").returncode == 2
    assert run("watch").returncode == 2
    assert run("submit", "no_such_function").returncode == 2
    assert run("submit", "recent").returncode == 2


def test_colours_are_for_terminals_and_for_those_who_want_them(farm: dict[str, str]) -> None:
    assert "\x1b" not in run("watch", "x", env=farm).stderr
    with Terminal("watch", "x", env=farm) as terminal:
        assert terminal.end() == 3
        assert b"\x1b[31m" in terminal.raw
    with Terminal("watch", "x", env={**farm, "NO_COLOR": "1"}) as terminal:
        assert terminal.end() == 3
        assert b"\x1b[3" not in terminal.raw


def test_a_reader_that_goes_away_is_no_error(farm: dict[str, str]) -> None:
    for number in range(60):
        submit.download_preview_file(
            "11111111-1111-1111-1111-111111111111", f"/x/{'long' * 500}{number}"
        )
    list_all = subprocess.Popen(
        [*COMMAND, "list", "--limit", "60"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment(farm),
    )  # fmt: skip
    with list_all:
        assert list_all.stdout is not None
        assert list_all.stderr is not None
        list_all.stdout.read(10)
        list_all.stdout.close()
        assert list_all.stderr.read() == b""
        assert list_all.wait(20) == 1
