"""What a worker says of itself every few seconds, for whoever counts workers.

Celery's own heartbeats are events: whoever was not listening then does not know. These lie in
Redis, beside the counts, with any broker, and are gone a while after the worker is.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from typing import Any

from celery.worker import state
from celery.worker.request import Request

from farm_tasks.counting import GONE, HEARTBEAT, WORKER_STATES, WORKERS, function_of
from farm_tasks.worker.background import PATIENCE, Background

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

    def work(self, consumer: Any, ended: threading.Event) -> None:
        """See the module."""
        backend = consumer.app.backend  # this thread's own instance
        backend.fail_fast(PATIENCE)
        while True:
            try:
                self._beat(consumer, backend.client)
            except Exception as error:  # Redis is away, as the other threads have said by now
                logger.info("No heartbeat now: %r", error)
            if ended.wait(HEARTBEAT):
                break
        try:
            backend.client.zrem(WORKERS, consumer.hostname)
            backend.client.hdel(WORKER_STATES, consumer.hostname)
        except Exception as error:
            logger.info("This worker counts as there for %.0f s more: %r", GONE, error)

    def _beat(self, consumer: Any, redis: Any) -> None:
        said = json.dumps(_said(consumer))
        redis.eval(_SAY, 2, WORKERS, WORKER_STATES, consumer.hostname, said, _FORGOTTEN)


def _said(consumer: Any) -> dict[str, Any]:
    """How many slots, what is in them, what waits here for its time, which queues are read."""
    queues = []
    if consumer.task_consumer is not None and state.should_stop is None:
        queues = sorted(one.name for one in list(consumer.task_consumer.queues))
    waiting = [one.entry for one in list(consumer.timer.schedule.queue)]
    return {
        "slots": consumer.pool.num_processes,
        "running": Counter(function_of(one.name) for one in set(state.active_requests)),
        "waiting": sum(
            bool(one.args) and isinstance(one.args[0], Request) and not one.canceled
            for one in waiting
        ),
        "queues": queues,
    }
