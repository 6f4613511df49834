"""Servers in processes of their own: for speed, memory, and figures that nobody can flatter."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import mmap
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_SOME = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class SwallowingProcess:
    """A process that reads uploads and forgets them."""

    url: str
    _counter: memoryview

    @property
    def body_read(self) -> int:
        """Bytes of request bodies that it has read from its socket until now."""
        return int(self._counter[0])


@contextlib.contextmanager
def swallowing_process(rate: float | None = None) -> Iterator[SwallowingProcess]:
    """Run a server that swallows bodies, at ``rate`` bytes per second, and answers 201.

    With a rate, its kernel holds 2 MiB that it has not read, as kernels do.
    """
    with tempfile.NamedTemporaryFile() as shared:
        shared.truncate(8)
        with mmap.mmap(shared.fileno(), 8) as memory:
            counter = memoryview(memory).cast("Q")
            arguments = ["swallow", "--counter", shared.name, "--rate", str(rate or 0)]
            try:
                with _running(arguments) as url:
                    yield SwallowingProcess(url, counter)
            finally:
                counter.release()


@contextlib.contextmanager
def serving_process(size: int, source: Path | None = None) -> Iterator[str]:
    """Run a server of ``source``, or else of ``size`` zeros; the URL is what is yielded."""
    arguments = ["serve", "--size", str(size)]
    if source is not None:
        arguments += ["--source", str(source)]
    with _running(arguments) as url:
        yield url


@contextlib.contextmanager
def _running(arguments: list[str]) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def _swallow(
    connection: socket.socket, body: bytes, left: int, options: argparse.Namespace
) -> None:
    buffer = memoryview(bytearray(_SOME))
    with Path(options.counter).open("r+b") as shared, mmap.mmap(shared.fileno(), 8) as memory:
        counter = memoryview(memory).cast("Q")
        counter[0] += len(body)
        left -= len(body)
        started, taken = time.monotonic(), 0
        size = 64 * 1024 if options.rate else len(buffer)
        while left and (count := connection.recv_into(buffer[: min(left, size)])):
            left -= count
            taken += count
            counter[0] += count
            if options.rate:
                time.sleep(max(0.0, started + taken / options.rate - time.monotonic()))
        counter.release()
    connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}")


def _serve(connection: socket.socket, options: argparse.Namespace) -> None:
    head = f'HTTP/1.1 200 OK\r\nContent-Length: {options.size}\r\nETag: "one"\r\n\r\n'
    connection.sendall(head.encode())
    if options.source:
        with Path(options.source).open("rb") as file:
            connection.sendfile(file)
        return
    zeros = memoryview(bytes(_SOME))
    for start in range(0, options.size, _SOME):
        connection.sendall(zeros[: options.size - start])


def _handle(connection: socket.socket, options: argparse.Namespace) -> None:
    head = b""
    while True:
        while b"\r\n\r\n" not in head:
            received = connection.recv(65536)
            if not received:
                return
            head += received
        head, _, body = head.partition(b"\r\n\r\n")
        if options.mode == "serve":
            _serve(connection, options)
        else:
            found = re.search(rb"(?i)content-length: *(\d+)", head)
            if b"100-continue" in head:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            _swallow(connection, body, int(found[1]) if found else 0, options)
        head = b""


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["swallow", "serve"])
    parser.add_argument("--counter")
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--source")
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if options.rate:
            # Or else the kernel makes it as large as the moment suggests, a figure by chance.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOME)
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(ConnectionError):
                _handle(connection, options)


if __name__ == "__main__":
    _main()
