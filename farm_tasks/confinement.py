"""What one task run may read and write, checked at the moment of opening.

:func:`~farm_tasks.paths.inside` checks a path early, with a good message. Between that and the
opening somebody may put a link in its place; so under a confinement files are opened from their
root on, name by name, and no link is followed. Whoever has no confinement (a script that uses the
operations without Celery) reads and writes what its user may.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from contextvars import ContextVar, Token
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

from farm_tasks.errors import FileMissing, FileUnreadable, InvalidArgument, OutsideRoots
from farm_tasks.folder import Folder, name_of
from farm_tasks.paths import check_regular, located

Value = TypeVar("Value")

_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""A FIFO that nobody writes to would block for ever."""

_NO_FILE = {errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP}
"""What opening a socket, or a device without a driver, answers."""

_current: ContextVar[Confinement | None] = ContextVar("confinement", default=None)


def current() -> Confinement | None:
    """The confinement that this task runs in, or None."""
    return _current.get()


@contextlib.contextmanager
def lent(values: Value) -> Iterator[Value]:
    """As :meth:`Confinement.lent`; without a confinement, ``values`` as they are."""
    confined = current()
    if confined is None:
        yield values
    else:
        with confined.lent(values) as names:
            yield names


def path_behind(name: str) -> str:
    """The path of a file that was lent as ``name``; any other name as it is."""
    confined = current()
    return name if confined is None else confined.path_behind(name)


class SourcePath(str):
    """The path of a file to read, told apart from a comment that happens to say the same.

    Attributes:
        given: What the submission calls it. Another worker may find it under another path: behind a
            link, under another system's root, or not at all where it was made on the way.
    """

    __slots__ = ("given",)
    given: str

    def __new__(cls, path: str, given: str | None = None) -> SourcePath:
        """A path that was resolved."""
        made = super().__new__(cls, path)
        made.given = path if given is None else given
        return made


def name_in_submission(path: str) -> str:
    """What a submission calls a file: the same in every worker that it comes to."""
    return path.given if isinstance(path, SourcePath) else path


