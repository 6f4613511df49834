"""Many submissions as one: the progress of a batch, and its end."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from farm_tasks.errors import FarmTasksError, StillRunning, UnknownSubmission
from farm_tasks.settings import settings
from farm_tasks.states import FAILURE, GROUPS_KEY, REVOKED, group_key
from farm_tasks.submit import record
from farm_tasks.submit.connection import reaching_redis, redis_client
from farm_tasks.submit.group_feed import follow_sum, unknown_members
from farm_tasks.submit.group_progress import GroupProgress, add_members, read_sums, sum_of
from farm_tasks.submit.submission import Submission
from farm_tasks.transfer.progress import RATE_WINDOW

LISTED = 90 * 86400
"""Seconds that a group stays on the list of groups, at least: submitters share it."""


@dataclasses.dataclass(frozen=True)
class Group:
    """A handle on several submissions.

    Attributes:
        id: The group's own id.
        submissions: Its members, in the order of submission.
    """

    id: str
    submissions: tuple[Submission, ...]

    @classmethod
    def of(cls, submissions: Sequence[Submission]) -> Group:
        """Make a group, so that it can be loaded by its id. Named twice, a member counts once.

        Raises:
            BrokerUnavailable: Redis cannot be reached.
        """
        group = cls(str(uuid.uuid4()), tuple(dict.fromkeys(submissions)))
        ids = [one.id for one in group.submissions]
        with reaching_redis(), redis_client().pipeline() as pipeline:
            if ids:
                pipeline.rpush(group_key(group.id), *ids)
            pipeline.expire(group_key(group.id), settings().record_seconds)
            now = time.time()
            pipeline.zadd(GROUPS_KEY, {group.id: now})
            pipeline.zremrangebyscore(GROUPS_KEY, 0, now - max(settings().record_seconds, LISTED))
            pipeline.execute()
            # After the list: should this stop half-way, whoever looks at the group goes on.
            add_members(redis_client(), group.id, ids)
        return group

    @classmethod
    def recent(cls, limit: int = 50) -> list[tuple[str, float]]:
        """The newest groups' ids, and when each was made, in seconds since the epoch.

        Raises:
            BrokerUnavailable: Redis cannot be reached.
        """
        with reaching_redis():
            found = redis_client().zrevrange(GROUPS_KEY, 0, limit - 1, withscores=True)
        return [(one.decode(), made) for one, made in found]

    @classmethod
    def load(cls, group_id: str) -> Group:
        """The group with this id.

        Raises:
            UnknownSubmission: there is none, or it has expired.
            BrokerUnavailable: Redis cannot be reached.
        """
        with reaching_redis():
            members = redis_client().lrange(group_key(group_id), 0, -1)
        if not members:
            raise UnknownSubmission(f"There is no group {group_id}, or it has expired.")
        return cls(group_id, tuple(dict.fromkeys(Submission(one.decode()) for one in members)))

    def records(self) -> list[record.Record]:
        """All members' records, in order.

        Raises:
            UnknownSubmission: one has none, or it has expired.
            BrokerUnavailable: Redis cannot be reached.
        """
        return record.read_in_pieces([one.id for one in self.submissions])

    def progress(self) -> GroupProgress:
        """The overall progress as it is now. It costs the same for any number of members.

        Raises:
            UnknownSubmission: a member has no record.
            BrokerUnavailable: Redis cannot be reached.
        """
        with reaching_redis():
            [known] = read_sums(redis_client(), [self.id])
            if known is None:
                known = sum_of(redis_client(), self.id, [one.id for one in self.submissions])
        found = known.progress
        lacking = len(self.submissions) - found.files_total
        if lacking > 0:
            raise unknown_members(lacking, len(self.submissions))
        return dataclasses.replace(found, rate=0.0)

    def watch(self, timeout: float | None = None) -> Iterator[GroupProgress]:
        """Yield the overall progress as it changes, a few times a second, until all have ended.

        Raises:
            As :meth:`progress` does.
        """
        readings: deque[tuple[float, int]] = deque()
        for found in follow_sum(self.id, [one.id for one in self.submissions], timeout):
            overall = found.progress
            now = time.monotonic()
            readings.append((now, overall.bytes_read))
            while len(readings) > 2 and now - readings[1][0] >= RATE_WINDOW:
                readings.popleft()
            since, before = readings[0]
            rate = (overall.bytes_read - before) / (now - since) if now > since else 0.0
            yield dataclasses.replace(overall, rate=max(0.0, rate))

    def wait(self, timeout: float | None = None) -> list[Any]:
        """Wait until all have ended; one failure does not stop the rest.

        Returns:
            For each member, in order, what its function returned, or the error it failed with.

        Raises:
            StillRunning: some have not ended after ``timeout`` seconds.
            UnknownSubmission: a record has expired: what ended longer ago than
                ``FARM_TASKS_RESULT_DAYS`` cannot be returned.
        """
        ids = [one.id for one in self.submissions]
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            for _ in follow_sum(self.id, ids, left):
                pass
            records = self.records()
            running = sum(not one.is_final for one in records)
            if not running:
                return [_outcome(one) for one in records]
            if deadline is not None and time.monotonic() >= deadline:
                raise StillRunning(
                    f"{running} of {len(ids)} submissions have not ended after {timeout:g} s."
                )
            # One was retried just now; should its group not have been told, it is so now.
            with reaching_redis():
                add_members(redis_client(), self.id, ids)

    def cancel(self) -> None:
        """Cancel every member."""
        for one in self.submissions:
            one.cancel()

    def retry(self) -> None:
        """Retry every member that failed or was cancelled."""
        for one in self.records():
            if one.state in {FAILURE, REVOKED}:
                Submission(one.id).retry()


def _outcome(ended: record.Record) -> Any:
    try:
        return ended.outcome()
    except FarmTasksError as error:
        return error
