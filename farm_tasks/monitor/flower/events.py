"""What an event may say.

Whoever reaches the broker can send one, and Flower takes what comes: one name that is a number, and
the whole task list could not be sorted any more.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from farm_tasks.monitor.flower.figures import NUMBERS, TEXTS, UNREADABLE
from farm_tasks.monitor.readable import number, text

_DRIFT = 366 * 86400.0
"""Seconds that a clock may be wrong by and still be read as one."""

_TYPE = re.compile(r"(task|worker)-[A-Za-z0-9_-]{1,100}")


def _arguments(value: object) -> str | None:
    """A text that Flower can take apart, or at least fails to as it expects."""
    found = text(value)
    try:
        ast.literal_eval(found or "")
    except (ValueError, SyntaxError):
        pass  # cut off, or with objects in it
    except UNREADABLE:
        return None
    return found


def _count(value: object) -> int | None:
    """A whole number, not below 0."""
    found = number(value)
    return int(found) if found is not None and 0 <= found < 2**63 else None


def _when(value: object) -> str | float | int | None:
    """A time before which, or after which, a task must not start; of progress, seconds left."""
    return text(value) if isinstance(value, str) else number(value)


def _loads(value: object) -> list[float | int] | None:
    if not isinstance(value, list | tuple) or len(value) != 3:
        return None
    found = [one for one in map(number, value) if one is not None]
    return found if len(found) == 3 else None


def _frequency(value: object) -> float | int | None:
    """Seconds between two heartbeats."""
    found = number(value)
    return found if found is not None and 0 < found < 86400 else None


_OF_WORKERS: dict[str, Callable[[object], Any]] = {
    **dict.fromkeys(("clock", "pid", "active", "processed"), _count),
    **dict.fromkeys(("sw_ident", "sw_ver", "sw_sys"), text),
    "freq": _frequency,
    "loadavg": _loads,
}

_OF_TASKS: dict[str, Callable[[object], Any]] = {
    **dict.fromkeys(("clock", "pid", "retries"), _count),
    **dict.fromkeys(("name", "result", "exception", "traceback"), text),
    **dict.fromkeys(("queue", "exchange", "routing_key", "root_id", "parent_id"), text),
    **dict.fromkeys(("args", "kwargs"), _arguments),
    **dict.fromkeys(("eta", "expires"), _when),
    **dict.fromkeys(TEXTS, text),
    **dict.fromkeys(NUMBERS, number),
    "runtime": number,
}


def believable(event: object) -> dict[str, Any] | None:
    """An event with what Celery and :mod:`farm_tasks` put into one, each of its own kind.

    Other fields would become attributes of what Flower remembers, whatever their names.

    Returns:
        A new dict; None if it does not say what happened when to what, as every event does.
    """
    if not isinstance(event, Mapping):
        return None
    type_ = _TYPE.fullmatch(text(event.get("type")) or "")
    hostname, timestamp = text(event.get("hostname")), number(event.get("timestamp"))
    if type_ is None or not hostname or timestamp is None:
        return None
    if abs(timestamp - time.time()) > _DRIFT:
        return None
    made: dict[str, Any] = {"type": type_[0], "hostname": hostname, "timestamp": timestamp}
    offset = number(event.get("utcoffset"))
    if offset is not None and abs(offset) <= 24:
        made["utcoffset"] = offset
    fields = _OF_WORKERS
    if type_[1] == "task":
        fields = _OF_TASKS
        made["uuid"] = text(event.get("uuid"))
        if not made["uuid"]:
            return None
    read = {name: fields[name](event[name]) for name in fields.keys() & event.keys()}
    return {**{name: value for name, value in read.items() if value is not None}, **made}
