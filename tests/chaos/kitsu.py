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
from tests.support.waiting import wait_until


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
    assert old.port
    with socket.socket() as listener:
        # Bound at once, or somebody else may have the port by then; refused until it listens. The
        # threads of what was killed let go of it a moment after their process is dead.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wait_until(lambda: _is_bound(listener, old.port), 10)
        time.sleep(away)
        listener.listen(128)
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


def _is_bound(listener: socket.socket, port: int | None) -> bool:
    try:
        listener.bind((LOCALHOST, port))
    except OSError:
        return False
    return True
