"""The figures of "Sizing" in docs/operations.md: ``python -m tests.operations.sizing``."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import psutil

from farm_tasks.submit import Submission
from tests.support.waiting import wait_until
from tests.support.worker import Worker
from tests.worker.crew import MB, Crew, running_crew

FEW, MANY = 2, 8
SIZE, RATE = 80 * MB, 10 * MB
SUBMISSIONS = 500


def _pss(worker: Worker) -> float:
    """Proportional set size of all of its processes, in bytes."""
    family = [psutil.Process(worker.pid), *worker.children()]
    return float(sum(one.memory_full_info().pss for one in family))


def _while_all_move(crew: Crew, pool: str, slots: int) -> float:
    crew.kitsu.serve(0, RATE)
    worker = crew.join(pool, slots, app="farm_tasks")
    first = crew.kitsu.begun
    running = [crew.upload(SIZE + number) for number in range(slots)]
    wait_until(
        lambda: all(crew.kitsu.moved(first + number) > SIZE / 4 for number in range(slots)), 60
    )
    found = _pss(worker)
    for one in running:
        one.wait(60)
    worker.stop()
    return found


def _memory(crew: Crew, pool: str) -> str:
    few, many = (_while_all_move(crew, pool, slots) for slots in (FEW, MANY))
    slot = (many - few) / (MANY - FEW)
    return (
        f"{pool}: {(few - FEW * slot) / MB:.0f} MB and {slot / MB:.1f} MB a slot, "
        f"{many / MB:.0f} MB with {MANY}"
    )


def _used(crew: Crew) -> int:
    with crew.redis.client() as client:
        used: int = client.info("memory")["used_memory"]
        return used


def _records(crew: Crew) -> Iterator[str]:
    def submitted() -> list[Submission]:
        return [crew.upload(1000 + number) for number in range(SUBMISSIONS)]

    def worked_off(submissions: list[Submission]) -> None:
        worker = crew.join("threads", MANY, app="farm_tasks")
        for one in submissions:
            one.wait(120)
        worker.stop()

    crew.kitsu.serve(0)
    worked_off([crew.upload(1)])  # what the first one needs, no other one does
    before = _used(crew)
    waiting = submitted()
    yield f"waits: {(_used(crew) - before) / SUBMISSIONS / 1000:.1f} kB"
    worked_off(waiting)
    yield f"has ended: {(_used(crew) - before) / SUBMISSIONS / 1000:.1f} kB"


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder, running_crew(Path(folder)) as crew:
        with crew.redis.client() as client:
            redis = client.info("server")["redis_version"]
        print(
            f"Python {platform.python_version()}, Celery {version('celery')}, Redis {redis}, "
            f"{platform.system()} {platform.release()}"
        )
        for pool in ("prefork", "threads"):
            print(_memory(crew, pool), flush=True)
        for line in _records(crew):
            print(f"Redis, for a submission that {line}", flush=True)


if __name__ == "__main__":
    main()
