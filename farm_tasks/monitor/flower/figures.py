"""What Flower shows of a transfer besides Celery's own fields, and how an error reads in words."""

from __future__ import annotations

import ast
import json
import math
from typing import Any

from farm_tasks import errors

NUMBERS = ("percent", "bytes_read", "total", "rate", "seconds_left", "elapsed", "attempt")
"""As :class:`~farm_tasks.transfer.progress.Progress` has them; ``seconds_left`` is its ``eta``, a
name that Celery has for the time before which a task must not start. ``elapsed``: seconds that this
attempt took so far."""

TEXTS = ("file", "stage", "reason")
"""``reason``: why it failed, was cancelled or is tried again, in words."""

FIGURES = (*TEXTS[:2], *NUMBERS, *TEXTS[2:])


def number(value: object) -> float | int | None:
    """A number from an event, or None for anything else: an event may come from anyone."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def words(exception: object) -> str:
    """The message of an error that Celery's events carry as ``repr`` has it.

    Ours by their messages, others with their names: ``KeyError: id``. What is no such ``repr`` is
    returned as it came.
    """
    text = str(exception or "")
    try:
        call = ast.parse(text, mode="eval").body
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return _message(call) or text


def _message(call: ast.expr) -> str | None:
    """What ``Name("message", ...)`` says."""
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return None
    name = call.func.id
    if name == "Retry":
        # From a pool of threads Celery sends its own Retry, with what was raised within.
        return next(filter(None, map(_message, call.args)), None)
    first = call.args[0] if call.args else None
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str) or not first.value:
        return None
    ours = getattr(errors, name, None)
    is_ours = isinstance(ours, type) and issubclass(ours, errors.FarmTasksError)
    # TaskRevokedError is Celery's, with a message of ours.
    return first.value if is_ours or name == "TaskRevokedError" else f"{name}: {first.value}"


def file_in(arguments: object) -> str | None:
    """The file that a task is about, by its keyword arguments as events carry them.

    Known so before the first byte moves, and of what failed before that.
    """
    try:
        values = ast.literal_eval(str(arguments))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None  # cut off, or another app's
    if not isinstance(values, dict):
        return None
    for name, value in values.items():
        if str(name).endswith("path") and isinstance(value, str):
            return value
    return None


def as_json(task: Any, *, read_only: bool) -> str:
    """A task for the script on its page, to stand inside a ``<script>`` element."""
    wanted = ("uuid", "name", "state", *FIGURES)
    values = {name: getattr(task, name, None) for name in wanted}
    text = json.dumps({**values, "read_only": read_only})
    # Nothing in it may end the element.
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
