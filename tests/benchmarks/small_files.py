"""Thumbnails, avatars, attachments: files per second beside a bare loop and Celery's own no-op."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from farm_tasks import submit
from farm_tasks.counting import ENDED
from farm_tasks.states import SUCCESS
from farm_tasks.submit.record import read_many
from tests.acceptance.farm import Farm, running_farm
from tests.benchmarks.draining import Crew, Drain
from tests.benchmarks.noop import noop
from tests.benchmarks.report import Figure, Findings, Promise, Table
from tests.benchmarks.run import Run
from tests.benchmarks.small_file_peers import SOURCES
from tests.support.discarding_kitsu import PATTERN
from tests.support.room import roomy_folder
from tests.support.waiting import wait_until
from tests.support.worker import running_worker

SLOTS = 8
"""At once, for everybody."""

SENT = 100_000
"""Bytes of an avatar and of an attachment."""

THUMBNAILS, AVATARS, ATTACHMENTS = KINDS = ("thumbnails", "avatars", "attachments")

LOOP, OPERATIONS, OUR_TASKS = ("requests loop", "our operations", "our tasks")
NOOP, NOOP_SO_SET = ("Celery's no-op", "Celery's no-op, set as ours")

Peer = Callable[[str, int], dict[str, float]]


def measure(run: Run) -> Findings:
    found = Findings([], [])
    for pool in ("threads", "prefork") if run.full else ("threads",):
        with contextlib.ExitStack() as stack:
            folder = run.folder / pool
            folder.mkdir()
            files = stack.enter_context(roomy_folder(folder, 1))
            farm = stack.enter_context(running_farm(folder, pool, SLOTS, files))
            for name in SOURCES.values():
                (files / name).write_bytes(PATTERN[:SENT])
            _Pool(run, pool, farm, stack, found).measure()
    return found


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
        self._rounds = 3
        self._peers = {
            LOOP: stack.enter_context(_peer("requests", farm, farm.folder)),
            OPERATIONS: stack.enter_context(_peer("our operations", farm, farm.folder)),
        }
        self._crews = {
            NOOP: stack.enter_context(_noop_crew("plain", run.folder, pool, farm)),
            NOOP_SO_SET: stack.enter_context(_noop_crew("ours", run.folder, pool, farm)),
            **{kind: _our_crew(kind, farm) for kind in KINDS},
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
                count = self._counts.get(name, self._counts[THUMBNAILS])
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
        if self._pool == "threads" and self._run.full:
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
                if name == OPERATIONS and self._pool == "threads":
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
            if name in TASK_GOALS:
                goal, floor = TASK_GOALS[name]
                text = f"{name}, {self._pool}: >= {goal:g} of Celery's own no-op rate, set as ours"
                self._found.promises.append(Promise(text, beside, goal, floor))
        self._found.tables += [
            Table(
                f"tasks, {self._pool} -c {SLOTS}, {self._sizes()}",
                ("", "x no-op, set as ours", "tasks/s drained", "streamed", "submitted/s"),
                rows,
            ),
            Table(
                f"what one task costs, {self._pool}",
                (
                    "", "slots, CPU ms", "main, CPU ms", "Redis, CPU ms", "round trips", "commands",
                    "bytes", "submitter, CPU ms", "its round trips",
                ),
                costs,
            ),
        ]  # fmt: skip

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
                name: stack.enter_context(_peer(peer, self._farm, folder))
                for name, peer in names.items()
            }
            rates: dict[str, list[float]] = {name: [] for name in peers}
            for number in range(self._rounds):
                for name, peer in peers.items():
                    self._run.tell(f"small files, disk, {number + 1}/{self._rounds}: {name}")
                    rates[name].append(count / peer(THUMBNAILS, count)["seconds"])
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


@contextlib.contextmanager
def _peer(name: str, farm: Farm, folder: Path) -> Iterator[Peer]:
    """One of :mod:`tests.benchmarks.small_file_peers`, for all rounds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.small_file_peers", name, str(SLOTS), str(folder)],
        env={**os.environ, **farm.kitsu.environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None
    with process:  # ends when its standard input is closed
        if stdout.readline() != "ready\n":
            raise AssertionError(f"{name} did not start")

        def run(kind: str, count: int) -> dict[str, float]:
            stdin.write(f"{kind} {count}\n")
            stdin.flush()
            taken: dict[str, float] = json.loads(stdout.readline())
            return taken

        yield run


def _our_crew(kind: str, farm: Farm) -> Crew:
    sent: list[str] = []
    redis = farm.redis.client(1)
    ended_before = 0

    def ended() -> int:
        return sum(map(int, redis.hvals(ENDED)))

    def submit_one(number: int) -> None:
        nonlocal ended_before
        if not sent:
            ended_before = ended()
        entity = str(uuid.uuid4())
        if kind == THUMBNAILS:
            path = str(farm.folder / f"task-{number}.png")
            submission = submit.download_preview_file_thumbnail(entity, path)
        elif kind == AVATARS:
            submission = submit.upload_person_avatar(entity, str(farm.folder / SOURCES[kind]))
        else:
            path = str(farm.folder / SOURCES[kind])
            submission = submit.add_attachment_files_to_comment(entity, entity, [path])
        sent.append(submission.id)

    def check() -> None:
        states = [one.state for one in read_many(sent)]
        sent.clear()
        failed = len(states) - states.count(SUCCESS)
        if failed:
            raise AssertionError(f"{failed} of {len(states)} {kind} failed")

    return Crew(
        farm.worker, farm.redis, submit_one, lambda: ended() >= ended_before + len(sent), check
    )


@contextlib.contextmanager
def _noop_crew(name: str, folder: Path, pool: str, farm: Farm) -> Iterator[Crew]:
    addresses = farm.redis.url(2), farm.redis.url(3)
    app = noop(name, *addresses)
    redis = farm.redis.client(2)
    sent: list[Any] = []

    def ended() -> bool:
        with redis.pipeline(transaction=False) as pipeline:
            pipeline.llen(f"noop-{name}")
            pipeline.hlen(f"noop-{name}-unacked")
            return not any(pipeline.execute())

    def check() -> None:
        # Without late acknowledgement the last ones may still be at it.
        for one in sent[-SLOTS:]:
            wait_until(lambda one=one: app.backend.get_state(one) == SUCCESS, 5)
        sent.clear()

    with running_worker(
        folder / f"noop-{name}-{pool}",
        {"NOOP": " ".join((name, *addresses))},
        pool,
        SLOTS,
        app="tests.benchmarks.noop",
    ) as worker:
        yield Crew(
            worker, farm.redis, lambda _: sent.append(app.send_task("nothing").id), ended, check
        )


OPERATIONS_GOALS = {THUMBNAILS: (0.5, 0.3), AVATARS: (0.5, 0.3), ATTACHMENTS: (0.25, 0.15)}
TASK_GOALS = {THUMBNAILS: (0.5, 0.3), AVATARS: (0.5, 0.3), ATTACHMENTS: (0.35, 0.2)}
"""Goal and floor."""
