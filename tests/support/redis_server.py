"""A redis-server of a test's own, to be stopped, hung and killed."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import redis

from farm_tasks.sandbox import programs
from farm_tasks.sandbox.cache import cache_folder
from tests.support.waiting import wait_until


class RedisServer:
    """Runs until :meth:`stop`; append-only, so that a restart finds everything again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, database: int) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def client(self, database: int = 1) -> redis.Redis:
        return redis.Redis.from_url(self.url(database), socket_timeout=5)

    def start(self) -> None:
        command = [
            str(programs.install_redis(cache_folder(), say=print)), "--port", str(self.port),
            "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "", "--appendonly", "yes",
            "--maxmemory-policy", "noeviction",
        ]  # fmt: skip
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._answers, 10)

    def kill(self) -> None:
        """Like a power cut."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def hang(self) -> None:
        """Keep the connections, answer nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.resume()
            self.kill()

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False


_held: list[socket.socket] = []


def free_port() -> int:
    """A port of 127.0.0.1 for a server, or one where nobody answers.

    Nobody else gets it while this process lives, even if the server comes late, or is away for a
    minute: it stays bound, by a socket that does not listen. With SO_REUSEADDR on both, as servers
    have it, the server can have it all the same (socket(7)).
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _held.append(holder)
    port: int = holder.getsockname()[1]
    return port


@contextlib.contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
