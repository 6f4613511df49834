"""What is counted for Prometheus, and where it lies in Redis until it is asked for.

Workers and submitters add to hashes in the result backend's database; one exporter
(:mod:`farm_tasks.monitor.metrics`) reads them. So a count outlives the process that made it,
whatever the pool.

What a hash's fields are made of is one of a known list, here for who writes and for who reads: a
message can name any task, and raise nearly anything.
"""

from __future__ import annotations

import inspect
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from farm_tasks import errors, functions
from farm_tasks.states import FAILURE, RETRY, REVOKED, SUCCESS

ERRORS = tuple(
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.FarmTasksError)
)
TEMPORARY_ERRORS = tuple(name for name in ERRORS if getattr(errors, name).retryable)

OTHER = "other"
"""Stands for every name that is not known here."""

UPLOAD, DOWNLOAD = DIRECTIONS = ("upload", "download")

SUCCEEDED, FAILED, CANCELLED = ENDS = ("success", "failure", "cancelled")
"""How a submission ends."""

RETRIED, HANDED_OVER = ("retry", "handed_over")
ATTEMPT_ENDS = (*ENDS, RETRIED, HANDED_OVER)
"""How one attempt at it ends; the last is for another worker to go on."""

SAME_KEY, SAME_MESSAGE, STEP_DONE, FOUND_IN_KITSU = SPARED = ("key", "message", "step", "kitsu")
"""Where it is seen that something is not to be done twice: a submission whose key has one already;
a message of work that has ended; a step that the ledger has as done; and one whose answer was lost,
found in Kitsu."""

BYTES = "farm-tasks:metrics:transferred_bytes"
ENDED = "farm-tasks:metrics:submissions_ended"
FAILURES = "farm-tasks:metrics:failures"
RETRIES = "farm-tasks:metrics:retries"
DEDUPE = "farm-tasks:metrics:dedupe_hits"
CRASHES = "farm-tasks:metrics:crashes"
SECONDS = "farm-tasks:metrics:transfer_seconds"
THROUGHPUT = "farm-tasks:metrics:throughput"
PROCESSING = "farm-tasks:metrics:processing_seconds"

WORKERS = "farm-tasks:workers"
"""Sorted set of workers by when they were last heard of, in Redis's seconds: a name and, since two
may have been given the same one, a random part."""

WORKER_STATES = "farm-tasks:workers:states"
"""Hash of what each of them has said: JSON, see :mod:`farm_tasks.worker.heartbeat`."""

HEARTBEAT = 2.0
"""Seconds between two heartbeats of a worker."""

GONE = 20.0
"""Seconds without one after which a worker counts as gone."""

_MB = 1e6
BUCKETS: dict[str, tuple[float, ...]] = {
    SECONDS: (1, 3, 10, 30, 60, 180, 600, 1800, 3600, 7200, 14400),
    PROCESSING: (2, 5, 10, 20, 40, 80, 160, 320, 640, 1800, 3600, 7200),
    THROUGHPUT: tuple(
        one * _MB for one in (0.1, 0.3, 1, 3, 10, 20, 40, 80, 120, 250, 500, 1000, 2500)
    ),
}
"""Upper bounds of each histogram: seconds, or bytes per second."""

SUM = "sum"

Count = tuple[str, str]
"""A hash and a field of it, to be raised by one."""


def field(*labels: str) -> str:
    """What labels are called within a hash; no label holds a ``|``."""
    return "|".join(labels)


def function_of(task: object) -> str:
    """The label of a task's name."""
    name = task.removeprefix("farm_tasks.") if isinstance(task, str) else OTHER
    return name if name in functions.ALL else OTHER


def direction_of(function: str) -> str:
    """Where the bytes of a function go."""
    return DOWNLOAD if functions.is_download(function) else UPLOAD


def error_of(name: object) -> str:
    """The label of an error's class."""
    return name if isinstance(name, str) and name in ERRORS else OTHER


def observed(family: str, value: float, *labels: str) -> list[tuple[str, str, float]]:
    """What a histogram's hash has to be raised by: the count of one bucket, and the sum."""
    bucket = str(bisect_left(BUCKETS[family], value))
    return [(family, field(*labels, bucket), 1), (family, field(*labels, SUM), value)]


def of_change(record: Mapping[str, Any], before: str | None) -> list[Count]:
    """What is to be counted when a submission's record is stored, with it and in the same step.

    Args:
        record: What is about to be stored, decoded.
        before: The state that it takes the place of. Stored once more, an end is the same end.
    """
    state = record["status"]
    if state == before:
        return []
    function, result = function_of(record.get("name")), record.get("result")
    error = error_of(result.get("exc_type") if isinstance(result, dict) else None)
    if state == RETRY:
        return [(RETRIES, error)]
    if state == SUCCESS:
        return [(ENDED, field(function, SUCCEEDED))]
    if state == REVOKED:
        return [(ENDED, field(function, CANCELLED))]
    if state == FAILURE:
        return [(ENDED, field(function, FAILED)), (FAILURES, field(function, error))]
    return []
