"""A server that takes and gives bytes as Kitsu does, at full speed or at a chosen one.

Real Kitsu moves 100 MB/s and does not say when a byte arrived. This one answers only what a working
file's transfer asks for, and the small files of :mod:`tests.support.small_files_of_kitsu`. It keeps
no content, and publishes how many bytes of working files it has moved, and when, in memory that it
shares with the test. It runs as a process of its own and imports nothing of ours.
"""

from __future__ import annotations

import base64
import bisect
import contextlib
import hashlib
import json
import mmap
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WORKING_FILE = "5d1f2f4e-6f2b-4f4e-9d0a-0d6c0f5f5a11"

_SLOT = 8
_RATE, _QUICK, _SIZE, _BEGUN, _ENDED, _READINGS, _PIECE, _HANGS_UP = range(8)
_LIVE = 16
_MOST_TRANSFERS = 4096
_LOG = _LIVE + _MOST_TRANSFERS
_MOST_READINGS = 200_000
_SLOTS = _LOG + 3 * _MOST_READINGS

_READING_EVERY = 2_000_000
_FAST_PIECE = 1024 * 1024
_SLOW_PIECE = 64 * 1024

_DISCARD = socket.MSG_TRUNC if sys.platform == "linux" else 0
"""Bytes are taken from a TCP socket without a copy of them (tcp(7))."""

PATTERN = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(32 * 1024))
"""What a download consists of, again and again."""


def a_token() -> str:
    """A token whose end is far off, signed by nobody."""
    parts = ({"alg": "HS256"}, {"exp": 4102444800, "identity_type": "bot"})
    coded = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in parts]
    return b".".join([*coded, b"c2lnbmF0dXJl"]).decode()


@dataclass(frozen=True)
class Transfer:
    """What the server saw of one transfer: bytes of the file, without the multipart framing.

    Attributes:
        times: Seconds of ``time.monotonic``, which all processes share.
        counts: Bytes read (upload) or sent (download) by then.
    """

    times: list[float]
    counts: list[int]

    def at(self, moment: float) -> int:
        """Bytes moved until ``moment``."""
        index = bisect.bisect_right(self.times, moment)
        return self.counts[index - 1] if index else 0

    def worst_gap(self) -> float:
        """The longest that no byte moved, in seconds."""
        return max(b - a for a, b in zip(self.times, self.times[1:], strict=False))

    @property
    def seconds(self) -> float:
        return self.times[-1] - self.times[0]


