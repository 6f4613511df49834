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
from farm_tasks.states import FAILURE, REVOKED, SUCCESS, group_key
from farm_tasks.submit import feed, record
from farm_tasks.submit.connection import reaching_redis, redis_client
from farm_tasks.submit.submission import Submission
from farm_tasks.transfer.progress import RATE_WINDOW


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
    """

    files_done: int
    files_failed: int
    files_total: int
    bytes_read: int
    total: int
    rate: float = 0.0

    @property
    def percent(self) -> float | None:
        """0 to 100 of the bytes where they are known, else of the files."""
        if self.total > 0:
            return min(100.0, 100.0 * self.bytes_read / self.total)
        if self.files_total:
            return 100.0 * (self.files_done + self.files_failed) / self.files_total
        return None


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
            pipeline.execute()
        return group

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
        return _add_up(self.records())

    def watch(self, timeout: float | None = None) -> Iterator[GroupProgress]:
        """Yield the overall progress each time that a member's changes, until all have ended."""
        records: dict[str, record.Record] = {}
        readings: deque[tuple[float, int]] = deque()
        for change in feed.follow([one.id for one in self.submissions], timeout):
            records[change.id] = change
            if len(records) < len(self.submissions):
                continue
            overall = _add_up(list(records.values()))
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


def _add_up(records: list[record.Record]) -> GroupProgress:
    done = sum(one.state == SUCCESS for one in records)
    failed = sum(one.is_final for one in records) - done
    return GroupProgress(
        files_done=done,
        files_failed=failed,
        files_total=len(records),
        bytes_read=sum(one.progress.bytes_read for one in records),
        total=sum(one.progress.total for one in records),
    )
