"""A row's columns as arguments of :func:`farm_tasks.submit.publish`."""

from __future__ import annotations

import difflib
import ntpath
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farm_tasks.batches.tables import TableRow
from farm_tasks.errors import FarmTasksError, InvalidArgument

_YES, _NO = frozenset(["yes", "true", "1", "on", "y"]), frozenset(["no", "false", "0", "off", "n"])


def _text(value: Any) -> str:
    if isinstance(value, (dict, list, bool)):
        raise InvalidArgument(f"{str(value)[:80]!r} is not a text.")
    return str(value).strip()


def _comment(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidArgument(f"{str(value)[:80]!r} is not a text.")
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
    return int(word) if word.isascii() and word.isdecimal() else word


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
    "wait": "wait_until_ready",
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

_OF_FRAMES = frozenset(
    "frame_range fps missing_frames color_config color_space display view burn_in slate logo "
    "silent_audio movie_path".split()
)
"""What counts for all rows, and only for those that have frames."""

_PATHS = ("frames", "color_config", "logo", "movie_path")
_PATH_LISTS = ("previews", "attachments")


@dataclass
class Row:
    """One row, read.

    Attributes:
        number: As :class:`~farm_tasks.batches.tables.TableRow` counts.
        arguments: Of ``submit.publish``. Paths are absolute.
        error: Why it cannot be published, or None.
    """

    number: int
    arguments: dict[str, Any] = field(default_factory=dict)
    error: FarmTasksError | None = None


def read_rows(
    table: Iterable[TableRow], folder: Path, defaults: Mapping[str, Any] | None = None
) -> list[Row]:
    """The rows of a table as arguments; one that is wrong says so and does not stop the rest.

    Args:
        table: The rows as they were written.
        folder: Where relative paths begin: the folder of the list.
        defaults: Arguments for all rows that do not say otherwise, and ``project`` and its like.
    """
    rows = []
    for one in table:
        row = Row(one.number)
        rows.append(row)
        try:
            if one.wrong:
                raise InvalidArgument(one.wrong)
            row.arguments = _arguments(one.cells, folder, defaults or {})
        except FarmTasksError as error:
            row.error = error
            row.arguments = {"task": str(one.cells.get("task") or "")}
    return rows


def _arguments(
    cells: Mapping[str, Any], folder: Path, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, value in cells.items():
        name = _argument_of(column)
        if value is None or value in ("", []):
            continue
        if name in found:
            raise InvalidArgument(f"The column {column!r} says {name} a second time.")
        read: Callable[[Any], Any] = ARGUMENTS.get(name, _text)
        try:
            found[name] = read(value)
        except InvalidArgument as error:
            raise InvalidArgument(f"{column}: {error}") from None
    left_out = frozenset() if found.get("frames") else _OF_FRAMES
    said = {k: v for k, v in defaults.items() if v is not None and k not in left_out}
    arguments = {**said, **found}
    fields = {name: arguments.pop(name, "") for name in TARGET_FIELDS}
    if "task" not in arguments:
        arguments["task"] = target_of(fields)
    if not arguments.get("previews") and not arguments.get("frames"):
        raise InvalidArgument("The row names no file: fill in the column 'file' or 'frames'.")
    return {name: _absolute(name, value, folder) for name, value in arguments.items()}


def _argument_of(column: str) -> str:
    name = re.sub(r"[\s-]+", "_", str(column).strip().lower())
    name = ALIASES.get(name, name)
    if name in ARGUMENTS or name in TARGET_FIELDS:
        return name
    known = [*ARGUMENTS, *ALIASES, *TARGET_FIELDS]
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"Do you mean {' or '.join(near)}?" if near else f"Known: {', '.join(ARGUMENTS)}."
    raise InvalidArgument(f"There is no column {str(column)[:80]!r}. {hint}")


def target_of(fields: Mapping[str, str]) -> str:
    """The path of a task: ``project/[episode/]sequence/shot/task_type``, or that of an asset's.

    Args:
        fields: Values by the names in :data:`TARGET_FIELDS`; "" where there is none.

    Raises:
        InvalidArgument: they do not make a path.
    """
    is_asset = bool(fields.get("asset") or fields.get("asset_type"))
    wanted = ("asset_type", "asset") if is_asset else ("sequence", "shot")
    missing = [one for one in ("project", *wanted, "task_type") if not fields.get(one)]
    if missing:
        raise InvalidArgument(
            "The row names no task: fill in the column 'task' (an id, or "
            "project/sequence/shot/task_type), or the columns "
            f"{', '.join(('project', *wanted, 'task_type'))}. Missing: {', '.join(missing)}."
        )
    middle = wanted if is_asset else ("episode", *wanted)
    parts = [fields[one] for one in ("project", *middle, "task_type") if fields.get(one)]
    slashed = [one for one in parts if "/" in one]
    if slashed:
        raise InvalidArgument(f"{slashed[0]!r} has a slash: give the task's id as 'task'.")
    return "/".join(parts)


def _absolute(name: str, value: Any, folder: Path) -> Any:
    if name in _PATH_LISTS:
        return [_absolute_path(one, folder) for one in value]
    return _absolute_path(value, folder) if name in _PATHS else value


def _absolute_path(path: str, folder: Path) -> str:
    # "P:\shot.mov" is absolute for whoever wrote it; the path map knows where it is here.
    # "ocio://default" is a configuration that no file holds.
    if ntpath.splitdrive(path)[0] or path.startswith("\\") or "://" in path:
        return path
    return os.path.join(os.path.abspath(folder), path)
