"""Flower, as it hears of more and more submissions: its memory, and how long its pages take."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

import psutil

from farm_tasks.submit.connection import sender
from tests.benchmarks.machine import MIB
from tests.benchmarks.queued import small_farm
from tests.benchmarks.run import Run
from tests.monitor.flower.running import Flower, running_flower
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.waiting import wait_until

_BURST = 500
_COLUMNS = "name uuid state args kwargs result received started runtime worker".split()
_PAGE = "/tasks/datatable?draw=1&start=0&length={length}&search[value]={search}" + (
    "&order[0][column]=6&order[0][dir]=desc"
    + "".join(f"&columns[{number}][data]={name}" for number, name in enumerate(_COLUMNS))
)


@dataclass(frozen=True)
class FlowerGrown:
    """What Flower takes when it knows ``size`` submissions.

    Attributes:
        memory: MiB in use.
        page_ms: Milliseconds of the list's figures, which its page asks for every second.
        search_ms: The same, of those that hold a word that none does.
        batches_ms: Milliseconds of the figures of the page of batches.
    """

    size: int
    memory: float
    page_ms: float
    search_ms: float
    batches_ms: float


def flower_growing(run: Run, sizes: tuple[int, ...]) -> list[FlowerGrown]:
    """Tell Flower of so many submissions, as submitters and workers do, and look at it."""
    found = []
    folder = run.folder / "flower-log"
    folder.mkdir()
    with (
        small_farm(run, "flower") as (_, _, environment),
        running_flower(folder, environment, "--", f"--max_tasks={max(sizes)}") as it,
    ):
        assert it.process is not None
        process = psutil.Process(it.process.pid)
        known = 0
        for size in sizes:
            run.tell(f"scale: Flower, {size:,} tasks")
            _tell(it, known, size)
            known = size
            found.append(
                FlowerGrown(
                    size,
                    process.memory_info().rss / MIB,
                    _took(it, _PAGE.format(length=10, search="")),
                    _took(it, _PAGE.format(length=10, search="nobody")),
                    _took(it, "/batches/figures", 1),  # the next one would be remembered
                )
            )
    return found


def _tell(flower: Flower, known: int, size: int) -> None:
    with sender().connection() as connection:
        dispatcher = sender().events.Dispatcher(connection, hostname="gen1@render01")
        for first in range(known, size, _BURST):
            for number in range(first, min(first + _BURST, size)):
                path = f"/projects/demo/sq010/sh{number:06}/comp_v003.ma"
                arguments = {"working_file": WORKING_FILE, "file_path": path}
                dispatcher.send(
                    "task-sent",
                    uuid=str(uuid.uuid4()),
                    name="farm_tasks.download_working_file",
                    args="()",
                    kwargs=repr(arguments),
                    queue="farm_tasks.downloads",
                )
            # Redis drops a listener that it has to keep too much for.
            _wait_for(flower, min(first + _BURST, size) - 4 * _BURST)
    _wait_for(flower, size)


def _wait_for(flower: Flower, events: int) -> None:
    try:
        wait_until(lambda: _heard(flower) >= events, 120)
    except AssertionError as late:
        heard, log = _heard(flower), flower.log.read_text()[-2000:]
        raise AssertionError(f"Flower heard {heard:n} of {events} events:\n{log}") from late


def _heard(flower: Flower) -> float:
    lines = flower.ask("/metrics")[1].splitlines()
    wanted = [one for one in lines if one.startswith("flower_events_total{") and "sent" in one]
    return sum(float(one.rpartition(" ")[2]) for one in wanted)


def _took(flower: Flower, path: str, times: int = 5) -> float:
    """Milliseconds; the least of some, since others are at work on the machine."""
    least = float("inf")
    for _ in range(times):
        begun = time.perf_counter()
        status, text = flower.ask(path)
        least = min(least, time.perf_counter() - begun)
        if status != 200:
            raise AssertionError(f"{path}: {status} {text:.200}")
    return 1000 * least
