"""Many submissions as one: the progress of a batch, and its end."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from farm_tasks.errors import FarmTasksError, StillRunning, UnknownSubmission
from farm_tasks.functions import is_download
from farm_tasks.settings import settings
from farm_tasks.states import FAILURE, GROUPS_KEY, REVOKED, SUCCESS, group_key
from farm_tasks.submit import feed, record
from farm_tasks.submit.connection import reaching_redis, redis_client
from farm_tasks.submit.submission import Submission
from farm_tasks.transfer.progress import RATE_WINDOW

LISTED = 90 * 86400
"""Seconds that a group stays on the list of groups, at least: submitters share it."""


@dataclasses.dataclass(frozen=True, slots=True)
class GroupProgress:
    """How far a group is.

    Attributes:
        files_done: Submissions that ended well.
        files_failed: Submissions that failed or were cancelled.
        files_total: All of them.
        bytes_read: Bytes transferred so far, over all.
        total: Bytes in all, as far as they are known: a download's size shows when it begins.
        rate: Bytes per second over the last few seconds.
        fraction: 0 to 1 of the files, each with its own share of what it has moved.
        sizes_known: Whether ``total`` holds all of them.
    """

    files_done: int
    files_failed: int
    files_total: int
    bytes_read: int
    total: int
    rate: float = 0.0
    fraction: float = 0.0
    sizes_known: bool = True

    @property
    def percent(self) -> float | None:
        """0 to 100 of the bytes where all sizes are known, else of the files."""
        if not self.files_total:
            return None
        if self.files_done + self.files_failed == self.files_total:
            return 100.0
        if self.sizes_known and self.total > 0:
            return min(100.0, 100.0 * self.bytes_read / self.total)
        return 100.0 * self.fraction

    @property
    def eta(self) -> float | None:
        """Seconds left at that rate, or None when it cannot be told."""
        if not self.sizes_known or self.rate <= 0 or self.total <= 0:
            return None
        return max(0, self.total - self.bytes_read) / self.rate


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
        with reaching_redis(), redis_client().pipeline() as pipeline:
            for one in group.submissions:
                pipeline.rpush(group_key(group.id), one.id)
            pipeline.expire(group_key(group.id), settings().record_seconds)
            now = time.time()
            pipeline.zadd(GROUPS_KEY, {group.id: now})
            pipeline.zremrangebyscore(GROUPS_KEY, 0, now - max(settings().record_seconds, LISTED))
            pipeline.execute()
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
        """All members' records, in order, in one round trip."""
        return record.read_many([one.id for one in self.submissions])

    def progress(self) -> GroupProgress:
        """The overall progress as it is now."""
        return add_up(self.records())

    def watch(self, timeout: float | None = None) -> Iterator[GroupProgress]:
        """Yield the overall progress each time that a member's changes, until all have ended."""
        records: dict[str, record.Record] = {}
        readings: deque[tuple[float, int]] = deque()
        for change in feed.follow([one.id for one in self.submissions], timeout):
            records[change.id] = change
            if len(records) < len(self.submissions):
                continue
            overall = add_up(list(records.values()))
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
        """
        ended: dict[str, record.Record] = {}
        for change in feed.follow([one.id for one in self.submissions], timeout):
            if change.is_final:
                ended[change.id] = change
        if len(ended) < len(self.submissions):
            raise StillRunning(
                f"{len(self.submissions) - len(ended)} of {len(self.submissions)} submissions "
                f"have not ended after {timeout:g} s."
            )
        return [_outcome(ended[one.id]) for one in self.submissions]

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


def add_up(records: Sequence[record.Record]) -> GroupProgress:
    """The overall progress of what has these records."""
    ended = [one for one in records if one.is_final]
    done = sum(one.state == SUCCESS for one in ended)
    open_ones = [one.progress for one in records if not one.is_final]
    fraction = len(ended) + sum((one.percent or 0.0) / 100.0 for one in open_ones)
    return GroupProgress(
        files_done=done,
        files_failed=len(ended) - done,
        files_total=len(records),
        bytes_read=sum(one.progress.bytes_read for one in records),
        total=sum(one.progress.total for one in records),
        fraction=fraction / len(records) if records else 0.0,
        # A download's size shows when it begins: a bar that counted those so far would fall back.
        sizes_known=all(one.total > 0 for one in open_ones)
        and not any(is_download(one.function) for one in records),
    )
