"""The multipart/form-data body of an upload: streamed from disk, in constant memory, restartable.

urllib3 cuts a body that has ``read`` into 16 KiB blocks, but sends the pieces of an iterable as
they are: that alone is worth 1.8x. ``__len__`` makes requests send Content-Length instead of
chunking, and ``__iter__`` starts anew each time, so a retry sends the whole body again.
"""

from __future__ import annotations

import io
import mimetypes
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any

from urllib3.fields import RequestField

from farm_tasks.confinement import current, path_behind
from farm_tasks.errors import FileChanged, FileUnreadable
from farm_tasks.transfer import limit
from farm_tasks.transfer.piece_size import MOST_BYTES, PieceSize
from farm_tasks.transfer.progress import ProgressCallback, announce, check, follow, moved

mimetypes.add_type("image/x-exr", ".exr")


class FilePart:
    """A file on its way into a body; at most the size it had when it was opened is sent.

    Args:
        head: The part's delimiter and headers.
        source: A file opened for reading in binary mode, positioned anywhere.

    Raises:
        FileUnreadable: ``source`` is not backed by a file.
        OutsideRoots: it is not one that the :class:`~farm_tasks.confinement.Confinement` has lent.
    """

    def __init__(self, head: bytes, source: IO[bytes]) -> None:
        self.head = head
        # The unbuffered file: reading goes straight into our buffer, without a copy. Not where
        # someone has wrapped the file to see what is read of it, as gazu does.
        self._source: Any = source.raw if isinstance(source, io.BufferedReader) else source
        self.name = _path_of(source, "file")
        try:
            self._stat = os.fstat(source.fileno())
        except (OSError, AttributeError) as error:
            raise FileUnreadable(f"{self.name}: not a file that can be streamed.") from error
        if not stat.S_ISREG(self._stat.st_mode):
            raise FileUnreadable(f"{self.name}: not a regular file, so its size is not known.")
        confined = current()
        if confined is not None:
            confined.check_lent(_name_of(source, "file"), source)
        self.size = self._stat.st_size

    def read_pieces(self, buffer: memoryview, size: Callable[[], int]) -> Iterator[memoryview]:
        """Yield the content in views of ``buffer``, each valid until the next is asked for.

        Args:
            buffer: Where they are read to.
            size: How large the next one may be, in bytes; at most as ``buffer``.

        Raises:
            FileChanged: it shrank, grew or was written to since it was opened. Raised before the
                last piece is given away, so that the server never sees a complete body.
            FileUnreadable: reading failed. Not an OSError: urllib3 takes those for the network's.
        """
        left = self.size
        try:
            if not left:
                self._check_unchanged()
            self._source.seek(0)
            while left:
                piece = self._read(buffer[: min(left, size())])
                left -= len(piece)
                if not piece:
                    self._fail_changed()
                if not left:
                    self._check_unchanged()
                yield piece
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise FileUnreadable(f"{self.name}: {reason}") from error

    def _read(self, buffer: memoryview) -> memoryview:
        if isinstance(self._source, io.RawIOBase):
            return buffer[: self._source.readinto(buffer)]
        return memoryview(self._source.read(len(buffer)))

    def _check_unchanged(self) -> None:
        now = os.fstat(self._source.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._stat.st_size, self._stat.st_mtime_ns):
            self._fail_changed()

    def _fail_changed(self) -> None:
        raise FileChanged(
            f"{self.name} changed while it was uploaded. Submit it when the render has ended."
        )


