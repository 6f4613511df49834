"""The files of a row, as this machine sees them: sizes, and whether they have changed."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from farm_tasks import path_map
from farm_tasks.errors import FileMissing
from farm_tasks.frame_number import names_like


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
        FileMissing: its folder is here and none of its frames.
    """
    folder, name = os.path.split(local(pattern))
    like = names_like(name)
    if like is None:
        return file_at(pattern)
    size = count = modified = 0
    try:
        with os.scandir(folder) as entries:
            for one in entries:
                if like.fullmatch(one.name) and one.is_file():
                    found = one.stat()
                    count += 1
                    size += found.st_size
                    modified = max(modified, found.st_mtime_ns // 1000)
    except OSError:
        return File(pattern)
    if not count:
        raise FileMissing(f"{pattern}: no frame of it exists on this machine.")
    return File(pattern, size, modified, count)
