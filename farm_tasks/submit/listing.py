"""The submissions of the last days, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from farm_tasks.errors import UnknownSubmission
from farm_tasks.script import Script
from farm_tasks.states import INDEX_KEY, result_key
from farm_tasks.submit.connection import reaching_redis, redis_client
from farm_tasks.submit.record import Record, decode

_PAGE = 500

# What is in no wanted state stays in Redis: among a hundred thousand that wait, those that failed
# are a few. Text that only looks like a state does no harm; the records are looked at once more.
_IN_STATES = Script(f"""
local ids = redis.call('ZREVRANGE', KEYS[1], ARGV[1], ARGV[2])
local wanted, found = {{}}, {{#ids}}
for number = 3, #ARGV do wanted[ARGV[number]] = true end
for _, id in ipairs(ids) do
  local stored = redis.call('MGET', '{result_key("")}' .. id)[1]
  for state in string.gmatch(stored or '', '"status":%s*"([^"]*)"') do
    if wanted[state] then
      found[#found + 1] = id
      found[#found + 1] = stored
      break
    end
  end
end
return found
""")


def recent(limit: int = 50, states: Iterable[str] | None = None) -> list[Record]:
    """The newest submissions.

    Args:
        limit: How many at most.
        states: Only those in one of these states.

    Raises:
        BrokerUnavailable: Redis cannot be reached.
    """
    wanted = None if states is None else frozenset(states)
    page = _PAGE if wanted is not None else min(limit, _PAGE)
    found: list[Record] = []
    start = 0
    while len(found) < limit:
        with reaching_redis():
            count, values = _page(start, page) if wanted is None else _matching(start, page, wanted)
        if not count:
            break
        start, page = start + count, _PAGE  # records are forgotten long before the list of them
        for record in _records(values):
            if wanted is None or record.state in wanted:
                found.append(record)
    return found[:limit]


def _page(start: int, length: int) -> tuple[int, list[tuple[str, bytes | None]]]:
    """How many submissions there are from the newest but ``start`` on, and their records."""
    redis = redis_client()
    ids = [one.decode() for one in redis.zrevrange(INDEX_KEY, start, start + length - 1)]
    values = redis.mget([result_key(one) for one in ids]) if ids else []
    return len(ids), list(zip(ids, values, strict=True))


def _matching(
    start: int, length: int, states: Iterable[str]
) -> tuple[int, list[tuple[str, bytes | None]]]:
    """The same, with the records of those alone that are in one of these states."""
    last = start + length - 1
    count, *found = _IN_STATES.run(redis_client(), [INDEX_KEY], [start, last, *sorted(states)])
    ids = [one.decode() for one in found[::2]]
    return count, list(zip(ids, found[1::2], strict=True))


def _records(values: Iterable[tuple[str, bytes | None]]) -> Iterator[Record]:
    for submission_id, value in values:
        try:
            yield decode(submission_id, value)
        except UnknownSubmission:
            continue  # expired since