class MultipartBody:
    """A multipart/form-data body (RFC 7578) that is read from disk while it is sent.

    Args:
        fields: The text fields, sent before the files.
        files: What requests takes as ``files=``: names to open binary files, or to tuples of
            ``(filename, content[, content type])`` with a file, bytes or text as the content.
        progress: Called with the file bytes that have arrived so far and their total. A piece is
            counted once the socket has taken it and :attr:`backlog` has shrunk. The last ones are
            counted by :meth:`finish`, and before that only by a callback that asks for them, as a
            :class:`~farm_tasks.transfer.progress.Meter` does.

    Attributes:
        backlog: Tells how many of the bytes that were yielded have not arrived yet. Set by the
            connection.
    """

    def __init__(
        self,
        fields: Iterable[tuple[str, str]],
        files: Mapping[str, Any],
        progress: ProgressCallback | None = None,
    ) -> None:
        boundary = uuid.uuid4().hex
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._delimiter = f"--{boundary}\r\n".encode()
        self._end = f"--{boundary}--\r\n".encode()
        self._progress = progress
        self._reported = -1
        self.backlog: Callable[[], int] = int
        self._parts: list[bytes | FilePart] = []
        for name, value in fields:
            field = RequestField(name, value)
            field.make_multipart()
            self._parts.append(self._head(field) + value.encode(errors="replace") + b"\r\n")
        for name, value in files.items():
            self._parts.append(self._file_part(name, value))
        self._has_files = any(isinstance(part, FilePart) for part in self._parts)
        self.total = sum(part.size for part in self._parts if isinstance(part, FilePart))
        self._length = len(self._end) + sum(
            len(part) if isinstance(part, bytes) else len(part.head) + part.size + 2
            for part in self._parts
        )

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes | memoryview]:
        buffer = memoryview(bytearray(MOST_BYTES))
        lane = limit.up()
        size = PieceSize()
        backlog = self.backlog
        sent = 0
        self._reported = -1
        # Each time: what is sent again was "waiting for Kitsu" before.
        announce(self._progress, "uploading")
        if self._has_files:
            # In this order: what is sent in between is in the backlog only.
            follow(self._progress, lambda: sent - backlog())
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
                continue
            yield part.head
            for piece in part.read_pieces(
                buffer, lambda: size.bytes if lane is None else lane.piece(size.bytes)
            ):
                if lane is not None:
                    lane.wait(len(piece), self._check)
                given_at = time.monotonic()
                yield piece
                seconds = time.monotonic() - given_at
                sent += len(piece)
                moved(self._progress, len(piece))
                self._report(sent - backlog())
                size.note(len(piece), seconds, self._reported)
            yield b"\r\n"
        announce(self._progress, "waiting for Kitsu")
        yield self._end

    def close(self) -> None:
        """Count no more: to be called when the request has ended, with an answer or without."""
        follow(self._progress, None)

    def finish(self) -> None:
        """Report the end: to be called when the server has answered that it took the body."""
        if self._has_files and self._reported < self.total:
            self._report(self.total)

    def _check(self) -> None:
        check(self._progress)

    def _report(self, arrived: int) -> None:
        self._reported = max(self._reported, arrived, 0)
        if self._progress is not None:
            self._progress(self._reported, self.total)

    def _head(self, field: RequestField) -> bytes:
        headers = field.render_headers()
        try:
            # A name that is not UTF-8 on the disk goes out as the bytes that it is there.
            return self._delimiter + headers.encode(errors="surrogateescape")
        except UnicodeEncodeError:
            return self._delimiter + headers.encode(errors="replace")

    def _file_part(self, name: str, value: Any) -> bytes | FilePart:
        content_type = None
        if isinstance(value, tuple):
            filename, content, *rest = value
            content_type = rest[0] if rest else None
        else:
            filename, content = os.path.basename(_path_of(value, name)), value
        field = RequestField(name, b"", filename=filename)
        if content_type is None and filename is not None:
            content_type = mimetypes.guess_type(filename)[0] or "application/octet-stream"
        field.make_multipart(content_type=content_type)
        head = self._head(field)
        if isinstance(content, str):
            content = content.encode(errors="replace")
        if isinstance(content, bytes):
            return head + content + b"\r\n"
        return FilePart(head, content)


def _name_of(file: object, otherwise: str) -> str:
    """What ``file`` was opened as."""
    return str(getattr(file, "name", otherwise))


def _path_of(file: object, otherwise: str) -> str:
    """The path that a person knows ``file`` by."""
    return path_behind(_name_of(file, otherwise))
