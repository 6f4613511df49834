"""OpenColorIO's configurations: one of its own, the worker's, or one that a message names.

OpenColorIO opens files with the interpreter locked: a pipe or a device in the place of a look-up
table would stop the whole process, its lease and a cancel with it. So of a configuration that a
message names it opens nothing. All bytes come through :class:`_Files`, whatever names them: a
transform, a search path, or another table.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import PyOpenColorIO as ocio  # noqa: N813 - as its own documentation does

from farm_tasks.confinement import Confinement, current
from farm_tasks.errors import FarmTasksError, FileMissing, InvalidArgument
from farm_tasks.media.frame_file import bytes_of

BUILT_IN = "ocio://"

MOST_CONFIGURATION = 512 * 1024
"""Bytes of a configuration that a message names; OpenColorIO's own have 20 to 200 thousand."""

MOST_TABLES = 64 * 1024**2
"""Bytes of all look-up tables that are read for a movie."""

_ERRORS = (ocio.Exception, ocio.ExceptionMissingFile)
"""Not one a subclass of the other, as they are in C++."""

_ARCHIVE = b"PK"

_ONE_AT_A_TIME = threading.Lock()
"""OpenColorIO holds locks of its own while it asks for a file: two threads would wait for each
other, one of them with the interpreter locked."""


class Configuration:
    """A configuration that was read.

    Args:
        given: As it was asked for: a file's path, or the name of one of OpenColorIO's own. None:
            what ``$OCIO`` of this process says, else ``ocio://default``.
        tried: What :func:`farm_tasks.media.trial.digests_of` says of it: other files are refused.

    Attributes:
        config: It.
        built_in: Whether it is one of OpenColorIO's own.
        digests: SHA-256 in hex of each file that was read of one that a message names, by its path.

    Raises:
        InvalidArgument: it cannot be used.
        FileMissing: it is not there.
        OutsideRoots, FileUnreadable: it is not to be read here.
    """

    def __init__(self, given: str | None, tried: Mapping[str, str] | None = None) -> None:
        name = _in_full(given or os.environ.get("OCIO") or "ocio://default")
        self.built_in = name.startswith(BUILT_IN)
        setting = "color_config" if given else "OCIO"
        confined = current()
        self._files: _Files | None = None
        if confined is not None and is_of_message(given):
            self._files = _Files(confined, name, tried)
        elif not self.built_in and not Path(name).is_file():
            raise FileMissing(f"{setting}: {name} does not exist on this machine.")
        self.digests = self._files.digests if self._files else {}
        try:
            self.config = self._files.config() if self._files else ocio.Config.CreateFromFile(name)
        except _ERRORS as error:
            near = near_to(name.removeprefix(BUILT_IN), _built_in()) if self.built_in else ""
            raise InvalidArgument(
                f"{setting}: {name} is no OpenColorIO configuration{self._reason(error)}.{near}"
            ) from error

    def processor(self, transform: ocio.Transform, name: str) -> ocio.CPUProcessor:
        """What computes a transform.

        Args:
            transform: Of this configuration.
            name: What it is called in an error.

        Raises:
            InvalidArgument: OpenColorIO cannot do that.
            FileMissing: a look-up table is not there.
            OutsideRoots, FileUnreadable: a look-up table is not to be read here.
        """
        try:
            with self._files.lent() if self._files else _ONE_AT_A_TIME:
                return self.config.getProcessor(transform).getDefaultCPUProcessor()
        except _ERRORS as error:
            if self._files is not None and self._files.refused:
                raise self._files.refused[0] from error
            raise InvalidArgument(
                f"{name}: OpenColorIO cannot do that{self._reason(error)}. "
                "See what ociocheck says of the configuration."
            ) from error

    def _reason(self, error: Exception) -> str:
        """What OpenColorIO says, unless it may quote a file that only this worker may read."""
        return "" if self._files is not None else f" ({str(error)[:200]})"


def is_of_message(given: str | None) -> bool:
    """Whether it is a file that a message names: one that may be anything."""
    return bool(given) and current() is not None and not _in_full(str(given)).startswith(BUILT_IN)


