from __future__ import annotations

import json
import re
import signal

import pytest

from farm_tasks.errors import EntityNotFound, ServerUnavailable
from farm_tasks.states import FAILURE, PROGRESS, RETRY, STARTED, SUCCESS
from farm_tasks.submit import Submission
from farm_tasks.submit.group import Group
from farm_tasks.transfer.progress import Progress
from tests.cli.command_line import Terminal, interrupt, run, started
from tests.cli.records import store, submitted


def moving(bytes_read: int, **changes: object) -> dict[str, object]:
    values: dict[str, object] = {
        "bytes_read": bytes_read, "total": 29_400_000, "stage": "downloading",
        "rate": 11_200_000.0, "eta": 2.0, "file": "/show/SQ01_SH010_v001.mp4",
    }  # fmt: skip
    return Progress(**{**values, **changes}).to_dict()  # type: ignore[arg-type]


def test_a_log_gets_lines_and_the_exit_code_of_the_outcome(farm: dict[str, str]) -> None:
    one = submitted()
    with started("watch", one, env=farm) as process:
        assert process.stdout is not None
        assert "queued" in process.stdout.readline()
        store(one, STARTED, {})
        assert "starting" in process.stdout.readline()
        store(one, PROGRESS, moving(12_300_000))
        line = process.stdout.readline()
        assert re.match(r"\d\d:\d\d:\d\d " + one, line)
        assert "downloading, 42 %, 12.3/29.4 MB, 11.2 MB/s, 0:02 left" in line
        store(one, FAILURE, EntityNotFound("Kitsu has no such\x1b[2J preview."))
        assert "no such\\x1b[2J preview." in process.stdout.readline()
        assert process.wait(20) == 3


def test_programs_get_one_object_per_line(farm: dict[str, str]) -> None:
    one = submitted()
    with started("watch", one, "--json", env=farm) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["state"] == "QUEUED"
        store(one, PROGRESS, moving(5))
        line = json.loads(process.stdout.readline())
        assert (line["bytes_read"], line["stage"]) == (5, "downloading")
        store(one, SUCCESS, {"file_path": "/a"})
        assert json.loads(process.stdout.readline())["result"] == {"file_path": "/a"}
        assert process.wait(20) == 0


def test_a_farm_gets_its_lines_as_they_happen(farm: dict[str, str]) -> None:
    one = submitted()
    with started("watch", one, "--progress", "alf", env=farm) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "SQ01_SH010_v001.mp4: queued\n"
        assert process.stdout.readline() == "ALF_PROGRESS 0%\n"
        store(one, SUCCESS, {}, Progress(5, 5, file="/show/SQ01_SH010_v001.mp4"))
        assert process.stdout.readline() == "SQ01_SH010_v001.mp4: done\n"
        assert process.stdout.readline() == "ALF_PROGRESS 100%\n"
        assert process.wait(20) == 0


def test_one_way_of_showing_is_enough(farm: dict[str, str]) -> None:
    assert run("watch", "one", "--json", "--progress", "alf", env=farm).returncode == 2


def test_a_terminal_gets_a_bar_with_all_figures(farm: dict[str, str]) -> None:
    one = submitted()
    with Terminal("watch", one, env=farm) as terminal:
        terminal.read_until("SQ01_SH010_v001.mp4 .*queued")
        store(one, PROGRESS, moving(12_300_000))
        terminal.read_until(r"41%\s+12\.3/29\.4 MB downloading\s+11\.2 MB/s\s+0:02")
        store(one, SUCCESS, {}, Progress(29_400_000, 29_400_000, file="/show/SQ01_SH010_v001.mp4"))
        assert terminal.end() == 0
        assert re.search(r"100%\s+29\.4/29\.4 MB done\s*$", terminal.text)
        assert b"\x1b[?25h" in terminal.raw[-200:], "the cursor is shown again"


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_bar_fits_its_terminal(farm: dict[str, str], columns: int) -> None:
    one = submitted("/show/" + "long_name_" * 30 + ".mp4")
    store(one, PROGRESS, moving(12_300_000, file="/show/" + "long_name_" * 30 + ".mp4"))
    with Terminal("watch", one, env=farm, columns=columns) as terminal:
        terminal.read_until("11.2 MB/s")
        store(one, SUCCESS, {})
        assert terminal.end() == 0
        assert max(len(line) for line in re.split(r"[\r\n]+", terminal.text)) <= max(columns, 66)


