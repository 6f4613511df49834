"""A file that appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from pathlib import Path
from types import TracebackType

from farm_tasks.errors import (
    ConnectionLost,
    DiskFull,
    FarmTasksError,
    FileUnreadable,
    InvalidArgument,
)

_ROOM_TO_SPARE = 1024 * 1024
_NAME_BYTES = 255 - len("..00000000.part")  # the most that Linux file systems take


class PartialFile:
    """Write to :attr:`path`, then :meth:`commit`; leaving without it removes what was written.

    The name is unique to this attempt, ``.<name>.<8 hex>.part`` beside the target: locks cannot be
    trusted on NFS, Lustre or GPFS, where they may say yes to everybody. Beside the target, because
    a rename is atomic only within one file system. Missing parent folders are made. A symbolic link
    at the target is replaced, not followed: it may have been put there after the path was checked.

    Args:
        target: Where the file shall be.

    Raises:
        InvalidArgument: the target is a folder or has no file name.
        FileUnreadable: the folder cannot be made; or, on entering, not be written to.
    """

    def __init__(self, target: str | os.PathLike[str]) -> None:
        self.target = Path(target)
        self._made: list[Path] = []
        try:
            if self.target.is_dir() or not self.target.name:
                raise InvalidArgument(f"{target} is a folder: give the path of the file to write.")
            self._make_folders()
        except OSError as error:
            raise _from_os(error, self.target) from error
        name = os.fsencode(self.target.name)[:_NAME_BYTES].decode(errors="ignore")
        self.path = self.target.with_name(f".{name}.{uuid.uuid4().hex[:8]}.part")

    def __enter__(self) -> PartialFile:
        # Tried, not asked for: os.access says yes to root, also on NFS where the server says no.
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError as error:
            raise _from_os(error, self.target) from error
        os.close(descriptor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # what went wrong first is what counts
            self.path.unlink()
        if error is not None:
            with contextlib.suppress(OSError):  # somebody else has put something there
                for folder in reversed(self._made):
                    folder.rmdir()
        if isinstance(error, OSError) and error.errno is not None:
            raise _from_os(error, self.target) from error

    def _make_folders(self) -> None:
        for folder in reversed(self.target.parents):
            if not folder.is_dir():
                folder.mkdir(exist_ok=True)
                self._made.append(folder)

    def check_room(self, size: int) -> None:
        """Fail now rather than after an hour if ``size`` more bytes do not fit.

        Raises:
            DiskFull: they do not.
        """
        free = shutil.disk_usage(self.target.parent).free
        if size + _ROOM_TO_SPARE > free:
            raise DiskFull(
                f"{self.target} needs {size:,} bytes and {free:,} are free on that disk."
            )

    def commit(self, size: int | None = None) -> int:
        """Put the file in its place: on the disk first, then under its name.

        Args:
            size: The length that it must have, in bytes, where it is known.

        Returns:
            Its length in bytes.

        Raises:
            ConnectionLost: it is not ``size`` bytes long.
            DiskFull, FileUnreadable: the disk did not take it.
        """
        descriptor = os.open(self.path, os.O_RDWR)
        try:
            written = os.fstat(descriptor).st_size
            if size is not None and written != size:
                raise ConnectionLost(f"{self.target}: {written:,} of {size:,} bytes arrived.")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.path.replace(self.target)
        _sync_folder(self.target.parent)
        return written


def _sync_folder(folder: Path) -> None:
    """Make the rename last through a power cut, where folders can be opened (not on Windows)."""
    if os.name == "nt":
        return
    # Some network file systems refuse, and a folder may be writable yet not readable; the file is
    # in its place all the same.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _from_os(error: OSError, target: Path) -> FarmTasksError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return DiskFull(f"{target}: {error.strerror}. Make room, then retry.")
    return FileUnreadable(f"{target}: {error.strerror or error}")
