"""A line as slow as a studio's, on one machine: a bar on localhost would be gone in a blink."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Self
from urllib.parse import urlsplit

_PIECE = 64 * 1024
_BUFFER = 128 * 1024
"""Bytes: what the kernel takes ahead would count as sent."""


class SlowLine:
    """Relays TCP connections to a server; what is sent to it goes at a limited rate.

    Args:
        target: The server, as ``http://host:port``.
        rate: Bytes per second, for each connection.
    """

    def __init__(self, target: str, rate: float) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._rate = rate
        self._server = socket.socket()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._server.bind(("127.0.0.1", 0))
        self._server.listen()
        self._open: set[socket.socket] = set()

    @property
    def address(self) -> str:
        """What to use instead of the target."""
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="slow-line", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._server, *self._open):
            # Only this wakes a thread that waits in accept or recv.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                try:
                    server = socket.create_connection(self._target)
                except OSError:
                    client.close()
                    continue
                self._open |= {client, server}
                for source, sink, rate in ((client, server, self._rate), (server, client, None)):
                    threading.Thread(
                        target=self._relay, args=(source, sink, rate), name="slow-line", daemon=True
                    ).start()

    def _relay(self, source: socket.socket, sink: socket.socket, rate: float | None) -> None:
        due = time.monotonic()
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                sink.sendall(piece)
                if rate is not None:
                    now = time.monotonic()
                    due = max(due, now) + len(piece) / rate
                    time.sleep(due - now)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