class DiscardingKitsu:
    """The process, and what it publishes.

    Args:
        certificate: The paths of a certificate and its key, to speak TLS with.
    """

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by stop)
        self._file.truncate(_SLOTS * _SLOT)
        self._memory = mmap.mmap(self._file.fileno(), 0)
        self._slots = memoryview(self._memory).cast("q")
        self.serve(0)
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-I", __file__, str(self._file.fileno())),
                *map(str, certificate or ()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[self._file.fileno()],
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self._scheme = "https" if certificate else "http"

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def file_url(self) -> str:
        """Where gazu sends the content of a working file to, and fetches it from."""
        return f"{self.url}/api/data/working-files/{WORKING_FILE}/file"

    def environment(self) -> dict[str, str]:
        """What a worker needs to find it."""
        return {"KITSU_HOST": self.url, "KITSU_BOT_TOKEN": a_token()}

    def serve(
        self,
        size: int,
        rate: float = 0,
        quick: int = 0,
        piece: int = _SLOW_PIECE,
        hang_up: bool = False,
    ) -> None:
        """Say what happens from now on.

        Args:
            size: Bytes of the file that a download gets.
            rate: Bytes per second, in both directions; 0 for as fast as it goes.
            quick: Bytes of each transfer that move as fast as they go before that.
            piece: Bytes between two looks at the clock where there is a rate, at most 1 MiB. Large
                ones are less even, and leave the CPU to a hundred others.
        """
        self._slots[_SIZE] = size
        self._slots[_PIECE] = piece
        self._slots[_QUICK] = quick
        self._slots[_RATE] = int(rate)
        self._slots[_HANGS_UP] = hang_up

    @property
    def begun(self) -> int:
        """How many transfers have begun."""
        return self._slots[_BEGUN]

    @property
    def ended(self) -> int:
        """How many have ended with all their bytes."""
        return self._slots[_ENDED]

    def moved(self, number: int) -> int:
        """Bytes of transfer ``number``, from 0, that the server has read or sent by now."""
        return self._slots[_LIVE + number]

    def transfer(self, number: int) -> Transfer:
        """What is known of transfer ``number``, from 0."""
        times, counts = [], []
        for index in range(self._slots[_READINGS]):
            which, when, count = self._slots[_LOG + 3 * index : _LOG + 3 * index + 3]
            if which == number:
                times.append(when / 1e9)
                counts.append(count)
        return Transfer(times, counts)

    def stop(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.terminate()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self._slots.release()
        self._memory.close()
        self._file.close()


@contextlib.contextmanager
def discarding_kitsu(certificate: tuple[Path, Path] | None = None) -> Iterator[DiscardingKitsu]:
    server = DiscardingKitsu(certificate)
    try:
        yield server
    finally:
        server.stop()


class _Log:
    """The shared memory as the server writes it. A slot is written in one step."""

    def __init__(self, slots: memoryview) -> None:
        self.slots = slots
        self._lock = threading.Lock()

    def begin(self) -> int:
        with self._lock:
            number = self.slots[_BEGUN]
            self.slots[_LIVE + number] = 0
            self.slots[_BEGUN] = number + 1
        return number

    def end(self) -> None:
        with self._lock:
            self.slots[_ENDED] += 1

    def add(self, number: int, now: int, count: int) -> None:
        with self._lock:
            index = self.slots[_READINGS]
            if index == _MOST_READINGS:
                return
            place = _LOG + 3 * index
            self.slots[place], self.slots[place + 1], self.slots[place + 2] = number, now, count
            self.slots[_READINGS] = index + 1


class _Moving:
    """Counts one transfer and keeps it at the rate that is asked for."""

    def __init__(self, log: _Log) -> None:
        self._log = log
        self._slots = log.slots
        self._number = log.begin()
        self._noted = 0
        self._paced = (0, 0, 0)
        self.note(0, last=True)

    @property
    def piece(self) -> int:
        return self._slots[_PIECE] if self.has_rate else _FAST_PIECE

    @property
    def has_rate(self) -> bool:
        return self._slots[_RATE] > 0

    def note(self, count: int, last: bool = False) -> None:
        self._slots[_LIVE + self._number] = count
        now = time.monotonic_ns()
        if last or now - self._noted >= _READING_EVERY:
            self._noted = now
            self._log.add(self._number, now, count)
        rate = self._slots[_RATE]
        if rate and count >= self._slots[_QUICK]:
            if self._paced[0] != rate:
                self._paced = (rate, now, count)
            due = self._paced[1] + (count - self._paced[2]) * 1_000_000_000 // rate
            if due > now:
                time.sleep((due - now) / 1e9)

    def end(self, count: int) -> None:
        self.note(count, last=True)
        self._log.end()


def _converse(connection: socket.socket, log: _Log) -> None:
    """Answer the requests of one connection, one after the other."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(_FAST_PIECE)
    ahead = b""
    with connection:
        while True:
            while b"\r\n\r\n" not in ahead:
                more = connection.recv(64 * 1024)
                if not more:
                    return
                ahead += more
            head, _, ahead = ahead.partition(b"\r\n\r\n")
            request, *lines = head.decode("latin-1").split("\r\n")
            method, path, _ = request.split(" ")
            headers = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines)
            }
            if method == "POST" and path.endswith("/file"):
                ahead = _take(connection, headers, ahead, buffer, log)
                if log.slots[_HANGS_UP]:
                    return
            elif method == "GET" and path.endswith("/file"):
                _give(connection, headers, log)
                if log.slots[_HANGS_UP]:
                    return
            elif path in {"/", "/api", "/api/"}:
                _answer(connection, 200, {"api": "Zou", "version": "1.0.97"})
            else:
                ahead = _converse_of_small_files(connection, method, path, headers, ahead)


def _converse_of_small_files(
    connection: socket.socket, method: str, path: str, headers: dict[str, str], ahead: bytes
) -> bytes:
    """Answer what is about no working file; return what was read beyond the request."""
    import small_files_of_kitsu as small  # beside this file: see __main__

    if method == "GET" and small.give_thumbnail(connection, path):
        return ahead
    length = int(headers.get("content-length", 0))
    while len(ahead) < length:
        more = connection.recv(max(_SLOW_PIECE, length - len(ahead)))
        if not more:
            raise ConnectionError("it ends in the middle of a request")
        ahead += more
    body, ahead = ahead[:length], ahead[length:]
    if method == "POST" and small.takes(path):
        answer = small.answer_to_upload(path, headers["content-type"], body)
    else:
        answer = (method == "GET" and small.answer_to_get(path)) or (404, {"message": path})
    _answer(connection, *answer)
    return ahead


def _answer(connection: socket.socket, status: int, content: object, hang_up: bool = False) -> None:
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    more = "\r\nConnection: close" if hang_up else ""
    connection.sendall(f"{head}{more}\r\n\r\n".encode() + body)


def _take(
    connection: socket.socket, headers: dict[str, str], ahead: bytes, buffer: bytearray, log: _Log
) -> bytes:
    """Read an upload's body and throw it away; return what was read beyond it."""
    length = int(headers["content-length"])
    boundary = headers["content-type"].partition("boundary=")[2].strip('"')
    tail = len(f"\r\n--{boundary}--\r\n")
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    # The headers of the part come first: they are no bytes of the file.
    while b"\r\n\r\n" not in ahead:
        more = connection.recv(_SLOW_PIECE)
        if not more:
            return b""
        ahead += more
    framing = ahead.index(b"\r\n\r\n") + 4
    size = length - framing - tail
    read = min(len(ahead), length)
    moving = _Moving(log)
    view = memoryview(buffer)
    discarding = 0 if isinstance(connection, ssl.SSLSocket) else _DISCARD
    while read < length:
        moving.note(min(read - framing, size))
        # At full speed as any server has to. At a rate its own work is not what is looked at.
        flags = discarding if moving.has_rate else 0
        count = connection.recv_into(view, min(length - read, moving.piece), flags)
        if not count:
            return b""
        read += count
    moving.end(size)
    answer = {"id": WORKING_FILE, "type": "WorkingFile", "size": size}
    _answer(connection, 201, answer, hang_up=bool(log.slots[_HANGS_UP]))
    return ahead[length:]


def _give(connection: socket.socket, headers: dict[str, str], log: _Log) -> None:
    """Send a file, or a range of it."""
    pattern = memoryview(PATTERN)
    size = log.slots[_SIZE]
    match = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
    offset = int(match[1]) if match else 0
    lines = [
        "HTTP/1.1 206 X" if match else "HTTP/1.1 200 X",
        "Content-Type: application/octet-stream",
        f"Content-Length: {size - offset}",
        f'ETag: "{size}"',
    ]
    if log.slots[_HANGS_UP]:
        lines.append("Connection: close")
    if match:
        lines.append(f"Content-Range: bytes {offset}-{size - 1}/{size}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    moving = _Moving(log)
    while offset < size:
        moving.note(offset)
        place = offset % len(PATTERN)
        wanted = min(size - offset, len(PATTERN) - place, moving.piece)
        offset += connection.send(pattern[place : place + wanted])
    moving.end(size)


def _run(descriptor: int, *certificate: str) -> None:
    log = _Log(memoryview(mmap.mmap(descriptor, 0)).cast("q"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
    if context is not None:
        context.load_cert_chain(*certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        while True:
            connection, _ = listener.accept()
            threading.Thread(
                target=_converse_quietly, args=(connection, context, log), daemon=True
            ).start()


def _converse_quietly(connection: socket.socket, context: ssl.SSLContext | None, log: _Log) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True)
        _converse(connection, log)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    # Run alone (-I), it finds what lies beside it; last, since some names there are the library's.
    sys.path.append(str(Path(__file__).parent))
    _run(int(sys.argv[1]), *sys.argv[2:])
