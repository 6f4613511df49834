"""The workers' app that reports no progress while its read root has a file ``silent``.

What each transfer has cost its process is appended to the file ``costs`` there, as a line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from celery import Task

from farm_tasks.transfer.progress import Meter
from farm_tasks.worker.reporter import Reporter

_folder = Path(os.environ["FARM_TASKS_READ_ROOTS"])
_reporting = Reporter.reporting


@contextlib.contextmanager
def _perhaps_reporting(reporter: Reporter, task: Task, meter: Meter) -> Iterator[None]:
    silent = (_folder / "silent").exists()
    cpu, wall = time.process_time(), time.perf_counter()
    with contextlib.nullcontext() if silent else _reporting(reporter, task, meter):
        yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    with (_folder / "costs").open("a") as file:
        file.write(json.dumps({"seconds": wall, "cpu": cpu}) + "\n")


Reporter.reporting = _perhaps_reporting

from farm_tasks.worker.app import app  # noqa: E402, F401 (what the worker is started with)
