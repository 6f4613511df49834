"""CPU and memory of processes that belong together, such as a worker and its pool."""

from __future__ import annotations

from collections.abc import Iterable

import psutil

from tests.support.worker import Worker


def family(worker: Worker) -> list[psutil.Process]:
    """A worker's main process and those of its pool."""
    return [psutil.Process(worker.pid), *worker.children()]


def cpu_of(processes: Iterable[psutil.Process]) -> float:
    """User and system seconds so far."""
    times = [one.cpu_times() for one in processes]
    return sum(one.user + one.system for one in times)


def memory_of(processes: Iterable[psutil.Process]) -> int:
    """Proportional set size in bytes: what several share counts once."""
    return sum(one.memory_full_info().pss for one in processes)
