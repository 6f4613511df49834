"""A file that a worker touches as long as its event loop turns, for a container's health check.

Before each of Celery's heartbeats, every two seconds, and the next comes when the last could be
sent: a loop that hangs stops, and so does one that has lost its broker. To look at a file costs
nothing; ``celery inspect ping`` costs a second of a CPU.
"""

from __future__ import annotations

import contextlib
from typing import Any

from celery import signals

from farm_tasks.settings import settings


@signals.heartbeat_sent.connect  # type: ignore[untyped-decorator]
def _touch(**_: Any) -> None:
    path = settings().pulse_file
    if path is not None:
        # A full disk must not end a worker: an old file says enough.
        with contextlib.suppress(OSError):
            path.touch()
