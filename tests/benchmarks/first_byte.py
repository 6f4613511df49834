"""From the call of a submitter to the first byte at Kitsu, on a worker that has nothing to do."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from farm_tasks import submit
from farm_tasks.submit.connection import sender
from tests.acceptance.farm import Farm, running_farm
from tests.benchmarks.noop import sending
from tests.benchmarks.run import Run
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.waiting import wait_until
from tests.support.worker import running_worker

FILE = 64 * 1024
"""Bytes: it is the first one that counts."""

OURS, NOOP = "farm_tasks: first byte at Kitsu", "plain Celery: an empty task runs"

STEPS = ("submit returns", "worker has the message", "task is started", "first byte at Kitsu")
"""What lies between, in order. The middle two are events of the worker's main process."""

Latencies = dict[str, list[float]]
"""For each contender, seconds from before its submission."""


def latencies(run: Run, pool: str, rounds: int) -> tuple[Latencies, list[dict[str, float]]]:
    """Submit one after the other, ours and plain Celery's in turn.

    Returns:
        The latencies, and of each of ours when it had come to each of the :data:`STEPS`.
    """
    folder = run.folder / pool
    folder.mkdir()
    found: Latencies = {OURS: [], NOOP: []}
    submitted: list[tuple[str, float, float, float]] = []
    with contextlib.ExitStack() as stack:
        farm = stack.enter_context(running_farm(folder, pool, concurrency=2))
        addresses = farm.redis.url(2), farm.redis.url(3)
        peer = stack.enter_context(
            running_worker(
                folder / "plain",
                {"NOOP": " ".join(["plain", *addresses])},
                pool,
                concurrency=2,
                app="tests.benchmarks.noop",
            )
        )
        assert peer.pid
        app = stack.enter_context(sending("plain", *addresses))
        seen = stack.enter_context(_events())
        file = farm.new_file("first_byte.bin", FILE)
        for number in range(-2, rounds):
            run.tell(f"first byte, {pool}: {number + 1}/{rounds}")
            begun, returned, first_byte, task = _submit(farm, file)
            sent = time.monotonic()
            ran = app.send_task("nothing").get(timeout=30)
            if number < 0:  # the first two of each connect and log in
                continue
            found[OURS].append(first_byte - begun)
            found[NOOP].append(ran - sent)
            submitted.append((task, begun, returned, first_byte))
        steps = []
        for task, begun, returned, first_byte in submitted:  # threads' events come a little later
            events = seen(task, "task-received"), seen(task, "task-started")
            moments = (returned, *events, first_byte)
            steps.append({a: b - begun for a, b in zip(STEPS, moments, strict=True)})
    return found, steps


def _submit(farm: Farm, file: Path) -> tuple[float, float, float, str]:
    """One submission, on an idle worker: when it began, when the call came back, when the first
    byte was there, and its id."""
    held = farm.redis.client(0)
    wait_until(lambda: not held.hlen("farm_tasks.unacked"), 10, every=0.005)
    number = farm.kitsu.begun
    begun = time.monotonic()
    submission = submit.upload_working_file(WORKING_FILE, str(file))
    returned = time.monotonic()
    submission.wait(30)
    return begun, returned, farm.kitsu.transfer(number).times[0], submission.id


@contextlib.contextmanager
def _events() -> Iterator[Callable[[str, str], float]]:
    """Listen to the workers; gives what says when one has sent an event of a task."""
    moments: dict[tuple[str, str], float] = {}
    # Events tell the time of day; all else here is monotonic, which starts at another moment.
    difference = time.monotonic() - time.time()

    def note(event: dict[str, Any]) -> None:
        if "uuid" in event:
            moments[event["uuid"], event["type"]] = event["timestamp"] + difference

    app = sender()
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": note})
        thread = threading.Thread(target=receiver.capture, kwargs={"wakeup": False}, daemon=True)
        thread.start()
        try:
            yield lambda task, event: wait_until(lambda: moments.get((task, event)), 10) or 0.0
        finally:
            receiver.should_stop = True
            thread.join(5)
