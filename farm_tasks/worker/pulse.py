"""When this worker's event loop last turned: whether it lives, by which all else goes.

Noted in memory, by the loop itself. What comes of it is said by
:mod:`farm_tasks.worker.heartbeat`, from a thread of its own: a file for a container's health check,
and for Prometheus which queues are read.
"""

from __future__ import annotations

import time
from typing import Any

from celery.concurrency.solo import TaskPool as SoloPool

from farm_tasks.counting import HEARTBEAT
from farm_tasks.worker import in_hand


class Pulse:
    """The pulse of this worker."""

    def __init__(self) -> None:
        self._turned_at = time.monotonic()
        self._timer: Any = None

    def turned(self) -> None:
        """Note a turn of the loop."""
        self._turned_at = time.monotonic()

    def follow(self, consumer: Any) -> None:
        """Have the loop of a consumer that has just connected note its turns."""
        self.let_go(consumer)
        self.turned()
        # Where Celery has no loop with timers (Windows), farm_tasks.worker.consumer notes them.
        if consumer.hub is not None:
            self._timer = consumer.timer.call_repeatedly(HEARTBEAT, self.turned)

    def let_go(self, consumer: Any) -> None:
        """End that: it connects anew, or ends."""
        timer, self._timer = self._timer, None
        if timer is not None:
            consumer.timer.cancel(timer)

    def age(self, consumer: Any) -> float:
        """Seconds since the loop was seen to turn."""
        if isinstance(consumer.pool, SoloPool) and in_hand.running():
            return 0.0  # there the loop is what does the work
        return time.monotonic() - self._turned_at


pulse = Pulse()