class Confinement:
    """The roots of one task run, as a context. What is not under them cannot be opened in it.

    Args:
        read_roots: Folders to read in. That their own paths lead where they should is up to who
            configured them.
        write_roots: Folders to write in.
        tag: Eight hex digits that mark the partial files of one submission, see
            :func:`~farm_tasks.transfer.partial_file.tag_of`.
        sweep: Whether an earlier attempt of that submission may have left such files, and has
            certainly ended.
    """

    def __init__(
        self,
        read_roots: Sequence[Path],
        write_roots: Sequence[Path],
        tag: str | None = None,
        sweep: bool = False,
    ) -> None:
        self.tag = tag
        self.sweep = sweep
        self._read_roots = read_roots
        self._own: Path | None = None
        self._write_roots = write_roots
        self._sources: dict[str, str] = {}  # resolved paths: the roots that they are under
        self._targets: dict[str, str] = {}
        self._lent: dict[str, tuple[str, int]] = {}
        self._token: Token[Confinement | None] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
            self._token = None

    def source(self, path: str) -> str:
        """The resolved path of a file to read. It need not exist yet.

        Raises:
            OutsideRoots, NotConfigured, InvalidArgument: see :func:`farm_tasks.paths.inside`.
        """
        given = name_in_submission(path)
        if path not in self._sources:
            root, path = self._located(path)
            self._sources[path] = root
        return SourcePath(path, given)

    def _located(self, path: str) -> tuple[str, str]:
        if self._own is not None:
            # Looked at apart: who is refused is told the read roots, and not of this folder.
            with contextlib.suppress(OutsideRoots):
                return located(path, [self._own], "FARM_TASKS_SCRATCH")
        return located(path, self._read_roots, "FARM_TASKS_READ_ROOTS")

    @property
    def read_roots(self) -> Sequence[Path]:
        """Folders to read in."""
        return self._read_roots

    def also_read(self, folder: Path) -> None:
        """Let a folder that this run has made itself be read as well."""
        self._own = folder

    def target(self, path: str) -> str:
        """The resolved path of a file to write.

        Raises:
            OutsideRoots, NotConfigured, InvalidArgument: see :func:`farm_tasks.paths.inside`.
        """
        if path not in self._targets:
            root, path = located(path, self._write_roots, "FARM_TASKS_WRITE_ROOTS")
            self._targets[path] = root
        return path

    def way_to(self, target: str) -> tuple[str, list[str]]:
        """The root of a target, and the names of the folders from there to the one it is in.

        Raises:
            As :meth:`target` does.
        """
        target = self.target(target)
        root = self._targets[target]
        return root, _names(root, target)[:-1]

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """Open a source for reading, and close it at the end of the block.

        Raises:
            OutsideRoots: it is not under the read roots, or a link stands in the way by now.
            FileMissing: nothing is there.
            FileUnreadable: this user may not read it.
            InvalidArgument: it is no regular file.
        """
        path = self.source(path)
        descriptor = _open(self._sources[path], path)
        try:
            check_regular(path, os.fstat(descriptor))
            yield descriptor
        finally:
            os.close(descriptor)

    def names(self, path: str) -> list[str]:
        """Everything that is in a folder of sources.

        Raises:
            OutsideRoots: it is not under the read roots, or a link stands in the way by now.
            FileMissing: nothing is there.
            FileUnreadable: this user may not read it, or it is no folder.
        """
        path = self.source(path)
        root = self._sources[path]
        with _reported(path), contextlib.ExitStack() as stack:
            folder = stack.enter_context(Folder.open(root))
            for name in _names(root, path):
                folder = stack.enter_context(folder.descend(name))
            return folder.names()

    def size(self, path: str) -> int:
        """Bytes of a source; 0 for what cannot be opened."""
        try:
            with self.opened(path) as descriptor:
                return os.fstat(descriptor).st_size
        except (FileMissing, FileUnreadable, InvalidArgument, OutsideRoots):
            return 0

    @contextlib.contextmanager
    def lent(self, values: Value) -> Iterator[Value]:
        """Hold every :class:`SourcePath` in ``values`` open, for someone who opens by name.

        Yields:
            ``values`` with names that lead to exactly the files held open.

        Raises:
            As :meth:`opened` does.
        """
        with contextlib.ExitStack() as stack:
            names: dict[str, str] = {}

            def lend(value: Any) -> Any:
                if isinstance(value, SourcePath):
                    if value not in names:
                        descriptor = stack.enter_context(self.opened(value))
                        names[value] = name_of(descriptor, str(value))
                        self._lent[names[value]] = (str(value), descriptor)
                    return names[value]
                if isinstance(value, list):
                    return [lend(one) for one in value]
                if isinstance(value, tuple):
                    return tuple(lend(one) for one in value)
                if isinstance(value, dict):
                    return {key: lend(one) for key, one in value.items()}
                return value

            try:
                yield lend(values)
            finally:
                for name in names.values():
                    del self._lent[name]

    def path_behind(self, name: str) -> str:
        """The path of a file that was lent as ``name``; any other name as it is."""
        return self._lent[name][0] if name in self._lent else name

    def check_lent(self, name: str, file: IO[bytes]) -> None:
        """See that ``file``, opened as ``name``, is the one that was lent.

        Raises:
            OutsideRoots: it is another one, or was never checked.
        """
        path, descriptor = self._lent.get(name, (name, -1))
        if descriptor < 0 or not os.path.samestat(os.fstat(file.fileno()), os.fstat(descriptor)):
            raise OutsideRoots(f"{path} is not the file that was checked: it is not read.")


def _open(root: str, path: str) -> int:
    *folders, name = _names(root, path) or ["."]
    with _reported(path):
        folder = Folder.open(root)
        for one in folders:
            with folder:
                inner = folder.descend(one)
            folder = inner
        with folder:
            return folder.open_file(name, _READING)


@contextlib.contextmanager
def _reported(path: str) -> Iterator[None]:
    """What the system says of ``path``, as an error of ours."""
    try:
        yield
    except FileNotFoundError:
        raise FileMissing(f"{path} does not exist on this machine.") from None
    except PermissionError as error:
        raise FileUnreadable(f"{path} cannot be read by the user that this runs as.") from error
    except OSError as error:
        if error.errno in _NO_FILE:
            raise InvalidArgument(f"{path} is not a regular file.") from error
        raise FileUnreadable(f"{path}: {error.strerror or error}") from error


def _names(root: str, path: str) -> list[str]:
    """The steps from ``root`` to ``path``, both resolved."""
    way = os.path.relpath(path, root)
    return [] if way == os.curdir else way.split(os.sep)
