"""How a command of ours turns into one of Celery's."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NoReturn

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
