"""Waiting for a condition, with a deadline: never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LEAST = 60.0
"""Seconds: a busy machine takes as long for what an idle one does in one. Where it matters how soon
something is true, a test measures that."""


def wait_until(condition: Callable[[], T], seconds: float, every: float = 0.02) -> T:
    """Return the first true value of ``condition``.

    Fails the test after ``seconds``, or after :data:`LEAST` if that is longer.
    """
    patience = max(seconds, LEAST)
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {patience:g} s: {condition}")
        time.sleep(every)
