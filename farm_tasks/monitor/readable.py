"""Values that anyone may have sent, as a browser can read them."""

from __future__ import annotations

import math

LONGEST = 10_000
"""Characters of a text. Celery itself cuts arguments and results at 1024."""


def number(value: object) -> float | int | None:
    """A number that JSON can have, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # an integer that no browser can read, nor Python write
        return None


def text(value: object) -> str | None:
    """The first characters of a text, or None for anything else.

    Those that UTF-8 cannot say are written out: a file's name on an old share may have them.
    """
    if not isinstance(value, str):
        return None
    return value[:LONGEST].encode("utf-8", "backslashreplace").decode()
