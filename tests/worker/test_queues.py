"""Workers of their own for large and small files; and what is urgent comes first."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from farm_tasks.queues import DEFAULT, SMALL, UPLOADS
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.waiting import wait_until
from tests.support.worker import Worker
from tests.worker.crew import MB, Crew, running_crew

pytestmark = pytest.mark.operations

MOVIE = 20 * 10**9
LARGEST = {"FARM_TASKS_MAX_UPLOAD_BYTES": str(MOVIE)}


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    with running_crew(tmp_path) as crew:
        crew.kitsu.serve(0, MB)
        yield crew


def order(worker: Worker) -> list[str]:
    """The ids of the submissions that the worker took, in their order."""
    log = worker.log.read_text(errors="replace")
    return re.findall(r"\[([0-9a-f-]{36})\] received", log)


def test_a_20_gb_movie_holds_up_no_small_file(crew: Crew) -> None:
    large = crew.join(concurrency=2, queues=f"{UPLOADS},{DEFAULT}", **LARGEST)
    crew.join(queues=SMALL)
    movies = [crew.upload(MOVIE) for _ in range(6)]
    for one in movies[:2]:
        wait_until(lambda one=one: one.progress().bytes_read, 20)
    times = []
    for size in (10_000, 200_000, 2 * MB):
        began = time.monotonic()
        small = crew.upload(size)
        assert small.wait(60)["size"] == size
        times.append(time.monotonic() - began)
    assert min(times) < 2
    assert [one.state for one in movies] == ["PROGRESS"] * 2 + ["QUEUED"] * 4
    assert order(large) == [one.id for one in movies[:2]]
    for one in movies:
        one.cancel()
    for one in movies[:2]:
        wait_until(lambda one=one: one.state == "REVOKED", 10)


def test_what_is_urgent_overtakes_what_waits_and_survives_a_dead_worker(crew: Crew) -> None:
    dying = crew.join(**LARGEST)
    movie = crew.upload(MOVIE, priority="high", farm_job="dailies")
    wait_until(lambda: movie.progress().bytes_read, 20)
    low = crew.upload(10, priority="low")
    # A message that says nothing of its priority is a normal one, wherever plain Celery puts it.
    plain = Celery(broker=crew.redis.url(0), set_as_current=False).send_task(
        "farm_tasks.upload_working_file",
        [WORKING_FILE, str(crew.folder / "10.ma")],
        queue=UPLOADS,
    )
    normal = [crew.upload(9 * MB + number) for number in range(50)]
    high = [crew.upload(10 + number, priority="high") for number in range(2)]
    family = dying.children()
    os.kill(dying.pid, signal.SIGKILL)
    for one in family:
        one.kill()
    crew.kitsu.serve(0)
    movie.cancel()
    heir = crew.join(**LARGEST)
    wait_until(lambda: low.state == "SUCCESS", 60)
    # Without the dead worker's message, which comes back when it is its time.
    taken = [one for one in order(heir) if one != movie.id]
    assert taken[:2] == [one.id for one in high]
    assert set(taken[2:-1]) == {plain.id, *(one.id for one in normal)}
    assert taken.index(plain.id) < taken.index(normal[-1].id)
    assert taken[-1] == low.id
    wait_until(lambda: movie.state == "REVOKED", 60)
    record = movie.record()
    assert (record.queue, record.priority, record.farm_job) == (UPLOADS, "high", "dailies")
