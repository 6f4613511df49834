"""Changing a submission's state in Redis, only from what it was when it was looked at."""

from __future__ import annotations

import hashlib
from typing import Any

from farm_tasks.states import claim_key, result_key

KEEP_CLAIM = """
local function keep_claim(claim, seconds)
  local held = redis.call('HGET', claim, 'key')
  if held then
    redis.call('EXPIRE', claim, seconds)
    redis.call('EXPIRE', held, seconds)
  end
end
"""
"""For scripts that store a record. A submission's key is kept as long as its record: were it
forgotten first, the same work could be done twice.
"""

# Atomic: a write that timed out here may reach Redis later, when a stopped server goes on. By then
# the state is another one, and the write does nothing.
_REPLACE = f"""
{KEEP_CLAIM}
local current = redis.call('GET', KEYS[1])
if (current and redis.sha1hex(current) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
keep_claim(KEYS[2], ARGV[3])
redis.call('PUBLISH', KEYS[1], ARGV[2])
return 1
"""


def replace(
    redis: Any, key: str | bytes, seen: bytes | None, value: str | bytes, seconds: int
) -> bool:
    """Store and publish ``value`` if what is stored is still what was ``seen``.

    Args:
        redis: A client of the result backend.
        key: See :func:`farm_tasks.states.result_key`.
        seen: What was read before; None if there was nothing.
        value: The new state, as Celery encodes it.
        seconds: How long it is kept.

    Returns:
        Whether it was stored.
    """
    name = key.decode() if isinstance(key, bytes) else key
    claim = claim_key(name.removeprefix(result_key("")))
    return bool(redis.eval(_REPLACE, 2, key, claim, digest(seen), value, seconds))


def digest(seen: bytes | None) -> str:
    """What a script compares with ``redis.sha1hex`` of what is stored; "" if there was nothing."""
    return "" if seen is None else hashlib.sha1(seen, usedforsecurity=False).hexdigest()
