"""What a worker says of itself, and that it says so when its event loop hangs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery.concurrency import solo
from celery.worker import state

from farm_tasks.counting import GONE, WORKER_STATES, WORKERS
from farm_tasks.submit.connection import redis_client, sender
from farm_tasks.worker import heartbeat, in_hand
from farm_tasks.worker.pulse import pulse
from tests.support.environment import environment_of
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until
from tests.support.worker import Worker
from tests.worker.crew import MB, Crew, running_crew

HANGING = "tests.support.hanging_loop"


def consumer_of(pool: object) -> Any:
    return SimpleNamespace(
        task_consumer=SimpleNamespace(queues=[SimpleNamespace(name="farm_tasks")]),
        timer=SimpleNamespace(schedule=SimpleNamespace(queue=[])),
        pool=pool,
    )


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop has not turned for longer than a worker may be silent."""
    monkeypatch.setattr(pulse, "_turned_at", time.monotonic() - GONE - 1)


def test_a_worker_whose_loop_turns_reads_its_queues() -> None:
    pulse.turned()
    said = heartbeat._said(consumer_of(SimpleNamespace(num_processes=2)))
    assert said == {"slots": 2, "running": {}, "waiting": 0, "queues": ["farm_tasks"]}


@pytest.mark.usefixtures("late")
def test_a_worker_whose_loop_hangs_reads_none_and_is_not_well(tmp_path: Path) -> None:
    consumer, file = consumer_of(SimpleNamespace(num_processes=2)), tmp_path / "pulse"
    assert heartbeat._said(consumer)["queues"] == []
    with environment_of({"FARM_TASKS_PULSE_FILE": str(file)}):
        heartbeat._touch(consumer)
        assert not file.exists()
        pulse.turned()
        heartbeat._touch(consumer)
        assert file.exists()


@pytest.mark.usefixtures("late")
def test_the_solo_pool_lives_as_long_as_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = consumer_of(solo.TaskPool())
    assert heartbeat._said(consumer)["queues"] == []
    monkeypatch.setattr(state, "active_requests", [SimpleNamespace(name="x")])
    assert heartbeat._said(consumer)["queues"] == ["farm_tasks"]


def test_what_runs_is_told_while_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Changing:
        read = 0

        def __iter__(self) -> Iterator[str]:
            self.read += 1
            yield "upload"
            if self.read < 3:
                raise RuntimeError("Set changed size during iteration")

    monkeypatch.setattr(state, "active_requests", Changing())
    assert in_hand.running() == ["upload"]


def test_workers_with_one_name_are_several(redis_server: RedisServer) -> None:
    consumer = consumer_of(SimpleNamespace(num_processes=2))
    consumer.hostname = "celery@render01"
    with redis_server.client() as client:
        for _ in range(2):
            heartbeat.Heartbeat(consumer)._beat(consumer, client)
        assert client.zcard(WORKERS) == client.hlen(WORKER_STATES) == 2


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    with running_crew(tmp_path) as crew:
        yield crew


def queues_of(worker: Worker) -> list[str]:
    """Which queues the worker says that it reads."""
    for name, said in redis_client().hgetall(WORKER_STATES).items():
        if name.decode().startswith(f"{worker.name}/"):
            return json.loads(said)["queues"]
    return []


@pytest.mark.operations
def test_a_worker_that_hangs_is_seen_by_its_file_and_by_prometheus(crew: Crew) -> None:
    files = {pool: crew.folder / pool for pool in ("prefork", "threads", "solo")}
    workers = {
        pool: crew.join(pool, app=HANGING, FARM_TASKS_PULSE_FILE=str(file))
        for pool, file in files.items()
    }

    def age(pool: str) -> float:
        return time.time() - files[pool].stat().st_mtime

    for pool, worker in workers.items():
        wait_until(lambda worker=worker: queues_of(worker), 10)
        wait_until(lambda pool=pool: age(pool) < 1, 10)
    # Nobody needs Celery's events for that.
    sender().control.disable_events()
    sender().control.broadcast("hang", arguments={"seconds": 8})
    for pool, worker in workers.items():
        wait_until(lambda worker=worker: not queues_of(worker), 8)
        assert age(pool) > 1
        os.kill(worker.pid, 0)
    for pool, worker in workers.items():
        wait_until(lambda worker=worker: queues_of(worker), 20)
        wait_until(lambda pool=pool: age(pool) < 1, 10)


@pytest.mark.operations
def test_a_busy_solo_worker_does_not_hang(crew: Crew) -> None:
    file = crew.folder / "pulse"
    worker = crew.join("solo", app=HANGING, FARM_TASKS_PULSE_FILE=str(file))
    crew.kitsu.serve(0, MB)
    transfer = crew.upload(100 * MB)
    wait_until(lambda: crew.kitsu.begun == 1 and crew.kitsu.moved(0) > 4 * MB, 20)
    assert queues_of(worker)
    wait_until(lambda: time.time() - file.stat().st_mtime < 1, 5)
    transfer.cancel()
    wait_until(lambda: transfer.state == "REVOKED", 10)
