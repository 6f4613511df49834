from __future__ import annotations

import io

import pytest

from farm_tasks.cli import bars
from farm_tasks.cli.bars import Bars
from farm_tasks.errors import Rejected
from farm_tasks.states import FAILURE, PROGRESS, QUEUED, SUCCESS
from farm_tasks.submit.record import Record
from tests.cli.records import record


def drawn(view: Bars) -> str:
    view._console.record = True
    view._console.print(view._draw())
    return view._console.export_text()


def of(*records: Record) -> Bars:
    view = Bars([one.id for one in records], io.StringIO())
    for one in records:
        view.show(one)
    return view


def test_a_transfer_without_news_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    view = of(record(PROGRESS, stage="uploading", bytes_read=1, total=2, rate=5.0))
    assert "uploading" in drawn(view)
    monkeypatch.setattr(bars, "SILENCE", -1.0)
    assert "no news for 0:00" in drawn(view)


def test_a_queue_that_nobody_works_on_points_at_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    view = of(record(QUEUED, stage="queued"))
    assert "doctor" not in drawn(view)
    monkeypatch.setattr(bars, "IDLE", -1.0)
    assert "`farm-tasks doctor`" in drawn(view)


def test_the_bar_over_all_counts_files_whose_size_is_not_known_yet() -> None:
    view = of(
        record(SUCCESS, id="a", bytes_read=10, total=10, stage="done"),
        record(PROGRESS, id="b", bytes_read=5, total=10, stage="downloading"),
        record(QUEUED, id="c", stage="queued"),
        record(QUEUED, id="d", stage="queued"),
    )
    assert "1 of 4 done" in drawn(view)
    assert " 37%" in drawn(view)


def test_the_time_left_over_all_comes_from_the_share_that_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view = of(record(QUEUED, id="a"), record(QUEUED, id="b"))
    view._readings.clear()  # rich draws once when it is made
    now = 1000.0
    monkeypatch.setattr("farm_tasks.cli.bars.time.monotonic", lambda: now)
    assert view._pace(0.0, 0) == (0.0, None)
    now = 1010.0
    assert view._pace(0.25, 50_000_000) == (5_000_000.0, 30.0)


def test_names_are_shown_as_they_are_and_never_as_markup() -> None:
    shown = drawn(of(record(PROGRESS, stage="[red]up[/red]\x1b", file="/show/[bold]x.mp4")))
    assert "[bold]x.mp4" in shown
    assert "[red]up[/red]\\x1b" in shown


def test_a_second_attempt_is_told() -> None:
    assert "starting, attempt 3" in drawn(of(record("STARTED", stage="starting", attempt=3)))


def test_a_flood_of_errors_is_cut_off() -> None:
    stream = io.StringIO()
    view = Bars([], stream)
    for number in range(50):
        view.show(record(FAILURE, id=str(number), error=Rejected("The disk is full.")))
    assert stream.getvalue().count("The disk is full.") == bars.MOST_COMPLAINTS
    assert "farm-tasks list --failed" in stream.getvalue()
