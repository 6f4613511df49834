"""From the start of a worker's process to its being ready, and to the first message at work."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from farm_tasks import submit
from tests.benchmarks.noop import sending
from tests.benchmarks.run import Run
from tests.support.discarding_kitsu import WORKING_FILE, discarding_kitsu
from tests.support.environment import environment_of
from tests.support.redis_server import running_redis

SLOTS = 2
_ALONE = ("--without-mingle", "--without-gossip")
_POOL = ("--pool", "prefork", "--concurrency", str(SLOTS), "--loglevel", "INFO")

OURS = "farm-tasks worker"
OURS_BY_CELERY = "celery -A farm_tasks worker"
PLAIN = "plain Celery"
PLAIN_ALONE = "plain Celery, without mingle and gossip"


@dataclass(frozen=True)
class Start:
    """One start. In seconds from exec.

    Attributes:
        ready: When the worker said that it is.
        working: When what was waiting in its queue ran: a task that does nothing, or an upload
            whose first byte has come to Kitsu.
    """

    ready: float
    working: float


def starts(run: Run, rounds: int) -> dict[str, list[Start]]:
    """Start and end each worker in turn; one task waits for it."""
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(running_redis(run.folder / "redis"))
        kitsu = stack.enter_context(discarding_kitsu())
        ours = {
            "FARM_TASKS_BROKER_URL": redis.url(0),
            "FARM_TASKS_RESULT_BACKEND": redis.url(1),
            "FARM_TASKS_READ_ROOTS": str(run.folder),
            **kitsu.environment(),
        }
        addresses = redis.url(2), redis.url(3)
        plain = {"NOOP": " ".join(["plain", *addresses])}
        stack.enter_context(environment_of(ours))
        app = stack.enter_context(sending("plain", *addresses))
        file = run.folder / "first.bin"
        file.write_bytes(bytes(1000))

        def upload() -> Callable[[], float]:
            number = kitsu.begun
            submission = submit.upload_working_file(WORKING_FILE, str(file))

            def began() -> float:
                submission.wait(30)
                return kitsu.transfer(number).times[0]

            return began

        def moment() -> Callable[[], float]:
            result = app.send_task("nothing")
            return lambda: float(result.get(timeout=30))

        celery = [sys.executable, "-m", "celery"]
        contenders = {
            PLAIN: ([*celery, "-A", "tests.benchmarks.noop", "worker"], plain, moment),
            OURS_BY_CELERY: ([*celery, "-A", "farm_tasks", "worker"], ours, upload),
            PLAIN_ALONE: (
                [*celery, "-A", "tests.benchmarks.noop", "worker", *_ALONE], plain, moment,
            ),
            OURS: ([sys.executable, "-m", "farm_tasks.cli", "worker"], ours, upload),
        }  # fmt: skip
        found: dict[str, list[Start]] = {name: [] for name in contenders}
        for number in range(rounds):
            for name, (command, environment, ask) in contenders.items():
                run.tell(f"worker start {number + 1}/{rounds}: {name}")
                found[name].append(_start([*command, *_POOL], environment, ask()))
        return found


def _start(command: list[str], environment: dict[str, str], working: Callable[[], float]) -> Start:
    begun = time.monotonic()
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    with process:
        try:
            ready = _when_ready(process.stderr) - begun
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return Start(ready, working() - begun)
        finally:
            # With its pool. To end in peace takes Celery two seconds, which nobody asks for here.
            os.killpg(process.pid, signal.SIGKILL)


def _when_ready(log: IO[str]) -> float:
    said = []
    for line in log:
        said.append(line)
        if line.rstrip().endswith(" ready."):
            return time.monotonic()
    raise AssertionError(f"the worker ended at once: {''.join(said)}")
