"""One large file up and down, plain and by TLS, beside curl, gazu and what the kernel can do."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

from tests.acceptance.farm import running_farm
from tests.benchmarks.contenders import (
    SMALL,
    Contender,
    Round,
    Sample,
    curl,
    curl_and_fsync,
    has_curl,
    python,
    submit_it,
    task,
)
from tests.benchmarks.machine import GIB, MIB
from tests.benchmarks.memory import grown_at_any_size
from tests.benchmarks.report import Figure, Findings, Promise, Table
from tests.benchmarks.run import Run
from tests.support.discarding_kitsu import PATTERN
from tests.support.room import roomy_folder
from tests.support.tls import Authority

TURNS = 3
"""Of the quick contenders in each round, so that one hiccup does not decide it."""

Rounds = dict[str, list[list[Sample]]]
"""For each contender and each round, one sample or more."""


def measure(run: Run) -> Findings:
    size = GIB if run.full else GIB // 4
    rounds = 5 if run.full else 3  # of two, the median is a mean: a single hiccup decides it
    found = Findings([], [])
    authority = Authority(run.folder / "ca")
    for tls in (None, authority):
        _measure_over(tls, run, size, rounds, found)
    if run.full and has_curl():
        _measure_to_disk(run, size, found)
    grown_at_any_size(run, found)
    return found


def _measure_over(
    authority: Authority | None, run: Run, size: int, rounds: int, found: Findings
) -> None:
    folder = run.folder / ("plain" if authority is None else "tls")
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        files = stack.enter_context(roomy_folder(folder, 3 * size))
        farm = stack.enter_context(running_farm(folder, files=files, authority=authority))
        ca = authority and authority.certificate
        small = _write(files / "small.bin", SMALL)
        up = Round("up", farm.kitsu, _write(files / "up.bin", size), small, size, ca)
        down = Round("down", farm.kitsu, files / "down.bin", small, size, ca)
        for given, path in ((up, small), (down, down.path)):
            warm = dataclasses.replace(given, path=path, size=SMALL)
            warm.prepare()
            submit_it(warm.direction, warm.path).wait(60)
        for given, gazus in ((up, ["gazu"]), (down, ["gazu", "gazu, no progress"])):
            with contextlib.ExitStack() as peers:
                limit, operation, *slow = (
                    peers.enter_context(python(name, given))
                    for name in ("limit", "operation", *(gazus if run.full else []))
                )
                quick: dict[str, Contender] = {"limit": limit}
                if has_curl():
                    quick["curl"] = curl
                quick |= {"our operation": operation, "our task": task(farm)}
                samples = _take_turns(
                    run, given, quick, dict(zip(gazus, slow, strict=False)), rounds
                )
            way = "plain HTTP" if authority is None else "TLS"
            title = f"{given.direction}load, {size / GIB:g} GiB, {way}, {rounds} rounds"
            found.tables.append(_table(title, samples, size))
            found.samples[f"{given.direction} {way}"] = _plain(samples)
            found.promises.extend(_promises(given.direction, way, samples, size))


def _measure_to_disk(run: Run, size: int, found: Findings) -> None:
    """Ours makes the file last before it appears; curl does not."""
    folder = run.folder / "disk"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        farm = stack.enter_context(running_farm(folder))
        given = Round("down", farm.kitsu, folder / "down.bin", _write(folder / "s", SMALL), size)
        operation = stack.enter_context(python("operation", given))
        contenders = {"curl": curl, "curl, fsync": curl_and_fsync, "our operation": operation}
        samples = _take_turns(run, given, {}, contenders, 3)
    title = f"download to disk, {size / GIB:g} GiB, 3 rounds"
    found.tables.append(_table(title, samples, size, "curl, fsync"))
    found.samples["down to disk"] = _plain(samples)


def _write(path: Path, size: int) -> Path:
    """A file with every page in place: a sparse one would be read from nothing."""
    with path.open("wb") as file:
        left = size
        while left > 0:
            left -= file.write(PATTERN[: min(left, len(PATTERN))])
    return path


def _take_turns(
    run: Run, given: Round, quick: dict[str, Contender], slow: dict[str, Contender], rounds: int
) -> Rounds:
    """In each round the quick ones three times, and another one first each time."""
    samples: Rounds = {name: [] for name in (*quick, *slow)}
    for number in range(rounds):
        for turns in samples.values():
            turns.append([])
        for turn in range(TURNS + 1):
            contenders = quick if turn < TURNS else slow
            names = list(contenders)
            first = (number + turn) % max(1, len(names))
            for name in names[first:] + names[:first]:
                run.tell(f"{given.direction} {number + 1}/{rounds}: {name}")
                samples[name][-1].append(contenders[name](given))
                if given.direction == "down" and given.path.stat().st_size != given.size:
                    raise AssertionError(f"{name} wrote {given.path.stat().st_size} bytes")
    return samples


def _median_seconds(rounds: list[list[Sample]]) -> list[float]:
    """Of each round."""
    return [Figure.of(one.seconds for one in turns).median for turns in rounds]


def _least_seconds(rounds: list[list[Sample]]) -> list[float]:
    """Of each round: what a turn takes longer, the rest of the machine has taken.

    A connection whose reader is kept waiting once, by whatever else runs, is a third slower from
    then on where the congestion control is BBR. That is no cost of a task.
    """
    return [min(one.seconds for one in turns) for turns in rounds]


def _speed_over(samples: Rounds, name: str, other: str) -> Figure:
    """Speed over another one's, round by round."""
    return Figure.ratio(_median_seconds(samples[other]), _median_seconds(samples[name]))


