"""Ends a sandbox whose Python process died without doing so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

# Nothing of ours is imported until it is needed: it waits in 8 MB. It asks for its parent again and
# again since a pipe would stay open in whatever the parent forked.
_PROGRAM = """
import json, os, sys, time
parent, path, home, remove = json.loads(sys.argv[1])
while os.getppid() == parent:
    time.sleep(0.5)
sys.path[:] = path
from pathlib import Path
from farm_tasks.sandbox import Sandbox
Sandbox(Path(home)).down(remove)
"""


class Guard:
    """A process that calls ``Sandbox(home).down(remove)`` once this process has died.

    Args:
        home: The sandbox's folder.
        remove: Whether its data is to be deleted too.
    """

    def __init__(self, home: Path, *, remove: bool) -> None:
        self.remove = remove
        path = [os.path.abspath(entry) for entry in sys.path]  # "" is the current folder
        order = json.dumps([os.getpid(), path, str(home), remove])
        # In a session of its own: Ctrl-C in a terminal goes to all of a group.
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-c", _PROGRAM, order],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Send it home."""
        self._popen.kill()
        self._popen.wait()
