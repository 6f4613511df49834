"""A worker that is told to end: SIGTERM, as systemd, Docker and render farms send it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from farm_tasks import submit
from farm_tasks.submit.connection import sender
from farm_tasks.worker.shutdown import Shutdown
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.impatient import TIMEOUT
from tests.support.waiting import wait_until
from tests.support.worker import Worker
from tests.worker.crew import MB, Crew, running_crew

pytestmark = pytest.mark.chaos


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    with running_crew(tmp_path) as crew:
        crew.kitsu.serve(0, MB)
        yield crew


def tell(worker: Worker, number: int = signal.SIGTERM, group: bool = False) -> float:
    """Send a signal, to the worker or to its pool as well, and return when."""
    assert worker.process is not None
    for process in reversed(worker.children()) if group else ():
        process.send_signal(number)
    worker.process.send_signal(number)
    return time.monotonic()


def ended(worker: Worker) -> int:
    """How it ended. Now and then billiard waits half a minute for a result that has been read."""
    assert worker.process is not None
    return worker.process.wait(90)


def test_what_does_not_end_within_the_grace_period_goes_to_another_worker(crew: Crew) -> None:
    pools = ("prefork", "threads", "solo")
    ending = crew.join_all(*pools, app="farm_tasks", FARM_TASKS_GRACE_SECONDS="1")
    transfers = [crew.upload(100 * MB + i) for i in range(3)]
    wait_until(lambda: min(map(crew.kitsu.moved, range(3))) > MB / 2, 10)
    other = crew.join("threads", 3, app="farm_tasks")
    told = min([tell(worker) for worker in ending])
    wait_until(lambda: crew.kitsu.begun == 6, 10)
    assert time.monotonic() > told + 1
    crew.kitsu.serve(0)
    for transfer in transfers:
        transfer.wait(60)
        assert f"[{transfer.id}] received" in other.log.read_text()
    assert [ended(worker) for worker in ending] == [0, 0, 0]
    wait_until(lambda: not crew.held() and not crew.queued(), 5)
    assert crew.kitsu.begun == 6


def test_what_ends_within_the_grace_period_ends_here_and_nowhere_else(crew: Crew) -> None:
    ending = crew.join_all("prefork", "threads")
    transfers = [crew.upload(int(3 * TIMEOUT * MB) + i) for i in range(2)]
    wait_until(lambda: min(map(crew.kitsu.moved, range(2))) > MB / 2, 10)
    crew.join("threads", 2)  # it would take what nobody speaks for any more
    for worker in ending:
        tell(worker, group=True)
    assert [ended(worker) for worker in ending] == [0, 0]
    for transfer in transfers:
        transfer.wait(1)
        assert crew.received(transfer) == 1
    assert crew.kitsu.ended == crew.kitsu.begun == 2
    assert (crew.held(), crew.queued()) == ({}, 0)


def test_an_idle_worker_ends_at_once(crew: Crew) -> None:
    workers = crew.join_all("prefork", "threads", "solo", app="farm_tasks")
    for worker in workers:
        tell(worker)
    assert [ended(worker) for worker in workers] == [0, 0, 0]


@pytest.mark.parametrize(
    ("pool", "urgent"),
    [("threads", [signal.SIGQUIT]), ("prefork", [signal.SIGINT, signal.SIGINT])],
    ids=["SIGQUIT", "Ctrl-C twice"],
)
def test_an_urgent_end_does_not_wait(crew: Crew, pool: str, urgent: list[int]) -> None:
    worker = crew.join(pool, app="farm_tasks")
    crew.upload(100 * MB)
    wait_until(lambda: crew.kitsu.moved(0) > MB / 2, 10)
    for number in urgent:
        tell(worker, number, group=True)
        wait_until(lambda: "Ending: 1" in worker.log.read_text(), 5)
    assert ended(worker) == 0
    assert (crew.held(), crew.queued()) == ({}, 1)


def test_what_the_worker_has_not_begun_with_goes_back_at_once(crew: Crew) -> None:
    worker = crew.join("prefork", 2, app="farm_tasks")
    running = crew.upload(100 * MB)
    wait_until(lambda: crew.kitsu.moved(0) > MB / 2, 10)
    sender().send_task("farm_tasks.upload_working_file", [WORKING_FILE, "/later"], countdown=3600)
    wait_until(lambda: len(crew.held()) == 2, 10)
    tell(worker)
    wait_until(lambda: crew.queued() == 1, 5)
    crew.upload(1)
    assert (crew.queued(), len(crew.held())) == (2, 1)
    assert running.state == "PROGRESS"
    tell(worker, signal.SIGQUIT)
    assert ended(worker) == 0
    assert (crew.held(), crew.queued()) == ({}, 3)


def test_a_message_that_is_on_its_way_when_a_worker_ends_goes_back_at_once(crew: Crew) -> None:
    with sender().connection_for_read() as connection:
        task_consumer = sender().amqp.TaskConsumer(connection)
        task_consumer.consume()
        connection.transport.cycle.on_poll_start()  # asks Redis for a message
        crew.upload(1)
        assert crew.queued() == 0  # it lies in the socket, and is in Redis no more
        timer = SimpleNamespace(schedule=SimpleNamespace(queue=[]))
        consumer = SimpleNamespace(task_consumer=task_consumer, connection=connection, timer=timer)
        Shutdown(None).close(SimpleNamespace(consumer=consumer))
        assert (crew.held(), crew.queued()) == ({}, 1)


def test_a_download_that_is_stopped_leaves_no_partial_file(crew: Crew) -> None:
    crew.kitsu.serve(100 * MB, MB)
    worker = crew.join(app="farm_tasks", FARM_TASKS_GRACE_SECONDS="0")
    folder = crew.folder / "into"
    folder.mkdir()
    submit.download_working_file(WORKING_FILE, str(folder / "scene.ma"))
    wait_until(lambda: crew.kitsu.begun == 1 and list(folder.iterdir()), 10)
    tell(worker, group=True)
    assert ended(worker) == 0
    assert list(folder.iterdir()) == []
    assert crew.queued() == 1


def test_a_revoke_with_terminate_still_ends_a_transfer_at_once(crew: Crew) -> None:
    """Flower's button. It is the same signal, to one process of the pool and from its worker."""
    crew.join("prefork", app="farm_tasks")
    transfer = crew.upload(100 * MB)
    wait_until(lambda: crew.kitsu.moved(0) > MB / 2, 10)
    sender().control.revoke(transfer.id, terminate=True)
    wait_until(lambda: transfer.state == "REVOKED", 5)
    crew.kitsu.serve(0)
    crew.upload(1).wait(60)
    assert crew.kitsu.ended == 1
    wait_until(lambda: not crew.held() and not crew.queued(), 5)
