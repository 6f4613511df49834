"""Files found by a pattern, and the tasks that their names tell.

``/projects/demo/review/{sequence}_{shot}_{task_type}_v{revision}.mov`` matches a path name by name.
A field never holds a slash. Where a path can be read in two ways, it is not read at all: a movie on
the wrong shot is worse than one that waits.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm_tasks.batches.columns import TARGET_FIELDS
from farm_tasks.batches.files import frames_among
from farm_tasks.batches.tables import TableRow
from farm_tasks.errors import FileMissing, InvalidArgument
from farm_tasks.near import did_you_mean

FIELDS = (*TARGET_FIELDS, "revision", "frame", "any")
"""What may stand in braces: the names of the task's path; the revision, a number; the number of a
frame, which makes one row of all frames; and anything."""

_NUMBERS = ("revision", "frame")
_TOKEN = re.compile(r"\{([^{}]*)\}")
_WILD = {"*": "[^/]*", "?": "[^/]"}
_SHAPE = {**_WILD, "#": "[0-9]"}
_ANY_NAME = re.compile(".+", re.DOTALL)


@dataclass(frozen=True)
class _Found:
    path: str
    fields: dict[str, str]
    other: dict[str, str]
    """Another way to read the path; the same one where there is no other."""

    sequence: tuple[str, str] = ("", "")
    """What stands before and behind the number of the frame."""


def rows_in(pattern: str, *, ranged: bool = False) -> list[TableRow]:
    """A row for each file, or each sequence of frames, that the pattern finds, by name.

    Args:
        pattern: A path with fields in braces, as :data:`FIELDS` lists them. ``{shot:SH###}`` says
            more of a field: ``#`` is a digit, ``?`` any character, ``*`` any number of them.
            Outside of braces ``*`` and ``?`` mean the same. Hidden files are not looked at.
        ranged: The frames of each movie are said elsewhere. If not, a movie has all frames of its
            name that are there, and a row of which the pattern finds others is wrong.

    Raises:
        InvalidArgument: the pattern cannot be understood.
        FileMissing: it finds nothing.
    """
    path = Path(os.path.abspath(pattern)).as_posix()
    shortest, longest = (re.compile(_whole(path, one)) for one in ("?", ""))
    if not shortest.groups:
        raise InvalidArgument(
            f"{pattern} has no field in braces, such as {{sequence}}, {{shot}} or {{task_type}}."
        )
    has_frames = "frame" in shortest.groupindex
    if has_frames and (path.count("{frame") > 1 or "{frame" not in path.rpartition("/")[2]):
        raise InvalidArgument(f"{pattern}: {{frame}} stands once, in the file's name.")
    found = []
    for one in _walk(Path(path)):
        # The first has every field as short as can be, from left to right; the other as long.
        # Where both agree, there is no third.
        short, long = shortest.fullmatch(one), longest.fullmatch(one)
        if short and long:
            start, end = short.span("frame") if has_frames else (0, 0)
            found.append(_Found(one, short.groupdict(), long.groupdict(), (one[:start], one[end:])))
    if not found:
        raise FileMissing(f"No file on this machine is like {pattern}.")
    rows = [*_of_frames(found, ranged)] if has_frames else [*map(_of_file, found)]
    rows.sort(key=lambda cells: _natural(cells.get("frames") or cells["file"][0]))
    return [
        TableRow(number, cells, str(cells.pop("wrong", ""))) for number, cells in enumerate(rows, 1)
    ]


def _whole(path: str, lazy: str) -> str:
    """The pattern as a regular expression; ``lazy`` follows repetitions: ``?`` or nothing."""
    seen: set[str] = set()
    expression = ""
    for index, piece in enumerate(_TOKEN.split(path)):
        if index % 2:
            expression += _field(piece, lazy, seen)
        elif "{" in piece or "}" in piece:
            raise InvalidArgument(f"{piece!r} has a brace without its other half.")
        else:
            expression += _wild(piece, _WILD, lazy)
    return expression


def _field(piece: str, lazy: str, seen: set[str]) -> str:
    name, colon, shape = piece.partition(":")
    if name not in FIELDS:
        hint = did_you_mean(name, FIELDS, FIELDS)
        raise InvalidArgument(f"There is no field {{{name}}}. {hint}")
    if "/" in shape or (colon and not shape):
        raise InvalidArgument(f"{{{piece}}}: after the colon stands what one name looks like.")
    if name in seen:
        return f"(?P={name})"
    inner = f"[0-9]+{lazy}" if name in _NUMBERS else f"[^/]+{lazy}"
    if colon:
        inner = _wild(shape, _SHAPE, lazy)
    if name == "any":
        return f"(?:{inner})"
    seen.add(name)
    return f"(?P<{name}>{inner})"


def _wild(text: str, meanings: dict[str, str], lazy: str) -> str:
    return "".join(
        meanings[one] + (lazy if one == "*" else "") if one in meanings else re.escape(one)
        for one in text
    )


def _walk(pattern: Path) -> Iterator[str]:
    """The files that may match, level by level: each name with what the pattern has there."""
    names = pattern.parts[1:]
    folders = [Path(pattern.anchor)]
    for depth, name in enumerate(names):
        is_last = depth == len(names) - 1
        if not set("{*?") & set(name):
            folders = [one / name for one in folders]
            continue
        loose = re.compile(
            "".join(
                "[^/]+" if index % 2 else _wild(piece, _WILD, "")
                for index, piece in enumerate(_TOKEN.split(name))
            )
        )
        folders = [one for folder in folders for one in _like(loose, folder, is_last)]
    yield from (one.as_posix() for one in folders if one.is_file())


def _like(loose: re.Pattern[str], folder: Path, is_last: bool) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [
                folder / one.name
                for one in entries
                if not one.name.startswith(".")
                and loose.fullmatch(one.name)
                and (is_last or one.is_dir())
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InvalidArgument(f"{folder} cannot be listed: {error.strerror or error}.") from error


def _of_file(one: _Found) -> dict[str, Any]:
    # As a list: in a text, bars and line breaks would stand between files.
    cells = {**one.fields, "file": [one.path], "wrong": _wrong(one)}
    cells.pop("frame", None)
    return cells


def _of_frames(found: Iterable[_Found], ranged: bool) -> Iterator[dict[str, Any]]:
    """One row for all frames that differ in their number alone."""
    sequences: dict[tuple[str, str], list[_Found]] = {}
    for one in found:
        if _wrong(one):
            yield _of_file(one)
        else:
            sequences.setdefault(one.sequence, []).append(one)
    listed: dict[str, list[str]] = {}
    for (head, tail), frames in sequences.items():
        # Longer numbers are those that have grown out of it: 998, 999, 1000.
        padding = "#" * min(len(one.fields["frame"]) for one in frames)
        pattern = f"{head}{padding}{tail}"
        folder, name = os.path.split(pattern)
        if folder not in listed:
            listed[folder] = [one.name for one in _like(_ANY_NAME, Path(folder), is_last=True)]
        wrong = _lost(name, frames, listed[folder], ranged)
        cells = {**frames[0].fields, "frames": pattern, "wrong": wrong}
        del cells["frame"]
        yield cells


def _lost(name: str, frames: list[_Found], there: list[str], ranged: bool) -> str:
    """Why a movie of the sequence ``name`` would not have just these frames, or ""."""
    found = {os.path.basename(one.path) for one in frames}
    try:
        taken = set(frames_among(name, there))
    except InvalidArgument as error:
        return str(error)
    if lost := sorted(found - taken):
        return (
            f"{len(lost)} of {len(found)} frames would not be in the movie, such as {lost[0]}. "
            "Number them alike (0999, 1000), with up to nine digits, and call them by no #, @, "
            "%d or $F."
        )
    if (more := sorted(taken - found)) and not ranged:
        return (
            f"{len(more)} frames that the pattern does not find would be in the movie, such as "
            f"{more[0]}. Let the pattern find them, or say with --range which frames it is of."
        )
    return ""


def _wrong(one: _Found) -> str:
    """Why a path is not read, or ""."""
    if one.path != one.path.strip():
        return f"{one.path!r} ends with a blank: rename it."
    return _two_ways(one) if one.fields != one.other else ""


def _two_ways(one: _Found) -> str:
    differs = next(name for name in one.fields if one.fields[name] != one.other[name])
    return (
        f"{Path(one.path).name} can be read in two ways: {differs} is {one.fields[differs]!r} or "
        f"{one.other[differs]!r}. Say more in the pattern, as in {{{differs}:SH###}}."
    )


def _natural(path: str) -> list[tuple[int, str]]:
    """Shot 9 before shot 10."""
    return [(int(one), "") if one.isdecimal() else (-1, one) for one in re.split(r"([0-9]+)", path)]
