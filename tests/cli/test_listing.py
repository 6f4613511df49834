from __future__ import annotations

import json

from farm_tasks.errors import Rejected
from farm_tasks.states import FAILURE, SUCCESS
from tests.cli.command_line import Terminal, run
from tests.cli.records import store, submitted


def test_the_newest_come_first_in_columns_for_programs(farm: dict[str, str]) -> None:
    first, second = submitted("/show/a.mp4"), submitted("/show/b.mp4")
    store(first, SUCCESS, {})
    rows = [line.split("\t") for line in run("list", env=farm).stdout.splitlines()]
    assert [row[0] for row in rows] == [second, first]
    assert rows[0][3] == "queued"
    assert rows[1][3] == "done"


def test_it_can_be_narrowed(farm: dict[str, str]) -> None:
    failed, done, _queued = submitted(), submitted(), submitted()
    store(failed, FAILURE, Rejected("no"))
    store(done, SUCCESS, {})

    def listed(*options: str) -> list[str]:
        lines = run("list", "--json", *options, env=farm).stdout.splitlines()
        return [json.loads(line)["id"] for line in lines]

    assert listed("--failed") == [failed]
    assert listed("--state", "success") == [done]
    assert listed("--state", "SUCCESS", "--failed") == [done, failed]
    assert len(listed("--limit", "2")) == 2
    assert run("list", "--state", "nonsense", env=farm).returncode == 2


def test_on_a_terminal_it_is_a_table_that_never_cuts_an_id(farm: dict[str, str]) -> None:
    one = submitted("/show/[bold]\x1b[31m.mp4")
    store(one, FAILURE, Rejected("[red]no[/red]\nreally"))
    with Terminal("list", env=farm, columns=80) as terminal:
        assert terminal.end() == 0
        assert one in terminal.text
        assert "failed" in terminal.text
    with Terminal("list", env=farm, columns=200) as terminal:
        assert terminal.end() == 0
        assert "[red]no[/red] really" in terminal.text


def test_an_empty_list_says_so_on_a_terminal(farm: dict[str, str]) -> None:
    assert run("list", env=farm).stdout == ""
    with Terminal("list", env=farm) as terminal:
        assert terminal.end() == 0
        assert "No submissions." in terminal.text
