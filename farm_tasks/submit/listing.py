"""The submissions of the last days, newest first."""

from __future__ import annotations

from collections.abc import Iterable

from farm_tasks.errors import UnknownSubmission
from farm_tasks.states import INDEX_KEY, result_key
from farm_tasks.submit.connection import reaching_redis, redis_client
from farm_tasks.submit.record import Record, decode

_PAGE = 500


def recent(limit: int = 50, states: Iterable[str] | None = None) -> list[Record]:
    """The newest submissions.

    Args:
        limit: How many at most.
        states: Only those in one of these states.

    Raises:
        BrokerUnavailable: Redis cannot be reached.
    """
    wanted = None if states is None else frozenset(states)
    found: list[Record] = []
    start = 0
    while len(found) < limit:
        with reaching_redis():
            page = redis_client().zrevrange(INDEX_KEY, start, start + _PAGE - 1)
            if not page:
                break
            ids = [one.decode() for one in page]
            values = redis_client().mget([result_key(one) for one in ids])
        start += len(page)
        for one, value in zip(ids, values, strict=True):
            try:
                record = decode(one, value)
            except UnknownSubmission:
                continue  # expired since
            if wanted is None or record.state in wanted:
                found.append(record)
    return found[:limit]
