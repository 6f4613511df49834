"""A group as it changes: one subscription and one sum, however many its members are."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from redis.exceptions import RedisError

from farm_tasks.errors import BrokerUnavailable, UnknownSubmission
from farm_tasks.states import group_channel, group_read_key
from farm_tasks.submit.connection import reaching_redis, redis_client
from farm_tasks.submit.feed import LOOK_AGAIN, is_news
from farm_tasks.submit.group_progress import Sum, add_members, read_sums, sum_of
from farm_tasks.submit.record import Record, read_in_pieces

INTERVAL = 0.25
"""Seconds between two looks at least: a batch of thumbnails ends hundreds of files a second."""

TELL_AGAIN = 60.0
"""Seconds without a change after which one of those who watch has every member's record read. What
stores records without telling the group, such as a worker of an older version, is seen then, and
only then: a mere look at a sum reads no records."""

_NEVER = float("-inf")


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
            if now is not None:
                watched.check(now)  # also of what stays as it is: patience ends
            if now is not None and now != before:
                before = now
                yield now
                if now.has_ended and now.progress.files_total >= len(submission_ids):
                    return
            left = deadline - time.monotonic()
            if left <= 0:
                return
            now = watched.next(min(left, LOOK_AGAIN))
    finally:
        watched.close()


def follow_members(
    group_id: str, submission_ids: Sequence[str], timeout: float | None = None
) -> Iterator[Record]:
    """Yield every member's record as it is now, then each change, until all are final.

    As :func:`farm_tasks.submit.feed.follow`, with one subscription for all of them. Of a member
    that changes several times within :data:`INTERVAL` the last record is yielded.

    Args:
        group_id: What to follow.
        submission_ids: Its members.
        timeout: Seconds after which the iteration ends, whatever the state. None for ever.

    Raises:
        UnknownSubmission: a member has no record.
        BrokerUnavailable: Redis cannot be reached at the start.
    """
    deadline = float("inf") if timeout is None else time.monotonic() + timeout
    running = dict.fromkeys(submission_ids)
    seen: dict[str, Record] = {}
    with reaching_redis():
        sum_of(redis_client(), group_id, submission_ids)  # there is one from now on
    watched = _Watched(group_id, submission_ids)
    try:
        records = read_in_pieces(list(running))
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
            records = watched.changes(running, min(left, LOOK_AGAIN))
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
            self._changed(patience)
            [found] = read_sums(redis_client(), [self._id])
            if found is None:  # there was one: this Redis came back empty
                self._begin_anew()
                found = sum_of(redis_client(), self._id, self._members)
            return found
        except (RedisError, BrokerUnavailable, OSError):
            self._wait(patience)
            return None

    def changes(self, running: Collection[str], patience: float) -> list[Record]:
        """The records of those that have changed, or none after ``patience`` seconds.

        Raises:
            UnknownSubmission: one has none, and no Redis came back empty just now.
        """
        try:
            changed = self._changed(patience)
            wanted = running if changed is None else changed
            return read_in_pieces([one for one in wanted if one in running])
        except UnknownSubmission:
            if time.monotonic() > self._patient_until:
                raise
            self.close()  # all are to be read
            time.sleep(min(patience, random.uniform(0.2, 1.0)))
        except (RedisError, BrokerUnavailable, OSError):
            self._wait(patience)
        return []

    def _changed(self, patience: float) -> Collection[str] | None:
        """The ids of members that have changed by now; None if it may be any."""
        if self._pubsub is None:
            self._pubsub = redis_client().pubsub(ignore_subscribe_messages=True)
            # What is read after that, or changes then, is not missed.
            self._pubsub.subscribe(group_channel(self._id))
            self._pubsub.connection.register_connect_callback(self._connected_anew)
            self._tell_again()
            return None
        changed: dict[str, None] = {}
        message = self._pubsub.get_message(timeout=patience)
        if message is not None:
            self._heard_at = time.monotonic()
            time.sleep(min(patience, max(0.0, self._looked_at + INTERVAL - self._heard_at)))
        while message is not None:
            changed[message["data"].decode()] = None
            message = self._pubsub.get_message()
        self._looked_at = time.monotonic()
        return None if self._tell_again() else changed

    def _tell_again(self) -> bool:
        """Have every member's record read, if that is due; say whether it was."""
        now = time.monotonic()
        silence = now - max(self._heard_at, self._told_at)
        # A Redis that came back empty: the workers write the records again of what still runs.
        is_due = now < self._patient_until and now - self._told_at >= LOOK_AGAIN
        if silence <= TELL_AGAIN and not is_due:
            return False
        may_be_lost = self._told_at == _NEVER or is_due
        self._told_at = now
        if not may_be_lost and not self._is_first():
            return False  # what the other one finds is published
        add_members(redis_client(), self._id, self._members)
        return True

    def _is_first(self) -> bool:
        """Whether no other watcher of this group reads all of it at the time."""
        milliseconds = max(1, int(TELL_AGAIN * 1000))
        return bool(redis_client().set(group_read_key(self._id), 1, nx=True, px=milliseconds))

    def _wait(self, patience: float) -> None:
        self.close()
        self._begin_anew()
        time.sleep(min(patience, random.uniform(0.2, 1.0)))

    def _connected_anew(self, _connection: Any) -> None:
        # redis-py subscribes again without a word; what was published meanwhile is lost.
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Have all read at the next look, and be patient: this may be an empty Redis."""
        self._told_at = _NEVER
        self._patient_until = time.monotonic() + 3 * LOOK_AGAIN

    def close(self) -> None:
        """Give the connection back."""
        if self._pubsub is not None:
            if self._pubsub.connection is not None:
                self._pubsub.connection.deregister_connect_callback(self._connected_anew)
            self._pubsub.close()
            self._pubsub = None


def unknown_members(lacking: int, count: int) -> UnknownSubmission:
    """The error for members that have no record."""
    return UnknownSubmission(
        f"There is no record of {lacking} of the group's {count} submissions: they have expired."
    )
