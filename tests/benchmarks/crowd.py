"""Transfers at once, each as slow as the server has it, and what they cost."""

from __future__ import annotations

import dataclasses
import os
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.acceptance.farm import MB, Farm, running_farm
from tests.benchmarks.contenders import submit_it
from tests.benchmarks.family import cpu_of, family, memory_of
from tests.support.discarding_kitsu import DiscardingKitsu, discarding_kitsu
from tests.support.waiting import wait_until

RATE = 20 * MB
"""Bytes per second that the server lets each transfer have."""

PIECE = 1_000_000
"""Bytes between two looks of the server at its clock: 20 a second, so that a hundred are cheap."""

PATIENCE = 120.0


@dataclass(frozen=True)
class Size:
    """So many at once in one direction, each for so many seconds."""

    direction: str
    at_once: int
    seconds: float

    @property
    def bytes(self) -> int:
        """Of each."""
        return int(RATE * self.seconds)

    @property
    def gigabytes(self) -> float:
        """Of all."""
        return self.at_once * self.bytes / 1e9


@dataclass(frozen=True)
class Sample:
    """What one crowd did.

    Attributes:
        whole: Bytes per second from the first submission to the last byte, over the ideal.
        together: The same while all of them moved; None if some had ended before all had begun.
        begun: Seconds until all had begun.
        cpu: Seconds for each GB of whoever moves the bytes, beginnings and ends included.
        server_cpu: Of the server, which shares the machine.
        memory: Bytes for each transfer, while all move; None if they never did.
        all_memory: Bytes of all processes then; None likewise.
    """

    whole: float
    together: float | None
    begun: float
    cpu: float
    server_cpu: float
    memory: float | None
    all_memory: float | None


def crowd_of_ours(pool: str, size: Size, folder: Path, files: Path, app: str) -> Sample:
    """Transfers by a worker with a slot for each, which have all been used before."""
    folder.mkdir()
    with running_farm(folder, pool, size.at_once, files, app=app) as farm:
        main = memory_of([psutil.Process(farm.worker.pid)])
        _warm_up(farm, size.at_once)
        workers = family(farm.worker)
        paths = _paths(files, size)
        before = cpu_of(workers)
        begun = time.monotonic()

        def start() -> Callable[[], object]:
            running = [submit_it(size.direction, path) for path in paths]
            return lambda: [one.wait(PATIENCE) for one in running]

        sample = _follow(farm.kitsu, size, begun, start, lambda: memory_of(workers), main)
        return _with_cpu(sample, (cpu_of(workers) - before) / size.gigabytes)


def crowd_of_curls(size: Size, files: Path) -> Sample:
    """A curl for each. Its own start, some 10 ms of CPU, is counted."""
    with discarding_kitsu() as kitsu:
        paths = _paths(files, size)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begun = time.monotonic()
        processes: list[subprocess.Popen[bytes]] = []

        def start() -> Callable[[], object]:
            processes.extend(_curl(kitsu, size.direction, path) for path in paths)
            return lambda: [_end(one) for one in processes]

        def memory() -> int:
            return memory_of(psutil.Process(one.pid) for one in processes)

        sample = _follow(kitsu, size, begun, start, memory, 0)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return _with_cpu(sample, used / size.gigabytes)


def _curl(kitsu: DiscardingKitsu, direction: str, path: Path) -> subprocess.Popen[bytes]:
    up = ["-F", f"file=@{path}", "-o", os.devnull]
    options = up if direction == "up" else ["-o", str(path)]
    return subprocess.Popen(["curl", "-sS", "--fail", *options, kitsu.file_url])


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.wait(PATIENCE):
        raise AssertionError(f"curl ended with {process.returncode}")


def _paths(files: Path, size: Size) -> list[Path]:
    """One file that all send, which takes no room; or a name for each that comes."""
    if size.direction == "down":
        return [files / f"down{number}.bin" for number in range(size.at_once)]
    path = files / "up.bin"
    with path.open("wb") as file:
        file.truncate(size.bytes)
    return [path] * size.at_once


def _warm_up(farm: Farm, slots: int) -> None:
    """Have every slot move something: they are all held until the last has begun."""
    path = farm.new_file("warm.ma", MB)
    farm.kitsu.serve(0, MB / 20, piece=5_000)
    running = [submit_it("up", path) for _ in range(slots)]
    wait_until(lambda: farm.kitsu.begun == slots, PATIENCE)
    farm.kitsu.serve(0)
    for one in running:
        one.wait(PATIENCE)


def _follow(
    kitsu: DiscardingKitsu,
    size: Size,
    begun: float,
    start: Callable[[], Callable[[], object]],
    memory: Callable[[], int],
    others: int,
) -> Sample:
    """Run a crowd to its end.

    Args:
        begun: When all began.
        start: Starts the transfers, and returns what waits for their end.
        memory: Bytes of all processes.
        others: Bytes among them that are not the transfers'.
    """
    first, ended = kitsu.begun, kitsu.ended
    server = psutil.Process(kitsu.process.pid)
    before = cpu_of([server])
    kitsu.serve(size.bytes, RATE, piece=PIECE)

    def moved() -> tuple[float, int]:
        count = sum(kitsu.moved(first + number) for number in range(size.at_once))
        return time.monotonic(), count

    wait = start()
    wait_until(lambda: kitsu.begun == first + size.at_once, PATIENCE, 0.005)
    from_here = moved()
    overlap = kitsu.ended == ended
    all_memory = memory() if overlap else None
    wait_until(lambda: kitsu.ended > ended, PATIENCE, 0.005)
    to_here = moved()
    wait_until(lambda: kitsu.ended == ended + size.at_once, PATIENCE, 0.005)
    last = time.monotonic()
    wait()
    ideal = size.at_once * RATE
    together = (to_here[1] - from_here[1]) / (to_here[0] - from_here[0]) / ideal
    return Sample(
        whole=size.at_once * size.bytes / (last - begun) / ideal,
        together=together if overlap else None,
        begun=from_here[0] - begun,
        cpu=0.0,
        server_cpu=(cpu_of([server]) - before) / size.gigabytes,
        memory=None if all_memory is None else (all_memory - others) / size.at_once,
        all_memory=all_memory,
    )


def _with_cpu(sample: Sample, cpu: float) -> Sample:
    return dataclasses.replace(sample, cpu=cpu)
