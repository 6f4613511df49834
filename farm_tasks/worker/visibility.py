"""What keeps a message with the worker that has it, and takes it from one that is dead.

kombu notes in Redis when a worker received a message, and gives it to another one when that is
longer ago than its visibility timeout. It renews nothing, so the timeout has to be longer than the
longest transfer, and a killed worker's transfers wait for as long. It looks for such messages every
100 s, by the clock of the host that looks.

Here each worker says every few seconds which messages it still has: those that it works on and
those that wait in it for a retry. What nobody has spoken for in :data:`TIMEOUT` goes back to its
queue. Time is Redis's own, so that hosts need not agree about it.

This lives in a thread with a connection of its own. Celery's event loop stands still while the solo
pool works, and whenever Redis does.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from kombu.transport.redis import Mutex, MutexHeld

from farm_tasks.worker.background import Background, impatient_connection

TIMEOUT = 60.0
"""Seconds after which a message that nobody speaks for is given to another worker."""

RENEWAL = 5.0
"""Seconds between two renewals. Ten may fail before a message is taken away."""

SWEEP = 10.0
"""Seconds between two looks for messages that nobody speaks for."""

RESPITE = 3 * RENEWAL
"""Seconds without a sweep after Redis was away, for every worker to speak for its own first."""

BATCH = 100
"""Messages that are given back between two renewals."""

logger = logging.getLogger(__name__)


class Visibility(Background):
    """Runs from the first connection to the broker until the worker has let go of its messages."""

    def work(self, consumer: Any, ended: threading.Event) -> None:
        """See the module."""
        _Renewer(consumer, ended).run()


class _Renewer:
    """The thread's work, and the connection that it does it on."""

    def __init__(self, consumer: Any, ended: threading.Event) -> None:
        self._consumer = consumer
        self._ended = ended
        self._connection: Any = None
        self._channel: Any = None
        self._away = False
        self._sweep_at = time.monotonic() + RESPITE

    def run(self) -> None:
        pause = 0.0
        while not self._ended.wait(pause):
            pause = RENEWAL
            try:
                more = self._turn()
            except Exception as error:
                self._lose(error)
            else:
                if self._away:
                    logger.info("Redis is back.")
                    self._away = False
                if more:
                    pause = 0.0
        self._release()

    def _turn(self) -> bool:
        """Renew, and sweep if it is time to. Returns whether there is more to sweep."""
        if self._channel is None:
            self._connect()
        with self._channel.conn_or_acquire() as client:
            seconds, microseconds = client.time()
            now = seconds + microseconds / 1e6
            held = self._held()
            if held:
                # XX: what has been acknowledged meanwhile, or taken away, stays so.
                key = self._channel.unacked_index_key
                client.zadd(key, dict.fromkeys(held, now), xx=True)
            if time.monotonic() < self._sweep_at:
                return False
            more = self._sweep(client, now - TIMEOUT)
            self._sweep_at = time.monotonic() + (0.0 if more else SWEEP)
            return more

    def _held(self) -> set[str]:
        """The delivery tags of all messages that this worker has and must still answer for."""
        task_consumer = self._consumer.task_consumer
        if task_consumer is None:
            return set()  # between two connections
        qos = task_consumer.channel.qos
        # Without what it has put back: that keeps its tag, so another worker may have it by now.
        # Each of the two copies holds the GIL, as the consuming thread may change the original.
        return set(qos._delivered) - set(qos._dirty)  # noqa: SLF001 (kombu lists them nowhere)

    def _sweep(self, client: Any, until: float) -> bool:
        """Give back what was last spoken for before ``until``, the oldest last."""
        qos = self._channel.qos
        try:
            with Mutex(client, qos.unacked_mutex_key, qos.unacked_mutex_expire):
                tags = client.zrevrangebyscore(qos.unacked_index_key, until, 0, start=0, num=BATCH)
                for tag in tags:
                    qos.restore_by_tag(tag, client)
        except MutexHeld:
            return False  # another worker is at it
        if tags:
            logger.warning("%d message(s) of a worker that is gone go to another.", len(tags))
        return len(tags) == BATCH

    def _connect(self) -> None:
        self._connection = impatient_connection(self._consumer.app)
        self._channel = self._connection.channel()

    def _lose(self, error: Exception) -> None:
        if not self._away:
            logger.warning("Messages cannot be kept while Redis is away: %r", error)
            self._away = True
        self._release()
        self._sweep_at = time.monotonic() + RESPITE

    def _release(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            connection.collect()
