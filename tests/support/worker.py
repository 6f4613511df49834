"""A real ``celery worker`` process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from tests.support.waiting import wait_until

KITSU_VARIABLES = ("KITSU_", "FARM_TASKS_")


class Worker:
    """``celery -A farm_tasks worker`` with ``environment`` and nothing else of ours.

    Alone, it does not look for other workers, which takes a second.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        pool: str = "prefork",
        concurrency: int = 2,
        app: str = "farm_tasks",
        alone: bool = True,
        log_level: str = "INFO",
        ready_when: str = " ready.",
        queues: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._ready_when = ready_when
        self.log = folder / "worker.log"
        self.name = f"test-{os.getpid()}-{folder.name}@localhost"
        self._command = [
            sys.executable, "-m", "celery", "-A", app, "worker", "--pool", pool,
            "--concurrency", str(concurrency), "--loglevel", log_level, "--hostname", self.name,
            *(["--without-mingle", "--without-gossip"] if alone else []),
            *(["--queues", queues] if queues else []),
        ]  # fmt: skip
        kept = {k: v for k, v in os.environ.items() if not k.startswith(KITSU_VARIABLES)}
        self._environment = {**kept, **environment}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=subprocess.STDOUT, env=self._environment
            )
        wait_until(self._is_ready, 120)

    def children(self) -> list[psutil.Process]:
        """The pool's processes."""
        return psutil.Process(self.pid).children(recursive=True)

    def stop(self) -> None:
        """Warm shutdown; killed if a transfer outlasts the test."""
        if self.process is None or self.process.poll() is not None:
            return
        family = [psutil.Process(self.pid), *self.children()]
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    def _is_ready(self) -> bool:
        assert self.process is not None
        text = self.log.read_text(errors="replace")
        if self.process.poll() is not None:
            raise AssertionError(f"the worker ended at once:\n{text}")
        return self._ready_when in text


@contextlib.contextmanager
def running_worker(
    folder: Path,
    environment: Mapping[str, str],
    pool: str = "prefork",
    concurrency: int = 2,
    app: str = "farm_tasks",
    alone: bool = True,
    log_level: str = "INFO",
    ready_when: str = " ready.",
) -> Iterator[Worker]:
    worker = Worker(folder, environment, pool, concurrency, app, alone, log_level, ready_when)
    try:
        worker.start()
        yield worker
    finally:
        worker.stop()
