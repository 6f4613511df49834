"""A row's columns as arguments of :func:`farm_tasks.submit.publish`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farm_tasks.any_path import is_absolute
from farm_tasks.batches.columns import TARGET_FIELDS, argument_of, read_value
from farm_tasks.batches.tables import TableRow
from farm_tasks.color_config import config_path
from farm_tasks.errors import FarmTasksError, InvalidArgument
from farm_tasks.submit.sending import PATH_ARGUMENTS, PATH_LISTS, PATH_OR_NAME

_OF_FRAMES = frozenset(
    "frame_range fps missing_frames color_config color_space display view burn_in slate logo "
    "silent_audio movie_path".split()
)
"""What counts for all rows, and only for those that have frames."""


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
            row.arguments = _as_far_as_said(one.cells, defaults or {})
    return rows


def _arguments(
    cells: Mapping[str, Any], folder: Path, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, value in cells.items():
        name = argument_of(column)
        if value is None or value in ("", []):
            continue
        if name in found:
            raise InvalidArgument(f"The column {column!r} says {name} a second time.")
        try:
            found[name] = read_value(name, value)
        except InvalidArgument as error:
            raise InvalidArgument(f"{column}: {error}") from None
    left_out = frozenset() if found.get("frames") else _OF_FRAMES
    said = {
        name: read_value(name, value)
        for name, value in defaults.items()
        if value is not None and name not in left_out
    }
    arguments = {**said, **found}
    fields = {name: arguments.pop(name, "") for name in TARGET_FIELDS}
    if "task" not in arguments:
        arguments["task"] = target_of(fields)
    if not arguments.get("previews") and not arguments.get("frames"):
        raise InvalidArgument("The row names no file: fill in the column 'file' or 'frames'.")
    return {name: absolute(name, value, folder) for name, value in arguments.items()}


def _as_far_as_said(cells: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Of a row that is wrong, what people know it by."""
    found: dict[str, Any] = {}
    for column, value in cells.items():
        with contextlib.suppress(InvalidArgument):
            name = argument_of(column)
            if name in {"task", "previews", "frames", *TARGET_FIELDS}:
                found[name] = read_value(name, value)
    fields = {**defaults, **found}
    task = "/".join(str(fields[one]) for one in TARGET_FIELDS if fields.get(one))
    said = {"task": found.get("task") or task}
    return {**said, **{name: found[name] for name in ("previews", "frames") if name in found}}


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


def absolute(name: str, value: Any, folder: Path) -> Any:
    """The value of an argument, as it is or with paths that begin in ``folder``.

    Args:
        name: The argument's.
        value: A text, or a list of texts where the argument is one.
        folder: Where relative paths begin.
    """
    if name in PATH_LISTS:
        return [_absolute_path(one, folder) for one in value]
    if name == PATH_OR_NAME:
        return config_path(value, folder) or value
    return _absolute_path(value, folder) if name in PATH_ARGUMENTS else value


def _absolute_path(path: str, folder: Path) -> str:
    # "P:\shot.mov" is absolute for whoever wrote it; the path map knows where it is here.
    if is_absolute(path):
        return path
    return os.path.join(os.path.abspath(folder), path)