class _Files(ocio.PyConfigIOProxy):  # type: ignore[misc]
    """What OpenColorIO asks for the bytes of a configuration and of its look-up tables.

    Args:
        confined: What may be read.
        path: Of the configuration.
        tried: What the digests have to be, by path; None if they may be any.

    Attributes:
        digests: SHA-256 in hex of what was read, by path.
        refused: What was wrong with tables that were not read; another folder of the search path
            may have one that is missing.

    Raises:
        InvalidArgument, FileMissing, OutsideRoots, FileUnreadable: it is not to be read here.
    """

    def __init__(self, confined: Confinement, path: str, tried: Mapping[str, str] | None) -> None:
        super().__init__()
        self.digests: dict[str, str] = {}
        self._tried = tried
        self.refused: list[FarmTasksError] = []
        self._confined = confined
        self._path = str(confined.source(path))
        self._room = MOST_TABLES
        self._tables: dict[str, ocio.vector_of_uint8_t | None] = {}
        content = self._read("", self._path, MOST_CONFIGURATION)
        self._text = _checked(self._path, content)

    def config(self) -> ocio.Config:
        """The configuration, as if this process had no environment.

        Raises:
            ocio.Exception: it is none.
        """
        with _ONE_AT_A_TIME:
            config = ocio.Config.CreateFromConfigIOProxy(self)
        config.setWorkingDir(os.path.dirname(self._path))
        # A variable of the worker may hold a secret, and a table's path ends in an error text.
        names = list(config.getEnvironmentVarNames())
        own = {name: config.getEnvironmentVarDefault(name) for name in names}
        config.clearEnvironmentVars()
        config.setEnvironmentMode(ocio.ENV_ENVIRONMENT_LOAD_PREDEFINED)
        for name, value in own.items():
            config.addEnvironmentVar(name, value)
        return config

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """What OpenColorIO asks for in this block it asks here, and forgets afterwards."""
        with _ONE_AT_A_TIME:
            # It remembers tables by their paths, of whatever configuration, for ever.
            ocio.ClearAllCaches()
            try:
                yield
            finally:
                ocio.ClearAllCaches()
                self._tables.clear()

    def getConfigData(self) -> str:  # noqa: N802 - OpenColorIO's name
        return self._text

    def getLutData(self, path: str) -> ocio.vector_of_uint8_t:  # noqa: N802
        # Where this raises, or gives nothing or another type, OpenColorIO opens the file itself.
        return self._table(path) or ocio.vector_of_uint8_t(b"\0")

    def getFastLutFileHash(self, path: str) -> str:  # noqa: N802
        """Anything for a file that can be read."""
        return "1" if self._table(path) else ""

    def _table(self, path: str) -> ocio.vector_of_uint8_t | None:
        if path not in self._tables:
            self._tables[path] = None
            try:
                content = self._read("look-up table ", path, self._room)
                self._room -= len(content)
                self._tables[path] = ocio.vector_of_uint8_t(content)
            except FileMissing as error:
                self.refused.append(error)
            except FarmTasksError as error:
                self.refused.insert(0, error)  # it says more than that nothing is there
        return self._tables[path]

    def _read(self, what: str, path: str, most: int) -> bytes:
        try:
            with self._confined.opened(path) as file:
                size = os.fstat(file).st_size
                if size > most:
                    raise InvalidArgument(f"{path} has {size:,} bytes, and {most:,} may be read.")
                content = bytes_of(file, 0, size)
            digest = self.digests[path] = hashlib.sha256(content).hexdigest()
            if self._tried is not None and self._tried.get(path) != digest:
                raise InvalidArgument(f"{path} was changed while it was read.")
            return content
        except FarmTasksError as error:
            raise type(error)(f"color_config: {what}{error}") from error


def near_to(value: str, known: list[str]) -> str:
    """A sentence that names what is like ``value``; empty if nothing is known."""
    folded = {one.lower(): one for one in known}
    near = difflib.get_close_matches(value[:80].lower(), folded, 5, 0.4)
    near += [one for one in folded if value.lower() in one and one not in near][:5]
    shown = [folded[one] for one in near] or known[:10]
    return f" Near that: {', '.join(map(repr, shown))}." if shown else ""


def _built_in() -> list[str]:
    return [one[0] for one in ocio.BuiltinConfigRegistry().getBuiltinConfigs()]


def _in_full(name: str) -> str:
    return BUILT_IN + name if name in _built_in() else name


def _checked(path: str, content: bytes) -> str:
    """The text of a configuration.

    Raises:
        InvalidArgument: it is none.
    """
    if content.startswith(_ARCHIVE):
        raise InvalidArgument(
            f"color_config: {path} is an archive: unpack it and name the config.ocio in it, or let "
            "the worker's admin set OCIO to it."
        )
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InvalidArgument(f"color_config: {path} is no text in UTF-8.")
    return text
