"""How an error reads in words."""

from __future__ import annotations

import ast

from farm_tasks import errors


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