def test_many_submissions_have_a_bar_over_all(farm: dict[str, str]) -> None:
    ids = [submitted(f"/show/shot_{number}.mp4") for number in range(3)]
    group = Group.of([Submission(one) for one in ids])
    with Terminal("watch", "--group", group.id, env=farm) as terminal:
        terminal.read_until("0 of 3 done")
        store(ids[0], SUCCESS, {})
        store(ids[1], FAILURE, ServerUnavailable("[bold]502[/bold]\x1b[2J"))
        terminal.read_until(r"1 of 3 done.*66%.*1 failed")
        assert "[bold]502[/bold]\\x1b[2J" in terminal.text
        store(ids[2], SUCCESS, {})
        assert terminal.end() == 75
        assert "2 of 3 done" in terminal.text


def test_more_than_fit_are_those_that_move(farm: dict[str, str]) -> None:
    ids = [submitted(f"/show/shot_{number:02}.mp4") for number in range(20)]
    store(ids[7], PROGRESS, moving(12_300_000, file="/show/shot_07.mp4"))
    with Terminal("watch", *ids, env=farm, lines=10) as terminal:
        terminal.read_until("0 of 20 done")
        terminal.read_until("shot_07.mp4")
        assert "shot_06" not in terminal.text
        for one in ids:
            store(one, SUCCESS, {})
        assert terminal.end() == 0


def test_a_retry_says_why(farm: dict[str, str]) -> None:
    one = submitted()
    store(one, RETRY, ServerUnavailable("The proxy says 502."))
    with Terminal("watch", one, env=farm) as terminal:
        terminal.read_until("The proxy says 502.")
        terminal.read_until("waiting to retry")
        store(one, SUCCESS, {})
        assert terminal.end() == 0


def test_control_c_ends_the_watching_and_not_the_transfer(farm: dict[str, str]) -> None:
    one = submitted()
    with Terminal("watch", one, env=farm) as terminal:
        terminal.read_until("queued")
        terminal.press_control_c()
        assert terminal.end() == 130
        assert "the transfer goes on" in terminal.text
        assert f"farm-tasks cancel {one}" in terminal.text
        assert b"\x1b[?25h" in terminal.raw
    with started("watch", one, env=farm) as process:
        assert process.stdout is not None
        process.stdout.readline()
        interrupt(process)
        assert process.wait(20) == 130
    assert Submission(one).state == "QUEUED"


def test_a_terminal_is_left_in_order_when_the_command_is_terminated(farm: dict[str, str]) -> None:
    with Terminal("watch", submitted(), env=farm) as terminal:
        terminal.read_until("queued")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 143
        assert b"\x1b[?25h" in terminal.raw


def test_a_timeout_is_a_temporary_failure(farm: dict[str, str]) -> None:
    one, other = submitted(), submitted()
    done = run("watch", one, "--timeout", "0.2", env=farm)
    assert done.returncode == 75
    assert "has not ended after 0.2 s" in done.stderr
    store(other, SUCCESS, {})
    assert "1 of 2" in run("watch", one, other, "--timeout", "0.2", env=farm).stderr


def test_dumb_terminals_get_lines(farm: dict[str, str]) -> None:
    one = submitted()
    store(one, SUCCESS, {})
    with Terminal("watch", one, env={**farm, "TERM": "dumb"}) as terminal:
        assert terminal.end() == 0
        assert b"\x1b" not in terminal.raw


def test_no_color_is_respected(farm: dict[str, str]) -> None:
    one = submitted()
    store(one, SUCCESS, {})
    with Terminal("watch", one, env={**farm, "NO_COLOR": "1"}) as terminal:
        assert terminal.end() == 0
        assert b"\x1b[32m" not in terminal.raw
