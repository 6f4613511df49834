"""How a command of ours turns into one of Celery's, and what it leaves beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import click

from farm_tasks.cli.root import INTERRUPTED


def become_celery(*arguments: str) -> NoReturn:
    """End as ``celery -A farm_tasks`` with these arguments, under the same process id."""
    command = [sys.executable, "-m", "celery", "-A", "farm_tasks", *arguments]
    sys.stdout.flush()
    if sys.platform == "win32":
        # There, exec starts another process and returns to the shell at once.
        try:
            sys.exit(subprocess.call(command))
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
    os.execv(sys.executable, command)  # noqa: S606 (no shell is wanted)


def flush_beside(spool: Path) -> None:
    """Start a process that flushes a spool as long as the process with this one's id lives.

    It is no thread, for this process becomes Celery's, which may import nothing that submits. It
    looks whether its parent is still there, so that it also ends with a worker that was killed, and
    has a session of its own: Ctrl-C is for the worker, whose last transfers may yet need a flush.

    Raises:
        UsageError: this system does not say when a parent has ended.
    """
    if sys.platform == "win32":
        raise click.UsageError(
            "--spool is not for Windows: run `farm-tasks spool flush --every 5` as a service."
        )
    command = [sys.executable, "-m", "farm_tasks.cli", "spool", "flush", "--spool", str(spool)]
    beside = ["--every", "5", "--beside", str(os.getpid())]
    subprocess.Popen([*command, *beside], stdin=subprocess.DEVNULL, start_new_session=True)
