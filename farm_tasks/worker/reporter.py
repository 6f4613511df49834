"""Progress on its way out: one thread per process, for which no bytes have to wait.

The thread that moves the bytes only counts them (:class:`~farm_tasks.transfer.progress.Meter`).
This thread reads the meters twice a second, writes what changed with ``update_state``, sends a
``task-progress`` event, and looks whether a cancel was asked for. When Redis is away or hung, this
thread waits; the bytes go on.

Only the end of a transfer waits, for its last figures, and not for long (:data:`PATIENCE`). One
that ends before this thread has looked at it is left to the record of its end, but for an event,
which is sent before that by its own thread. Where the broker hangs, the first to send finds out,
those that come meanwhile wait for that, and nobody tries again within :data:`REPEAT` seconds.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from farm_tasks.cancelling import is_cancelled
from farm_tasks.errors import Cancelled, WorkerStopping
from farm_tasks.states import PROGRESS
from farm_tasks.transfer.progress import Meter, Progress
from farm_tasks.worker.shutdown import stopping

if TYPE_CHECKING:
    from celery import Celery, Task

FIRST = 0.1
"""Seconds until a transfer is reported for the first time. What has ended by then, as a thumbnail
has, is told by the record of its end and by one event: nobody saw it move."""

INTERVAL = 0.5
"""Seconds between two reports of a transfer, each with an event; the last one comes at once."""

REPEAT = 5.0
"""Seconds after which a transfer that stands still is reported all the same."""

PATIENCE = 1.0
"""Seconds that one write may take."""

logger = logging.getLogger(__name__)


class _Report:
    """A running transfer, as the reporter sees it."""

    def __init__(self, task: Task, meter: Meter) -> None:
        self.task = task
        # self.request belongs to the thread of the task: taken here, used there.
        self.request = task.request_stack.top
        self.began = time.monotonic()
        self.meter = meter
        self.context = contextvars.copy_context()  # for which task the log speaks
        self.due = self.began + FIRST
        self.noticed = False
        self.last: Progress | None = None
        self.last_at = 0.0
        self.counted = 0
        self.closing = False
        self.closed = threading.Event()


class Reporter:
    """The reporting thread of this process. Started by the first transfer.

    Args:
        app: The Celery app.
        moved: Is told of the bytes that have gone over the wire, by the task's name.
    """

    def __init__(self, app: Celery, moved: Callable[[str, int], object]) -> None:
        self._app = app
        self._moved = moved
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._wake = threading.Event()
        self._wakes_at = 0.0
        self._reports: set[_Report] = set()
        self._thread: threading.Thread | None = None
        self._dispatcher: Any = None
        self._events_again_at = 0.0
        self._complained: set[str] = set()

    @contextlib.contextmanager
    def reporting(self, task: Task, meter: Meter) -> Iterator[None]:
        """Report ``meter`` as the progress of the task that this thread runs, until the end.

        On leaving, the last figures are on the request, for the backend to store with the final
        state. If a report was made meanwhile, a last one is made as well before the end is stored;
        Redis may be away, so it is waited for no longer than three times :data:`PATIENCE`.
        """
        report = _Report(task, meter)
        with self._lock:
            self._reports.add(report)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="farm-tasks-reporter", daemon=True
                )
                self._thread.start()
            is_early = report.due < self._wakes_at
        if is_early:
            self._wake.set()
        try:
            yield
        finally:
            report.closing = True
            with self._lock:
                if not report.noticed:
                    self._reports.discard(report)
            if report.noticed:
                self._wake.set()
                # The backend refuses a late PROGRESS, so this wait is for the figures' sake only.
                report.closed.wait(3 * PATIENCE)
                with self._lock:
                    self._reports.discard(report)
            else:
                self._send_event(report, meter.read())
            self._count(report)
            report.request.progress = meter.read().to_dict()

    def _run(self) -> None:
        self._app.backend.fail_fast(PATIENCE)  # this thread's own instance
        while True:
            now = time.monotonic()
            with self._lock:
                reports = list(self._reports)
                due = [one for one in reports if one.closing or one.due <= now]
                for report in due:
                    report.noticed = True
                self._wakes_at = min((one.due for one in reports), default=now + REPEAT)
            if stopping():
                for report in reports:
                    if not report.meter.stopped:
                        report.meter.stop(WorkerStopping())
            if due:
                self._write(due, now)
            else:
                self._wake.wait(max(0.0, self._wakes_at - now))
                self._wake.clear()

    def _write(self, reports: list[_Report], now: float) -> None:
        for report in reports:
            if report.closed.is_set():
                continue
            report.due = now + INTERVAL
            self._count(report)
            closing = report.closing
            try:
                report.context.run(self._write_one, report, now)
            except Exception as error:
                report.context.run(self._complain, "progress not written", error)
            else:
                self._complained.discard("progress not written")
            if closing:
                report.closed.set()
                with self._lock:
                    self._reports.discard(report)
        self._look_for_cancels([one for one in reports if not one.closing])

    def _count(self, report: _Report) -> None:
        """Pass on what has moved since the last time, each byte once."""
        with self._lock:
            moved = report.meter.moved_bytes
            count, report.counted = moved - report.counted, moved
        self._moved(report.task.name, count)

    def _write_one(self, report: _Report, now: float) -> None:
        progress = report.meter.read()
        last = report.last
        if last is None and not report.closing:
            # Buffers on the way still grow then, and what is in them is told worst: it begins,
            # where an earlier attempt has left off.
            there_before = max(0, progress.bytes_read - report.meter.moved_bytes)
            progress = dataclasses.replace(progress, bytes_read=there_before, rate=0.0, eta=None)
        is_new = last is None or _figures(last) != _figures(progress)
        if not is_new and now - report.last_at < REPEAT:
            return
        report.task.request_stack.push(report.request)
        try:
            report.task.update_state(
                task_id=report.request.id, state=PROGRESS, meta=progress.to_dict()
            )
        finally:
            report.task.request_stack.pop()
        report.last = progress
        report.last_at = now
        self._send_event(report, progress)

    def _send_event(self, report: _Report, progress: Progress) -> None:
        if not self._app.conf.worker_send_task_events:
            return
        fields = progress.to_dict()
        fields.pop("updated")
        fields["elapsed"] = round(time.monotonic() - report.began, 1)
        with self._sending:
            # Looked at in here: who waited for one that the broker has kept waiting tries no more.
            if time.monotonic() >= self._events_again_at:
                self._dispatch(report, fields)

    def _dispatch(self, report: _Report, fields: dict[str, Any]) -> None:
        try:
            if self._dispatcher is None:
                connection = self._app.connection_for_write(
                    connect_timeout=PATIENCE,
                    transport_options={
                        "socket_timeout": PATIENCE,
                        "socket_connect_timeout": PATIENCE,
                    },
                )
                self._dispatcher = self._app.events.Dispatcher(
                    connection, hostname=report.request.hostname, buffer_while_offline=False
                )
            self._dispatcher.send(
                "task-progress",
                uuid=report.request.id,
                name=report.task.name,
                **fields,
            )
            self._complained.discard("event not sent")
        except Exception as error:
            self._complain("event not sent", error)
            self._events_again_at = time.monotonic() + REPEAT
            dispatcher, self._dispatcher = self._dispatcher, None
            with contextlib.suppress(Exception):
                dispatcher.connection.release()

    def _complain(self, what: str, error: Exception) -> None:
        """Once for each outage, not twice a second."""
        if what not in self._complained:
            self._complained.add(what)
            logger.warning("%s, the transfer goes on: %r", what, error)

    def _look_for_cancels(self, reports: list[_Report]) -> None:
        if not reports:
            return
        try:
            wanted = is_cancelled(self._app.backend.client, [one.request.id for one in reports])
        except Exception as error:
            self._complain("cancels not read", error)
            return
        for report, cancel in zip(reports, wanted, strict=True):
            if cancel and not report.meter.stopped:
                report.meter.stop(Cancelled("The submission was cancelled."))


def _figures(progress: Progress) -> tuple[object, ...]:
    """What has to change for a reading to be news."""
    return progress.bytes_read, progress.total, progress.stage, progress.frames_done
