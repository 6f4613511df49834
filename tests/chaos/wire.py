"""HTTP/1.1 messages on a socket, as far as a proxy needs them."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import struct
from http.client import responses

PIECE = 64 * 1024


class Broken(OSError):
    """The other side has gone in the middle of a message."""


@dataclasses.dataclass(frozen=True)
class Head:
    """Of a request or an answer.

    Attributes:
        first: The first line.
        headers: By lower-case name.
        raw: All its bytes, with the empty line.
    """

    first: str
    headers: dict[str, str]
    raw: bytes

    @property
    def status(self) -> int:
        return int(self.first.split(" ")[1])

    @property
    def length(self) -> int:
        """Of the body. zou sends nothing chunked, and neither do we."""
        assert "transfer-encoding" not in self.headers, self.first
        return int(self.headers.get("content-length", "0"))


class Peer:
    """One end of the road: a socket, and what was read from it too early."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._ahead = b""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read_head(self) -> Head | None:
        """None where the other side has closed."""
        while b"\r\n\r\n" not in self._ahead:
            piece = self.socket.recv(PIECE)
            if not piece:
                return None
            self._ahead += piece
        head, _, self._ahead = self._ahead.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return Head(first, headers, head + b"\r\n\r\n")

    def read(self, size: int) -> bytes:
        """At least one and at most ``size`` bytes of a body."""
        if not self._ahead:
            self._ahead = self.socket.recv(min(size, PIECE))
            if not self._ahead:
                raise Broken("the body ended early")
        piece, self._ahead = self._ahead[:size], self._ahead[size:]
        return piece

    def read_all(self, size: int) -> bytes:
        pieces = []
        while size:
            pieces.append(self.read(size))
            size -= len(pieces[-1])
        return b"".join(pieces)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, status: int, retry_after: int | None = None) -> None:
        """Say it as a proxy in front of Kitsu does: in HTML, and close."""
        content = f"<html><body>{status} {responses[status]}</body></html>".encode()
        lines = [
            f"HTTP/1.1 {status} {responses[status]}",
            "Content-Type: text/html",
            f"Content-Length: {len(content)}",
            "Connection: close",
        ]
        if retry_after is not None:
            lines.append(f"Retry-After: {retry_after}")
        self.send("\r\n".join([*lines, "", ""]).encode() + content)

    def drain(self) -> None:
        """Read on to the end, as nginx does after an early answer, so that it is not reset."""
        self.socket.shutdown(socket.SHUT_WR)
        self.socket.settimeout(5)
        while self.socket.recv(PIECE):
            pass

    def reset(self) -> None:
        """End with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
