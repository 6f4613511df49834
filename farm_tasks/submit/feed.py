"""Records as they change, pushed by Redis.

Celery publishes each state on a channel of its own. That channel is subscribed to directly:
``AsyncResult.get(on_message=...)`` has one slot per app, and two threads rob each other.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

from redis.exceptions import RedisError

from farm_tasks.errors import BrokerUnavailable, UnknownSubmission
from farm_tasks.states import QUEUED, result_key
from farm_tasks.submit.connection import redis_client
from farm_tasks.submit.record import Record, decode, read_many

LOOK_AGAIN = 5.0
"""Seconds of silence after which the records are read: pub/sub does not repeat what was missed."""


def follow(submission_ids: Sequence[str], timeout: float | None = None) -> Iterator[Record]:
    """Yield every record as it is now, then each change, until all are final.

    Redis may go away and come back meanwhile.

    Args:
        submission_ids: What to follow.
        timeout: Seconds after which the iteration ends, whatever the state. None for ever.

    Raises:
        UnknownSubmission: one has no record.
        BrokerUnavailable: Redis cannot be reached at the start.
    """
    deadline = float("inf") if timeout is None else time.monotonic() + timeout
    running = dict.fromkeys(submission_ids)
    seen: dict[str, Record] = {}
    subscription = _Subscription(submission_ids)
    try:
        records = read_many(list(running))
        while True:
            for record in records:
                if record.is_final:
                    running.pop(record.id, None)
                before = seen.get(record.id)
                if before is None or is_news(record, before):
                    seen[record.id] = record
                    yield record
            left = deadline - time.monotonic()
            if not running or left <= 0:
                return
            records = subscription.changes(list(running), min(left, LOOK_AGAIN))
    finally:
        subscription.close()


def is_news(record: Record, before: Record) -> bool:
    """Whether ``record`` is not just what was published before ``before`` was read."""
    if record == before or before.is_final:
        return False
    now, then = record.progress, before.progress
    if record.is_final:
        return True
    if record.state == QUEUED or now.attempt < then.attempt:
        return now.updated > then.updated  # after a retry by hand the attempts begin anew
    return (now.attempt, now.bytes_read) >= (then.attempt, then.bytes_read)


class _Subscription:
    """A subscription that is made again when it breaks."""

    def __init__(self, submission_ids: Sequence[str]) -> None:
        self._ids = {result_key(one).encode(): one for one in submission_ids}
        self._pubsub: Any = None
        self._heard_at = 0.0
        self._patient_until = 0.0

    def changes(self, running: list[str], patience: float) -> list[Record]:
        """What has changed, or an empty list after ``patience`` seconds at most."""
        try:
            if self._pubsub is None:
                self._pubsub = redis_client().pubsub(ignore_subscribe_messages=True)
                self._pubsub.subscribe(*self._ids)
                self._heard_at = time.monotonic()
                # Read after subscribing: what changes in between is in the channel.
                return read_many(running)
            message = self._pubsub.get_message(timeout=patience)
            if message is not None:
                self._heard_at = time.monotonic()
                return [decode(self._ids[message["channel"]], message["data"])]
            if time.monotonic() - self._heard_at < LOOK_AGAIN:
                return []
            self._heard_at = time.monotonic()
            return read_many(running)
        except UnknownSubmission:
            # A Redis that came back empty: the worker writes the record again if it still runs.
            if time.monotonic() > self._patient_until:
                raise
            return self._wait(patience)
        except (RedisError, BrokerUnavailable, OSError):
            self.close()
            self._patient_until = time.monotonic() + 3 * LOOK_AGAIN
            return self._wait(patience)

    def _wait(self, patience: float) -> list[Record]:
        time.sleep(min(patience, random.uniform(0.2, 1.0)))
        return []

    def close(self) -> None:
        """Give the connection back."""
        if self._pubsub is not None:
            self._pubsub.close()
            self._pubsub = None
