"""The figures of "What it costs" in docs/metrics.md: ``python -m tests.monitor.cost``."""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
import time
import timeit
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis

from farm_tasks import counting
from farm_tasks.kitsu.ledger import PROCESSED, STEP_DONE
from farm_tasks.monitor.metrics.server import serving
from farm_tasks.queues import SMALL
from farm_tasks.states import PROGRESS, SUCCESS, result_key
from farm_tasks.stored_state import replace
from farm_tasks.submit.connection import redis_client
from farm_tasks.transfer.progress import Meter
from farm_tasks.worker.counts import LEAST_BYTES, Counts
from tests.worker.crew import Crew, running_crew

NAME = "farm_tasks.upload_working_file"
ROUNDS = 3000
UPLOADS = 50
SCRAPES = 50
WAITING = (1, 10_000, 100_000)


def _calls(client: Any) -> dict[str, dict[str, float]]:
    """How often Redis ran each command, and for how many microseconds."""
    return {name.removeprefix("cmdstat_"): of for name, of in client.info("commandstats").items()}


def _an_end(client: Any) -> str:
    """Store a state as a worker does, without and with a count."""
    record = json.dumps({"status": SUCCESS, "name": NAME, "result": None, "kwargs": {}})
    change = counting.of_change(json.loads(record), PROGRESS)
    took = []
    for counts in ([], change):
        client.config_resetstat()
        for _ in range(ROUNDS):
            seen = client.get(result_key("1"))
            assert replace(client, result_key("1"), seen, record, 60, counts)
        took.append(_calls(client)["evalsha"]["usec_per_call"])
    return f"an end: {took[1]:.1f} us in Redis, {took[0]:.1f} without its count"


def _noting(counts: Counts) -> Iterator[str]:
    meter = Meter()
    meter.moved(2 * LEAST_BYTES)
    each = timeit.timeit(lambda: meter.moved(65536), number=100_000) / 100_000
    yield f"noting a piece that moved: {each * 1e6:.2f} us"

    def attempt() -> None:
        counts.moved(NAME, 1_000_000)
        counts.attempted(NAME, 45.0, counting.SUCCEEDED, meter)

    each = min(timeit.repeat(attempt, number=1000, repeat=5)) / 1000
    yield f"noting an attempt's end: {each * 1e6:.1f} us"
    times = []
    for _ in range(ROUNDS):
        attempt()
        counts.observe(PROCESSED, 30.0)
        counts.observe(STEP_DONE)
        began = time.perf_counter()
        assert counts.write()
        times.append(time.perf_counter() - began)
    yield f"writing what was noted: {statistics.median(times) * 1e6:.0f} us"


def _a_small_upload(crew: Crew, client: Any) -> str:
    worker = crew.join("threads", 1, app="farm_tasks")
    crew.upload(1).wait(20)
    client.config_resetstat()
    for number in range(UPLOADS):
        crew.upload(1000 + number).wait(20)
    worker.stop()
    calls = {name: of["calls"] / UPLOADS for name, of in _calls(client).items()}
    counted = calls.get("hincrby", 0) + calls.get("hincrbyfloat", 0)
    return f"a small upload: {sum(calls.values()):.0f} commands, {counted:.1f} of them counts"


def _scrapes(crew: Crew, client: Any) -> Iterator[str]:
    with serving("127.0.0.1", 0) as port, crew.redis.client(0) as broker:

        def scrape() -> bytes:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                text: bytes = answer.read()
                return text

        crew.upload(1)
        for waiting in WAITING:
            while (missing := waiting - broker.llen(SMALL)) > 0:
                broker.lpush(SMALL, *[broker.lindex(SMALL, 0)] * min(missing, 10_000))
            scrape()
            client.config_resetstat()
            times = sorted(_seconds(scrape) * 1e3 for _ in range(SCRAPES))
            commands = sum(of["calls"] for of in _calls(client).values()) / SCRAPES
            yield (
                f"a scrape with {waiting} waiting: {times[SCRAPES // 2]:.1f} ms, at worst "
                f"{times[-1]:.0f} ms, {commands:.0f} commands"
            )
        lines = [one for one in scrape().splitlines() if not one.startswith(b"#")]
        yield f"an answer: {len(scrape()) / 1000:.0f} kB, {len(lines)} series"


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    """Measure, and print."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        crew = stack.enter_context(running_crew(folder))
        client = redis_client()
        print(f"Redis {client.info('server')['redis_version']}")
        print(_an_end(client))
        for line in _noting(Counts(lambda: redis.Redis.from_url(crew.redis.url(1)))):
            print(line, flush=True)
        print(_a_small_upload(crew, client), flush=True)
        for line in _scrapes(crew, client):
            print(line, flush=True)


if __name__ == "__main__":
    main()
