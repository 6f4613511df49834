"""The members of batches as they are listed: those that matter first, and not all of a huge one."""

from __future__ import annotations

from collections.abc import Sequence

from kombu.exceptions import DecodeError

from farm_tasks.monitor.readable import number
from farm_tasks.states import group_order_key, result_key
from farm_tasks.submit.connection import reaching_redis, redis_client
from farm_tasks.submit.record import Record, decode

SHOWN = 500
"""Members that are listed, at most."""


def members(group_id: str) -> list[Record]:
    """The records of :data:`SHOWN` members: what runs, what failed, what waits, what is done.

    Raises:
        BrokerUnavailable: Redis cannot be reached.
    """
    with reaching_redis():
        first = redis_client().zrange(group_order_key(group_id), 0, SHOWN - 1)
    return records([one.decode() for one in first])


def records(ids: Sequence[str]) -> list[Record]:
    """The records of submissions, without those that have expired or cannot be read.

    Raises:
        BrokerUnavailable: Redis cannot be reached.
    """
    with reaching_redis():
        values = redis_client().mget([result_key(one) for one in ids]) if ids else []
    read = (_readable(one, value) for one, value in zip(ids, values, strict=True))
    return [one for one in read if one is not None]


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
