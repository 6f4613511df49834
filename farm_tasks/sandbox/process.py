"""Processes that outlive the command that started them, and that are ended exactly."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from farm_tasks.sandbox.errors import SandboxError

LOCALHOST = "127.0.0.1"
PORT_ATTEMPTS = 5
POLL_SECONDS = 0.02
LOG_TAIL_BYTES = 4000
GRACE_SECONDS = 8.0
MARK = "FARM_TASKS_SANDBOX_LOG"
"""In the environment of every process of a sandbox: the path of its log."""


class Account(NamedTuple):
    """A user to run a process as."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Process:
    """One process of the sandbox, as remembered in state.json.

    Attributes:
        name: For people: "postgres", "kitsu", ...
        pid: Its process id, which is its session id too.
        start_time: When it started, in clock ticks since boot: a reused pid has another one.
        port: The TCP port it serves on 127.0.0.1, or None.
        log: Where its output goes.
        stop_signal: The signal that it ends on; SIGKILL is sent to its whole family.
    """

    name: str
    pid: int
    start_time: int
    port: int | None
    log: Path
    stop_signal: int = signal.SIGTERM

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; :meth:`from_json` turns them back."""
        return asdict(self) | {"log": str(self.log), "stop_signal": int(self.stop_signal)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Process:
        """Rebuild what :meth:`to_json` returned."""
        return cls(**values | {"log": Path(values["log"])})

    def is_alive(self) -> bool:
        """Tell whether this very process still runs."""
        return _is_running(self.pid, self.start_time)


class _Stat(NamedTuple):
    state: str
    parent: int
    session: int
    start_time: int


class _PortTaken(SandboxError):
    pass


def start_on_free_port(
    launch: Callable[[int], Process], ready: Callable[[Process], bool], *, seconds: float
) -> Process:
    """Start a server on a free port and wait until it is ready.

    Another program may take the port between our looking and the server's binding: then it is
    tried again with another one.

    Args:
        launch: Starts the server on the port it is given.
        ready: Tells whether the server serves.
        seconds: How long the server may take.

    Raises:
        SandboxError: The server ended, or was not ready in time; with the end of its log.
    """
    for _ in range(PORT_ATTEMPTS):
        process = launch(free_port())
        try:
            wait_ready(process, ready, seconds=seconds)
        except _PortTaken:
            continue
        return process
    raise SandboxError(f"{process.name} found its port taken {PORT_ATTEMPTS} times in a row")


def wait_ready(process: Process, ready: Callable[[Process], bool], *, seconds: float) -> None:
    """Wait until a process is ready.

    Raises:
        SandboxError: The process ended, or was not ready within so many seconds; with the end of
            its log.
    """
    deadline = time.monotonic() + seconds
    while not ready(process):
        if not process.is_alive():
            tail = log_tail(process.log)
            kind = _PortTaken if "address already in use" in tail.lower() else SandboxError
            raise kind(f"{process.name} ended while it started. {process.log} ends with:\n{tail}")
        if time.monotonic() > deadline:
            raise SandboxError(
                f"{process.name} was not ready within {seconds:.0f} s. "
                f"{process.log} ends with:\n{log_tail(process.log)}"
            )
        time.sleep(POLL_SECONDS)


def stop(process: Process, *, grace: float = GRACE_SECONDS) -> None:
    """End a process and all that it started: gently, then with SIGKILL.

    One that is gone is passed over, and so is a stranger that got its pid.

    Args:
        process: What to end.
        grace: How long the gentle way may take, in seconds.

    Raises:
        SandboxError: Something is alive even after SIGKILL.
    """
    family = _family(process)
    if process.stop_signal != signal.SIGKILL:
        leader = {(process.pid, process.start_time)}
        _send(family & leader or family, process.stop_signal)
        _wait_gone(family, grace)
    while family := _alive(family | _family(process)):  # with what it started meanwhile
        _send(family, signal.SIGKILL)
        if not _wait_gone(family, grace):
            left = [pid for pid, _start_time in _alive(family)]
            raise SandboxError(f"Processes {left} of {process.name} do not end, even with SIGKILL")


def start_time(pid: int) -> int:
    """Return when a process started, in clock ticks since boot; -1 where it is gone."""
    stat = _read_stat(pid)
    return stat.start_time if stat else -1


def free_port() -> int:
    """Return a TCP port that nobody serves on 127.0.0.1 right now."""
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))
        port: int = probe.getsockname()[1]
        return port


def log_tail(log: Path) -> str:
    """Return the last lines of a log, or an empty string where there is none."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        return file.read().decode(errors="replace").strip()
    return ""


def _family(process: Process) -> set[tuple[int, int]]:
    """Return pid and start time of a process, its descendants and its session's members.

    Neither rule is enough alone: Postgres' children make sessions of their own, and a child whose
    parent died is nobody's descendant. Where the process itself is gone, its session's number may
    be a stranger's by now: then only those count that carry its mark.
    """
    stats = {
        int(entry.name): stat
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (stat := _read_stat(int(entry.name)))
    }
    alive = process.is_alive()
    found: set[int] = set()
    more = {
        pid
        for pid, stat in stats.items()
        if stat.session == process.pid and (alive or _is_marked(pid, process))
    }
    while more:
        found |= more
        more = {pid for pid, stat in stats.items() if stat.parent in found} - found
    return {(pid, stats[pid].start_time) for pid in found}


def _is_marked(pid: int, process: Process) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"{MARK}={process.log}".encode() in environment.split(b"\0")


def _alive(family: set[tuple[int, int]]) -> set[tuple[int, int]]:
    return {one for one in family if _is_running(*one)}


def _wait_gone(family: set[tuple[int, int]], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _alive(family):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _send(processes: set[tuple[int, int]], number: int) -> None:
    for pid, start_time in processes:
        if _is_running(pid, start_time):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _is_running(pid: int, start_time: int) -> bool:
    stat = _read_stat(pid)
    if stat is None or stat.start_time != start_time:
        return False
    if stat.state in "ZX":
        with suppress(ChildProcessError):  # not ours: its own parent sees to it
            os.waitpid(pid, os.WNOHANG)
        return False
    return True


def _read_stat(pid: int) -> _Stat | None:
    """Read /proc/<pid>/stat, or None where that process is gone (proc_pid_stat(5))."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in brackets, which may hold brackets and blanks.
    fields = text.rpartition(")")[2].split()
    return _Stat(fields[0], int(fields[1]), int(fields[3]), int(fields[19]))
