"""A batch as it grows: a look at its progress, a change of one member, and somebody who watches."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from typing import Any

from farm_tasks.settings import settings
from farm_tasks.states import (
    PROGRESS,
    QUEUED,
    group_key,
    group_order_key,
    group_sum_key,
    groups_of_key,
    result_key,
)
from farm_tasks.stored_state import replace
from farm_tasks.submit import Group, Submission
from farm_tasks.submit.connection import redis_client, sender
from farm_tasks.transfer.progress import Progress
from tests.benchmarks.queued import small_farm
from tests.benchmarks.run import Run

TOTAL = 10_000_000
MOVING = 50
"""Members whose figures change; the others wait."""

_LOOKS = 50

RATE = 200
"""Changes a second: those of a hundred transfers."""

_WATCH = """
import sys, time
from farm_tasks.submit import Group
group = Group.load(sys.argv[1])
looks, cpu = 0, None
for progress in group.watch(float(sys.argv[2])):
    looks += 1
    if cpu is None:
        cpu = time.process_time()
        print("ready", flush=True)
print(time.process_time() - cpu, looks, progress.bytes_read, flush=True)
"""


@dataclass(frozen=True)
class BatchGrown:
    """What a batch of ``size`` costs.

    Attributes:
        look_ms: Milliseconds of ``progress()``.
        all_ms: Milliseconds of reading and adding up all records, which it once was.
        update_us: Microseconds in Redis of one member's change.
        alone_us: The same of a submission that is in no group.
        commands: Commands of Redis for a change.
        watcher: Percent of a core that a watcher takes at :data:`RATE` changes a second.
        each: Bytes in Redis that a member adds to its record.
    """

    size: int
    look_ms: float
    all_ms: float
    update_us: float
    alone_us: float
    commands: float
    watcher: float
    each: float


def batches_growing(run: Run, sizes: tuple[int, ...], seconds: float) -> list[BatchGrown]:
    """Make batches of these sizes, and move some of their members."""
    with small_farm(run, "batches"):
        alone = _in_redis(_queued(MOVING), seconds / 8)
        made = [_made(run, size) for size in sizes]
        looks: list[list[float]] = [[] for _ in made]
        for _ in range(_LOOKS):  # side by side
            for (group, _, _), took in zip(made, looks, strict=True):
                took.append(_took(group.progress, 1))
        return [
            _measured(run, *batch, statistics.median(took), alone, seconds)
            for batch, took in zip(made, looks, strict=True)
        ]


def _made(run: Run, size: int) -> tuple[Group, list[str], float]:
    """A batch, its members, and the bytes that it takes for each."""
    run.tell(f"scale: a batch of {size:,}")
    members = _queued(size)
    group = Group.of([Submission(one) for one in members])
    shared = sum(_bytes(of(group.id)) for of in (group_key, group_sum_key, group_order_key))
    own = statistics.mean(_bytes(groups_of_key(one)) for one in members[:100])
    return group, members, shared / size + own


def _bytes(key: str) -> int:
    taken: int = redis_client().memory_usage(key, samples=0)
    return taken


def _measured(
    run: Run,
    group: Group,
    members: list[str],
    each: float,
    look: float,
    alone: float,
    seconds: float,
) -> BatchGrown:
    run.tell(f"scale: changes in a batch of {len(members):,}")
    moving = members[: min(len(members), MOVING)]
    _changes(moving, 0.2, 0)  # from now on they are in one state
    update = _in_redis(moving, seconds / 8)
    _, commands = _changes(moving, seconds / 8, 0)
    return BatchGrown(
        len(members),
        look,
        _took(lambda: sum(one.progress.bytes_read for one in group.records()), 3),
        update,
        alone,
        commands,
        100 * _watched(group, moving, seconds) / seconds,
        each,
    )


def _in_redis(ids: list[str], seconds: float) -> float:
    """Microseconds of a change in Redis: the median of three times ``seconds``."""
    return statistics.median(_changes(ids, seconds, 0)[0] for _ in range(3))


def _queued(count: int) -> list[str]:
    """Records of submissions that nobody takes."""
    ids = [str(uuid.uuid4()) for _ in range(count)]
    with redis_client().pipeline(transaction=False) as pipeline:
        for number, one in enumerate(ids):
            path = f"/projects/demo/sq010/sh{number:06}/comp_v003.mov"
            queued = Progress(0, TOTAL, "queued", file=path, updated=time.time()).to_dict()
            record = {
                "status": QUEUED,
                "result": queued,
                "traceback": None,
                "children": [],
                "date_done": None,
                "task_id": one,
                "name": "farm_tasks.upload_preview_file",
                "kwargs": {"preview_file": one, "file_path": path},
                "queue": "farm_tasks.uploads",
                "priority": "normal",
            }
            encoded = sender().backend.encode(record)
            pipeline.set(result_key(one), encoded, ex=settings().record_seconds)
        pipeline.execute()
    return ids


def _changes(ids: list[str], seconds: float, rate: float) -> tuple[float, float]:
    """Change records for so long, ``rate`` times a second or as fast as it goes.

    Returns:
        Microseconds in Redis of each change, and its commands.
    """
    redis = redis_client()
    stored: dict[str, tuple[bytes, dict[str, Any]]] = {}
    for one in ids:
        seen = redis.get(result_key(one))
        stored[one] = seen, json.loads(seen)
    redis.config_resetstat()
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        one = ids[count % len(ids)]
        seen, record = stored[one]
        record["status"] = PROGRESS
        figures = record["result"]
        moved = (figures["bytes_read"] + 12_345) % TOTAL
        figures |= {"bytes_read": moved, "percent": round(100 * moved / TOTAL, 2), "rate": count}
        value = json.dumps(record)
        if not replace(redis, result_key(one), seen, value, settings().record_seconds):
            raise AssertionError("somebody else has changed it")
        stored[one] = value.encode(), record
        count += 1
        if rate:
            time.sleep(max(0.0, begun + count / rate - time.perf_counter()))
    calls = redis.info("commandstats")
    commands = sum(
        one["calls"] for name, one in calls.items() if "config" not in name and "info" not in name
    )
    return calls["cmdstat_evalsha"]["usec_per_call"], commands / count


def _watched(group: Group, moving: list[str], seconds: float) -> float:
    """CPU seconds of a process that watches while members change."""
    with subprocess.Popen(
        [sys.executable, "-c", _WATCH, group.id, str(seconds + 1)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise AssertionError("the watcher did not start")
        _changes(moving, seconds, RATE)
        cpu, looks, _ = process.stdout.readline().split()
        if int(looks) < 2 * seconds:
            raise AssertionError(f"only {looks} looks in {seconds} s")
        return float(cpu)


def _took(call: Any, times: int) -> float:
    """Milliseconds; the median of some calls."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        took.append(time.perf_counter() - begun)
    return 1000 * statistics.median(took)
