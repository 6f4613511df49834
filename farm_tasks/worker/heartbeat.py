"""What a worker says of itself every few seconds: to Redis and, for a health check, to a file.

Celery's own heartbeats are events: whoever was not listening then does not know. These lie in
Redis, beside the counts, with any broker, and are gone a while after the worker is. They come from
a thread of their own, so they also say when the worker's event loop hangs
(:mod:`farm_tasks.worker.pulse`): it reads no queue then, and the file is left alone. To look at
that file costs nothing; ``celery inspect ping`` costs a second of a CPU.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import uuid
from collections import Counter
from typing import Any

from celery.worker import state

from farm_tasks.counting import GONE, HEARTBEAT, WORKER_STATES, WORKERS, function_of
from farm_tasks.settings import settings
from farm_tasks.worker import in_hand
from farm_tasks.worker.background import PATIENCE, Background
from farm_tasks.worker.pulse import pulse

_SAY = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], 0, now - ARGV[3])) do
  redis.call('ZREM', KEYS[1], gone)
  redis.call('HDEL', KEYS[2], gone)
end
"""

_FORGOTTEN = 60 * GONE
"""Seconds after which a worker that went without a word is forgotten altogether."""

logger = logging.getLogger(__name__)


class Heartbeat(Background):
    """Beats as long as the worker runs."""

    needs_redis_broker = False

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        # Workers of one host may have been given one name; they are several all the same.
        self._name = f"{consumer.hostname}/{uuid.uuid4().hex[:8]}"

    def start(self, consumer: Any) -> None:
        """Begin, and again follow the loop of each new connection."""
        pulse.follow(consumer)
        super().start(consumer)

    def stop(self, consumer: Any) -> None:
        """Follow the loop no more: its connection is lost, or it ends."""
        pulse.let_go(consumer)

    def work(self, consumer: Any, ended: threading.Event) -> None:
        """See the module."""
        backend = consumer.app.backend  # this thread's own instance
        backend.fail_fast(PATIENCE)
        while True:
            _touch(consumer)
            try:
                self._beat(consumer, backend.client)
            except Exception as error:  # Redis is away, as the other threads have said by now
                logger.info("No heartbeat now: %r", error)
            if ended.wait(HEARTBEAT):
                break
        try:
            backend.client.zrem(WORKERS, self._name)
            backend.client.hdel(WORKER_STATES, self._name)
        except Exception as error:
            logger.info("This worker counts as there for %.0f s more: %r", GONE, error)

    def _beat(self, consumer: Any, redis: Any) -> None:
        said = json.dumps(_said(consumer))
        redis.eval(_SAY, 2, WORKERS, WORKER_STATES, self._name, said, _FORGOTTEN)


def _touch(consumer: Any) -> None:
    """Tell the health check that this worker lives, if it does."""
    path = settings().pulse_file
    if path is not None and _lives(consumer, 2 * HEARTBEAT):
        # A full disk must not end a worker: an old file says enough.
        with contextlib.suppress(OSError):
            path.touch()


def _lives(consumer: Any, seconds: float) -> bool:
    """Whether its loop has turned in so many seconds; one that ends needs no loop any more."""
    return state.should_stop is not None or pulse.age(consumer) <= seconds


def _said(consumer: Any) -> dict[str, Any]:
    """How many slots, what is in them, what waits here for its time, which queues are read."""
    queues = []
    reads = consumer.task_consumer is not None and state.should_stop is None
    if reads and _lives(consumer, GONE):
        queues = sorted(one.name for one in list(consumer.task_consumer.queues))
    return {
        "slots": consumer.pool.num_processes,
        "running": Counter(function_of(one.name) for one in in_hand.running()),
        "waiting": len(in_hand.waiting(consumer)),
        "queues": queues,
    }
