"""Thumbnails, avatars, attachments: files per second beside a bare loop and Celery's own no-op."""

from __future__ import annotations

import contextlib
import dataclasses

from tests.acceptance.farm import Farm, running_farm
from tests.benchmarks.draining import Drain
from tests.benchmarks.report import Figure, Findings, Promise, Table
from tests.benchmarks.run import Run
from tests.benchmarks.small_file_crews import (
    ATTACHMENTS,
    AVATARS,
    HELD,
    KINDS,
    SLOTS,
    SLOW_FILE,
    SLOW_FILES,
    THUMBNAILS,
    fetching,
    noop_crew,
    our_crew,
    peer,
    slow_crew,
)
from tests.benchmarks.small_file_peers import SOURCES
from tests.support.discarding_kitsu import PATTERN
from tests.support.room import roomy_folder

SENT = 100_000
"""Bytes of an avatar and of an attachment."""

LOOP, OPERATIONS, OUR_TASKS = ("requests loop", "our operations", "our tasks")
NOOP, NOOP_SO_SET = ("Celery's no-op", "Celery's no-op, set as ours")

OPERATIONS_GOALS = {THUMBNAILS: (0.5, 0.3), AVATARS: (0.5, 0.3), ATTACHMENTS: (0.25, 0.12)}
"""Of a bare loop's rate: goal and floor."""

TASK_GOALS = {
    "threads": {THUMBNAILS: (1.0, 0.5), AVATARS: (1.0, 0.5), ATTACHMENTS: (0.7, 0.35)},
    "prefork": {THUMBNAILS: (0.4, 0.15), AVATARS: (0.4, 0.15), ATTACHMENTS: (0.25, 0.1)},
}
"""Of the rate of Celery's no-op with our settings: goal and floor."""

WAKING_GOAL = (0.7, 0.35)
"""Of what bare threads fetch: goal and floor. A pool that nobody wakes reaches a tenth."""

TRIPS_GOALS = {THUMBNAILS: (12, 14), AVATARS: (12, 14), ATTACHMENTS: (18, 20)}
"""Requests to Redis for a task, at most: goal and floor. Hardly noisy."""


def measure(run: Run) -> Findings:
    """The pool that a farm has by default; in a full run that of a worker for small files, too, of
    which a short one sees only whether it is woken."""
    found = Findings([], [])
    if run.full:
        measure_pool(run, "threads", found)
    else:
        measure_waking(run, found)
    measure_pool(run, "prefork", found)
    return found


def measure_waking(run: Run, found: Findings) -> None:
    """Whether threads that are free again are given work at once, and not when a timer says so.

    Thumbnails keep the loop awake by themselves; these files are so slow that it falls asleep.
    """
    folder = run.folder / "waking"
    folder.mkdir()
    rounds, drained, fetched = 3, [], []
    with running_farm(folder, "threads", SLOTS) as farm:
        farm.kitsu.serve(SLOW_FILE, SLOW_FILE / 2 / HELD)
        crew = slow_crew(farm)
        crew.stream(2 * SLOTS)  # so that every slot has loaded everything
        for number in range(rounds):
            run.tell(f"small files, threads, {number + 1}/{rounds}")
            fetched.append(fetching(farm.kitsu.file_url, SLOW_FILES))
            drained.append(crew.drain(SLOW_FILES).draining)
    beside = Figure.ratio(drained, fetched)
    rows: list[tuple[str, ...]] = [
        (f"{SLOTS} threads that fetch", *_rate(Figure.exact(1.0), fetched)),
        (OUR_TASKS, *_rate(beside, drained)),
    ]
    title = f"threads, {SLOTS} at once, {SLOW_FILES} downloads held for {HELD:g} s, {rounds} rounds"
    found.tables.append(Table(title, ("", "x threads that fetch", "files/s"), rows))
    goal, floor = WAKING_GOAL
    text = f"slots of threads that are free are woken: >= {goal:g} of threads that fetch"
    found.promises.append(Promise(text, beside, goal, floor))
    found.samples["waking"] = {"fetched": fetched, "drained": drained}


