"""Redis restarts or drops the connections in mid-transfer: the worker survives, nothing is lost.

Whether a second delivery of what still runs does any harm is a matter of the lease, not asked here.
This is also what tells whether a version of Celery may be let in: tests/compatibility.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from tests.worker.crew import MB, Crew, running_crew


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    with running_crew(tmp_path) as crew:
        crew.kitsu.serve(0, MB)
        yield crew


def cut(crew: Crew) -> None:
    with crew.redis.client() as client:
        assert client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") > 0


def restart(crew: Crew) -> None:
    crew.redis.kill()
    killed = time.monotonic()
    wait_until(lambda: time.monotonic() - killed > 2, 5)
    crew.redis.start()


@pytest.mark.parametrize("fault", [cut, restart], ids=["connections cut", "restarted"])
def test_a_worker_survives_and_loses_nothing_when_redis_is(
    crew: Crew, fault: Callable[[Crew], None]
) -> None:
    workers = crew.join_all("prefork", "threads", app="farm_tasks")
    running = [crew.upload(6 * MB + i) for i in range(2)]
    queued = crew.upload(1)
    wait_until(lambda: min(map(crew.kitsu.moved, range(2))) > MB, 10)

    fault(crew)

    for submission in (*running, queued):
        assert submission.wait(40)["type"] == "WorkingFile"
    wait_until(lambda: not crew.held() and not crew.queued(), 20)
    after = [crew.upload(MB + i) for i in range(2)]
    for submission in after:
        submission.wait(20)
    for worker in workers:
        assert worker.process is not None
        assert worker.process.poll() is None, worker.log.read_text()
        assert "Unrecoverable" not in worker.log.read_text()
    wait_until(lambda: not crew.held() and not crew.queued(), 5)
