"""What the reporter tells, and whom it keeps waiting."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.app.task import Context

from farm_tasks.states import PROGRESS, result_key
from farm_tasks.transfer.progress import Meter
from farm_tasks.worker.reporter import Reporter
from tests.support.redis_server import RedisServer, running_redis


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


def app_of(redis_server: RedisServer, broker: str | None = None) -> Celery:
    app = Celery("reported", set_as_current=False)
    app.loader.override_backends = {"redis": "farm_tasks.worker.backend:TransferBackend"}
    app.conf.update(
        broker_url=broker or redis_server.url(0),
        result_backend=redis_server.url(1),
        worker_send_task_events=broker is not None,
    )
    return app


def task_of(app: Celery) -> Any:
    @app.task(name="reported.transfer", shared=False, lazy=False)  # type: ignore[untyped-decorator]
    def transfer() -> None:
        pass

    return transfer


def first_figure(redis_server: RedisServer, name: str, meter: Meter) -> dict[str, Any]:
    """What is published first of a transfer."""
    app = app_of(redis_server)
    task = task_of(app)
    task.push_request(id=name, kwargs={})
    with redis_server.client(1) as redis, redis.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(result_key(name))
        heard.get_message(timeout=5)
        with Reporter(app, lambda _task, _count: None).reporting(task, meter):
            record = json.loads(next(heard.listen())["data"])
    assert record["status"] == PROGRESS
    return dict(record["result"])


def test_a_transfer_that_goes_on_is_told_from_where_it_was(redis_server: RedisServer) -> None:
    """The sum of a batch would fall otherwise, and rise again."""
    meter = Meter()
    meter(900, 1000)
    assert first_figure(redis_server, "goes-on", meter)["bytes_read"] == 900
    meter = Meter()
    meter(900, 1000)
    meter.moved(50)
    meter(950, 1000)
    assert first_figure(redis_server, "has-moved", meter)["bytes_read"] == 900


def test_one_that_begins_is_told_from_its_beginning(redis_server: RedisServer) -> None:
    """What has moved by then may be in a buffer on the way."""
    meter = Meter()
    meter.moved(50)
    meter(50, 1000)
    assert first_figure(redis_server, "begins", meter)["bytes_read"] == 0


class SilentBroker:
    """Takes connections and says nothing, as one that hangs."""

    def __init__(self) -> None:
        self.connections: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._socket.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self.connections.append(self._socket.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        for one in (self._socket, *self.connections):
            one.close()


def connections_of(count: int, redis_server: RedisServer) -> int:
    """To a broker that hangs, by so many short transfers that end at once."""
    broker = SilentBroker()
    app = app_of(redis_server, broker.url)
    task = task_of(app)
    reporter = Reporter(app, lambda _task, _count: None)
    gate = threading.Barrier(count)

    def transfer(number: int) -> None:
        task.request_stack.push(Context(id=str(number), kwargs={}, hostname="here"))
        gate.wait()
        with reporter.reporting(task, Meter()):
            pass

    threads = [threading.Thread(target=transfer, args=(number,)) for number in range(count)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    broker.close()
    return len(broker.connections)


def test_one_transfer_finds_out_that_the_broker_hangs_for_all(redis_server: RedisServer) -> None:
    alone = connections_of(1, redis_server)
    assert alone
    assert connections_of(5, redis_server) == alone
