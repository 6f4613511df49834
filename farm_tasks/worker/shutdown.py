"""How a worker ends: transfers that run may end, and what has not by then goes to another worker.

SIGTERM, or Ctrl-C once, begin it: no further messages are taken, those that wait in this worker for
a retry go back at once, and transfers have FARM_TASKS_GRACE_SECONDS. SIGQUIT, or Ctrl-C twice, do
not wait. Then :func:`stopping` is true: the transfers are stopped with
:class:`~farm_tasks.errors.WorkerStopping`, clean up, and their messages are put back.

Celery has a soft shutdown of its own. It sleeps in the signal handler, for the whole time even if
nothing runs any more, while a message that has just arrived lies in its socket; and it cannot stop
a thread.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import mmap
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from celery import bootsteps, signals
from celery.worker import state
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from farm_tasks.settings import settings
from farm_tasks.worker import in_hand

LAST_RESORT = 5.0
"""Seconds that a pool's process gets to stop its transfer before it is told to exit."""

_TOGETHER = 0.5
"""Seconds within which a signal to the whole process group has reached the worker, too."""

Handler = Callable[[int, FrameType | None], object]

_RUNNING, _ENDING, _STOPPING = range(3)

# Shared with the pool's processes, which are forked from this one.
_phase = mmap.mmap(-1, 1)
_worker_pid = 0

logger = logging.getLogger(__name__)


def stopping() -> bool:
    """Whether this worker's time is up: what runs is to stop, and nothing is to begin."""
    return _phase[0] == _STOPPING


class Shutdown(bootsteps.StartStopStep):  # type: ignore[misc]
    """Takes the worker's signals over from Celery, which has set its own by then."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        global _worker_pid  # noqa: PLW0603 (the pool's processes are to know whose they are)
        super().__init__(worker, **options)
        _worker_pid = os.getpid()
        _phase[0] = _RUNNING
        # A signal handler may not wait for a lock; a SimpleQueue has none.
        self._deadlines: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._interrupted = False

    def start(self, worker: Any) -> None:
        """Install the handlers."""
        if threading.current_thread() is not threading.main_thread():
            return  # a worker inside a test: signals are not its own
        threading.Thread(target=self._watch, name="farm-tasks-shutdown", daemon=True).start()
        for name in ("SIGTERM", "SIGINT", "SIGQUIT"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._on_signal)

    def close(self, worker: Any) -> None:
        """Take no more messages, and put back those that wait for their time.

        Called when the event loop has ended. Celery would keep them until the last transfer has.
        """
        consumer = worker.consumer
        if consumer.task_consumer is None:
            return  # no connection now
        try:
            consumer.task_consumer.cancel()
            _put_back(consumer)
        except (OperationalError, RedisError, OSError, *consumer.connection_errors) as error:
            # The broker has them all the same, and gives them to another worker in a while.
            logger.warning("Waiting messages cannot be put back now: %r", error)

    def stop(self, worker: Any) -> None:
        """Nothing: the worker has let go of everything by now."""

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != _worker_pid:
            return  # a process of the pool that was forked just now; it sets its own soon
        now = number == getattr(signal, "SIGQUIT", None) or (
            number == signal.SIGINT and self._interrupted
        )
        self._interrupted = self._interrupted or number == signal.SIGINT
        if _phase[0] == _RUNNING:
            _phase[0] = _ENDING
            signals.worker_shutting_down.send(
                sender=None, sig=signal.Signals(number).name, how="Warm", exitcode=0
            )
        self._deadlines.put(time.monotonic() + (0.0 if now else settings().grace_seconds))
        state.should_stop = 0

    def _watch(self) -> None:
        """Let the grace period pass, then stop what runs."""
        deadline = self._deadlines.get()
        logger.warning(
            "Ending: %d transfer(s) have %.0f s left here, and go to another worker then.",
            *(len(in_hand.running()), max(0.0, deadline - time.monotonic())),
        )
        with contextlib.suppress(queue.Empty):
            while True:
                left = max(0.0, deadline - time.monotonic())
                # The same signal once more changes nothing; a more urgent one does.
                deadline = min(deadline, self._deadlines.get(timeout=left))
        _phase[0] = _STOPPING
        logger.warning(
            "The time is up: %d transfer(s) go to another worker.", len(in_hand.running())
        )
        for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
            time.sleep(LAST_RESORT)
            for request in in_hand.running():
                if request.worker_pid not in {None, os.getpid()}:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(request.worker_pid, number)


def _put_back(consumer: Any) -> None:
    channel = consumer.task_consumer.channel
    is_redis = consumer.connection.transport.driver_type == "redis"
    # What Redis sends us this second would lie in the socket until the end. As nobody consumes it
    # any more, kombu puts it back. Its channel does the same on closing.
    if is_redis and channel._in_poll:  # noqa: SLF001
        with contextlib.suppress(queue.Empty):
            channel._brpop_read()  # noqa: SLF001
    for entry in in_hand.waiting(consumer):
        entry.cancel()  # timers go on while the pool ends
        message = entry.args[0].message
        if is_redis:
            channel.qos.reject(message.delivery_tag, requeue=True)
        else:
            message.requeue()


@signals.task_prerun.connect  # type: ignore[untyped-decorator]
def _survive_the_groups_signal(**_: Any) -> None:
    """Have this process of the pool outlive a SIGTERM that was meant for the worker.

    systemd, a scheduler and a terminal send it to the whole process group. From the worker alone it
    means to give up the transfer: that is Celery's revoke with terminate, as in Flower. Set with
    the first task, because billiard sets its own after every other hook.
    """
    if os.getpid() == _worker_pid or not _worker_pid:
        return
    give_up = signal.getsignal(signal.SIGTERM)
    if callable(give_up) and not isinstance(give_up, functools.partial):
        signal.signal(signal.SIGTERM, functools.partial(_on_signal_in_pool, give_up))


def _on_signal_in_pool(give_up: Handler, number: int, frame: FrameType | None) -> None:
    deadline = time.monotonic() + _TOGETHER
    while _phase[0] == _RUNNING and time.monotonic() < deadline:
        time.sleep(0.01)
    if _phase[0] != _ENDING:
        give_up(number, frame)
