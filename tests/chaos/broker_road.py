"""A road to Redis that survives Redis, and on which one acknowledgement can be held."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

PIECE = 256 * 1024


def acknowledgement(unacked: str, delivery_tag: str) -> bytes:
    """What kombu sends to forget a message for good (RESP, as redis-py writes it).

    Args:
        unacked: The key of the hash of what is not acknowledged.
        delivery_tag: The message's field in it.
    """
    words = "".join(f"${len(word)}\r\n{word}\r\n" for word in ("HDEL", unacked, delivery_tag))
    return words.encode()


class BrokerRoad:
    """Passes everything on; where one side closes, so does the other.

    Args:
        port: Redis'.

    Attributes:
        held: Set when what :meth:`hold` waits for is here.
    """

    def __init__(self, port: int) -> None:
        self._redis = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._text: bytes | None = None
        self._go = threading.Event()
        self.held = threading.Event()
        self._flows = threading.Event()
        self._flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, database: int) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def hold(self, text: bytes) -> None:
        """Hold what contains ``text``, and all that follows it on the same connection."""
        self._go.clear()
        self.held.clear()
        self._text = text

    def release(self) -> None:
        """Let go of what is held. It arrives even if its sender has gone."""
        self._text = None
        self._go.set()

    def keep_answers(self) -> None:
        """Let no answer of Redis through: a worker's host has lost its power."""
        self._flows.clear()

    def pass_answers(self) -> None:
        """Go on with it."""
        self._flows.set()

    def cut_all(self) -> None:
        """Reset every connection, which makes Celery deliver again what is being worked on."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    one.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.release()
        self.pass_answers()
        self.cut_all()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                try:
                    there = socket.create_connection(self._redis)
                except OSError:
                    here.close()
                    continue
                for one in (here, there):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._carry, args=(here, there), daemon=True).start()

    def _carry(self, here: socket.socket, there: socket.socket) -> None:
        with self._lock:
            self._pairs.add((here, there))
        back = threading.Thread(target=self._pump, args=(there, here), daemon=True)
        back.start()
        self._pump(here, there, asks=True)
        back.join()
        with self._lock:
            self._pairs.discard((here, there))
        here.close()
        there.close()

    def _pump(self, source: socket.socket, sink: socket.socket, asks: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                if asks and self._text is not None and self._text in data:
                    self.held.set()
                    self._go.wait()
                if not asks:
                    self._flows.wait()
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def running_broker_road(port: int) -> Iterator[BrokerRoad]:
    road = BrokerRoad(port)
    try:
        yield road
    finally:
        road.stop()