def _table(title: str, samples: Rounds, size: int, yardstick: str = "curl") -> Table:
    rows = []
    for name, rounds in samples.items():
        every = [sample for turns in rounds for sample in turns]
        has_ratio = yardstick in samples and name != yardstick
        ratio = _speed_over(samples, name, yardstick).text() if has_ratio else "1"
        speed = Figure.of(size / one.seconds / 1e6 for one in every)
        cpu = Figure.of(one.cpu * GIB / size for one in every)
        peak = max(one.peak for one in every) / MIB
        rows.append((name, ratio, speed.text(0), cpu.text(), f"{peak:.0f}"))
    return Table(title, ("", f"x {yardstick}", "MB/s", "CPU s/GiB", "peak MiB"), rows)


def _promises(direction: str, way: str, samples: Rounds, size: int) -> list[Promise]:
    name = f"{direction}load, {way}"
    ours = "our operation"
    promises = []
    if "curl" in samples:
        beside = _speed_over(samples, ours, "curl")
        goal, floor = {
            ("up", "plain HTTP"): (1.0, 0.6),
            ("down", "plain HTTP"): (1.1, 0.85),
        }.get((direction, way), (0.95, 0.65))
        promises.append(Promise(f"{name}: >= {goal:g} of curl", beside, goal, floor))
    if (direction, way) == ("up", "plain HTTP"):
        of_limit = _speed_over(samples, ours, "limit")
        promises.append(Promise(f"{name}: >= 0.85 of the limit", of_limit, 0.85, 0.4))
        cpu = Figure.of(one.cpu * GIB / size for turns in samples[ours] for one in turns)
        promises.append(Promise(f"{name}: CPU <= 0.6 s/GiB", cpu, 0.6, at_most=True))
    over = Figure.ratio(_least_seconds(samples["our task"]), _least_seconds(samples[ours]))
    promises.append(
        Promise(f"{name}: whole task <= 1.03 of the operation", over, 1.03, 1.6, at_most=True)
    )
    return promises


def _plain(samples: Rounds) -> dict[str, object]:
    return {
        name: [[dataclasses.asdict(one) for one in turns] for turns in rounds]
        for name, rounds in samples.items()
    }
