"""Redis restarts or drops the connections in mid-transfer: the worker survives, nothing is lost.

Whether a second delivery of what still runs does any harm is a matter of the lease, not asked here.
This is also what tells whether a version of Celery may be let in: tests/compatibility.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from tests.worker.crew import MB, Crew, running_crew

pytestmark = pytest.mark.chaos


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    with running_crew(tmp_path) as crew:
        crew.kitsu.serve(0, MB)
        yield crew


def cut(crew: Crew) -> None:
    with crew.redis.client() as client:
        assert client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") > 0


def restart(crew: Crew) -> None:
    """Away for long enough for the shorter transfers to end meanwhile."""
    crew.redis.kill()
    wait_until(lambda: crew.kitsu.ended == 2, 10)
    crew.redis.start()


def demote(crew: Crew) -> None:
    """A failover: the master becomes a replica of something, and is the master again."""
    with crew.redis.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        wait_until(lambda: crew.kitsu.ended == 2, 10)
        client.execute_command("REPLICAOF", "NO", "ONE")


def fill(crew: Crew) -> None:
    with crew.redis.client() as client:
        client.config_set("maxmemory", "1mb")
        wait_until(lambda: crew.kitsu.ended == 2, 10)
        client.config_set("maxmemory", "0")


FAULTS = {"connections cut": cut, "restarted": restart, "a replica": demote, "full": fill}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_worker_survives_and_loses_nothing_when_redis_is(
    crew: Crew, fault: Callable[[Crew], None]
) -> None:
    # With free slots: a worker that waits for a message hears of the fault in another way.
    workers = crew.join_all("prefork", "threads", concurrency=3)
    running = [crew.upload(size * MB + i) for i, size in enumerate((3, 3, 9, 9))]
    wait_until(lambda: min(map(crew.kitsu.moved, range(4))) > MB / 2, 10)

    fault(crew)

    for submission in running:
        assert submission.wait(40)["type"] == "WorkingFile"
    after = [crew.upload(MB + i) for i in range(4)]
    for submission in after:
        submission.wait(60)
    wait_until(lambda: not crew.held() and not crew.queued(), 20)
    for worker in workers:
        assert worker.process is not None
        assert worker.process.poll() is None, worker.log.read_text()
        assert "Unrecoverable" not in worker.log.read_text()
