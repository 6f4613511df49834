"""Scripts that Redis runs, each in one step."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoScriptError


class Script:
    """A script in Lua, which is sent once to each Redis: after that its digest will do.

    Args:
        text: What it does.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def run(self, redis: Any, keys: Sequence[str | bytes], values: Sequence[Any] = ()) -> Any:
        """Run it.

        Args:
            redis: A client.
            keys: What it knows as KEYS.
            values: What it knows as ARGV.

        Raises:
            RedisError: Redis cannot be reached, or refuses it.
        """
        try:
            return redis.evalsha(self._digest, len(keys), *keys, *values)
        except NoScriptError:  # not since this Redis has started
            return redis.eval(self._text, len(keys), *keys, *values)
