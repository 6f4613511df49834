"""A file that a worker touches as long as its heart beats, for a container's health check.

Celery's event loop sends a heartbeat through the broker every two seconds. A loop that hangs sends none,
nor does one without its broker: the file's age tells, and costs a health check one look at a file.
"""

from __future__ import annotations

import contextlib
from typing import Any

from celery import signals

from farm_tasks.settings import settings


@signals.heartbeat_sent.connect
def _touch(**_: Any) -> None:
    path = settings().heartbeat_file
    if path is not None:
        # A full disk must not end a worker: an old file says enough.
        with contextlib.suppress(OSError):
            path.touch()
