"""Who moves small files in the benchmark: peers in a process of their own, and crews of workers."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from farm_tasks import submit
from farm_tasks.counting import ENDED
from farm_tasks.states import SUCCESS
from farm_tasks.submit.record import read_many
from tests.acceptance.farm import Farm
from tests.benchmarks.draining import Crew
from tests.benchmarks.noop import noop
from tests.benchmarks.small_file_peers import SOURCES
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.waiting import wait_until
from tests.support.worker import running_worker

SLOTS = 8
"""At once, for everybody."""

THUMBNAILS, AVATARS, ATTACHMENTS = KINDS = ("thumbnails", "avatars", "attachments")

SLOW_FILES, SLOW_FILE, HELD = 32, 131_072, 0.07
"""Downloads during which a worker has nothing to do: how many, their bytes, and for how many
seconds the server holds back the second half of each."""

Peer = Callable[[str, int], dict[str, float]]
"""Moves so many files of one kind, and says the ``seconds`` and the ``cpu`` that it took."""


@contextlib.contextmanager
def peer(name: str, farm: Farm, folder: Path) -> Iterator[Peer]:
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


def our_crew(kind: str, farm: Farm) -> Crew:
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


def slow_crew(farm: Farm) -> Crew:
    """Downloads of working files, as slow as the server has them."""
    sent: list[submit.Submission] = []
    ended_before = 0

    def submit_one(number: int) -> None:
        nonlocal ended_before
        if not sent:
            # Whoever fetches has all bytes before the server holds that it has ended.
            wait_until(lambda: farm.kitsu.ended == farm.kitsu.begun, 10)
            ended_before = farm.kitsu.ended
        path = str(farm.folder / f"slow-{number}.bin")
        sent.append(submit.download_working_file(WORKING_FILE, path))

    def check() -> None:
        for one in sent:
            one.wait(60)
        sent.clear()

    return Crew(
        farm.worker, farm.redis, submit_one,
        lambda: farm.kitsu.ended >= ended_before + len(sent), check,
    )  # fmt: skip


def fetching(url: str, count: int) -> float:
    """Files a second that bare threads fetch, as many as a worker has slots.

    Each keeps its connection, as a slot does: on one, the server ends a file before the next.
    """

    def fetch(times: int) -> None:
        with requests.Session() as session:
            for _ in range(times):
                session.get(url).raise_for_status()

    begun = time.perf_counter()
    with ThreadPoolExecutor(SLOTS) as threads:
        list(threads.map(fetch, [count // SLOTS] * SLOTS))
    return count / (time.perf_counter() - begun)


@contextlib.contextmanager
def noop_crew(name: str, folder: Path, pool: str, farm: Farm) -> Iterator[Crew]:
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
