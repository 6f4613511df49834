from __future__ import annotations

import io
import json

import pytest

from farm_tasks.cli.views import FarmLines, JsonLines, Lines, describe
from farm_tasks.errors import Rejected, ServerUnavailable
from farm_tasks.farms.dialects import DIALECTS
from farm_tasks.states import FAILURE, PROGRESS, QUEUED, RETRY, SUCCESS
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


class Farm:
    """Reads what a view tells a farm, at times of the test's choosing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *ids: str) -> None:
        self.now = 1000.0
        monkeypatch.setattr("farm_tasks.cli.views.time.monotonic", lambda: self.now)
        self._stream = io.StringIO()
        self._view = FarmLines(DIALECTS["openjd"], self._stream, ids or ("an-id",))

    def shows(self, one: Record, after: float = 1.0) -> list[str]:
        self.now += after
        already = len(self._stream.getvalue())
        self._view.show(one)
        return self._stream.getvalue()[already:].splitlines()


def uploading(percent: int, **changes: object) -> Record:
    return record(stage="uploading", bytes_read=percent, total=100, file="/a.mp4", **changes)


def test_a_farm_gets_a_line_for_each_percent_and_each_stage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    farm = Farm(monkeypatch)
    assert farm.shows(record(QUEUED, stage="queued", file="/a.mp4")) == [
        "openjd_status: a.mp4: queued",
        "openjd_progress: 0.0",
    ]
    assert farm.shows(uploading(0)) == ["openjd_status: a.mp4: uploading"]
    assert farm.shows(uploading(42)) == ["openjd_progress: 42.0"]
    assert farm.shows(uploading(42)) == []
    assert farm.shows(record(RETRY, stage="waiting", file="/a.mp4", attempt=2,
                             error=ServerUnavailable("The proxy\nsays 502."))) == [
        "openjd_status: a.mp4: waiting, attempt 2: The proxy says 502.",
        "openjd_progress: 0.0",
    ]  # fmt: skip


def test_a_farm_hears_100_percent_only_of_success(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = Farm(monkeypatch)
    assert farm.shows(uploading(100))[-1] == "openjd_progress: 99.0"
    assert farm.shows(record(SUCCESS, stage="done", file="/a.mp4"), after=0.01) == [
        "openjd_status: a.mp4: done",
        "openjd_progress: 100.0",
    ]


def test_a_farm_hears_why_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = Farm(monkeypatch)
    farm.shows(uploading(42))
    failed = record(FAILURE, stage="failed", bytes_read=42, total=100, file="/a.mp4",
                    error=Rejected("no\nopenjd_env: A=1"))  # fmt: skip
    assert farm.shows(failed, after=0.01) == ["openjd_fail: a.mp4: failed: no openjd\\x5fenv: A=1"]


def test_a_farm_hears_at_most_twice_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = Farm(monkeypatch)
    reports = [farm.shows(uploading(number), after=0.1) for number in range(100)]
    assert 15 <= sum(bool(lines) for lines in reports) <= 20


def test_of_several_a_farm_hears_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = Farm(monkeypatch, "a", "b")
    assert farm.shows(uploading(42, id="a")) == [
        "openjd_status: 0 of 2 ended, a.mp4: uploading",
        "openjd_progress: 21.0",
    ]
    assert farm.shows(record(SUCCESS, id="a", stage="done"))[-1] == "openjd_progress: 50.0"
    assert farm.shows(record(SUCCESS, id="b", stage="done"))[-1] == "openjd_progress: 100.0"
