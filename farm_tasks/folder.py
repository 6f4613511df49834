"""A folder held open: what is done in it is done there, whatever its name means by then.

A path that was checked may lead elsewhere a moment later: somebody renames a folder and puts a
symbolic link in its place. Names that are looked up from an open folder, one at a time and without
following links, cannot (openat(2), ``O_NOFOLLOW``).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from types import TracebackType
from typing import Self

from farm_tasks.errors import OutsideRoots

_BY_DESCRIPTOR = os.open in os.supports_dir_fd
_CLOSED = -1  # a descriptor that no file has, so that nothing is looked up by path instead
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)
# O_PATH: a folder that may be searched need not be readable.
_FOLDER: int = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)


class Folder:
    """An open folder, and what can be done to the names in it. None of it follows a link.

    Where the system has no openat (Windows), names are put behind the folder's path instead.

    Args:
        path: Its path, for messages.
        descriptor: Its descriptor, which belongs to this object from now on.
    """

    def __init__(self, path: str, descriptor: int | None) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Folder:
        """Open a folder that is trusted: links on the way to it are followed."""
        return cls(os.fspath(path), os.open(path, _FOLDER) if _BY_DESCRIPTOR else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it. What is tried in it afterwards fails."""
        if self._descriptor is not None and self._descriptor != _CLOSED:
            os.close(self._descriptor)
            self._descriptor = _CLOSED

    def descend(self, name: str) -> Folder:
        """Open a folder in this one.

        Raises:
            OutsideRoots: it is a symbolic link.
            OSError: it is missing, no folder, or closed to this user.
        """
        path = os.path.join(self.path, name)
        if self._descriptor is None:
            mode = self.status(name).st_mode
            if stat.S_ISLNK(mode):
                raise _linked(path)
            if not stat.S_ISDIR(mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            return Folder(path, None)
        try:
            descriptor = os.open(name, _FOLDER | _NO_LINK, dir_fd=self._descriptor)
        except OSError as error:
            if error.errno == errno.ELOOP or self._is_link(name):
                raise _linked(path) from error
            raise
        return Folder(path, descriptor)

    def open_file(self, name: str, flags: int, mode: int = 0o666) -> int:
        """Open, or make, a file in this folder. Returns its descriptor.

        Raises:
            OutsideRoots: it is a symbolic link.
            OSError: as of :func:`os.open`.
        """
        try:
            return os.open(self._at(name), flags | _NO_LINK, mode, dir_fd=self._descriptor)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _linked(os.path.join(self.path, name)) from error
            raise

    def status(self, name: str) -> os.stat_result:
        """What is there under ``name``; of a link, the link itself."""
        return os.stat(self._at(name), dir_fd=self._descriptor, follow_symlinks=False)

    def make(self, name: str) -> None:
        """Make a folder."""
        os.mkdir(self._at(name), dir_fd=self._descriptor)

    def replace(self, name: str, new_name: str) -> None:
        """Rename, in place of what is there under the new name."""
        os.replace(
            self._at(name),
            self._at(new_name),
            src_dir_fd=self._descriptor,
            dst_dir_fd=self._descriptor,
        )

    def move(self, name: str, other: Folder, new_name: str) -> None:
        """Rename into another folder, in place of what is there under the new name."""
        os.replace(
            self._at(name),
            other._at(new_name),
            src_dir_fd=self._descriptor,
            dst_dir_fd=other._descriptor,
        )

    def unlink(self, name: str) -> None:
        """Remove a file or a link."""
        os.unlink(self._at(name), dir_fd=self._descriptor)

    def remove(self, name: str) -> None:
        """Remove an empty folder."""
        os.rmdir(self._at(name), dir_fd=self._descriptor)

    def names(self) -> list[str]:
        """Everything that is in it."""
        if self._descriptor is None:
            return os.listdir(self.path)
        readable = os.open(".", os.O_RDONLY, dir_fd=self._descriptor)
        try:
            return os.listdir(readable)
        finally:
            os.close(readable)

    def sync(self) -> None:
        """Make renames last through a power cut, where folders can be opened for it."""
        if self._descriptor is None:
            return
        # Some network file systems refuse, and a folder may be writable yet not readable; the file
        # is in its place all the same.
        with contextlib.suppress(OSError):
            readable = os.open(".", os.O_RDONLY, dir_fd=self._descriptor)
            try:
                os.fsync(readable)
            finally:
                os.close(readable)

    def _at(self, name: str) -> str:
        return name if self._descriptor is not None else os.path.join(self.path, name)

    def _is_link(self, name: str) -> bool:
        try:
            return stat.S_ISLNK(self.status(name).st_mode)
        except OSError:
            return False


def name_of(descriptor: int, path: str) -> str:
    """A name under which exactly this open file can be opened once more.

    ``/proc/self/fd/<descriptor>`` on Linux. Elsewhere it is ``path``, and whoever opens it has to
    compare what was opened.
    """
    name = f"/proc/self/fd/{descriptor}"
    with contextlib.suppress(OSError):
        if os.path.samestat(os.stat(name), os.fstat(descriptor)):
            return name
    return path


def _linked(path: str) -> OutsideRoots:
    return OutsideRoots(f"{path} is a symbolic link by now: it is not followed.")
