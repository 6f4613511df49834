"""Events, in whichever order they come, on Celery's own state with our rows."""

from __future__ import annotations

import pickle
import time
from typing import Any

import pytest
from celery.events.state import State

from farm_tasks.monitor.flower.row import Row, rank_progress
from farm_tasks.submit.record import Record
from farm_tasks.transfer.progress import Progress

ENDS = {
    "SUCCESS": ("task-succeeded", {"result": "'done'", "runtime": 3.0}),
    "FAILURE": ("task-failed", {"exception": "DiskFull('No room on the disk.')"}),
    "REVOKED": ("task-revoked", {"reason": "The submission was cancelled."}),
}


class _Monitor:
    """What Flower does with events."""

    def __init__(self) -> None:
        rank_progress()
        self.state = type("RowState", (State,), {"Task": Row})()
        self.began = time.time()
        self.clock = 0

    def hear(self, type_: str, after: float, uuid: str = "one", **fields: Any) -> Row:
        self.clock += 1
        now = self.began + after
        self.state.event(
            {
                "type": type_,
                "uuid": uuid,
                "hostname": "w@host",
                "clock": self.clock,
                "timestamp": now,
                "local_received": now,
                **fields,
            }
        )
        row: Row = self.state.tasks[uuid]
        return row

    def progress(self, after: float, bytes_read: int, elapsed: float, **fields: Any) -> Row:
        figures = {
            "name": "farm_tasks.upload_preview_file",
            "file": "/projects/a.mov",
            "bytes_read": bytes_read,
            "total": 100,
            "percent": float(bytes_read),
            "stage": "uploading",
            "rate": 10.0,
            "eta": 9.0,
            "attempt": 1,
            "elapsed": elapsed,
        }
        return self.hear("task-progress", after, **{**figures, **fields})


@pytest.fixture
def monitor() -> _Monitor:
    return _Monitor()


def test_a_moving_task_has_plain_figures_and_keeps_celerys_eta(monitor: _Monitor) -> None:
    monitor.hear("task-received", 0, name="x", kwargs="{}", eta=None)
    row = monitor.progress(1, 42, elapsed=1.0)
    told = row.as_dict()
    assert row.state == "PROGRESS"
    assert (told["file"], told["bytes_read"], told["total"]) == ("/projects/a.mov", 42, 100)
    assert (told["percent"], told["rate"], told["seconds_left"]) == (42.0, 10.0, 9.0)
    assert told["eta"] is None


def test_late_starts_do_not_turn_a_moving_task_back(monitor: _Monitor) -> None:
    monitor.progress(1, 42, elapsed=1.0)
    assert monitor.hear("task-received", 0.1, name="x").state == "PROGRESS"
    assert monitor.hear("task-started", 0.2).state == "PROGRESS"


@pytest.mark.parametrize("end", ENDS)
def test_late_progress_does_not_turn_a_finished_task_back(monitor: _Monitor, end: str) -> None:
    monitor.progress(1, 42, elapsed=1.0)
    type_, fields = ENDS[end]
    before = monitor.hear(type_, 2, **fields).as_dict()
    assert before["state"] == end
    assert monitor.progress(2.5, 60, elapsed=2.5, result="late").as_dict() == before
    late = monitor.hear("task-progress", 3, state="PROGRESS", bytes_read=70, result="late")
    assert late.as_dict() == before


@pytest.mark.parametrize("end", ENDS)
def test_a_finished_task_keeps_its_last_figures_and_its_reason(monitor: _Monitor, end: str) -> None:
    monitor.progress(1, 42, elapsed=1.0)
    type_, fields = ENDS[end]
    row = monitor.hear(type_, 2, **fields)
    assert row.bytes_read == (100 if end == "SUCCESS" else 42)
    assert (row.rate, row.seconds_left) == (0.0, None)
    stage_and_reason = {
        "SUCCESS": ("done", None),
        "FAILURE": ("failed", "No room on the disk."),
        "REVOKED": ("cancelled", "The submission was cancelled."),
    }
    assert (row.stage, row.reason) == stage_and_reason[end]


@pytest.mark.parametrize("end", ["FAILURE", "REVOKED"])
def test_a_task_that_is_run_again_moves_again(monitor: _Monitor, end: str) -> None:
    monitor.progress(1, 42, elapsed=1.0)
    type_, fields = ENDS[end]
    monitor.hear(type_, 2, **fields)
    row = monitor.progress(60, 5, elapsed=0.5)
    assert (row.state, row.bytes_read) == ("PROGRESS", 5)


@pytest.mark.parametrize("end", ["FAILURE", "REVOKED"])
@pytest.mark.parametrize("flower_heard_the_first_sending", [True, False])
def test_a_task_that_is_sent_again_waits_as_a_new_one(
    monitor: _Monitor, end: str, flower_heard_the_first_sending: bool
) -> None:
    sent = {"name": "farm_tasks.upload_preview_file", "kwargs": "{'file_path': '/projects/a.mov'}"}
    if flower_heard_the_first_sending:
        monitor.hear("task-sent", 0, **sent)
    monitor.hear("task-received", 0.1, **sent)
    monitor.hear("task-started", 0.2)
    monitor.progress(1, 42, elapsed=1.0)
    type_, fields = ENDS[end]
    monitor.hear(type_, 2, **fields)

    row = monitor.hear("task-sent", 60, **sent)
    assert (row.state, row.stage, row.reason) == ("PENDING", "queued", None)
    assert (row.bytes_read, row.percent, row.total, row.attempt) == (None, None, None, None)
    assert (row.worker, row.received, row.exception, row.failed, row.revoked) == (None,) * 5
    assert (row.file, row.name) == ("/projects/a.mov", "farm_tasks.upload_preview_file")
    assert monitor.hear("task-received", 61, **sent).state == "RECEIVED"
    assert monitor.hear("task-started", 62).state == "STARTED"
    row = monitor.hear("task-succeeded", 63, result="1", runtime=1.0)
    assert (row.state, row.reason, row.exception) == ("SUCCESS", None, None)


