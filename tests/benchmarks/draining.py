"""How fast a worker drains what was submitted, and what each part of the road spends on it."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from tests.benchmarks.contenders import cpu_of
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until
from tests.support.worker import Worker

LONGEST = 300.0
"""Seconds that a drain may take."""


@dataclass(frozen=True)
class Spent:
    """What was spent, in all until some moment or for one task.

    Attributes:
        children: CPU seconds of the pool's processes; 0 where it has none of its own.
        main: Of the worker's main process, which has the slots of the threads pool in it.
        redis: Of Redis.
        trips: Requests that Redis has read; what is pipelined, or within a script, is one.
        commands: That Redis has run, those within scripts and transactions included.
        traffic: Bytes that Redis has read and written.
    """

    children: float
    main: float
    redis: float
    trips: float
    commands: float
    traffic: float

    def per_task(self, before: Spent, looks: int, tasks: int) -> Spent:
        """What was spent since, on each of ``tasks``, without ``looks`` at whether it has ended."""
        now, then = dataclasses.astuple(self), dataclasses.astuple(before)
        spent = Spent(*(one - other for one, other in zip(now, then, strict=True)))
        # Its own INFO is a request, too.
        without = dataclasses.replace(
            spent, trips=spent.trips - looks - 1, commands=spent.commands - looks - 1
        )
        return Spent(*(one / tasks for one in dataclasses.astuple(without)))


@dataclass(frozen=True)
class Drain:
    """One number of tasks, submitted while the worker stands still, then done.

    Attributes:
        submitting: Tasks submitted per second.
        submitter: CPU seconds of the submitter for each.
        submission: What Redis spent on each meanwhile.
        draining: Tasks done per second, from the moment that the worker goes on.
        task: What each of them took.
    """

    submitting: float
    submitter: float
    submission: Spent
    draining: float
    task: Spent


@dataclass(frozen=True)
class Crew:
    """A worker, and how its tasks are submitted.

    Attributes:
        submit: Submits one task, the number of which it is given.
        ended: Whether all that were submitted have ended; one request to Redis.
        check: Raises unless they have ended well.
    """

    worker: Worker
    redis: RedisServer
    submit: Callable[[int], object]
    ended: Callable[[], bool]
    check: Callable[[], object]

    def drain(self, tasks: int) -> Drain:
        """Submit all of them first; the worker stands still meanwhile."""
        processes = [psutil.Process(self.worker.pid), *self.worker.children()]
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        try:
            before, begun, cpu = self._spent(), time.perf_counter(), time.process_time()
            for number in range(tasks):
                self.submit(number)
            submitting, cpu = time.perf_counter() - begun, time.process_time() - cpu
            middle = self._spent()
        finally:
            begun = time.perf_counter()
            for process in reversed(processes):
                process.send_signal(signal.SIGCONT)
        draining, looks = self._wait(begun)
        after = self._spent()
        self.check()
        return Drain(
            tasks / submitting,
            cpu / tasks,
            middle.per_task(before, 0, tasks),
            tasks / draining,
            after.per_task(middle, looks, tasks),
        )

    def stream(self, tasks: int) -> float:
        """Tasks per second from the first submission to the last end, while the worker runs."""
        begun = time.perf_counter()
        for number in range(tasks):
            self.submit(number)
        seconds, _ = self._wait(begun)
        self.check()
        return tasks / seconds

    def _wait(self, begun: float) -> tuple[float, int]:
        """Seconds since ``begun`` until all have ended, and how often Redis was asked."""
        looks = 0

        def ended() -> bool:
            nonlocal looks
            looks += 1
            return self.ended()

        wait_until(ended, LONGEST)
        return time.perf_counter() - begun, looks

    def _spent(self) -> Spent:
        assert self.redis.process is not None
        with self.redis.client() as client:
            info = client.info("everything")
        commands = sum(one["calls"] for name, one in info.items() if name.startswith("cmdstat_"))
        return Spent(
            sum(map(cpu_of, self.worker.children())),
            cpu_of(psutil.Process(self.worker.pid)),
            cpu_of(psutil.Process(self.redis.process.pid)),
            info["total_reads_processed"],
            commands,
            info["total_net_input_bytes"] + info["total_net_output_bytes"],
        )
