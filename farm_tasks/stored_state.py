"""Changing a submission's state in Redis, only from what it was when it was looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from kombu.utils.json import dumps

from farm_tasks.counting import Count
from farm_tasks.group_shares import TELL_GROUPS
from farm_tasks.script import Script
from farm_tasks.states import KEY_FIELD, claim_key, ledger_key, result_key

KEEP_COMPANY = """
local function keep_company(claim, ledger, seconds)
  local held = redis.call('HGET', claim, 'key')
  if held then
    redis.call('EXPIRE', claim, seconds)
    redis.call('EXPIRE', held, seconds)
  end
  if redis.call('TTL', ledger) < tonumber(seconds) then
    redis.call('EXPIRE', ledger, seconds)
  end
end
"""
"""For scripts that store a record. A submission's key, and the ledger of what it has done, are kept
as long as its record at least: were they forgotten first, the same work could be done twice.
"""

COUNT = """
local function count_from(first)
  for number = first, #KEYS do
    redis.pcall('HINCRBY', KEYS[number], ARGV[number], 1)
  end
end
"""
"""For scripts that store a record and have something to count: with the record or not at all, so
never twice. A count that is refused changes nothing else.
"""

# Atomic: a write that timed out here may reach Redis later, when a stopped server goes on. By then
# the state is another one, and the write does nothing.
_REPLACE = Script(f"""
{KEEP_COMPANY}
{COUNT}
{TELL_GROUPS}
local current = redis.call('GET', KEYS[1])
if (current and redis.sha1hex(current) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
keep_company(KEYS[2], KEYS[3], ARGV[3])
redis.call('PUBLISH', KEYS[1], ARGV[2])
count_from(4)
tell_groups(KEYS[1], ARGV[2], ARGV[3])
return 1
""")


def replace(
    redis: Any,
    key: str | bytes,
    seen: bytes | None,
    value: str | bytes,
    seconds: int,
    counts: Sequence[Count] = (),
) -> bool:
    """Store and publish ``value`` if what is stored is still what was ``seen``.

    Args:
        redis: A client of the result backend.
        key: See :func:`farm_tasks.states.result_key`.
        seen: What was read before; None if there was nothing.
        value: The new state, as Celery encodes it.
        seconds: How long it is kept.
        counts: What is counted with it.

    Returns:
        Whether it was stored.
    """
    name = key.decode() if isinstance(key, bytes) else key
    submission_id = name.removeprefix(result_key(""))
    keys = [key, claim_key(submission_id), ledger_key(submission_id), *(one for one, _ in counts)]
    fields = [one for _, one in counts]
    return bool(_REPLACE.run(redis, keys, [digest(seen), value, seconds, *fields]))


def is_of_another_run(stored: Mapping[str, Any], arguments: Any) -> bool:
    """Whether a message is not the one that its submission's record was stored for.

    A submission that was cancelled in the queue, and submitted again with its key and other
    arguments, has its first message there still.

    Args:
        stored: The record, decoded.
        arguments: The message's keyword arguments.
    """
    if stored.get(KEY_FIELD) is None:
        return False
    # As text: a NaN is not equal to itself.
    return bool(dumps(stored.get("kwargs"), sort_keys=True) != dumps(arguments, sort_keys=True))


def digest(seen: bytes | None) -> str:
    """What a script compares with ``redis.sha1hex`` of what is stored; "" if there was nothing."""
    return "" if seen is None else hashlib.sha1(seen, usedforsecurity=False).hexdigest()
