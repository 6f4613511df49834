"""The columns of a list: what they are called, and how their values are read."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from typing import Any

from farm_tasks.errors import InvalidArgument
from farm_tasks.near import did_you_mean

_YES, _NO = frozenset(["yes", "true", "1", "on", "y"]), frozenset(["no", "false", "0", "off", "n"])

_LONGEST_NUMBER = 20


def _text(value: Any) -> str:
    if isinstance(value, (dict, list, bool)):
        raise InvalidArgument(f"{reprlib.repr(value)} is not a text.")
    return str(value).strip()


def _comment(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidArgument(f"{reprlib.repr(value)} is not a text.")
    return value.replace("\r\n", "\n").strip()


def _texts(value: Any) -> list[str]:
    """A list, or one text with a value per line or with ``|`` between them."""
    if isinstance(value, list):
        return [_text(one) for one in value]
    return [one.strip() for one in re.split(r"[|\r\n]+", _text(value)) if one.strip()]


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = _text(value).lower()
    if word not in _YES | _NO:
        raise InvalidArgument(f"{word[:80]!r} is neither yes nor no.")
    return word in _YES


def _number_or_word(value: Any) -> int | str:
    word = _text(value)
    if not (word.isascii() and word.isdecimal()):
        return word
    if len(word) > _LONGEST_NUMBER:  # Python does not read those of thousands of digits.
        raise InvalidArgument(f"{word[:_LONGEST_NUMBER]}... is too large a number.")
    return int(word)


ARGUMENTS: dict[str, Callable[[Any], Any]] = {
    "task": _text,
    "previews": _texts,
    "frames": _text,
    "frame_range": _text,
    "fps": _text,
    "missing_frames": _text,
    "task_status": _text,
    "comment": _comment,
    "person": _text,
    "attachments": _texts,
    "revision": _number_or_word,
    "thumbnail": _number_or_word,
    "playlist": _text,
    "wait_until_ready": _flag,
    "normalize_movie": _flag,
    "color_config": _text,
    "color_space": _text,
    "display": _text,
    "view": _text,
    "burn_in": _texts,
    "slate": _flag,
    "logo": _text,
    "silent_audio": _flag,
    "movie_path": _text,
    "key": _text,
    "priority": _text,
    "farm_job": _text,
}
"""What a row may say, and how its value is read. The names are those of ``submit.publish``."""

ALIASES = {
    "file": "previews",
    "files": "previews",
    "preview": "previews",
    "movie": "previews",
    "range": "frame_range",
    "frame_rate": "fps",
    "missing": "missing_frames",
    "status": "task_status",
    "text": "comment",
    "note": "comment",
    "artist": "person",
    "attachment": "attachments",
    "version": "revision",
    "ready": "wait_until_ready",
    "normalize": "normalize_movie",
    "colour_config": "color_config",
    "colour_space": "color_space",
    "colorspace": "color_space",
    "job": "farm_job",
}
"""Columns as people call them."""

TARGET_FIELDS = (
    "project", "episode", "sequence", "shot", "asset_type", "asset", "task_type",
)  # fmt: skip
"""Columns that make the task's path where there is no column ``task``."""


def read_value(name: str, value: Any) -> Any:
    """A value as the argument ``name`` takes it.

    Raises:
        InvalidArgument: it is none.
    """
    read: Callable[[Any], Any] = ARGUMENTS.get(name, _text)
    return read(value)


def argument_of(column: str) -> str:
    """The argument, or part of the target, that a column is about.

    Raises:
        InvalidArgument: there is none; says what comes near.
    """
    name = re.sub(r"[\s-]+", "_", str(column).strip().lower())
    name = ALIASES.get(name, name)
    if name in ARGUMENTS or name in TARGET_FIELDS:
        return name
    hint = did_you_mean(name, [*ARGUMENTS, *ALIASES, *TARGET_FIELDS], [*TARGET_FIELDS, *ARGUMENTS])
    raise InvalidArgument(f"There is no column {str(column)[:80]!r}. {hint}")
