"""Running ``farm-tasks`` as a person or a program does: as a process, in a pipe or a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.worker import KITSU_VARIABLES

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "farm_tasks.cli"]
_TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
Done = subprocess.CompletedProcess[str]


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with ``variables`` and nothing else of ours."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(KITSU_VARIABLES)
        and name not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"}
    }
    return {**kept, "PYTHONWARNINGS": "error", **(variables or {})}


def run(*arguments: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> Done:
    """Run to the end, with pipes."""
    return subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        env=environment(env),
        stdin=subprocess.DEVNULL,
    )


@contextlib.contextmanager
def started(
    *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A running command, with pipes; killed if the test leaves it running."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(env),
        stdin=subprocess.DEVNULL,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


class Terminal:
    """A command in a terminal of its own, of ``columns`` by ``lines``."""

    def __init__(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        columns: int = 100,
        lines: int = 30,
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.raw = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, *COMMAND, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env=environment({"TERM": "xterm-256color", **(env or {})}),
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    @property
    def text(self) -> str:
        """All that was printed so far, without what moves the cursor and sets colours."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw.decode(errors="replace"))

    def read_until(self, expected: str, seconds: float = 30) -> str:
        """Read until ``expected`` was printed; fail the test otherwise."""
        deadline = time.monotonic() + seconds
        while not re.search(expected, self.text):
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{expected!r} was not printed:\n{self.text[-2000:]}")
        return self.text

    def press_control_c(self) -> None:
        """As the terminal driver passes it on: to the whole foreground group."""
        os.write(self._ours, b"\x03")

    def end(self, seconds: float = 30) -> int:
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + seconds
        while self._read(max(0.0, deadline - time.monotonic())):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], seconds)
        try:
            piece = os.read(self._ours, 65536) if ready else b""
        except OSError:  # Linux's way to say that the other side was closed
            piece = b""
        self.raw += piece
        return bool(piece)


def interrupt(process: subprocess.Popen[str]) -> None:
    """SIGINT to this process alone."""
    os.kill(process.pid, signal.SIGINT)
