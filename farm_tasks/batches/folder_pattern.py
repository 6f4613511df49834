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

from farm_tasks.batches.columns import TARGET_FIELDS
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


@dataclass(frozen=True)
class _Found:
    path: str
    fields: dict[str, str]
    other: dict[str, str]
    """Another way to read the path; the same one where there is no other."""

    sequence: tuple[str, str] = ("", "")
    """What stands before and behind the number of the frame."""


def rows_in(pattern: str) -> list[TableRow]:
    """A row for each file, or each sequence of frames, that the pattern finds, by name.

    Args:
        pattern: A path with fields in braces, as :data:`FIELDS` lists them. ``{shot:SH###}`` says
            more of a field: ``#`` is a digit, ``?`` any character, ``*`` any number of them.
            Outside of braces ``*`` and ``?`` mean the same. Hidden files are not looked at.

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
    rows = [*_of_frames(found)] if has_frames else [*map(_of_file, found)]
    rows.sort(key=lambda cells: _natural(str(cells.get("file") or cells.get("frames"))))
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


def _of_file(one: _Found) -> dict[str, str]:
    cells = {**one.fields, "file": one.path}
    cells.pop("frame", None)
    if one.fields != one.other:
        cells["wrong"] = _two_ways(one)
    return cells


def _of_frames(found: Iterable[_Found]) -> Iterator[dict[str, str]]:
    """One row for all frames that differ in their number alone."""
    sequences: dict[tuple[str, str], list[_Found]] = {}
    for one in found:
        if one.fields == one.other:
            sequences.setdefault(one.sequence, []).append(one)
        else:
            yield _of_file(one)
    for (head, tail), frames in sequences.items():
        digits = {len(one.fields["frame"]) for one in frames}
        # Numbers of different lengths have no zeros in front: one # stands for any of them.
        padding = "#" * (digits.pop() if len(digits) == 1 else 1)
        cells = {**frames[0].fields, "frames": f"{head}{padding}{tail}"}
        del cells["frame"]
        yield cells


def _two_ways(one: _Found) -> str:
    differs = next(name for name in one.fields if one.fields[name] != one.other[name])
    return (
        f"{Path(one.path).name} can be read in two ways: {differs} is {one.fields[differs]!r} or "
        f"{one.other[differs]!r}. Say more in the pattern, as in {{{differs}:SH###}}."
    )


def _natural(path: str) -> list[tuple[int, str]]:
    """Shot 9 before shot 10."""
    return [(int(one), "") if one.isdecimal() else (-1, one) for one in re.split(r"([0-9]+)", path)]
