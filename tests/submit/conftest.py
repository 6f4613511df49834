"""A submitter's Redis, and a worker beside a Kitsu that fails on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm_tasks.submit.connection import redis_client
from tests.support.environment import environment_of
from tests.support.failing_kitsu import FailingKitsu
from tests.support.redis_server import RedisServer, running_redis
from tests.support.worker import Worker, running_worker

Settings = dict[str, str]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def alone(broker: RedisServer) -> Iterator[Settings]:
    """This process as a submitter, and no worker."""
    variables = {
        "FARM_TASKS_BROKER_URL": broker.url(0),
        "FARM_TASKS_RESULT_BACKEND": broker.url(1),
    }
    with environment_of(variables):
        redis_client().flushall()
        yield variables


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the worker may read."""
    return tmp_path_factory.mktemp("projects")


@pytest.fixture(scope="module")
def server() -> Iterator[FailingKitsu]:
    with FailingKitsu() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def module_worker(
    broker: RedisServer, server: FailingKitsu, folder: Path
) -> Iterator[tuple[Worker, Settings]]:
    settings = {
        "KITSU_HOST": f"http://127.0.0.1:{server.server_port}",
        "KITSU_BOT_TOKEN": "token",
        "FARM_TASKS_BROKER_URL": broker.url(2),
        "FARM_TASKS_RESULT_BACKEND": broker.url(3),
        "FARM_TASKS_READ_ROOTS": str(folder),
        "FARM_TASKS_RETRY_SECONDS": "120",
    }
    with running_worker(folder / "worker", settings) as running:
        yield running, settings


@pytest.fixture
def failing_kitsu(server: FailingKitsu) -> Iterator[FailingKitsu]:
    """The server, as a test wants to find it."""
    server.answers, server.puts, server.posts, server.taken, server.hold = [], [], [], 0, None
    yield server
    if server.hold is not None:
        server.hold.set()


@pytest.fixture
def worker(
    module_worker: tuple[Worker, Settings], failing_kitsu: FailingKitsu
) -> Iterator[Settings]:
    """A worker, and this process as its submitter."""
    _, settings = module_worker
    with environment_of(settings):
        yield settings
