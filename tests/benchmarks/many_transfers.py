"""Many transfers at once, each held at 20 MB/s by the server: rate, CPU and memory of each pool."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.acceptance.farm import MB
from tests.benchmarks.contenders import has_curl
from tests.benchmarks.crowd import RATE, Sample, Size, crowd_of_curls, crowd_of_ours
from tests.benchmarks.machine import GIB
from tests.benchmarks.report import Curve, Figure, Findings, Promise, Table
from tests.benchmarks.run import Run
from tests.support.room import roomy_folder

CURLS = "curls"
POOLS = ("prefork", "threads", "gevent")

SHORT = (Size("up", 8, 2.5), Size("up", 32, 2.5))
FULL = (
    *(Size("up", count, 4.0) for count in (1, 8, 32)),
    Size("up", 128, 12.0),  # long enough for the last one to begin before the first one ends
    *(Size("down", count, 4.0) for count in (1, 8, 32)),
)

Samples = dict[str, list[Sample]]
"""By the contender's name, one for each round."""


def measure(run: Run) -> Findings:
    found = Findings([], [])
    every: dict[Size, Samples] = {}
    for size in FULL if run.full else SHORT:
        rounds = 2 if run.full else 1
        room = size.at_once * size.bytes if size.direction == "down" else GIB
        with roomy_folder(run.folder, room) as files:
            samples = every[size] = _take_turns(run, size, files, rounds)
        found.tables.append(_table(size, samples, rounds))
        found.promises.extend(_promises(size, samples))
        found.samples[f"{size.direction} {size.at_once}"] = {
            name: [dataclasses.asdict(one) for one in turns] for name, turns in samples.items()
        }
    if run.full:
        found.curves.extend(_curves(every))
    return found


def _take_turns(run: Run, size: Size, files: Path, rounds: int) -> Samples:
    """Another contender goes first in each round. A worker is started for each turn."""
    names = [*([CURLS] if has_curl() else []), *_pools(run.full, size)]
    samples: Samples = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            run.tell(f"{size.at_once} {size.direction}, {number + 1}/{rounds}: {name}")
            if name == CURLS:
                sample = crowd_of_curls(size, files)
            else:
                folder = run.folder / f"{name}-{size.direction}-{size.at_once}-{number}"
                app = "tests.support.greenlets" if name == "gevent" else "farm_tasks"
                sample = crowd_of_ours(name, size, folder, files, app)
            samples[name].append(sample)
            for path in files.iterdir():
                path.unlink()
    return samples


def _pools(full: bool, size: Size) -> list[str]:
    if not full:
        return ["prefork", "threads"] if size.at_once <= 8 else ["threads"]
    return [one for one in POOLS if one != "gevent" or importlib.util.find_spec("gevent")]


def _table(size: Size, samples: Samples, rounds: int) -> Table:
    rows = []
    for name, turns in samples.items():
        rows.append(
            (
                "gevent, mended" if name == "gevent" else name,
                Figure.of(one.whole for one in turns).text(),
                _known((one.together for one in turns), 2),
                Figure.of(one.whole * RATE * size.at_once / MB for one in turns).text(0),
                Figure.of(one.begun for one in turns).text(),
                Figure.of(one.cpu for one in turns).text(),
                Figure.of(one.server_cpu for one in turns).text(),
                _known(map(_all_megabytes, turns), 0),
                _known(map(_megabytes, turns), 1),
            )
        )
    columns = (
        "", "of the ideal", "... while all move", "MB/s", "all begun, s", "CPU s/GB",
        "server's", "MB", "MB a slot",
    )  # fmt: skip
    title = (
        f"{size.at_once} {size.direction}load{'s' if size.at_once > 1 else ''} at once, "
        f"{RATE / MB:g} MB/s and {size.seconds:g} s each, {rounds} round{'s' if rounds > 1 else ''}"
    )
    never = [name for name, turns in samples.items() if all(one.memory is None for one in turns)]
    if never:
        title += f"; never all at once, so no memory and no promise of it: {', '.join(never)}"
    return Table(title, columns, rows)


def _all_megabytes(sample: Sample) -> float | None:
    return None if sample.all_memory is None else sample.all_memory / MB


def _megabytes(sample: Sample) -> float | None:
    return None if sample.memory is None else sample.memory / MB


def _known(values: Iterable[float | None], digits: int) -> str:
    """Of the rounds in which all moved at once."""
    known = [one for one in values if one is not None]
    return Figure.of(known).text(digits) if known else "-"


def _promises(size: Size, samples: Samples) -> list[Promise]:
    promises = []
    for pool in ("prefork", "threads"):
        if pool not in samples:
            continue
        name = f"{size.at_once} {size.direction}, {pool}"
        whole = [one.whole for one in samples[pool]]
        if size.at_once <= 8:
            text = f"{name}: >= 0.95 of the ideal"
            promises.append(Promise(text, Figure.of(whole), 0.95, digits=3))
        # The ideal is a clock's; what holds up the machine holds up the curls as well.
        if CURLS in samples:
            beside = Figure.ratio(whole, [one.whole for one in samples[CURLS]])
            promises.append(Promise(f"{name}: >= 0.95 of the curls", beside, 0.95, 0.6))
    if "threads" in samples and size.at_once > 8:
        slots = [one for one in map(_megabytes, samples["threads"]) if one is not None]
        text = f"{size.at_once} {size.direction}, threads: <= 3 MB a slot"
        if slots:  # else the table says so
            promises.append(Promise(text, Figure.of(slots), 3, 6, at_most=True, digits=1))
    return promises


def _curves(every: dict[Size, Samples]) -> Iterable[Curve]:
    uploads = {size: samples for size, samples in every.items() if size.direction == "up"}
    names = list(dict.fromkeys(name for samples in uploads.values() for name in samples))

    def lines(value: Callable[[Sample], float | None]) -> dict[str, list[tuple[float, float]]]:
        drawn: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for size, samples in uploads.items():
            for name in names:
                known = [one for one in map(value, samples[name]) if one is not None]
                if known:
                    drawn[name].append((size.at_once, Figure.of(known).median))
        return drawn

    at_once = "uploads at once, 20 MB/s each"
    yield Curve(
        "many-cpu", "CPU for each GB", at_once, "CPU seconds per GB", lines(lambda one: one.cpu)
    )
    yield Curve(
        "many-memory", "Memory of the whole worker", at_once, "MB",
        lines(_all_megabytes),
    )  # fmt: skip
