"""A Redis server that keeps nothing on disk."""

from __future__ import annotations

import os
from pathlib import Path

import redis

from farm_tasks.sandbox.process import LOCALHOST, Process, start_on_free_port
from farm_tasks.sandbox.roster import Roster

READY_SECONDS = 30


def start_server(program: Path, folder: Path, password: str, roster: Roster) -> Process:
    """Start Redis on a free port of 127.0.0.1, and wait until it answers.

    Args:
        program: redis-server or valkey-server.
        folder: For its configuration file.
        password: Asked of every client: whoever can write to a broker can give orders to workers.
        roster: Where it is started.

    Raises:
        SandboxError: It did not start; with the end of its log.
    """
    # In a file, since every user of the machine may read a command line.
    configuration = folder / "redis.conf"
    configuration.touch(mode=0o600)

    def launch(port: int) -> Process:
        configuration.write_text(
            f"bind {LOCALHOST}\nport {port}\nrequirepass {password}\n"
            'save ""\nappendonly no\nmaxmemory-policy noeviction\n',
            encoding="utf-8",
        )
        return roster.start(
            "redis",
            [program, configuration],
            cwd=folder,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            port=port,
        )

    def ready(process: Process) -> bool:
        # Not just an answer: another server's, where it took the port first, is none of ours.
        try:
            with redis.Redis.from_url(url(process, password), socket_timeout=2) as client:
                return bool(client.info("server")["process_id"] == process.pid)
        except redis.RedisError:
            return False

    return start_on_free_port(launch, ready, seconds=READY_SECONDS)


def url(process: Process, password: str) -> str:
    """Return the server's URL, without a database number."""
    return f"redis://:{password}@{LOCALHOST}:{process.port}"
