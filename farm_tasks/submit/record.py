"""What Redis holds of a submission, at one moment."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from farm_tasks.errors import Cancelled, FarmTasksError, PermanentFailure, UnknownSubmission
from farm_tasks.queues import NORMAL
from farm_tasks.states import (
    FAILURE,
    FARM_JOB_FIELD,
    FINAL_STATES,
    KEY_FIELD,
    PRIORITY_FIELD,
    PROGRESS,
    QUEUED,
    RETRY,
    REVOKED,
    STARTED,
    SUCCESS,
    result_key,
)
from farm_tasks.submit.connection import reaching_redis, redis_client, sender
from farm_tasks.transfer.progress import Progress

STAGE_OF_STATE = {
    QUEUED: "queued",
    STARTED: "starting",
    RETRY: "waiting to retry",
    SUCCESS: "done",
    FAILURE: "failed",
    REVOKED: "cancelled",
}
"""What is said of a submission whose bytes do not move."""

_AT_ONCE = 1000
"""Records in one answer of Redis, which serves nobody else meanwhile: some 2 MB."""


@dataclasses.dataclass(frozen=True)
class Record:
    """A submission as it stands.

    Attributes:
        id: The submission's id, which is Celery's task id.
        function: The name of the transfer function, or "" if it is not known.
        state: QUEUED, STARTED, PROGRESS, RETRY, SUCCESS, FAILURE or REVOKED.
        progress: The last figures; those of a finished submission are kept.
        result: What the function returned, once the state is SUCCESS.
        error: Why it failed, is retried or was cancelled.
        worker: The worker that has or had it.
        arguments: What it was submitted with.
        key: The key it was submitted with, if it was.
        queue: The queue that it waits in or came from, if it is known.
        priority: ``high``, ``normal`` or ``low``.
        farm_job: The farm job that it belongs to, if it was said.
        ended: When it ended, in seconds since the epoch; None while it has not.
    """

    id: str
    function: str
    state: str
    progress: Progress
    result: Any = None
    error: Exception | None = None
    worker: str | None = None
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    key: str | None = None
    queue: str | None = None
    priority: str = NORMAL
    farm_job: str | None = None
    ended: float | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in FINAL_STATES

    def outcome(self) -> Any:
        """The result of a finished submission.

        Raises:
            FarmTasksError: it failed or was cancelled.
        """
        if self.state == SUCCESS:
            return self.result
        if self.state == REVOKED:
            raise Cancelled(str(self.error) or None)
        if isinstance(self.error, FarmTasksError):
            raise self.error
        raise PermanentFailure(f"{type(self.error).__name__}: {self.error}")


def read(submission_id: str) -> Record:
    """Read one record.

    Raises:
        UnknownSubmission: there is none, or it has expired.
        BrokerUnavailable: Redis cannot be reached.
    """
    return read_many([submission_id])[0]


def read_many(submission_ids: list[str]) -> list[Record]:
    """Read many records in one round trip.

    Raises:
        As :func:`read` does.
    """
    if not submission_ids:
        return []
    with reaching_redis():
        values = redis_client().mget([result_key(one) for one in submission_ids])
    return [decode(one, value) for one, value in zip(submission_ids, values, strict=True)]


def read_in_pieces(submission_ids: list[str]) -> list[Record]:
    """Read any number of records, :data:`_AT_ONCE` in one round trip.

    Raises:
        As :func:`read` does.
    """
    starts = range(0, len(submission_ids), _AT_ONCE)
    pieces = [submission_ids[first : first + _AT_ONCE] for first in starts]
    return [one for piece in pieces for one in read_many(piece)]


def decode(submission_id: str, value: bytes | None) -> Record:
    """Make a record of what is stored.

    Raises:
        UnknownSubmission: nothing is.
    """
    if value is None:
        raise unknown(submission_id)
    meta: dict[str, Any] = sender().backend.decode_result(value)
    state, result = meta["status"], meta.get("result")
    progress = progress_of(meta)
    if state in STAGE_OF_STATE:
        progress = dataclasses.replace(progress, stage=STAGE_OF_STATE[state])
    if state != PROGRESS:
        progress = dataclasses.replace(progress, rate=0.0, eta=None)
    arguments = meta.get("kwargs")
    return Record(
        id=submission_id,
        function=(meta.get("name") or "").removeprefix("farm_tasks."),
        state=state,
        progress=progress,
        result=result if state == SUCCESS else None,
        error=result if isinstance(result, Exception) else None,
        worker=meta.get("worker"),
        arguments=arguments if isinstance(arguments, dict) else {},
        key=meta.get(KEY_FIELD),
        queue=meta.get("queue"),
        priority=meta.get(PRIORITY_FIELD) or NORMAL,
        farm_job=meta.get(FARM_JOB_FIELD),
        ended=_moment(meta.get("date_done")),
    )


def progress_of(meta: dict[str, Any]) -> Progress:
    """The figures in a stored state, whichever it is."""
    figures = meta.get("result" if meta["status"] in {QUEUED, PROGRESS} else "progress")
    return Progress.from_dict(figures) if isinstance(figures, dict) else Progress()


def unknown(submission_id: str) -> UnknownSubmission:
    """The error for a submission that has no record."""
    return UnknownSubmission(
        f"There is no submission {submission_id}: the id is wrong, or its record has expired."
    )


def _moment(date_done: Any) -> float | None:
    """Celery's date, which is UTC where it does not say."""
    try:
        moment = datetime.fromisoformat(date_done)
    except (TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
