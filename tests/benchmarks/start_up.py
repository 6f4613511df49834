"""What it costs to begin: a submitter's import, a command's help, a worker, the first byte."""

from __future__ import annotations

import dataclasses
import statistics
import sys
from pathlib import Path

from tests.benchmarks import first_byte, worker_start
from tests.benchmarks.fresh_process import Life, lives, python
from tests.benchmarks.report import Figure, Findings, Promise, Table, percentile
from tests.benchmarks.run import Run
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.redis_server import running_redis

_BIN = Path(sys.executable).parent
_FARM_TASKS, _CELERY = str(_BIN / "farm-tasks"), str(_BIN / "celery")

_CELERY_APP = (
    "import os",
    "from celery import Celery",
    "app = Celery(broker=os.environ['BROKER'], backend=os.environ['BACKEND'])",
)
CELERY_IMPORT = "Celery: import, an app and its backend"
OUR_IMPORT = "farm_tasks: import, first function"
CELERY_SENDS = "Celery: import, an app, send_task"
OURS_SUBMITS = "farm_tasks: import, submit"
IMPORTS = {
    "python -c pass": python("pass"),
    "import gazu": python("import gazu"),
    CELERY_IMPORT: python(*_CELERY_APP, "app.send_task, app.backend"),
    OUR_IMPORT: python("from farm_tasks import submit", "submit.upload_working_file"),
    CELERY_SENDS: python(*_CELERY_APP, "app.send_task('task', ['/file'])"),
    OURS_SUBMITS: python(
        "from farm_tasks import submit", f"submit.upload_working_file('{WORKING_FILE}', '/file')"
    ),
    "farm_tasks: the same with a key": python(
        "import uuid",
        "from farm_tasks import submit",
        f"submit.upload_working_file('{WORKING_FILE}', '/file', key=str(uuid.uuid4()))",
    ),
    "farm-tasks submit": [_FARM_TASKS, "submit", "upload-working-file", WORKING_FILE, "/file"],
    "farm-tasks list": [_FARM_TASKS, "list"],
}
HELP, CELERY_HELP = "farm-tasks --help", "celery --help"
COMMANDS = {
    HELP: [_FARM_TASKS, "--help"],
    "farm-tasks --version": [_FARM_TASKS, "--version"],
    "farm-tasks status --help": [_FARM_TASKS, "status", "--help"],
    "farm-tasks submit --help": [_FARM_TASKS, "submit", "--help"],
    "farms/client.py --help": [sys.executable, "farm_tasks/farms/client.py", "--help"],
    CELERY_HELP: [_CELERY, "--help"],
}


def measure(run: Run) -> Findings:
    found = Findings([], [])
    _submitters(run, found)
    _helps(run, found)
    _workers(run, found)
    _first_bytes(run, found)
    return found


def _submitters(run: Run, found: Findings) -> None:
    rounds = 15 if run.full else 4
    with running_redis(run.folder / "redis") as redis:
        environment = {
            "BROKER": redis.url(2),
            "BACKEND": redis.url(3),
            "FARM_TASKS_BROKER_URL": redis.url(0),
            "FARM_TASKS_RESULT_BACKEND": redis.url(1),
        }
        samples = lives(run, IMPORTS, rounds, environment)
    whole, within = _whole(samples), _within(samples)
    rows = []
    for name, life in samples.items():
        beside = CELERY_SENDS if name in {*_after(CELERY_SENDS)} else CELERY_IMPORT
        ratio = Figure.ratio(whole[name], whole[beside]).text()
        itself = Figure.of(within[name]).text(3) if life[0].within is not None else ""
        rows.append((name, ratio, itself, Figure.of(whole[name]).text(3)))
    found.tables.append(
        Table(
            f"A submitter's process, {rounds} rounds; ratios over Celery doing as much",
            ("", "x Celery", "s, the program", "s, the whole process"),
            rows,
        )
    )
    found.samples["submitter"] = _plain(samples)
    found.promises.extend([
        Promise(
            "submitter's import and first function <= 0.3 s",
            Figure.of(within[OUR_IMPORT]), 0.3, at_most=True, digits=3,
        ),
        Promise(
            "submitter's import and first function <= 2 of Celery's",
            Figure.ratio(within[OUR_IMPORT], within[CELERY_IMPORT]), 2.0, 2.5, at_most=True,
        ),
        Promise(
            "a process that submits <= 2 of one that sends with Celery",
            Figure.ratio(whole[OURS_SUBMITS], whole[CELERY_SENDS]), 2.0, 2.5, at_most=True,
        ),
    ])  # fmt: skip


def _after(name: str) -> list[str]:
    names = list(IMPORTS)
    return names[names.index(name) :]


