"""A road to Redis on which a message can be held up, as packets are in a network."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class DelayingProxy:
    """Passes everything on, until told to hold what contains a text.

    Args:
        port: Where Redis listens.
        address: Where to listen, for who is not on this host.

    Attributes:
        behind: The address and port that new connections are led to.
    """

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self.behind = ("127.0.0.1", port)
        self._listener = socket.create_server((address, 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._text: bytes | None = None
        self.held: list[tuple[socket.socket, bytes]] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def hold(self, text: bytes) -> None:
        """Hold what contains ``text``, and all that follows it on the same connection."""
        with self._lock:
            self._text = text

    def release(self) -> int:
        """Deliver what was held, in order, even if its sender has gone. Return how much it was."""
        with self._lock:
            self._text = None
            held, self.held = self.held, []
            for there, data in held:
                there.sendall(data)
        return len(held)

    def stop(self) -> None:
        # Closing alone does not end an accept that waits: it would take one more connection.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(5)
        self._listener.close()
        with self._lock:
            for one in self._sockets:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                try:
                    there = socket.create_connection(self.behind)
                except OSError:  # Redis is away: so says a closed connection
                    here.close()
                    continue
                with self._lock:
                    self._sockets += [here, there]
                for pump in (self._ask, self._answer):
                    threading.Thread(target=pump, args=(here, there), daemon=True).start()

    def _ask(self, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := here.recv(256 * 1024):
                with self._lock:
                    begun = any(one is there for one, _ in self.held)
                    if begun or (self._text is not None and self._text in data):
                        self.held.append((there, data))
                    else:
                        there.sendall(data)

    def _answer(self, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := there.recv(256 * 1024):
                here.sendall(data)


@contextlib.contextmanager
def delaying_proxy(port: int, address: str = "127.0.0.1") -> Iterator[DelayingProxy]:
    proxy = DelayingProxy(port, address)
    try:
        yield proxy
    finally:
        proxy.stop()
