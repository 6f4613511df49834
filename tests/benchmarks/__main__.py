"""``python -m tests.benchmarks``: interleaved rounds, a table, the promises, build/bench.json."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.acceptance.farm import running_farm
from tests.benchmarks import report
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
from tests.benchmarks.report import GIB, Promise, Table
from tests.support.discarding_kitsu import PATTERN
from tests.support.room import roomy_folder

OUT = Path("build/bench.json")
TURNS = 3


def main() -> None:
    options = _options()
    begun = time.monotonic()
    facts = {**report.machine(), "load_before": report.load()}
    size = int(options.gib * GIB)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="farm-tasks-")))
        files = stack.enter_context(roomy_folder(folder, 3 * size))
        farm = stack.enter_context(running_farm(folder, files=files))
        kitsu = farm.kitsu
        small = _write(files / "small.bin", SMALL)
        up = Round("up", kitsu, _write(files / "up.bin", size), small, size)
        down = Round("down", kitsu, files / "down.bin", small, size)
        for warm in (
            Round("up", kitsu, small, small, SMALL),
            Round("down", kitsu, down.path, small, SMALL),
        ):
            warm.prepare()
            submit_it(warm.direction, warm.path).wait(60)

        where = "memory" if Path("/dev/shm") in files.parents else "a temporary folder"
        text = f"{options.gib:g} GiB, plain HTTP, files in {where}, {options.rounds} rounds"
        curls: dict[str, Contender] = {"curl": curl} if has_curl() else {}
        tables = []
        for given, gazus in ((up, ["gazu"]), (down, ["gazu", "gazu, no progress"])):
            with contextlib.ExitStack() as peers:
                limit, operation, *slow = (
                    peers.enter_context(python(name, given))
                    for name in ("limit", "operation", *gazus)
                )
                quick = {
                    "limit": limit,
                    **curls,
                    "our operation": operation,
                    "our task": task(farm),
                }
                rounds = _rounds(given, quick, dict(zip(gazus, slow, strict=True)), options.rounds)
            tables.append(Table(f"{given.direction.upper()}LOAD {text}", "curl", rounds, size))
        down.path.unlink()
        if has_curl():
            disk = Round("down", kitsu, folder / "down.bin", small, size)
            with python("operation", disk) as operation:
                last = {"curl": curl, "curl, fsync": curl_and_fsync, "our operation": operation}
                rounds = _rounds(disk, {}, last, 3)
            tables.append(
                Table(
                    f"DOWNLOAD TO DISK {options.gib:g} GiB, 3 rounds", "curl, fsync", rounds, size
                )
            )
    promises = _promises(*tables[:2])
    facts["load_after"] = report.load()
    facts["seconds"] = round(time.monotonic() - begun)
    _print(tables, promises, facts)
    report.write(OUT, tables, promises, facts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gib", type=float, default=1.0, help="size of the file")
    return parser.parse_args()


def _write(path: Path, size: int) -> Path:
    """A file with every page in place: a sparse one would be read from nothing."""
    with path.open("wb") as file:
        left = size
        while left > 0:
            left -= file.write(PATTERN[: min(left, len(PATTERN))])
    return path


def _rounds(
    given: Round, quick: dict[str, Contender], slow: dict[str, Contender], rounds: int
) -> dict[str, list[list[Sample]]]:
    """Let them take turns; in each round the quick ones three times, and another one first."""
    samples: dict[str, list[list[Sample]]] = {name: [] for name in (*quick, *slow)}
    for number in range(rounds):
        for turns in samples.values():
            turns.append([])
        for turn in range(TURNS + 1):
            contenders = quick if turn < TURNS else slow
            names = list(contenders)
            first = (number + turn) % max(1, len(names))
            for name in names[first:] + names[:first]:
                _tell(f"{given.direction} {number + 1}/{rounds}: {name}")
                samples[name][-1].append(contenders[name](given))
                if given.direction == "down" and given.path.stat().st_size != given.size:
                    raise AssertionError(f"{name} wrote {given.path.stat().st_size} bytes")
    _tell("")
    return samples


def _promises(up: Table, down: Table) -> list[Promise]:
    return [
        Promise("upload operation >= 0.90 of curl -F", up, "our operation", 0.9),
        Promise("download operation >= 0.90 of curl -o", down, "our operation", 0.9),
        Promise("whole upload task, progress on, >= 0.85 of curl -F", up, "our task", 0.85),
        Promise("whole download task, progress on, >= 0.85 of curl -o", down, "our task", 0.85),
    ]


def _print(tables: list[Table], promises: list[Promise], facts: dict) -> None:
    for table in tables:
        print("\n".join(table.lines()), end="\n\n")
    for table in tables[:2]:
        inside = [one.more["in_worker"] for one in table.samples("our task")]
        main = [one.more["cpu_of_main"] for one in table.samples("our task")]
        print(
            f"our task, {table.title.split()[0].lower()}: {report.Figure.of(inside).text(3)} s of "
            f"it in the worker, and {report.Figure.of(main).text(2)} CPU s in the worker's main "
            "process"
        )
    print("\nMedian (least-most). Ratios are of speeds, round by round; more is better.\n")
    for promise in promises:
        print(promise.line())
    if not has_curl():
        print("curl is not installed: its rows, and the promises about it, are left out")
    print(f"\n{facts['cpu']}, {facts['cores']} cores, load {facts['load_before']}; {OUT}")


def _tell(text: str) -> None:
    if sys.stderr.isatty() and not os.environ.get("CI"):
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
