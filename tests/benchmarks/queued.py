"""A queue as it grows: its bytes in Redis, and how quickly it fills, is looked at, and drains."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from farm_tasks import submit
from farm_tasks.queues import DOWNLOADS
from farm_tasks.states import FAILURE, INDEX_KEY, OPEN_KEY, lock_key
from farm_tasks.submit.connection import redis_client, sender
from farm_tasks.worker import lost_messages
from farm_tasks.worker.lost_messages import _Searcher
from tests.benchmarks import redis_use
from tests.benchmarks.run import Run
from tests.benchmarks.submitter import Submitted, running_submitters
from tests.support.discarding_kitsu import DiscardingKitsu, discarding_kitsu
from tests.support.environment import environment_of
from tests.support.redis_server import RedisServer, running_redis
from tests.support.waiting import wait_until
from tests.support.worker import running_worker

LAST = 500
"""Submissions whose rate is that of a queue's size: the last before it is reached."""

SMALL_FILE = 10_000
"""Bytes of the files that are drained."""


@dataclass(frozen=True)
class Grown:
    """What is found of a queue of one size.

    Attributes:
        size: Submissions that wait.
        each: Bytes in Redis for each, by what they are of.
        last: The last submissions that made it so long.
        list_ms, status_ms: Milliseconds of the commands, Python's start in them.
        recent_ms, failed_ms: Milliseconds of ``recent()``, and of finding those that failed.
        lost_ms: Milliseconds of a look for lost messages.
        drained: Transfers a second, by one worker.
    """

    size: int
    each: dict[str, float]
    last: Submitted
    list_ms: float
    status_ms: float
    recent_ms: float
    failed_ms: float
    lost_ms: float
    drained: float


@contextlib.contextmanager
def small_farm(
    run: Run, name: str
) -> Iterator[tuple[RedisServer, DiscardingKitsu, dict[str, str]]]:
    """A Redis and a server of files, with this process as a submitter, and what a worker needs."""
    folder = run.folder / name
    files = folder / "files"
    files.mkdir(parents=True)
    with running_redis(folder / "redis") as redis, discarding_kitsu() as kitsu:
        addresses = {
            "FARM_TASKS_BROKER_URL": redis.url(0),
            "FARM_TASKS_RESULT_BACKEND": redis.url(1),
        }
        with environment_of(addresses):
            yield (
                redis,
                kitsu,
                {
                    **addresses,
                    **kitsu.environment(),
                    "FARM_TASKS_READ_ROOTS": str(files),
                    "FARM_TASKS_WRITE_ROOTS": str(files),
                },
            )


def growing(run: Run, sizes: tuple[int, ...], drain: int) -> list[Grown]:
    """Fill a queue to each of the sizes, and look at it there; at each, drain a little of it."""
    found = []
    with small_farm(run, "queued") as (redis, kitsu, environment):
        kitsu.serve(SMALL_FILE)
        files = environment["FARM_TASKS_WRITE_ROOTS"]
        empty = _used(redis)
        with running_submitters(files, 1) as [submitter]:
            for size in sizes:
                run.tell(f"scale: {size:,} queued")
                left = size - redis.client(0).llen(DOWNLOADS)
                submitter.submit(left - LAST)
                last = submitter.submit(LAST)
                each = _bytes_each(redis, size, empty)
                looks = _looks()
                lost = _look_for_lost()
                drained = _drain(run, redis, kitsu, environment, drain)
                found.append(Grown(size, each, last, *looks, lost, drained))
                # What is done stays in Redis for a week, too; here it would count as queued.
                empty += _used(redis) - empty - each["all"] * (size - drain)
    return found


@dataclass(frozen=True)
class Enqueued:
    """What some submitters took at the same time.

    Attributes:
        by: Each of them.
        redis_us: Microseconds of the CPU that Redis takes for one submission.
    """

    by: list[Submitted]
    redis_us: float


def enqueued(run: Run, count: int, processes: tuple[int, ...]) -> dict[int, Enqueued]:
    """``count`` submissions by each of some submitters at the same time."""
    found = {}
    with (
        small_farm(run, "enqueued") as (redis, _, environment),
        running_submitters(environment["FARM_TASKS_WRITE_ROOTS"], max(processes)) as submitters,
    ):
        for number in processes:
            run.tell(f"scale: {number} submitters")
            before = redis_use.read(redis)
            for one in submitters[:number]:
                one.begin(count)
            by = [one.end() for one in submitters[:number]]
            spent = redis_use.read(redis).since(before).cpu
            found[number] = Enqueued(by, 1e6 * spent / (number * count))
    return found


def _used(redis: RedisServer) -> int:
    with redis.client() as client:
        used: int = client.info("memory")["used_memory"]
    return used


def _bytes_each(redis: RedisServer, size: int, empty: float) -> dict[str, float]:
    with redis.client(0) as broker, redis.client(1) as records:
        messages = broker.memory_usage(DOWNLOADS, samples=0)
        indexes = sum(records.memory_usage(one, samples=0) for one in (INDEX_KEY, OPEN_KEY))
    everything = _used(redis) - empty
    parts = {"all": everything, "message": messages, "indexes": indexes}
    parts["record"] = everything - messages - indexes  # and its places in Redis's tables
    return {name: count / size for name, count in parts.items()}


def _looks() -> tuple[float, float, float, float]:
    [newest] = submit.recent(1)
    command = [sys.executable, "-m", "farm_tasks.cli"]
    return (
        _took(lambda: _run([*command, "list"]), 3),
        _took(lambda: _run([*command, "status", newest.id]), 3),
        _took(submit.recent, 3),
        _took(lambda: submit.recent(states={FAILURE}), 3),
    )


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ)


def _took(call: Any, times: int) -> float:
    """Milliseconds; the least of some calls, since others are at work on the machine."""
    least = float("inf")
    for _ in range(times):
        begun = time.perf_counter()
        call()
        least = min(least, time.perf_counter() - begun)
    return 1000 * least


def _look_for_lost() -> float:
    """A worker's look, with every submission due for one."""
    redis = redis_client()
    searcher = _Searcher(sender(), threading.Event())
    for first in range(0, redis.zcard(OPEN_KEY), 10_000):
        ids = redis.zrange(OPEN_KEY, first, first + 9_999)
        redis.zadd(OPEN_KEY, dict.fromkeys(ids, time.time() - 2 * lost_messages.INTERVAL))

    def look() -> None:
        redis.delete(lock_key("lost-messages"))
        searcher._look()

    return _took(look, 1)


def _drain(
    run: Run, redis: RedisServer, kitsu: DiscardingKitsu, environment: dict[str, str], count: int
) -> float:
    """Transfers a second of a worker that has just come."""
    folder = run.folder / f"drain-{redis.client(0).llen(DOWNLOADS)}"
    before = kitsu.ended
    warm = count // 5
    with running_worker(folder, environment, "threads", 4):
        wait_until(lambda: kitsu.ended - before >= warm, 60, 0.005)
        begun, first = time.perf_counter(), kitsu.ended
        wait_until(lambda: kitsu.ended - before >= count, 120, 0.005)
        return (kitsu.ended - first) / (time.perf_counter() - begun)
