"""What a worker may use of the line, and how many transfers it may begin.

The bandwidth is shared by its slots, whatever the pool: see :mod:`farm_tasks.transfer.limit`. The
rate is kept where messages come in, which is one place for every pool: a worker that may not begin
another transfer takes no message, so it keeps none from workers that may.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from celery import bootsteps
from celery.signals import celeryd_init, task_received

from farm_tasks import schedule
from farm_tasks.settings import settings
from farm_tasks.transfer import limit
from farm_tasks.transfer.limit import Lane

MADE_UP = 0.25
"""Seconds whose beginnings may be made up for, so that a busy loop does not slow the rate."""

logger = logging.getLogger(__name__)


class StartRate:
    """When the next transfer may begin.

    Args:
        rate: Tells how many may begin in a second now, or None if there is no limit now.
        clock: Seconds that never go back.
    """

    def __init__(
        self, rate: Callable[[], float | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._last: float | None = None
        self._lock = threading.Lock()  # Celery's timer is a thread where it has no event loop

    def wait(self) -> float:
        """Seconds until one may begin; 0 if it may now."""
        rate, last = self._rate(), self._last
        if rate is None or last is None:
            return 0.0
        return max(0.0, last + 1 / rate - self._clock())

    def begin(self) -> None:
        """Note that one begins."""
        with self._lock:
            rate, now = self._rate(), self._clock()
            if rate is None or self._last is None:
                self._last = now
            else:
                self._last = max(self._last + 1 / rate, now - MADE_UP)


starts = StartRate(lambda: None)


@celeryd_init.connect  # type: ignore[untyped-decorator]
def _read_settings(**_: Any) -> None:
    """Before the pool's processes are forked, which share the lanes."""
    global starts  # noqa: PLW0603 (one worker has one line to the world)
    wanted = settings()
    if wanted.rate:
        times = schedule.rate(wanted.rate)
        starts = StartRate(times.now)
    if wanted.bandwidth:
        bandwidth = schedule.bandwidth(wanted.bandwidth)
        limit.install(
            Lane(lambda: (bandwidth.now() or schedule.Bandwidth()).up),
            Lane(lambda: (bandwidth.now() or schedule.Bandwidth()).down),
        )


class RateLimit(bootsteps.StartStopStep):  # type: ignore[misc]
    """Has the worker ask for no message while it may begin no transfer."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def include_if(self, consumer: Any) -> bool:
        """Only where a rate is set."""
        return bool(settings().rate)

    def start(self, consumer: Any) -> None:
        """Put the gate where Celery has put its own (``worker_disable_prefetch``)."""
        if consumer.connection.transport.driver_type != "redis":
            logger.warning("FARM_TASKS_RATE is not kept: it needs Redis as the broker.")
            return
        channel = consumer.task_consumer.channel
        has_room = channel.qos.can_consume

        def can_consume() -> bool:
            # What was asked for before is on its way, and has to be read.
            return has_room() and (bool(channel._in_poll) or not starts.wait())  # noqa: SLF001

        channel.qos.can_consume = can_consume


@task_received.connect  # type: ignore[untyped-decorator]
def _on_received(sender: Any, request: Any, **_: Any) -> None:
    if not request.eta:  # or it begins later: TransferConsumer.apply_eta_task
        begin(sender)


def begin(consumer: Any) -> None:
    """Note that a transfer begins, and see that the worker looks for the next in time."""
    starts.begin()
    wait = starts.wait()
    if wait and consumer.hub is not None:
        consumer.hub.call_later(wait, lambda: None)
