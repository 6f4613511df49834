"""A file that appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from farm_tasks.confinement import current
from farm_tasks.errors import (
    ConnectionLost,
    DiskFull,
    FarmTasksError,
    FileUnreadable,
    InvalidArgument,
    TemporaryFailure,
)
from farm_tasks.folder import Folder, name_of

_ROOM_TO_SPARE = 1024 * 1024
_NO_FILES = {stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK}
_NAME_BYTES = 255 - len("..00000000.00000000.part")  # the most that Linux file systems take


def tag_of(submission: str) -> str:
    """The mark that the partial files of one submission carry: eight hex digits."""
    return hashlib.blake2s(submission.encode(errors="replace"), digest_size=4).hexdigest()


class PartialFile:
    """Write to :attr:`path`, then :meth:`commit`; leaving without it removes what was written.

    The name is unique to this attempt, ``.<name>.<8 hex>.part`` beside the target: locks cannot be
    trusted on NFS, Lustre or GPFS, where they may say yes to everybody. Beside the target, because
    a rename is atomic only within one file system. Missing parent folders are made.

    From entering on everything happens in the folder that was opened then, and to the file that was
    made there, whatever their names mean by then. Under a
    :class:`~farm_tasks.confinement.Confinement` that folder is reached from the write root on. A
    symbolic link at the target is replaced, not followed.

    Args:
        target: Where the file shall be.
        tag: Eight hex digits that attempts of one submission share. They stand in the name before
            those of the attempt.
        sweep: Remove what attempts with the same tag have left beside the target: a process that is
            killed cannot clean up. Only for whoever knows that they have ended.
        own: The target is in a folder of this process's own: no confinement applies to it.

    Attributes:
        target: Where the file shall be.
        name: What it is called until then.
        path: What to open for writing. ``/proc/self/fd/<n>`` on Linux.

    Raises:
        InvalidArgument: the target is a folder, a device, a pipe or a socket, or has no file name.
        OutsideRoots: it is outside of the write roots.
        ValueError: the tag is none.
    """

    def __init__(
        self,
        target: str | os.PathLike[str],
        tag: str | None = None,
        sweep: bool = False,
        own: bool = False,
    ) -> None:
        self._confined = confined = None if own else current()
        self.target = Path(confined.target(os.fspath(target)) if confined else target)
        try:
            if self.target.is_dir() or not self.target.name:
                raise InvalidArgument(f"{target} is a folder: give the path of the file to write.")
            # One look: what is there may be another thing at the next.
            if stat.S_IFMT(self._mode()) in _NO_FILES:
                raise InvalidArgument(f"{target} is a device, a pipe or a socket, and no file.")
        except OSError as error:
            raise _from_os(error, self.target) from error
        if tag is not None and not re.fullmatch(r"[0-9a-f]{8}", tag):
            raise ValueError(f"{tag!r} is not a tag of eight hex digits")
        name = os.fsencode(self.target.name)[:_NAME_BYTES].decode(errors="ignore")
        self._stem = f".{name}." if tag is None else f".{name}.{tag}."
        self.name = f"{self._stem}{uuid.uuid4().hex[:8]}.part"
        self.path = self.target.with_name(self.name)
        self._sweeps = sweep and tag is not None
        self._way: list[Folder] = []
        self._made: list[tuple[Folder, str]] = []
        self._descriptor: int | None = None

    @property
    def _folder(self) -> Folder:
        return self._way[-1]

    def _mode(self) -> int:
        try:
            return self.target.lstat().st_mode
        except FileNotFoundError:
            return 0

    def __enter__(self) -> Self:
        """Make the file, and the folders that it needs.

        Raises:
            FileUnreadable: that cannot be done.
            OutsideRoots: a link stands in the way.
        """
        try:
            self._open_folders()
            if self._sweeps:
                self._sweep()
            # Tried, not asked for: os.access says yes to root, also where an NFS server says no.
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
            self._descriptor = self._folder.open_file(self.name, flags)
        except BaseException as error:
            self._remove_folders()
            self._close()
            if isinstance(error, OSError):
                raise _from_os(error, self.target) from error
            raise
        self.path = Path(name_of(self._descriptor, str(self.path)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # what went wrong first is what counts
            self._folder.unlink(self.name)
        if error is not None:
            self._remove_folders()
        self._close()
        if isinstance(error, OSError) and error.errno is not None:
            raise _from_os(error, self.target) from error

    def check_room(self, size: int) -> None:
        """Fail now rather than after an hour if ``size`` more bytes do not fit.

        Raises:
            DiskFull: they do not.
        """
        free = shutil.disk_usage(self.path).free
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
            TemporaryFailure: it is not under its name any more.
            DiskFull, FileUnreadable: the disk did not take it.
        """
        if self._descriptor is None:
            raise ValueError("there is nothing to commit: it was not entered, or is committed")
        written = os.fstat(self._descriptor)
        if size is not None and written.st_size != size:
            raise ConnectionLost(f"{self.target}: {written.st_size:,} of {size:,} bytes arrived.")
        os.fsync(self._descriptor)
        if not self._is_under_its_name(written):
            raise TemporaryFailure(
                f"{self.target}: {self.name} was removed or replaced while it was written."
            )
        self._close_file()  # Windows renames no open file
        self._folder.replace(self.name, self.target.name)
        self._folder.sync()
        return written.st_size

    def _is_under_its_name(self, written: os.stat_result) -> bool:
        try:
            return os.path.samestat(self._folder.status(self.name), written)
        except FileNotFoundError:
            return False

    def _open_folders(self) -> None:
        confined = self._confined
        start, names = confined.way_to(str(self.target)) if confined else _way_to(self.target)
        self._way.append(Folder.open(start))
        for name in names:
            try:
                inner = self._folder.descend(name)
            except FileNotFoundError:
                inner = self._make_folder(name)
            self._way.append(inner)

    def _make_folder(self, name: str) -> Folder:
        with contextlib.suppress(FileExistsError):  # somebody else was faster
            self._folder.make(name)
            self._made.append((self._folder, name))
        return self._folder.descend(name)

    def _sweep(self) -> None:
        pattern = re.compile(re.escape(self._stem) + r"[0-9a-f]{8}\.part")
        for name in filter(pattern.fullmatch, self._folder.names()):
            with contextlib.suppress(OSError):  # it may stay: it is in nobody's way
                if stat.S_ISREG(self._folder.status(name).st_mode):
                    self._folder.unlink(name)

    def _remove_folders(self) -> None:
        with contextlib.suppress(OSError):  # somebody else has put something there
            for folder, name in reversed(self._made):
                folder.remove(name)

    def _close_file(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            self.path = self.target.with_name(self.name)  # the number is somebody else's next

    def _close(self) -> None:
        self._close_file()
        for folder in self._way:
            folder.close()
        self._way.clear()
        self._made.clear()


def _way_to(target: Path) -> tuple[Path, list[str]]:
    """The last folder before ``target`` that is there, and the names of those to be made."""
    names: list[str] = []
    folder = target.parent
    while not folder.is_dir() and folder.name:
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, names


def _from_os(error: OSError, target: Path) -> FarmTasksError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return DiskFull(f"{target}: {error.strerror}. Make room, then retry.")
    return FileUnreadable(f"{target}: {error.strerror or error}")
