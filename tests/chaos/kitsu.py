"""A Kitsu whose API server dies in the middle of its work and is started again."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from pathlib import Path

from farm_tasks.sandbox import SandboxInfo
from farm_tasks.sandbox import process as processes
from farm_tasks.sandbox.kitsu import wait_until_it_answers
from farm_tasks.sandbox.process import LOCALHOST
from farm_tasks.sandbox.roster import Roster


def restart(sandbox: SandboxInfo, away: float = 0.0) -> None:
    """``kill -9`` the API server, and start it as it was: command, environment and port.

    Args:
        sandbox: Whose it is.
        away: Seconds that it stays away, besides the time that zou takes to start.
    """
    roster = Roster(sandbox.home / "processes.json", sandbox.home / "logs")
    old = next(one for one in roster.processes() if one.name == "kitsu")
    proc = Path(f"/proc/{old.pid}")
    command = proc.joinpath("cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
    pairs = proc.joinpath("environ").read_bytes().rstrip(b"\0").decode().split("\0")
    environment = dict(pair.split("=", 1) for pair in pairs)
    folder = os.readlink(proc / "cwd")
    processes.stop(old)
    time.sleep(away)
    assert old.port
    with socket.create_server((LOCALHOST, old.port), backlog=128) as listener:
        command = [re.sub(r"^fd://\d+$", f"fd://{listener.fileno()}", one) for one in command]
        new = roster.start(
            "kitsu",
            command,
            cwd=Path(folder),
            env=environment,
            port=old.port,
            stop_signal=signal.SIGKILL,
            pass_fds=[listener.fileno()],
        )
    wait_until_it_answers(new)
