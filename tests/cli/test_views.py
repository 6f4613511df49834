from __future__ import annotations

import io
import json

import pytest

from farm_tasks.cli.views import JsonLines, Lines, describe
from farm_tasks.errors import Rejected
from farm_tasks.states import FAILURE, PROGRESS, QUEUED, SUCCESS
from farm_tasks.submit.record import Record
from tests.cli.records import record


def lines_of(*records: Record) -> list[str]:
    stream = io.StringIO()
    with Lines(stream) as view:
        for one in records:
            view.show(one)
    return stream.getvalue().splitlines()


def test_a_line_says_all_that_is_known() -> None:
    moving = record(
        stage="uploading", bytes_read=12_300_000, total=29_400_000, rate=11_200_000.0, eta=2.0,
        file="/show/shot.mp4", attempt=2,
    )  # fmt: skip
    assert describe(moving) == (
        "shot.mp4: uploading, 42 %, 12.3/29.4 MB, 11.2 MB/s, 0:02 left, attempt 2"
    )


def test_a_line_of_a_failure_says_why_without_raw_control_characters() -> None:
    failed = record(FAILURE, stage="failed", file="/a\x1b.mp4", error=Rejected("no\x1b[2J\nway"))
    assert describe(failed) == "a\\x1b.mp4: failed: no\\x1b[2J way"


def test_a_log_gets_a_line_for_each_stage_and_each_ten_percent() -> None:
    moving = [
        record(PROGRESS, stage="uploading", bytes_read=count, total=1000) for count in range(1000)
    ]
    printed = lines_of(
        record(QUEUED, stage="queued", total=1000), *moving, record(SUCCESS, stage="done")
    )
    assert len(printed) == 1 + 10 + 1
    assert "queued" in printed[0]
    assert "done" in printed[-1]


def test_a_slow_transfer_gets_a_line_every_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(float(second) for second in range(1000))
    monkeypatch.setattr("farm_tasks.cli.views.time.monotonic", lambda: next(now))
    moving = [record(stage="uploading", bytes_read=n, total=10**9) for n in range(21)]
    assert len(lines_of(*moving)) == 5


def test_each_submission_has_its_own_rhythm() -> None:
    both = [record(stage="uploading", id=one) for one in ("a", "b", "a", "b")]
    assert len(lines_of(*both)) == 2


def test_of_many_submissions_a_log_gets_the_ends_and_the_count() -> None:
    stream = io.StringIO()
    with Lines(stream, count=20) as view:
        for one in ("a", "b"):
            view.show(record(QUEUED, id=one, stage="queued"))
            view.show(record(stage="uploading", id=one, bytes_read=1, total=2))
        view.show(record(SUCCESS, id="a", stage="done"))
        view.show(record(FAILURE, id="b", stage="failed", error=Rejected("no")))
    first, second = stream.getvalue().splitlines()
    assert "[1/20] a" in first
    assert "[2/20] b" in second
    assert "no" in second


def test_json_gets_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonLines() as view:
        view.show(record(stage="uploading", bytes_read=1))
        view.show(record(stage="uploading", bytes_read=2))
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["bytes_read"] for one in printed] == [1, 2]
