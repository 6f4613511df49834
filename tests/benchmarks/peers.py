"""What is compared, each in a process of its own: ``python -m tests.benchmarks.peers NAME``.

The process imports what it needs, logs in and moves a small file, and says that it is ready. Then
it moves the large one for each line that it reads, and is measured from the call to its return.
"""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.discarding_kitsu import WORKING_FILE, a_token

Transfer = Callable[[str], object]
"""Moves the file at a path, up or down."""

PIECE = 1024 * 1024


def main() -> None:
    name, small, path = sys.argv[1:]
    transfer = PEERS[name]()
    transfer(small)
    print("ready", flush=True)
    for _ in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        transfer(path)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"seconds": wall, "cpu": cpu, "peak": peak("self")}), flush=True)


def peak(process: int | str) -> int:
    """The most that a process ever had in memory, in bytes.

    Not ``ru_maxrss``, which a child takes over from its parent (execve(2) keeps the signal
    struct's high-water mark).
    """
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if process == "self" else 0
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(match[1]) * 1024 if match else 0


def operation_up() -> Transfer:
    from farm_tasks.kitsu import operations
    from farm_tasks.transfer.progress import Meter

    return lambda path: operations.upload_working_file(
        WORKING_FILE, path, progress_callback=Meter()
    )


def operation_down() -> Transfer:
    from farm_tasks.kitsu import operations
    from farm_tasks.transfer.progress import Meter

    return lambda path: operations.download_working_file(
        WORKING_FILE, path, progress_callback=Meter()
    )


def gazu_up() -> Transfer:
    gazu, client = _gazu()
    return lambda path: gazu.files.upload_working_file(
        WORKING_FILE, path, client=client, progress_callback=_ignore
    )


def gazu_down() -> Transfer:
    gazu, client = _gazu()
    return lambda path: gazu.files.download_working_file(
        WORKING_FILE, path, client=client, progress_callback=_ignore
    )


def gazu_silent_down() -> Transfer:
    gazu, client = _gazu()
    return lambda path: gazu.files.download_working_file(WORKING_FILE, path, client=client)


def _gazu() -> tuple:
    import gazu
    from gazu.client import KitsuClient

    return gazu, KitsuClient(f"{os.environ['KITSU_HOST']}/api", access_token=a_token())


def _ignore(bytes_read: int, total: int) -> None:
    """Progress that nobody looks at."""


def limit_up() -> Transfer:
    """The kernel alone: without TLS no copy into the process."""

    def transfer(path: str) -> None:
        with open(path, "rb") as file, _connect() as connection:
            head = (
                b"--limit\r\nContent-Disposition: form-data; name=file; filename=file\r\n"
                b"Content-Type: application/octet-stream\r\n\r\n"
            )
            tail = b"\r\n--limit--\r\n"
            length = len(head) + os.fstat(file.fileno()).st_size + len(tail)
            fields = (
                f"Content-Type: multipart/form-data; boundary=limit\r\nContent-Length: {length}"
            )
            connection.sendall(_request("POST", fields) + head)
            connection.sendfile(file)  # of TLS it is read and write
            connection.sendall(tail)
            assert connection.recv(PIECE).startswith(b"HTTP/1.1 201")

    return transfer


def limit_down() -> Transfer:
    """Two system calls for each MiB and nothing else."""

    def transfer(path: str) -> None:
        buffer = memoryview(bytearray(PIECE))
        with open(path, "wb", buffering=0) as file, _connect() as connection:
            connection.sendall(_request("GET", "Accept: */*"))
            head, _, first = connection.recv(PIECE).partition(b"\r\n\r\n")
            left = int(re.search(rb"Content-Length: (\d+)", head)[1]) - file.write(first)
            while left:
                left -= file.write(buffer[: connection.recv_into(buffer)])

    return transfer


def _connect() -> socket.socket:
    where = urlsplit(os.environ["KITSU_HOST"])
    connection = socket.create_connection((where.hostname, where.port))
    if where.scheme == "http":
        return connection
    context = ssl.create_default_context(cafile=os.environ["KITSU_CA_FILE"])
    return context.wrap_socket(connection, server_hostname=where.hostname)


def _request(method: str, fields: str) -> bytes:
    path = f"/api/data/working-files/{WORKING_FILE}/file"
    return f"{method} {path} HTTP/1.1\r\nHost: limit\r\n{fields}\r\n\r\n".encode()


PEERS: dict[str, Callable[[], Transfer]] = {
    "limit up": limit_up,
    "limit down": limit_down,
    "operation up": operation_up,
    "operation down": operation_down,
    "gazu up": gazu_up,
    "gazu down": gazu_down,
    "gazu, no progress down": gazu_silent_down,
}


if __name__ == "__main__":
    main()
