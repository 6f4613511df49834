"""More and more workers: whether each does as much as one alone."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil

from farm_tasks.submit.connection import redis_client
from tests.benchmarks import redis_use
from tests.benchmarks.contenders import cpu_of
from tests.benchmarks.queued import SMALL_FILE, small_farm
from tests.benchmarks.run import Run
from tests.benchmarks.submitter import running_submitters
from tests.support.discarding_kitsu import DiscardingKitsu
from tests.support.waiting import wait_until
from tests.support.worker import Worker

SLOTS = 4
"""Of each worker: threads."""

FAST = 200
"""Transfers whose time is taken in the CPU-bound part, of which there are enough."""

SLOW_FILE, SLOW_SECONDS = 131_072, 0.8
"""A file of two pieces and how long it takes: no CPU is used meanwhile, as with real transfers."""


@dataclass(frozen=True)
class Crew:
    """What some workers do together.

    Attributes:
        workers: How many.
        slow: Transfers a second for each, where the server takes its time.
        fast: The same, where nothing but the CPU of this machine bounds them.
        commands: Commands of Redis for a slow transfer, from the queue to its end.
        redis_us: Microseconds of the CPU that Redis takes for one.
        connections: To Redis, of each worker while its slots are busy.
    """

    workers: int
    slow: float
    fast: float
    commands: float
    redis_us: float
    connections: float


def crews(run: Run, sizes: tuple[int, ...], rounds: int) -> list[Crew]:
    """Workers that drain a queue which is never empty."""
    return [_crew(run, size, rounds) for size in sizes]


def _crew(run: Run, size: int, rounds: int) -> Crew:
    run.tell(f"scale: {size} workers")
    with small_farm(run, f"crew{size}") as (redis, kitsu, environment):
        assert redis.process is not None
        server = psutil.Process(redis.process.pid)
        with running_submitters(environment["FARM_TASKS_WRITE_ROOTS"], 1) as [submitter]:
            submitter.submit(SLOTS * size * (rounds + 10) + 2 * FAST)
        kitsu.serve(SLOW_FILE, rate=SLOW_FILE / SLOW_SECONDS)
        redis_client().ping()  # this process's own connection is there from now on
        before = redis_use.read(redis).clients
        with _running(run, size, environment):
            wait_until(lambda: kitsu.ended >= SLOTS * size, 60, 0.002)
            redis_client().config_resetstat()
            cpu, first = cpu_of(server), kitsu.ended
            slow = [_rate(kitsu, SLOTS * size) for _ in range(rounds)]
            ended, spent = kitsu.ended - first, cpu_of(server) - cpu
            connections = redis_use.read(redis).clients - before
            commands = sum(one["calls"] for one in redis_client().info("commandstats").values())
            kitsu.serve(SMALL_FILE)
            _rate(kitsu, 2 * SLOTS * size)  # what was under way
            fast = _rate(kitsu, FAST)
        return Crew(
            size,
            statistics.median(slow) / size,
            fast / size,
            commands / ended,
            1e6 * spent / ended,
            connections / size,
        )


def _rate(kitsu: DiscardingKitsu, count: int) -> float:
    """Transfers a second, over so many."""
    first, begun = kitsu.ended, time.perf_counter()
    wait_until(lambda: kitsu.ended >= first + count, 120, 0.002)
    return (kitsu.ended - first) / (time.perf_counter() - begun)


@contextlib.contextmanager
def _running(run: Run, size: int, environment: dict[str, str]) -> Iterator[None]:
    folders = [run.folder / f"crew{size}" / f"worker{number}" for number in range(size)]
    workers = [Worker(one, environment, "threads", SLOTS) for one in folders]
    try:
        with ThreadPoolExecutor(size) as threads:
            list(threads.map(Worker.start, workers))
        yield
    finally:
        with ThreadPoolExecutor(size) as threads:
            list(threads.map(Worker.stop, workers))
