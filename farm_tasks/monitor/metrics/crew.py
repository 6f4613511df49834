"""The workers that are there, as they say themselves (:mod:`farm_tasks.worker.heartbeat`)."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from farm_tasks.counting import GONE, function_of

_MOST = 1_000_000
"""Of more slots or messages no worker speaks the truth."""


@dataclasses.dataclass
class Crew:
    """All workers together.

    Attributes:
        workers: How many there are.
        slots: How many transfers they can run at once.
        running: What runs, by function.
        waiting: Messages that wait in them for their time.
        takers: How many take messages from a queue, by queue.
    """

    workers: int = 0
    slots: int = 0
    running: Counter[str] = dataclasses.field(default_factory=Counter)
    waiting: int = 0
    takers: Counter[str] = dataclasses.field(default_factory=Counter)


def crew(heard: Iterable[tuple[bytes, float]], states: Mapping[bytes, bytes], now: float) -> Crew:
    """Add up what workers have said.

    Args:
        heard: When each was last heard of, in Redis's seconds.
        states: What each has said.
        now: Redis's time.
    """
    found = Crew()
    for name, moment in heard:
        said = _read(states.get(name, b""))
        if now - moment > GONE or said is None:
            continue
        found.workers += 1
        found.slots += said["slots"]
        found.waiting += said["waiting"]
        for task, count in said["running"].items():
            found.running[function_of(task)] += int(count)
        found.takers.update({str(queue) for queue in said["queues"]})
    return found


def _read(text: bytes) -> dict[str, Any] | None:
    """What a worker has said, or None if that is not what a worker says."""
    try:
        said = json.loads(text)
        return {
            "slots": _count(said["slots"]),
            "waiting": _count(said["waiting"]),
            "running": {str(task): _count(count) for task, count in said["running"].items()},
            "queues": list(said["queues"]),
        }
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError):
        return None


def _count(number: Any) -> int:
    if not 0 <= number <= _MOST:
        raise ValueError(number)
    return int(number)