def measure_pool(run: Run, pool: str, found: Findings) -> None:
    """Measure with the workers of one of Celery's pools."""
    with contextlib.ExitStack() as stack:
        folder = run.folder / pool
        folder.mkdir()
        files = stack.enter_context(roomy_folder(folder, 1))
        farm = stack.enter_context(running_farm(folder, pool, SLOTS, files))
        for name in SOURCES.values():
            (files / name).write_bytes(PATTERN[:SENT])
        _Pool(run, pool, farm, stack, found).measure()


class _Pool:
    """Everything beside everything else, with the workers of one pool.

    Args:
        pool: Celery's name of it.
        farm: With a worker of ours.
        stack: Ends what is started.
        found: Where it goes.
    """

    def __init__(
        self, run: Run, pool: str, farm: Farm, stack: contextlib.ExitStack, found: Findings
    ) -> None:
        self._run = run
        self._pool = pool
        self._farm = farm
        self._found = found
        self._counts = dict(
            zip(KINDS, (2000, 500, 500) if run.full else (240, 80, 80), strict=True)
        )
        # On threads, with our settings, Celery's own worker waits for a timer again and again.
        self._noops = 200 if pool == "threads" else self._counts[THUMBNAILS]
        self._rounds = 3
        self._peers = {
            LOOP: stack.enter_context(peer("requests", farm, farm.folder)),
            OPERATIONS: stack.enter_context(peer("our operations", farm, farm.folder)),
        }
        self._crews = {
            NOOP: stack.enter_context(noop_crew("plain", run.folder, pool, farm)),
            NOOP_SO_SET: stack.enter_context(noop_crew("ours", run.folder, pool, farm)),
            **{kind: our_crew(kind, farm) for kind in KINDS},
        }

    def measure(self) -> None:
        peers: dict[tuple[str, str], list[dict[str, float]]] = {}
        drains: dict[str, list[Drain]] = {name: [] for name in self._crews}
        streams: dict[str, list[float]] = {name: [] for name in self._crews}
        for crew in self._crews.values():
            crew.stream(2 * SLOTS)  # so that every slot has loaded everything
        for number in range(self._rounds):
            contenders = [*self._peers, *self._crews]
            for name in contenders[number:] + contenders[:number]:
                self._run.tell(f"small files, {self._pool}, {number + 1}/{self._rounds}: {name}")
                if name in self._peers:
                    for kind, count in self._counts.items():
                        peers.setdefault((name, kind), []).append(self._peers[name](kind, count))
                    continue
                count = self._counts.get(name, self._noops)
                drains[name].append(self._crews[name].drain(count))
                streams[name].append(self._crews[name].stream(count))
        self._tell_of_files(peers, drains)
        self._tell_of_tasks(drains, streams)
        self._found.samples[self._pool] = {
            "alone": {f"{name}, {kind}": samples for (name, kind), samples in peers.items()},
            "drains": {
                name: [dataclasses.asdict(one) for one in samples]
                for name, samples in drains.items()
            },
            "streams": streams,
        }
        if self._pool == "prefork" and self._run.full:
            self._measure_on_disk()

    def _tell_of_files(
        self, peers: dict[tuple[str, str], list[dict[str, float]]], drains: dict[str, list[Drain]]
    ) -> None:
        rows = []
        for kind, count in self._counts.items():
            loop = [count / one["seconds"] for one in peers[LOOP, kind]]
            for name in self._peers:
                rates = [count / one["seconds"] for one in peers[name, kind]]
                cpu = Figure.of(1e3 * one["cpu"] / count for one in peers[name, kind])
                beside = Figure.ratio(rates, loop)
                rows.append((f"{kind}: {name}", *_rate(beside, rates), cpu.text()))
                if name == OPERATIONS and self._pool == "prefork":
                    goal, floor = OPERATIONS_GOALS[kind]
                    text = f"{kind}: operations >= {goal:g} of a bare requests loop"
                    self._found.promises.append(Promise(text, beside, goal, floor))
            rates = [one.draining for one in drains[kind]]
            cpu = Figure.of(1e3 * (one.task.children + one.task.main) for one in drains[kind])
            rows.append(
                (f"{kind}: {OUR_TASKS}", *_rate(Figure.ratio(rates, loop), rates), cpu.text())
            )
        title = f"small files, {self._pool}, {SLOTS} at once, {self._sizes()}"
        columns = ("", f"x {LOOP}", "files/s", "CPU ms/file")
        self._found.tables.append(Table(title, columns, rows))

    def _tell_of_tasks(
        self, drains: dict[str, list[Drain]], streams: dict[str, list[float]]
    ) -> None:
        so_set = [one.draining for one in drains[NOOP_SO_SET]]
        rows, costs = [], []
        for name, samples in drains.items():
            rates = [one.draining for one in samples]
            beside = Figure.ratio(rates, so_set)
            whole, submitting = (
                Figure.of(streams[name]),
                Figure.of(one.submitting for one in samples),
            )
            rows.append((name, *_rate(beside, rates), whole.text(0), submitting.text(0)))
            tasks, submissions = [one.task for one in samples], [one.submission for one in samples]
            costs.append(
                (
                    name,
                    *(
                        Figure.of(1e3 * getattr(one, part) for one in tasks).text()
                        for part in ("children", "main", "redis")
                    ),
                    *(
                        Figure.of(getattr(one, part) for one in tasks).text(1)
                        for part in ("trips", "commands", "traffic")
                    ),
                    Figure.of(1e3 * one.submitter for one in samples).text(),
                    Figure.of(one.trips for one in submissions).text(1),
                )
            )
            if name in self._counts:
                trips = Figure.of(one.trips for one in tasks)
                self._promise_of_tasks(name, beside, trips)
        title = f"tasks, {self._pool} -c {SLOTS}, {self._sizes()}"
        columns = ("", "x no-op, set as ours", "tasks/s drained", "streamed", "submitted/s")
        self._found.tables.append(Table(title, columns, rows))
        columns = (
            "", "slots, CPU ms", "main, CPU ms", "Redis, CPU ms", "round trips", "commands",
            "bytes", "submitter, CPU ms", "its round trips",
        )  # fmt: skip
        self._found.tables.append(Table(f"what one task costs, {self._pool}", columns, costs))

    def _promise_of_tasks(self, kind: str, beside: Figure, trips: Figure) -> None:
        goal, floor = TASK_GOALS[self._pool][kind]
        text = f"{kind}, {self._pool}: >= {goal:g} of Celery's no-op rate, set as ours"
        self._found.promises.append(Promise(text, beside, goal, floor))
        goal, floor = TRIPS_GOALS[kind]
        text = f"{kind}, {self._pool}: <= {goal} round trips to Redis per task"
        self._found.promises.append(Promise(text, trips, goal, floor, at_most=True, digits=1))

    def _measure_on_disk(self) -> None:
        """What it costs that a file is on the disk before it has its name."""
        folder = self._run.folder / "disk"
        folder.mkdir()
        count = self._counts[THUMBNAILS]
        names = {LOOP: "requests", f"{LOOP}, fsync": "requests, fsync", OPERATIONS: OPERATIONS}
        for name in SOURCES.values():
            (folder / name).write_bytes(PATTERN[:SENT])
        with contextlib.ExitStack() as stack:
            peers = {
                name: stack.enter_context(peer(whose, self._farm, folder))
                for name, whose in names.items()
            }
            rates: dict[str, list[float]] = {name: [] for name in peers}
            for number in range(self._rounds):
                for name, move in peers.items():
                    self._run.tell(f"small files, disk, {number + 1}/{self._rounds}: {name}")
                    rates[name].append(count / move(THUMBNAILS, count)["seconds"])
        lasting = rates[f"{LOOP}, fsync"]
        rows = [(name, *_rate(Figure.ratio(one, lasting), one)) for name, one in rates.items()]
        title = f"{count} thumbnails to a disk, {self._rounds} rounds"
        columns = ("", f"x {LOOP}, fsync", "files/s")
        self._found.tables.append(Table(title, columns, rows))
        self._found.samples["disk"] = rates

    def _sizes(self) -> str:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in self._counts.items())
        return f"{counts}, {self._rounds} rounds"


def _rate(beside: Figure, rates: list[float]) -> tuple[str, str]:
    return beside.text(), Figure.of(rates).text(0)
