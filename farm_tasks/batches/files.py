"""The files of a row, as this machine sees them: sizes, and whether they have changed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from farm_tasks import path_map
from farm_tasks.errors import FileMissing, InvalidArgument
from farm_tasks.frame_number import FRAME_NUMBER

_SEQUENCE = re.compile(rf"(.*)(?<![#@])({FRAME_NUMBER.pattern})(\..*)", re.DOTALL)
_NUMBER = re.compile("-?[0-9]{1,9}")


@dataclass(frozen=True)
class File:
    """A file, or all frames of a sequence, as it is seen from here.

    Attributes:
        path: Its path, or the sequence's pattern.
        size: Bytes in all, or None where nothing is seen.
        modified: When it was last changed, in microseconds since the epoch, which every system's
            file server tells; 0 where nothing is seen.
        count: How many files these are.
    """

    path: str
    size: int | None = None
    modified: int = 0
    count: int = 0


def local(path: str) -> str:
    """The path as this machine has it: a list may be another system's.

    Raises:
        NotConfigured: the path map cannot be used.
    """
    mapping = path_map.current()
    return path if mapping is None else mapping.to_local(path).path


def file_at(path: str) -> File:
    """A file.

    Raises:
        FileMissing: it is not in its folder, and the folder is here.
    """
    here = local(path)
    try:
        found = os.stat(here)
    except (OSError, ValueError):
        if os.path.isdir(os.path.dirname(here)) and not os.path.lexists(here):
            raise FileMissing(f"{here} does not exist on this machine.") from None
        return File(path)
    size = found.st_size if stat.S_ISREG(found.st_mode) else 0
    return File(path, size, found.st_mtime_ns // 1000, count=1)


def frames_at(pattern: str) -> File:
    """A sequence, as it is on the disk.

    Raises:
        InvalidArgument: its name has no place for a number.
        FileMissing: its folder is here and none of its frames.
    """
    folder, name = os.path.split(local(pattern))
    _parts(name)  # said also where the folder is not here
    size = count = modified = 0
    try:
        with os.scandir(folder) as entries:
            there = {one.name: one for one in entries}
            for frame in frames_among(name, there):
                if there[frame].is_file():
                    found = there[frame].stat()
                    count += 1
                    size += found.st_size
                    modified = max(modified, found.st_mtime_ns // 1000)
    except OSError:
        return File(pattern)
    if not count:
        raise FileMissing(f"{pattern}: no frame of it exists on this machine.")
    return File(pattern, size, modified, count)


def frames_among(pattern: str, names: Iterable[str]) -> list[str]:
    """Those of ``names`` that are frames of a sequence, by the worker's rule.

    A number has zeros in front up to as many digits as the pattern says, and no others: ``#`` and
    ``@`` are a digit each.

    Args:
        pattern: The name of the sequence, without its folder.
        names: What there is in its folder.

    Raises:
        InvalidArgument: the pattern has no place for a number.
    """
    head, mark, tail = _parts(pattern)
    # No number has more digits than that.
    said = min(int(re.sub("[^0-9]", "", mark)[:9] or 0), 99)
    width = len(mark) if mark[0] in "#@" else said
    found = []
    for name in names:
        number = name[len(head) : len(name) - len(tail)]
        if (
            name.startswith(head)
            and name.endswith(tail)
            and _NUMBER.fullmatch(number)
            and str(int(number)).zfill(width) == number
        ):
            found.append(name)
    return found


def _parts(pattern: str) -> tuple[str, str, str]:
    """What stands before the number, the number's mark, and the extension."""
    found = _SEQUENCE.fullmatch(pattern)
    if found is None:
        raise InvalidArgument(
            f"frames: {pattern} has no place for the frame number before its extension: "
            "write it as ####, @@@@, %04d or $F4."
        )
    return found[1], found[2], found[3]
