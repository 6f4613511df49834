"""The metrics by name: what each means, and which values its labels may have.

docs/metrics.md has the same table for people; a test compares the two with what is served.
"""

from __future__ import annotations

import dataclasses

from farm_tasks import functions
from farm_tasks.counting import (
    ATTEMPT_ENDS,
    DIRECTIONS,
    ENDS,
    ERRORS,
    OTHER,
    SPARED,
    TEMPORARY_ERRORS,
)
from farm_tasks.queues import ALL as QUEUES

PREFIX = "farm_tasks_"

_FUNCTIONS = (*functions.ALL, OTHER)
_ERRORS = (*ERRORS, OTHER)


@dataclasses.dataclass(frozen=True)
class Family:
    """One metric.

    Attributes:
        name: As Prometheus knows it, without the ``_total`` of a counter.
        text: What it means, in a line.
        labels: The values that each label may have, by its name.
    """

    name: str
    text: str
    labels: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def allows(self, values: tuple[str, ...]) -> bool:
        """Whether these are values that the labels may have, in order."""
        return len(values) == len(self.labels) and all(
            value in allowed for value, allowed in zip(values, self.labels.values(), strict=True)
        )


def _family(name: str, text: str, **labels: tuple[str, ...]) -> Family:
    return Family(f"{PREFIX}{name}", text, labels)


UP = _family("up", "Whether Redis, or another broker, answers.", part=("broker", "results"))

BYTES = _family(
    "transferred_bytes",
    "File bytes that went over the wire. What is sent again counts again.",
    direction=DIRECTIONS,
    function=functions.ALL,
)
ENDED = _family(
    "submissions_ended",
    "Submissions that ended, each once; once more after a retry by hand.",
    function=_FUNCTIONS,
    outcome=ENDS,
)
FAILURES = _family(
    "failures",
    "Submissions that failed for good, by the class of the error.",
    function=_FUNCTIONS,
    error=_ERRORS,
)
RETRIES = _family(
    "retries", "Attempts that failed for now and are tried again, by reason.", error=_ERRORS
)
DEDUPE = _family("dedupe_hits", "What was not done twice, by where that was seen.", where=SPARED)
CRASHES = _family("worker_crashes", "Submissions taken over from a process that died.")

SECONDS = _family(
    "transfer_seconds",
    "How long an attempt took, from its beginning to its end.",
    function=_FUNCTIONS,
    outcome=ATTEMPT_ENDS,
)
THROUGHPUT = _family(
    "transfer_throughput_bytes_per_second",
    "Bytes per second of an attempt that moved 32 MB or more, first piece to last.",
    direction=DIRECTIONS,
)
PROCESSING = _family(
    "kitsu_processing_seconds",
    "How long Kitsu took for a movie, upload end to ready (with wait_until_ready).",
)

WAITING = _family("queue_messages", "Messages that wait in a queue.", queue=QUEUES)
OLDEST = _family(
    "queue_oldest_seconds",
    "How long the first message of a queue has waited for a worker; 0 if none waits.",
    queue=QUEUES,
)
HELD = _family("messages_held", "Messages that workers hold: running, or waiting for their time.")
RETRIES_WAITING = _family(
    "retries_waiting", "Messages that wait in a worker for their time: retries, second copies."
)
ONLINE = _family("workers_online", "Workers that were heard of in the last 20 s.")
TAKING = _family("queue_workers", "Workers that take messages from a queue.", queue=QUEUES)
SLOTS = _family("worker_slots", "Transfers that all workers together can run at once.")
BUSY = _family("worker_slots_busy", "Transfers that run.")
RUNNING = _family("running_transfers", "Transfers that run, by function.", function=_FUNCTIONS)

FOR_RETRIES = TEMPORARY_ERRORS
"""Reasons of retries that are shown from the beginning, as 0."""
