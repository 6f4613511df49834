"""The workers' app whose event loop stands still when it is told to: ``broadcast("hang", ...)``."""

from __future__ import annotations

import time
from typing import Any

from celery.worker.control import control_command

from farm_tasks.worker import heartbeat, pulse

GONE = 2.0

heartbeat.HEARTBEAT = pulse.HEARTBEAT = 0.25
heartbeat.GONE = GONE


@control_command()  # type: ignore[untyped-decorator]
def hang(_state: Any, seconds: float) -> None:
    """Control commands are answered by the loop, so nothing else turns meanwhile."""
    time.sleep(seconds)


from farm_tasks.worker.app import app  # noqa: E402, F401 (what the worker is started with)
