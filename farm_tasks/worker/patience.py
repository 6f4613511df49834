"""Waiting for a Redis that is away: it comes back, and what it holds is worth the wait."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

from kombu.exceptions import OperationalError
from redis import exceptions
from redis.exceptions import RedisError

AWAY = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    OperationalError,
)
"""What passes when Redis is back, has room again, or is the master again."""

logger = logging.getLogger(__name__)

T = TypeVar("T")


_REFUSES = re.compile(r"\b(MISCONF|NOREPLICAS|MASTERDOWN|READONLY|OOM|LOADING|UNBLOCKED)\b")
"""How Redis says that it takes no writes now: it cannot save, is no master any more, has no room. A
script's error has it somewhere in its text; redis-py has classes for some of the others alone."""


def is_away(error: BaseException) -> bool:
    """Whether Redis may answer otherwise in a while."""
    return isinstance(error, AWAY) or (
        isinstance(error, exceptions.ResponseError) and _REFUSES.search(str(error)) is not None
    )


def patiently(ask: Callable[[], T], check: Callable[[], object] = lambda: None) -> T:
    """Ask Redis until it answers.

    Args:
        ask: May be called more than once: what timed out here may have happened there.
        check: Raises when there is no more reason to wait.

    Raises:
        RedisError: Redis refuses what was asked.
    """
    has_complained = False
    while True:
        try:
            return ask()
        except (RedisError, OperationalError) as error:
            if not is_away(error):
                raise
            if not has_complained:
                logger.warning("Redis is away, and waited for: %r", error)
            has_complained = True
            check()
            time.sleep(random.uniform(0.2, 1.0))
