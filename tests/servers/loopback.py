"""A server on a real loopback socket, one thread per connection, one handler per request."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from http.client import responses
from pathlib import Path
from types import TracebackType
from typing import Self

READ_BYTES = 256 * 1024

CERTIFICATE = Path(__file__).with_name("loopback.pem")
"""What a client has to trust for a server with ``tls=True``."""


class Exchange:
    """One request, and the means to answer it rightly or wrongly.

    Attributes:
        method, target: The request line.
        headers: By lower-case name.
        body_length: What Content-Length promised; 0 without one.
        body_read: Bytes of the body that the server has read so far.
        closing: Set when the test is over: nothing should wait longer than that.
    """

    def __init__(self, server: LoopbackServer, connection: socket.socket, head: bytes) -> None:
        request_line, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = request_line.split(" ")
        pairs = (line.split(":", 1) for line in lines if line)
        self.headers = {name.strip().lower(): value.strip() for name, value in pairs}
        self.body_length = int(self.headers.get("content-length", "0"))
        self.body_read = 0
        self.closing = server.closing
        self.keep_alive = True
        self._connection = connection

    @property
    def is_complete(self) -> bool:
        """Whether every byte of the body arrived."""
        return self.body_read == self.body_length

    def receive(self, size: int = READ_BYTES) -> bytes:
        """Up to ``size`` more bytes of the body; b"" at its end or where the client is gone."""
        piece = self._connection.recv(min(size, self.body_length - self.body_read))
        self.body_read += len(piece)
        return piece

    def read_body(self, rate: float | None = None) -> bytes:
        """The whole body, or what came of it; no faster than ``rate`` bytes per second."""
        started = time.monotonic()
        pieces = []
        size = READ_BYTES if rate is None else max(1, min(READ_BYTES, int(rate / 50)))
        while not self.is_complete and (piece := self.receive(size)):
            pieces.append(piece)
            if rate is not None:
                due = started + self.body_read / rate
                if self.closing.wait(max(0.0, due - time.monotonic())):
                    break
        return b"".join(pieces)

    def reply(
        self,
        code: int,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        length: int | None = -1,
    ) -> None:
        """Answer; ``length`` is what Content-Length says: -1: the truth, None: nothing."""
        said = {"Content-Length": str(len(body) if length == -1 else length)}
        if length is None:
            said = {"Connection": "close"}
            self.keep_alive = False
        self.reply_head(code, {**said, **(headers or {})})
        self.send(body)

    def reply_head(self, code: int, headers: Mapping[str, str]) -> None:
        """Only the status line and the headers."""
        phrase = responses.get(code, "Strange")
        lines = [f"HTTP/1.1 {code} {phrase}", *(f"{name}: {headers[name]}" for name in headers)]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def send(self, data: bytes | memoryview) -> None:
        """Bytes as they are."""
        self._connection.sendall(data)

    def close(self) -> None:
        """End the connection in an orderly way after this request."""
        self.keep_alive = False

    def reset(self) -> None:
        """End the connection with a RST, as a crashed server does."""
        self.keep_alive = False
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Handler = Callable[[Exchange], None]


@dataclasses.dataclass
class Connection:
    """What the server keeps of an accepted connection."""

    socket: socket.socket
    thread: threading.Thread | None = None


class LoopbackServer:
    """Serve on 127.0.0.1 while the ``with`` block runs.

    Args:
        handler: Called for each request in the connection's thread. Where it raises, leaving the
            block raises that, so that a mistake in a test's server does not look like a pass.
        tls: Speak TLS, with :data:`CERTIFICATE`.

    Attributes:
        url: ``http://127.0.0.1:<port>``.
        exchanges: Every request so far, oldest first.
        connections: How many connections were accepted.
        closing: Set when the block is left.
    """

    def __init__(self, handler: Handler, tls: bool = False) -> None:
        self._handler = handler
        self._tls: ssl.SSLContext | None = None
        if tls:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(CERTIFICATE)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[Connection] = []
        self._failures: list[Exception] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self.closing = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.other_url = f"http://localhost:{self.port}"

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(5)
        self._listener.close()
        self.hang_up()
        for connection in self._open:
            if connection.thread is not None:
                connection.thread.join(5)
            connection.socket.close()
        if self._failures:
            raise self._failures[0] from error

    @property
    def last(self) -> Exchange:
        """The latest request."""
        return self.exchanges[-1]

    def hang_up(self) -> None:
        """End all connections, whatever they are at."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection.socket, socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            # As nginx does. Or else a small answer waits for the receipt of what was sent before
            # (Nagle), and never leaves where the connection is reset meanwhile.
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            connection = Connection(accepted)
            self._open.append(connection)
            connection.thread = threading.Thread(
                target=self._serve, args=(connection,), daemon=True
            )
            connection.thread.start()

    def _serve(self, accepted: Connection) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as at_the_end:
            if self._tls is not None:
                accepted.socket = self._tls.wrap_socket(accepted.socket, server_side=True)
            connection = at_the_end.enter_context(accepted.socket)
            while (head := _read_head(connection)) is not None:
                exchange = Exchange(self, connection, head)
                self.exchanges.append(exchange)
                try:
                    self._handler(exchange)
                except OSError:
                    return
                except Exception as error:
                    self._failures.append(error)
                    return
                if not exchange.keep_alive or not exchange.is_complete:
                    return


def _read_head(connection: socket.socket) -> bytes | None:
    """Up to the empty line, byte by byte so that none of the body is taken."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return None
        head += byte
    return bytes(head[:-4])
