"""What Flower remembers of one task: Celery's own fields, and how far its transfer is."""

from __future__ import annotations

from typing import Any

from celery import states as celery_states
from celery.events.state import Task

from farm_tasks.monitor.flower.figures import FIGURES, NUMBERS, file_in
from farm_tasks.monitor.readable import number, text
from farm_tasks.monitor.words import words
from farm_tasks.states import FAILURE, FINAL_STATES, PROGRESS, QUEUED, RETRY, REVOKED, SUCCESS
from farm_tasks.submit.record import STAGE_OF_STATE, Record
from farm_tasks.transfer.progress import Progress

_WAITING = {celery_states.PENDING, celery_states.RECEIVED}

_OF_ONE_RUN = (
    *("state", "worker", "received", "started", "failed", "retried", "revoked", "rejected"),
    *("retries", "eta", "result", "exception", "traceback", "runtime"),
)
"""Celery's fields that a task does not keep when it is run again; it has its defaults then."""

_LATE = 5.0
"""Seconds by which the event of a sending may be ahead of what came of it: clocks differ."""


def rank_progress() -> None:
    """Tell Celery's event state where PROGRESS stands: after STARTED, and before any end."""
    ranks = celery_states.PRECEDENCE_LOOKUP
    ranks[PROGRESS] = (ranks[celery_states.REVOKED] + ranks[celery_states.STARTED]) / 2


class Row(Task):  # type: ignore[misc]
    """Celery's, which a late event never turns back.

    Attributes:
        first_seen: When the first event came, in seconds since the epoch. Those of one that began
            before Flower did have no ``received``.
    """

    state: str
    name: str | None
    kwargs: str | None
    result: str | None
    timestamp: float | None
    sent: float | None
    started: float | None
    failed: float | None
    revoked: float | None

    file: str | None = None
    stage: str | None = None
    reason: str | None = None
    percent: float | None = None
    bytes_read: int | None = None
    total: int | None = None
    rate: float | None = None
    seconds_left: float | None = None
    elapsed: float | None = None
    attempt: int | None = None
    frames_done: int | None = None
    frames_total: int | None = None
    first_seen: float | None = None

    _fields = (*Task._fields, *FIGURES)

    def event(
        self,
        type_: str,
        timestamp: float | None = None,
        local_received: float | None = None,
        fields: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Take note of an event."""
        fields = dict(fields or {})
        if self.first_seen is None:
            self.first_seen = timestamp
        figures = {name: fields.pop(name) for name in FIGURES if name in fields}
        if type_ == "sent" and self._is_sent_again(timestamp):
            self._begin_again()
        if type_ == PROGRESS.lower():
            # Celery's own eta is the time before which a task must not start.
            figures["seconds_left"] = fields.pop("eta", None)
            if self._is_late(figures, timestamp):
                return
            if self.state in FINAL_STATES:
                self.state, self.reason = celery_states.PENDING, None  # it runs again
        elif type_ in {"retried", "revoked"} and self.state in FINAL_STATES - {REVOKED}:
            return
        elif type_ == "retried" and self.state == REVOKED and not self._has_started_again():
            return  # it was cancelled while that was on its way
        elif type_ == "received" and self.state == RETRY:
            # The next try's message, with a worker that keeps it until it is due.
            kept = self.merge_rules[celery_states.RECEIVED]
            self.__dict__.update({name: fields[name] for name in kept if name in fields})
            return
        elif type_ == "revoked":
            figures.setdefault("reason", "It was cancelled.")
        super().event(type_, timestamp, local_received, fields, **options)
        if type_ in {PROGRESS.lower(), "revoked"}:
            self._note(figures)
        if self.file is None and fields.get("kwargs"):
            self.file = file_in(fields["kwargs"])
        self._settle(type_, fields)

    def fill(self, record: Record) -> None:
        """Complete what no event has told from a record in Redis."""
        self.name = self.name or f"farm_tasks.{record.function}"
        if self.bytes_read is None:
            self._note(_figures_of(record.progress))
        if self.state == celery_states.PENDING and record.state != QUEUED:
            self.state = record.state
        if record.error is not None and not self.reason:
            self.reason = text(words(repr(record.error)))
        if record.ended is not None and self.timestamp is None:
            self.timestamp = record.ended
        if not self.kwargs:
            self.kwargs = repr(record.arguments)
        self.file = self.file or file_in(self.kwargs)
        if record.state == SUCCESS and self.result is None:
            self.result = repr(record.result)

    def _has_started_again(self) -> bool:
        return (self.started or 0.0) > (self._ended_at() or 0.0)

    def _ended_at(self) -> float | None:
        # The timestamp is that of a late event, if one came.
        return (self.failed if self.state == FAILURE else self.revoked) or self.timestamp

    def _is_sent_again(self, timestamp: float | None) -> bool:
        """Whether it has failed or was cancelled, and was put into its queue anew after that."""
        ended = self._ended_at()
        if self.state not in {FAILURE, REVOKED} or timestamp is None or ended is None:
            return False
        # Who hears of its end only may hear of what came before it just after.
        return timestamp > ended + (_LATE if self.sent is None else 0.0)

    def _begin_again(self) -> None:
        """Forget the run that has ended, but for what is the same in every one."""
        for name in (*FIGURES, *_OF_ONE_RUN):
            if name != "file":
                self.__dict__.pop(name, None)

    def _is_late(self, figures: dict[str, Any], timestamp: float | None) -> bool:
        """Whether progress is that of a run that has ended; it may run again under its id."""
        if self.state == SUCCESS:
            return True
        if self.state not in {FAILURE, REVOKED, RETRY}:
            return False
        if self.state == RETRY and (number(figures.get("attempt")) or 0) > (self.attempt or 0):
            return False
        elapsed = number(figures.get("elapsed"))
        if elapsed is None or timestamp is None or self.timestamp is None:
            return True
        return bool(timestamp - elapsed <= self.timestamp)

    def _note(self, figures: dict[str, Any]) -> None:
        for name, value in figures.items():
            if name in NUMBERS:
                setattr(self, name, number(value))
            elif value is not None:
                setattr(self, name, text(str(value)))

    def _settle(self, type_: str, fields: dict[str, Any]) -> None:
        """Have the figures say what the state does, as a record in Redis does."""
        if self.state == PROGRESS:
            return
        self.stage = "queued" if self.state in _WAITING else STAGE_OF_STATE.get(self.state)
        self.rate, self.seconds_left = 0.0, None
        if self.state == SUCCESS:
            self.reason = None
            if self.total:
                # The last event may be half a second older than the last byte.
                self.bytes_read, self.percent = self.total, 100.0
        elif type_ in {"failed", "retried"}:
            self.reason = words(fields.get("exception"))


def _figures_of(progress: Progress) -> dict[str, Any]:
    figures = progress.to_dict()
    figures["seconds_left"] = figures.pop("eta")
    return {name: figures[name] for name in FIGURES if name in figures}
