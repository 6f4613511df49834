"""Paths are data from outside: what a worker may read and write."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from farm_tasks.errors import FileUnreadable, InvalidArgument, NotConfigured, OutsideRoots


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
        InvalidArgument: the path is empty, relative or holds a null character.
        OutsideRoots: it leads elsewhere.
        FileUnreadable: it leads through a link that may not be read.
    """
    if not isinstance(path, str) or not path.strip():
        raise InvalidArgument("A path is empty: give the absolute path of a file.")
    if "\0" in path:
        raise InvalidArgument("A path holds a null character.")
    if not os.path.isabs(path):
        raise InvalidArgument(f"{path!r} is relative: a worker needs an absolute path.")
    if not roots:
        raise NotConfigured(
            f"This worker moves no files: set {setting} to the folders that it may use."
        )
    try:
        resolved = os.path.realpath(path)
    except OSError as error:  # a link that may not be read, such as those in /proc
        raise FileUnreadable(f"{path} cannot be resolved: {error.strerror}.") from error
    for root in roots:
        real_root = os.path.realpath(root)
        with contextlib.suppress(ValueError):  # another drive, on Windows
            if os.path.commonpath([resolved, real_root]) == real_root:
                return resolved
    raise OutsideRoots(
        f"{path} is not under {setting} ({os.pathsep.join(map(str, roots))}) of this worker."
    )
