"""Paths are data from outside: what a worker may read and write."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from farm_tasks.any_path import is_absolute
from farm_tasks.errors import FileUnreadable, InvalidArgument, NotConfigured, OutsideRoots

LONGEST = 4096
"""Bytes of a path: Linux's PATH_MAX. Messages that quote longer ones would fill logs and Redis."""


def inside(path: str, roots: Sequence[Path], setting: str) -> str:
    """Resolve ``path``, links and ``..`` included, and see that it is under one of the ``roots``.

    Args:
        path: An absolute path. It need not exist.
        roots: Absolute folders.
        setting: The environment variable that the roots come from, for the message.

    Returns:
        The resolved path.

    Raises:
        NotConfigured: there are no roots.
        InvalidArgument: the path is empty, relative, too long, holds a null character or half a
            surrogate.
        OutsideRoots: it leads elsewhere.
        FileUnreadable: it leads through a link that may not be read, or changes meanwhile.
    """
    return located(path, roots, setting)[1]


def located(path: str, roots: Sequence[Path], setting: str) -> tuple[str, str]:
    """As :func:`inside`, with the root that it is under, resolved as well: ``(root, path)``."""
    if not isinstance(path, str) or not path.strip():
        raise InvalidArgument("A path is empty: give the absolute path of a file.")
    if "\0" in path:
        raise InvalidArgument("A path holds a null character.")
    if len(path.encode(errors="surrogatepass")) > LONGEST:
        raise InvalidArgument(f"A path has {len(path):,} characters: more than {LONGEST:,} bytes.")
    if not os.path.isabs(path) and is_absolute(path):
        raise InvalidArgument(
            f"{path!r} is another system's path, and no rule of this worker's FARM_TASKS_PATH_MAP "
            "says what it is here: see docs/paths.md."
        )
    if not os.path.isabs(path):
        raise InvalidArgument(f"{path!r} is relative: a worker needs an absolute path.")
    if not roots:
        raise NotConfigured(
            f"This worker moves no files: set {setting} to the folders that it may use."
        )
    try:
        resolved = os.path.realpath(path)
    except OSError as error:  # a link that was replaced meanwhile, or may not be read as in /proc
        raise FileUnreadable(f"{path} cannot be resolved: {error.strerror or error}") from error
    except ValueError as error:
        raise InvalidArgument(f"{path!r} is no path on this system ({error}).") from None
    for root in roots:
        real_root = os.path.realpath(root)
        with contextlib.suppress(ValueError):  # another drive, on Windows
            if os.path.commonpath([resolved, real_root]) == real_root:
                return real_root, resolved
    raise OutsideRoots(
        f"{path} is not under {setting} ({os.pathsep.join(map(str, roots))}) of this worker."
    )


def check_regular(path: str, found: os.stat_result) -> None:
    """See that what was found at ``path`` has content to read.

    Raises:
        InvalidArgument: it is a folder, a device, a pipe or a socket.
    """
    if stat.S_ISDIR(found.st_mode):
        raise InvalidArgument(f"{path} is a folder: give the path of a file.")
    if not stat.S_ISREG(found.st_mode):
        raise InvalidArgument(f"{path} is not a regular file.")
