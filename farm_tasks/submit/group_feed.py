"""A group as it changes: one subscription and one sum, however many its members are."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

from redis.exceptions import RedisError

from farm_tasks.errors import BrokerUnavailable, UnknownSubmission
from farm_tasks.states import group_channel
from farm_tasks.submit.connection import reaching_redis, redis_client
from farm_tasks.submit.feed import LOOK_AGAIN
from farm_tasks.submit.group_progress import Sum, add_members, sum_of

INTERVAL = 0.25
"""Seconds between two looks at least: a batch of thumbnails ends hundreds of files a second."""

TELL_AGAIN = 60.0
"""Seconds of silence after which every member's record is read. What stores records without telling
the group, such as a worker of an older version, is seen then."""


def follow_sum(
    group_id: str, submission_ids: Sequence[str], timeout: float | None = None
) -> Iterator[Sum]:
    """Yield a group's sum as it is now, then when it has changed, until all have ended.

    Redis may go away and come back meanwhile.

    Args:
        group_id: What to follow.
        submission_ids: Its members.
        timeout: Seconds after which the iteration ends, whatever the state. None for ever.

    Raises:
        UnknownSubmission: a member has no record.
        BrokerUnavailable: Redis cannot be reached at the start.
    """
    deadline = float("inf") if timeout is None else time.monotonic() + timeout
    with reaching_redis():
        now: Sum | None = sum_of(redis_client(), group_id, submission_ids)
    watched = _Watched(group_id, submission_ids)
    before: Sum | None = None
    try:
        while True:
            if now is not None and now != before:
                watched.check(now)
                before = now
                yield now
                if now.has_ended and now.progress.files_total == len(submission_ids):
                    return
            left = deadline - time.monotonic()
            if left <= 0:
                return
            now = watched.next(min(left, LOOK_AGAIN))
    finally:
        watched.close()


class _Watched:
    """A group's channel, subscribed to again when the connection breaks, and its sum."""

    def __init__(self, group_id: str, submission_ids: Sequence[str]) -> None:
        self._id = group_id
        self._members = submission_ids
        self._pubsub: Any = None
        self._heard_at = self._told_at = time.monotonic()
        self._looked_at = self._patient_until = 0.0

    def check(self, found: Sum) -> None:
        """See that every member has a record, or had one.

        Raises:
            UnknownSubmission: one has none, and no Redis came back empty just now.
        """
        lacking = len(self._members) - found.progress.files_total
        if lacking > 0 and time.monotonic() > self._patient_until:
            raise unknown_members(lacking, len(self._members))

    def next(self, patience: float) -> Sum | None:
        """The sum after something has changed, or after ``patience`` seconds; None if unknown."""
        try:
            if self._pubsub is None:
                self._pubsub = redis_client().pubsub(ignore_subscribe_messages=True)
                self._pubsub.subscribe(group_channel(self._id))
                # Read after subscribing: what changes in between is in the channel.
                return self._look()
            if self._pubsub.get_message(timeout=patience) is not None:
                self._heard_at = time.monotonic()
                time.sleep(min(patience, max(0.0, self._looked_at + INTERVAL - self._heard_at)))
                while self._pubsub.get_message() is not None:
                    pass  # it is in the same look
            return self._look()
        except (RedisError, BrokerUnavailable, OSError):
            self.close()
            self._patient_until = time.monotonic() + 3 * LOOK_AGAIN
            time.sleep(min(patience, random.uniform(0.2, 1.0)))
            return None

    def _look(self) -> Sum:
        self._looked_at = now = time.monotonic()
        silence = now - max(self._heard_at, self._told_at)
        # A Redis that came back empty: the workers write the records again of what still runs.
        if silence > TELL_AGAIN or now < self._patient_until:
            self._told_at = now
            add_members(redis_client(), self._id, self._members)
        return sum_of(redis_client(), self._id, self._members)

    def close(self) -> None:
        """Give the connection back."""
        if self._pubsub is not None:
            self._pubsub.close()
            self._pubsub = None


def unknown_members(lacking: int, count: int) -> UnknownSubmission:
    """The error for members that have no record."""
    return UnknownSubmission(
        f"There is no record of {lacking} of the group's {count} submissions: they have expired."
    )