def _helps(run: Run, found: Findings) -> None:
    rounds = 15 if run.full else 4
    samples = lives(run, COMMANDS, rounds)
    whole = _whole(samples)
    rows = [
        (name, Figure.ratio(whole[name], whole[CELERY_HELP]).text(), Figure.of(whole[name]).text(3))
        for name in samples
    ]
    found.tables.append(
        Table(f"A command that only tells, {rounds} rounds", ("", "x celery --help", "s"), rows)
    )
    found.samples["commands"] = _plain(samples)
    found.promises.extend([
        Promise("--help <= 0.3 s", Figure.of(whole[HELP]), 0.3, at_most=True, digits=3),
        Promise(
            "--help <= 0.3 of celery --help",
            Figure.ratio(whole[HELP], whole[CELERY_HELP]), 0.3, 0.5, at_most=True,
        ),
    ])  # fmt: skip


def _workers(run: Run, found: Findings) -> None:
    rounds = 7 if run.full else 2
    folder = run.folder / "starts"
    folder.mkdir()
    samples = worker_start.starts(dataclasses.replace(run, folder=folder), rounds)
    ready = {name: [one.ready for one in starts] for name, starts in samples.items()}
    working = {name: [one.working for one in starts] for name, starts in samples.items()}
    peer = worker_start.PLAIN
    rows = [
        (
            name,
            Figure.ratio(ready[name], ready[peer]).text(),
            Figure.of(ready[name]).text(),
            Figure.of(working[name]).text(),
        )
        for name in samples
    ]
    found.tables.append(
        Table(
            f"A worker's start, prefork, {worker_start.SLOTS} slots, {rounds} rounds",
            ("", "x plain Celery", "s, ready", "s, what waited is at work"),
            rows,
        )
    )
    found.samples["worker start"] = {
        name: [dataclasses.asdict(one) for one in starts] for name, starts in samples.items()
    }
    ours, alone = ready[worker_start.OURS], ready[worker_start.PLAIN_ALONE]
    over, over_alone = Figure.ratio(ours, ready[peer]), Figure.ratio(ours, alone)
    # Plain Celery sleeps for a second in mingle, which would hide as much of ours.
    found.promises.extend([
        Promise(
            "farm-tasks worker is ready in <= 1.0 of plain Celery", over, 1.0, at_most=True
        ),
        Promise(
            "farm-tasks worker is ready in <= 2.5 of Celery without mingle and gossip",
            over_alone, 2.5, 3.5, at_most=True,
        ),
    ])  # fmt: skip


def _first_bytes(run: Run, found: Findings) -> None:
    rounds = 400 if run.full else 50
    rows = []
    steps: dict[str, list[str]] = {name: [] for name in first_byte.STEPS}
    for pool in ("prefork", "threads"):
        samples, moments = first_byte.latencies(run, pool, rounds)
        ours, noop = samples[first_byte.OURS], samples[first_byte.NOOP]
        for name, sample in samples.items():
            at = (_milliseconds(percentile(sample, one)) for one in (0, 0.5, 0.99, 1))
            ratio = statistics.median(sample) / statistics.median(noop)
            rows.append((f"{name}, {pool}", f"{ratio:.2f}", *at))
        found.samples[f"first byte {pool}"] = samples
        for name, medians in steps.items():
            medians.append(_milliseconds(statistics.median(one[name] for one in moments)))
        found.promises.extend([
            Promise(
                f"submit to first byte, {pool}: 99 of 100 <= 50 ms",
                Figure.exact(percentile(ours, 0.99) * 1e3), 50, at_most=True, digits=1,
            ),
            Promise(
                f"submit to first byte, {pool}: median <= 4 of Celery's empty task",
                Figure.exact(statistics.median(ours) / statistics.median(noop)), 4, 7, True,
            ),
        ])  # fmt: skip
    columns = ("", "x Celery", "ms, least", "median", "99 %", "most")
    title = f"From the call to the first byte, idle worker, {rounds} each"
    found.tables.append(Table(title, columns, rows))
    until = ((name, *medians) for name, medians in steps.items())
    title = "Of that, until, ms, median"
    found.tables.append(Table(title, ("", "prefork", "threads"), list(until)))


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f}"


def _whole(samples: dict[str, list[Life]]) -> dict[str, list[float]]:
    return {name: [one.whole for one in life] for name, life in samples.items()}


def _within(samples: dict[str, list[Life]]) -> dict[str, list[float]]:
    return {name: [one.within or 0.0 for one in life] for name, life in samples.items()}


def _plain(samples: dict[str, list[Life]]) -> dict[str, object]:
    return {name: [dataclasses.asdict(one) for one in life] for name, life in samples.items()}
