"""Workers that are killed, each in its own way, and replaced."""

from __future__ import annotations

import contextlib
import itertools
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.support.worker import Worker


class Crew:
    """The workers of one stage.

    Args:
        folder: For their logs.
        environment: Theirs.
        slots: How many transfers each runs at once.

    Attributes:
        folder: As given.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], slots: int) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self._pool: dict[str, Any] = {"concurrency": slots}
        self._numbers = itertools.count(1)
        self.workers: list[Worker] = []

    def hire(self, pool: str = "prefork", **more: str) -> Worker:
        """Start one more worker, with these variables besides."""
        environment = {**self.environment, **more}
        return self._start(Worker(self._new_folder(), environment, pool, **self._pool))

    def hire_impatient(self, **more: str) -> Worker:
        """Start one that waits seconds, and not a minute, until it takes a dead one's messages."""
        environment, app = {**self.environment, **more}, "tests.support.impatient"
        return self._start(Worker(self._new_folder(), environment, app=app, **self._pool))

    def hire_elsewhere(self) -> Worker:
        """Start one as on another machine, whose processes nobody else can look at."""
        app = "tests.support.elsewhere"
        return self._start(Worker(self._new_folder(), self.environment, app=app, **self._pool))

    def dismiss(self) -> None:
        """End all, at once."""
        for worker in self.workers:
            kill_whole(worker)

    def _new_folder(self) -> Path:
        return self.folder / f"worker-{next(self._numbers)}"

    def _start(self, worker: Worker) -> Worker:
        worker.start()
        self.workers.append(worker)
        return worker

    def lines_about(self, *words: str) -> list[str]:
        """What the workers logged about one submission or tag."""
        return [
            f"{worker.log.parent.name}: {line}"
            for worker in self.workers
            for line in worker.log.read_text(errors="replace").splitlines()
            if any(word in line for word in words)
        ]


def is_alive(worker: Worker) -> bool:
    return worker.process is not None and worker.process.poll() is None


def kill_whole(worker: Worker) -> None:
    """``kill -9`` the worker and its pool in one moment, as a cgroup's end does."""
    if not is_alive(worker):
        return
    family = [psutil.Process(worker.pid), *worker.children()]
    for act in (psutil.Process.suspend, psutil.Process.kill):
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                act(process)
    assert worker.process is not None
    worker.process.wait()


def kill_slots(worker: Worker) -> None:
    """``kill -9`` every process of the pool, as the kernel does when memory runs out."""
    for process in worker.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def terminate(worker: Worker) -> None:
    """Ask it to end, as systemd and farm schedulers do."""
    assert worker.process is not None
    worker.process.send_signal(signal.SIGTERM)
