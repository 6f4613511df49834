"""How long a submission that failed for now waits before it is tried again, and when no more."""

from __future__ import annotations

import random

from farm_tasks.errors import TemporaryFailure
from farm_tasks.settings import settings

FIRST_BACKOFF = 2.0
"""Seconds: the most that the first retry waits. Doubles with each further one."""

LONGEST_BACKOFF = 120.0
"""Seconds: longer would spare Kitsu little, and keep a farm waiting after a blip."""

LONGEST_RETRY_AFTER = 3600.0
"""Seconds. The message waits in a worker, unacknowledged."""


def countdown(failure: TemporaryFailure, retries: int, tried_for: float) -> float | None:
    """Seconds to wait; full jitter, so that a farm does not come back all at once.

    Args:
        failure: What went wrong; a server may have asked for a time.
        retries: How often it was tried again already.
        tried_for: Seconds since the first of the tries that failed ever since.

    Returns:
        None when it has been tried for as long as ``FARM_TASKS_RETRY_SECONDS`` says.
    """
    asked = min(failure.retry_after or 0.0, LONGEST_RETRY_AFTER)
    left = settings().retry_seconds - tried_for
    if asked >= left:
        return None
    longest = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(retries, 16))
    return min(asked + random.uniform(0.0, longest), left)
