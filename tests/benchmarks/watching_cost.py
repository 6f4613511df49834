"""What it costs that many watch many transfers: Redis pushes, and nobody asks again and again."""

from __future__ import annotations

import time
from typing import Any

import psutil

from tests.acceptance.farm import MB, Farm, running_farm
from tests.benchmarks import redis_use
from tests.benchmarks.contenders import submit_it
from tests.benchmarks.family import cpu_of
from tests.benchmarks.report import Figure, Findings, Promise, Table, percentile
from tests.benchmarks.run import Run
from tests.benchmarks.watchers import watching
from tests.support.waiting import wait_until

TRANSFERS = 100
RATE = MB
"""Bytes per second of each of them."""

Samples = dict[int, dict[str, Any]]
"""By the number of watchers."""


def measure(run: Run, found: Findings) -> None:
    """A hundred slow transfers, and ever more who watch them."""
    folder = run.folder / "watchers"
    folder.mkdir()
    window = 10.0 if run.full else 3.0
    rows = []
    samples: Samples = {}
    with running_farm(folder, "threads", TRANSFERS) as farm:
        time.sleep(1.0)  # the worker's own first looks around
        run.tell("Redis, nothing going on")
        idle, _ = _use_of(farm, window)
        farm.kitsu.serve(0, RATE)
        path = farm.new_file("slow.ma", 200 * RATE)
        running = [submit_it("up", path) for _ in range(TRANSFERS)]
        # Past what each does once, as it begins.
        wait_until(lambda: min(map(farm.kitsu.moved, range(TRANSFERS))) >= 2 * RATE, 60)
        for count in (0, 10, 100, 500) if run.full else (0, 500):
            run.tell(f"{count} who watch {TRANSFERS} transfers")
            with watching(running, count) as watchers:
                watchers.delays()  # what was found by a look is as old as the look has it
                before = cpu_of(map(psutil.Process, watchers.pids))
                use, worker_cpu = _use_of(farm, window)
                used = cpu_of(map(psutil.Process, watchers.pids)) - before
                delays = watchers.delays()
            samples[count] = {
                "calls": use.calls, "seconds": use.seconds, "redis_cpu": use.cpu,
                "bytes_in": use.bytes_in, "bytes_out": use.bytes_out, "delays": delays,
                "watchers_cpu": used, "worker_cpu": worker_cpu, "reads": use.reads,
                "clients": use.clients,
            }  # fmt: skip
            rows.append(_row(count, samples))
        for one in running:
            one.cancel()
        for one in running:
            wait_until(lambda one=one: one.record().is_final, 60)
    columns = (
        "watchers", "seen p50, ms", "p99, ms", "seen a second", "GET, MGET a second",
        "Redis CPU, ms/s", "us a figure seen", "worker CPU, ms/s", "watchers'", "connections",
    )  # fmt: skip
    title = f"{TRANSFERS} uploads at 1 MB/s in one worker of threads, {window:g} s for each row"
    found.tables.append(Table(title, columns, rows))
    found.tables.append(_redis_table(idle, samples[0]))
    found.promises.extend(_promises(samples))
    found.samples["watchers"] = samples


def _use_of(farm: Farm, seconds: float) -> tuple[redis_use.RedisUse, float]:
    """What Redis does in so many seconds, and the CPU seconds of the worker in them."""
    worker = [psutil.Process(farm.worker.pid)]
    used, before = cpu_of(worker), redis_use.read(farm.redis)
    time.sleep(seconds)
    return redis_use.read(farm.redis).since(before), cpu_of(worker) - used


def _row(count: int, samples: Samples) -> tuple[str, ...]:
    one, nobody = samples[count], samples[0]
    seconds, delays = one["seconds"], one["delays"]
    each = 1e6 * (one["redis_cpu"] - nobody["redis_cpu"]) / len(delays) if delays else None
    late = [f"{1000 * percentile(delays, share):.1f}" if delays else "-" for share in (0.5, 0.99)]
    return (
        str(count),
        *late,
        f"{len(delays) / seconds:,.0f}",
        f"{one['reads'] / seconds:,.0f}",
        f"{1000 * one['redis_cpu'] / seconds:.0f}",
        "-" if each is None else f"{each:.0f}",
        f"{1000 * one['worker_cpu'] / seconds:.0f}",
        f"{1000 * one['watchers_cpu'] / seconds:.0f}",
        str(one["clients"]),
    )


def _redis_table(idle: redis_use.RedisUse, alone: dict[str, Any]) -> Table:
    """For one transfer and one second, what the worker does anyway taken off."""
    seconds = alone["seconds"] * TRANSFERS

    def each(value: float, without: float) -> float:
        return (value - without * alone["seconds"] / idle.seconds) / seconds

    calls = {name: each(count, idle.calls.get(name, 0)) for name, count in alone["calls"].items()}
    most = sorted(calls.items(), key=lambda one: -one[1])
    row = (
        f"{sum(calls.values()):.1f}",
        f"{each(alone['bytes_in'], idle.bytes_in) / 1000:.2f}",
        f"{each(alone['bytes_out'], idle.bytes_out) / 1000:.2f}",
        f"{1000 * each(alone['redis_cpu'], idle.cpu):.2f}",
        ", ".join(f"{name} {count:.1f}" for name, count in most if count >= 0.1),
    )
    columns = ("commands", "kB to Redis", "kB from Redis", "Redis CPU, ms", "of the commands")
    title = "Redis, for each second of each transfer, broker and results together"
    return Table(title, columns, [row])


def _promises(samples: Samples) -> list[Promise]:
    most = max(samples)
    many, nobody = samples[most], samples[0]
    delays = many["delays"]
    published = many["calls"].get("set", 0) / TRANSFERS
    if not published or not nobody["reads"]:
        raise AssertionError("no transfer has reported")
    reads = many["reads"] / many["seconds"] / (nobody["reads"] / nobody["seconds"])
    promises = [
        Promise(
            f"{most} watchers: records are read <= 1.1 times as often as with none",
            *(Figure.exact(reads), 1.1, 2.0), at_most=True,
        ),
        Promise(
            f"{most} watchers: each sees >= 0.95 of the figures that are published",
            *(Figure.exact(len(delays) / most / published), 0.95, 0.7),
        ),
        Promise(
            f"{most} watchers: each sees >= 1.8 figures a second",
            Figure.exact(len(delays) / many["seconds"] / most), 1.8,
        ),
    ]  # fmt: skip
    if not delays:  # which breaks a promise already
        return promises
    late = 1000 * percentile(delays, 0.99)
    each = (many["redis_cpu"] - nobody["redis_cpu"]) / len(delays)
    return [
        *promises,
        Promise(
            f"{most} watchers: a figure is seen <= 100 ms after it was taken (p99)",
            Figure.exact(late), 100, at_most=True, digits=0,
        ),
        Promise(
            f"{most} watchers: Redis spends <= 100 us on a figure that one of them sees",
            Figure.exact(1e6 * each), 100, at_most=True, digits=0,
        ),
    ]  # fmt: skip
