"""The members of batches. One that has succeeded is read once: nothing changes it any more."""

from __future__ import annotations

import dataclasses
import functools
import os
import threading
from collections.abc import Iterable, Iterator, Sequence

from kombu.exceptions import DecodeError

from farm_tasks.errors import UnknownSubmission
from farm_tasks.monitor.readable import number
from farm_tasks.states import SUCCESS, group_key, result_key
from farm_tasks.submit.connection import reaching_redis, redis_client
from farm_tasks.submit.group import GroupProgress, add_up
from farm_tasks.submit.record import Record, decode

SHOWN = 500
"""Members that have succeeded whose ids are kept, to be listed."""

_PIECE = 1000
"""Records in one answer of Redis, which serves nobody else meanwhile: some 2 MB."""

_KEPT = 100
"""Batches that are known at a time."""


@dataclasses.dataclass(frozen=True)
class Sum:
    """What several members add up to.

    Attributes:
        progress: Their figures.
        functions: Their functions' names.
        folder: Where all their files are; "" if they have no folder in common, None without files.
    """

    progress: GroupProgress
    functions: frozenset[str]
    folder: str | None

    @classmethod
    def of(cls, records: Sequence[Record]) -> Sum:
        """Add records up."""
        rate = sum(one.progress.rate for one in records)
        return cls(
            dataclasses.replace(add_up(records), rate=rate),
            frozenset(one.function for one in records),
            _common({os.path.dirname(one.progress.file) for one in records if one.progress.file}),
        )

    def __add__(self, other: Sum) -> Sum:
        mine, theirs = self.progress, other.progress
        files = mine.files_total + theirs.files_total
        fraction = mine.fraction * mine.files_total + theirs.fraction * theirs.files_total
        progress = GroupProgress(
            files_done=mine.files_done + theirs.files_done,
            files_failed=mine.files_failed + theirs.files_failed,
            files_total=files,
            bytes_read=mine.bytes_read + theirs.bytes_read,
            total=mine.total + theirs.total,
            rate=mine.rate + theirs.rate,
            fraction=fraction / files if files else 0.0,
            sizes_known=mine.sizes_known and theirs.sizes_known,
        )
        folders = {one for one in (self.folder, other.folder) if one is not None}
        return Sum(progress, self.functions | other.functions, _common(folders))


@dataclasses.dataclass(frozen=True)
class Standing:
    """A batch as it stands.

    Attributes:
        rest: The members that have not succeeded, in the order of submission.
        succeeded: What the others add up to.
        shown: The ids of :data:`SHOWN` of those.
    """

    rest: list[Record]
    succeeded: Sum
    shown: list[str]


class Members:
    """The members of one batch. Several threads may ask for them.

    Args:
        group_id: The batch's id.
    """

    def __init__(self, group_id: str) -> None:
        self._key = group_key(group_id)
        self._unknown = f"There is no batch {group_id}, or it has expired."
        self._lock = threading.Lock()
        self._open: dict[str, None] | None = None
        self._succeeded = Sum.of([])
        self._shown: list[str] = []

    def look(self) -> Standing:
        """Read those that can have changed.

        Raises:
            UnknownSubmission: there is no such batch, or it has expired.
            BrokerUnavailable: Redis cannot be reached.
        """
        with self._lock, reaching_redis():
            redis = redis_client()
            if self._open is None:
                ids = [one.decode() for one in redis.lrange(self._key, 0, -1)]
                self._open = dict.fromkeys(ids)
            elif not redis.exists(self._key):
                raise UnknownSubmission(self._unknown)
            rest: list[Record] = []
            for piece in _in_pieces(list(self._open)):
                self._keep([one for one in piece if one.state == SUCCESS], self._open)
                rest += [one for one in piece if one.state != SUCCESS]
            if not rest and not self._succeeded.progress.files_total:
                self._open = None  # it may be about to be made
                raise UnknownSubmission(self._unknown)
            return Standing(rest, self._succeeded, list(self._shown))

    def _keep(self, done: Sequence[Record], still_open: dict[str, None]) -> None:
        self._succeeded += Sum.of(done)
        self._shown += [one.id for one in done[: SHOWN - len(self._shown)]]
        for one in done:
            del still_open[one.id]


@functools.lru_cache(maxsize=_KEPT)
def members(group_id: str) -> Members:
    """The members of a batch, with what is known of them."""
    return Members(group_id)


def records(ids: Sequence[str]) -> list[Record]:
    """The records of submissions, without those that have expired.

    Raises:
        BrokerUnavailable: Redis cannot be reached.
    """
    with reaching_redis():
        return [one for piece in _in_pieces(ids) for one in piece]


def _in_pieces(ids: Sequence[str]) -> Iterator[list[Record]]:
    redis = redis_client()
    for first in range(0, len(ids), _PIECE):
        piece = ids[first : first + _PIECE]
        values = redis.mget([result_key(one) for one in piece])
        read = (_readable(one, value) for one, value in zip(piece, values, strict=True))
        yield [one for one in read if one is not None]


def _readable(submission_id: str, value: bytes | None) -> Record | None:
    """A record; None if there is none, or none that can be added up and shown."""
    if value is None:
        return None
    try:
        record = decode(submission_id, value)
        return record if _is_sound(record) else None
    except (DecodeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
        return None


def _is_sound(record: Record) -> bool:
    figures = record.progress.to_dict()
    texts = [record.function, record.state, figures.pop("stage")]
    may_lack = [record.worker, figures.pop("file")]
    wanted = [figures[name] for name in ("bytes_read", "total", "rate", "attempt")]
    return (
        all(isinstance(one, str) for one in texts)
        and all(isinstance(one, str | None) for one in may_lack)
        and all(number(one) is not None for one in wanted)
        and all(one is None or number(one) is not None for one in figures.values())
    )


def _common(folders: Iterable[str]) -> str | None:
    folders = list(folders)
    try:
        return os.path.commonpath(folders) if folders else None
    except ValueError:  # absolute and relative ones, or of several drives
        return ""
