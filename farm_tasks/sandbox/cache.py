"""The cache folder: each entry is built once per user, by one process at a time."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

Say = Callable[[str], None]
"""Takes a line for people about what is going on."""

_COMPLETE = ".complete"


def cache_folder() -> Path:
    """Return $XDG_CACHE_HOME/farm-tasks, by default ~/.cache/farm-tasks."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "farm-tasks"


@contextmanager
def locked(path: Path, *, say: Say | None = None) -> Iterator[IO[bytes]]:
    """Hold an exclusive lock on a file, which is made if need be. It ends with its last holder.

    Args:
        path: The lock file. Its folder must exist.
        say: Told when another process has to be waited for.

    Yields:
        The open file. A child process that inherits its descriptor holds the lock too.
    """
    while True:
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if say:
                    say(f"Waiting for another process that holds {path}")
                fcntl.flock(file, fcntl.LOCK_EX)
            # Who held it may have removed the file: then a newcomer locks another one of that name.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
                yield file
                return


def entry(folder: Path, build: Callable[[Path, int], None], *, probe: str, say: Say) -> Path:
    """Return a folder of the cache, built first where it is missing or was left half-made.

    It is built in its final place, since a virtual environment cannot be moved, and a file that is
    written last tells a whole one from one that an interrupt left behind.

    Args:
        folder: The entry's place.
        build: Fills the empty folder. The descriptor it gets is the lock's: a child that writes
            there must inherit it, or it may go on writing after we died, with no lock held.
        probe: A file in the folder without which it is no use: a virtual environment loses its
            ``bin/python`` when the Python below it is removed.
        say: Told when another process is building the same entry.
    """

    def is_whole() -> bool:
        return (folder / _COMPLETE).exists() and (folder / probe).exists()

    if is_whole():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f"{folder.name}.lock"), say=say) as lock:
        if not is_whole():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder, lock.fileno())
            (folder / _COMPLETE).touch()
    return folder
