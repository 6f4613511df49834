"""Who moves small files in the benchmark: peers in a process of their own, and crews of workers."""

from __future__ import annotations

import contextlib
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
from tests.acceptance.farm import Farm
from tests.benchmarks.draining import Crew
from tests.benchmarks.noop import noop
from tests.benchmarks.small_file_peers import SOURCES
from tests.support.waiting import wait_until
from tests.support.worker import running_worker

SLOTS = 8
"""At once, for everybody."""

THUMBNAILS, AVATARS, ATTACHMENTS = KINDS = ("thumbnails", "avatars", "attachments")

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
