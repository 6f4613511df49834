from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime, timedelta

from farm_tasks.errors import Rejected
from farm_tasks.states import FAILURE, SUCCESS, result_key
from farm_tasks.submit import download_preview_file
from farm_tasks.submit.connection import redis_client
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


def test_a_long_reason_leaves_the_other_columns_their_room(farm: dict[str, str]) -> None:
    one = submitted("/show/SQ01_SH010_compositing_v001.mp4")
    store(one, FAILURE, Rejected("no, " * 50))
    for columns in (80, 100, 160):
        with Terminal("list", env=farm, columns=columns) as terminal:
            assert terminal.end() == 0
            [row] = [line for line in terminal.text.splitlines() if one in line]
            assert re.search(rf"{one} +\d s .* failed +.*SQ01_SH010", row)
            assert len(row) <= columns


def test_what_failed_is_shown_with_its_whole_reason_its_end_and_its_key(
    farm: dict[str, str],
) -> None:
    keyed = download_preview_file(str(uuid.uuid4()), "/show/a.mp4", key="deadline:7:a").id
    other = submitted("/show/\x1b[31m.mp4")
    words = "Kitsu takes no such file; raise client_max_body_size in its nginx and retry. " * 3
    for one in (keyed, other):
        store(one, FAILURE, Rejected(words))
    stored = json.loads(redis_client().get(result_key(keyed)))
    ended = (datetime.now(UTC) - timedelta(hours=5)).isoformat()
    redis_client().set(result_key(keyed), json.dumps({**stored, "date_done": ended}))
    for columns in (80, 160):
        with Terminal("list", "--failed", env=farm, columns=columns) as terminal:
            assert terminal.end() == 0
            said = " ".join(terminal.text.split())
            assert f"{keyed} 5 h download_preview_file a.mp4: {words}key deadline:7:a" in said
            assert f"\\x1b[31m.mp4: {words}" in said
            assert "2 failed. After the cause is mended, `farm-tasks retry ID`" in said
            assert max(map(len, terminal.text.splitlines())) <= columns
    [_, printed] = run("list", "--failed", "--json", env=farm).stdout.splitlines()
    assert json.loads(printed)["key"] == "deadline:7:a"
    assert json.loads(printed)["ended"] == datetime.fromisoformat(ended).timestamp()
    card = run("status", keyed, env=farm).stdout
    assert "key        deadline:7:a" in card
    assert "ended      5:0" in card


def test_more_than_are_shown_is_said(farm: dict[str, str]) -> None:
    for _ in range(2):
        store(submitted(), FAILURE, Rejected("no"))
    for limit, is_said in (("2", True), ("3", False)):
        with Terminal("list", "--failed", "--limit", limit, env=farm) as terminal:
            assert terminal.end() == 0
            assert ("There may be more" in terminal.text) is is_said


def test_an_empty_list_says_so_on_a_terminal(farm: dict[str, str]) -> None:
    assert run("list", env=farm).stdout == ""
    with Terminal("list", env=farm) as terminal:
        assert terminal.end() == 0
        assert "No submissions." in terminal.text
    with Terminal("list", "--failed", env=farm) as terminal:
        assert terminal.end() == 0
        assert "Nothing failed." in terminal.text
