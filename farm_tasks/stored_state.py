"""Changing a submission's state in Redis, only from what it was when it was looked at."""

from __future__ import annotations

import hashlib
from typing import Any

# Atomic: a write that timed out here may reach Redis later, when a stopped server goes on. By then
# the state is another one, and the write does nothing.
_REPLACE = """
local current = redis.call('GET', KEYS[1])
if (current and redis.sha1hex(current) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
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
    before = "" if seen is None else hashlib.sha1(seen, usedforsecurity=False).hexdigest()
    return bool(redis.eval(_REPLACE, 1, key, before, value, seconds))