@pytest.mark.parametrize("end", ENDS)
def test_a_sending_that_is_heard_of_after_the_end_changes_nothing(
    monitor: _Monitor, end: str
) -> None:
    type_, fields = ENDS[end]
    monitor.hear(type_, 2, **fields)
    assert monitor.hear("task-sent", 2.5, name="x").state == end
    assert monitor.hear("task-sent", 1, name="x").state == end


def test_a_failure_that_is_heard_of_after_success_gives_no_reason(monitor: _Monitor) -> None:
    monitor.hear("task-succeeded", 2, result="1")
    row = monitor.hear("task-failed", 1, exception="DiskFull('No room.')")
    assert (row.state, row.stage, row.reason) == ("SUCCESS", "done", None)


def test_what_has_ended_well_is_not_run_again(monitor: _Monitor) -> None:
    monitor.hear("task-succeeded", 2, result="1")
    assert monitor.hear("task-sent", 60, name="x").state == "SUCCESS"


def test_a_retried_task_waits_with_its_reason_then_moves(monitor: _Monitor) -> None:
    monitor.progress(1, 42, elapsed=1.0)
    monitor.hear("task-retried", 2, exception="Stalled('No byte for 60 s.', None)")
    # The next try's message lies with a worker until it is due.
    row = monitor.hear("task-received", 2.1, name="x", kwargs="{}", retries=1)
    assert (row.state, row.stage) == ("RETRY", "waiting to retry")
    assert (row.reason, row.bytes_read, row.retries) == ("No byte for 60 s.", 42, 1)
    assert monitor.progress(2.2, 50, elapsed=2.2).state == "RETRY"
    assert monitor.hear("task-started", 9).state == "STARTED"
    row = monitor.progress(10, 7, elapsed=1.0, attempt=2)
    assert (row.state, row.bytes_read, row.attempt) == ("PROGRESS", 7, 2)


def test_a_retry_that_is_heard_of_after_the_end_changes_nothing(monitor: _Monitor) -> None:
    before = monitor.hear("task-succeeded", 2, result="1").as_dict()
    late = monitor.hear("task-retried", 1, exception="Stalled('No byte for 60 s.')")
    assert late.as_dict() == before


def test_figures_that_are_no_numbers_are_left_out(monitor: _Monitor) -> None:
    row = monitor.progress(1, 42, elapsed=1.0, percent="<img>", rate=float("nan"))
    assert (row.percent, row.rate, row.bytes_read) == (None, None, 42)


def test_rows_survive_flowers_database(monitor: _Monitor) -> None:
    row = monitor.progress(1, 42, elapsed=1.0)
    row.worker = None
    again = pickle.loads(pickle.dumps(row))
    assert (again.file, again.bytes_read, again.state) == ("/projects/a.mov", 42, "PROGRESS")


def test_what_no_event_has_told_comes_from_redis(monitor: _Monitor) -> None:
    progress = Progress(bytes_read=42, total=100, stage="failed", file="/projects/a.mov")
    row = Row("one")
    row.fill(Record("one", "upload_preview_file", "FAILURE", progress, error=KeyError("id")))
    assert (row.name, row.state) == ("farm_tasks.upload_preview_file", "FAILURE")
    assert (row.bytes_read, row.percent, row.reason) == (42, 42.0, "KeyError: id")


def test_a_name_that_is_not_utf8_can_be_shown(monitor: _Monitor) -> None:
    name = b"/p/sh\xf6t.ma".decode(errors="surrogateescape")
    row = monitor.progress(1, 42, elapsed=1.0, file=name)
    filled = Row("two")
    progress = Progress(bytes_read=42, total=100, file=name)
    error = KeyError(name)
    filled.fill(Record("two", "x", "FAILURE", progress, error=error, arguments={"file_path": name}))
    told = [row.file, filled.file, filled.kwargs, filled.reason]
    assert [str(one).encode() for one in told]
    assert (row.file, filled.file) == ("/p/sh\\udcf6t.ma",) * 2


def test_a_retry_that_is_heard_of_after_a_cancel_changes_nothing(monitor: _Monitor) -> None:
    monitor.hear("task-started", 0.5)
    monitor.progress(1, 42, elapsed=0.5)
    monitor.hear("task-revoked", 2, reason="The submission was cancelled.")
    row = monitor.hear("task-retried", 2.5, exception="Stalled('No byte for 60 s.')")
    assert (row.state, row.reason) == ("REVOKED", "The submission was cancelled.")
    # One that has begun again since, however, is tried again.
    monitor.hear("task-started", 60)
    row = monitor.hear("task-retried", 61, exception="Stalled('No byte for 60 s.')")
    assert (row.state, row.reason) == ("RETRY", "No byte for 60 s.")
