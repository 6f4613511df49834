"""What a worker has in hand, told to other threads than that of Celery's event loop.

The loop goes on meanwhile, and changes both.
"""

from __future__ import annotations

import contextlib
from typing import Any

from celery.worker import state
from celery.worker.request import Request


def running() -> list[Any]:
    """The requests of the transfers that run."""
    while True:
        with contextlib.suppress(RuntimeError):  # changed by another thread meanwhile
            return list(state.active_requests)


def waiting(consumer: Any) -> list[Any]:
    """The timers of messages that wait here for their time, each with its request in ``args``."""
    # As Celery's own `inspect scheduled` finds them.
    entries = [one.entry for one in consumer.timer.schedule.queue]
    return [
        one for one in entries if one.args and isinstance(one.args[0], Request) and not one.canceled
    ]
