"""A worker's own folder for what it makes on the way, one for each submission.

What is in it is nobody else's: the folder is readable by the worker's user alone. A worker that is
killed, or whose submission goes on elsewhere, leaves its files; whoever begins or ends one after
the longest time that a submission is tried removes them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from pathlib import Path

from farm_tasks.errors import DiskFull, NotConfigured
from farm_tasks.settings import settings

_KEPT = 86400
"""Seconds that a forgotten folder is kept beyond the longest time for which a try may come."""


def scratch_folder(submission_id: str) -> Path:
    """The folder of a submission, made if need be.

    Raises:
        NotConfigured: it cannot be made, or is open to other users.
        DiskFull: there is no room for it.
    """
    base = _where()
    folder = base / _name(submission_id)
    _make(base)
    _sweep(base)
    _make(folder)
    os.utime(folder)  # in use from now on, whenever it was made
    return folder


def remove(submission_id: str) -> None:
    """Remove the folder of a submission, if there is one. Never fails."""
    with contextlib.suppress(OSError):
        base = _where()
        if _is_own(base):
            shutil.rmtree(base / _name(submission_id), ignore_errors=True)
            _sweep(base)


def _name(submission_id: str) -> str:
    """A folder's name. An id may be any text: it comes with a message."""
    return hashlib.sha256(submission_id.encode(errors="replace")).hexdigest()[:32]


def _where() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    return settings().scratch_folder or Path(tempfile.gettempdir()) / f"farm-tasks-{user}"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_own = _is_own(folder)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(
                f"{folder}, where movies are made: {error.strerror}. Make room, then retry, or set "
                "FARM_TASKS_SCRATCH to a folder on a larger disk."
            ) from error
        raise NotConfigured(
            f"{folder}, where movies are made, cannot be used ({error.strerror}): set "
            "FARM_TASKS_SCRATCH to a folder that this worker may write to."
        ) from error
    if not is_own:
        raise NotConfigured(
            f"{folder}, where movies are made, is a link or open to other users: set "
            "FARM_TASKS_SCRATCH to a folder of this worker's own."
        )


def _is_own(folder: Path) -> bool:
    """Whether nobody else can put anything into it.

    Anybody can make a folder, or a link, of its name in the system's folder for temporary files.
    Windows says of every folder that all may write to it; its folder for temporary files is the
    user's own.

    Raises:
        OSError: it is not there.
    """
    found = folder.lstat()
    if not hasattr(os, "getuid"):
        return stat.S_ISDIR(found.st_mode)
    is_ours = found.st_uid == os.getuid() and not found.st_mode & 0o022
    return stat.S_ISDIR(found.st_mode) and is_ours


def _sweep(base: Path) -> None:
    """Remove what nobody comes back for."""
    oldest = time.time() - settings().retry_seconds - _KEPT
    with contextlib.suppress(OSError):
        for one in base.iterdir():
            # Another process may be at the same.
            with contextlib.suppress(OSError):
                if re.fullmatch("[0-9a-f]{32}", one.name) and one.lstat().st_mtime < oldest:
                    shutil.rmtree(one, ignore_errors=True)
