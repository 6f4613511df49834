"""What Flower shows of a transfer besides Celery's own fields."""

from __future__ import annotations

import ast
import json
from typing import Any

from farm_tasks.monitor.readable import text

NUMBERS = (
    *("percent", "bytes_read", "total", "rate", "seconds_left", "elapsed", "attempt"),
    *("frames_done", "frames_total"),
)
"""As :class:`~farm_tasks.transfer.progress.Progress` has them; ``seconds_left`` is its ``eta``, a
name that Celery has for the time before which a task must not start. ``elapsed``: seconds that this
attempt took so far."""

TEXTS = ("file", "stage", "reason")
"""``reason``: why it failed, was cancelled or is tried again, in words."""

UNREADABLE = (ValueError, TypeError, SyntaxError, MemoryError, RecursionError)
"""What :func:`ast.literal_eval` raises, by what text it is given."""

FIGURES = (*TEXTS[:2], *NUMBERS, *TEXTS[2:])


def file_in(arguments: object) -> str | None:
    """The file that a task is about, by its keyword arguments as events carry them.

    Known so before the first byte moves, and of what failed before that.
    """
    try:
        values = ast.literal_eval(str(arguments))
    except UNREADABLE:
        return None  # cut off, or another app's
    if not isinstance(values, dict):
        return None
    for name, value in values.items():
        if (str(name).endswith("path") or name == "frames") and isinstance(value, str):
            return text(value)
        if name == "previews" and isinstance(value, list) and value:
            return text(str(value[-1]))
    return None


def as_json(task: Any, *, read_only: bool) -> str:
    """A task for the script on its page, to stand inside a ``<script>`` element."""
    wanted = ("uuid", "name", "state", *FIGURES)
    values = {name: getattr(task, name, None) for name in wanted}
    encoded = json.dumps({**values, "read_only": read_only})
    # Nothing in it may end the element.
    for character in "<>&":
        encoded = encoded.replace(character, f"\\u{ord(character):04x}")
    return encoded
