"""A submission whose message is nowhere gets another one; any other is left alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from redis import Redis

from farm_tasks import submit
from farm_tasks.errors import PermanentFailure
from farm_tasks.queues import UPLOADS
from farm_tasks.states import FAILURE, OPEN_KEY, SUCCESS, lease_key
from farm_tasks.submit.connection import redis_client, sender
from farm_tasks.worker import lost_messages
from farm_tasks.worker.backend import TransferBackend
from farm_tasks.worker.lease import Lease
from farm_tasks.worker.lost_messages import _Searcher
from tests.support.environment import environment_of
from tests.support.redis_server import RedisServer, running_redis

SOME_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def broker(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """The broker's Redis, and this process as the submitter."""
    monkeypatch.setattr(lost_messages, "SECOND_LOOK", 0.0)
    variables = {
        "FARM_TASKS_BROKER_URL": server.url(0),
        "FARM_TASKS_RESULT_BACKEND": server.url(1),
    }
    with environment_of(variables), server.client(0) as client:
        client.flushall()
        yield client


def look() -> None:
    # The worker that looks first takes the right to for an interval; here each look is the first.
    redis_client().delete("farm-tasks:lock:lost-messages")
    ids = redis_client().zrange(OPEN_KEY, 0, -1)
    if ids:
        redis_client().zadd(OPEN_KEY, dict.fromkeys(ids, 1))  # long ago
    _Searcher(sender(), threading.Event())._look()


def waiting(broker: Redis) -> list[str]:
    return [json.loads(one)["headers"]["id"] for one in broker.lrange(UPLOADS, 0, -1)]


def test_one_that_is_nowhere_is_sent_again_as_it_was(broker: Redis) -> None:
    lost = submit.upload_working_file(SOME_ID, "/projects/a", key="night")
    waits = submit.upload_working_file(SOME_ID, "/projects/b")
    before = json.loads(broker.lrange(UPLOADS, 1, 1)[0])
    broker.lrem(UPLOADS, 1, broker.lrange(UPLOADS, 1, 1)[0])
    assert waiting(broker) == [waits.id]
    look()
    assert sorted(waiting(broker)) == sorted([waits.id, lost.id])
    after = next(
        one
        for one in map(json.loads, broker.lrange(UPLOADS, 0, -1))
        if one["headers"]["id"] == lost.id
    )
    assert (after["body"], after["headers"]["submission_key"]) == (before["body"], "night")
    look()
    assert len(waiting(broker)) == 2


def test_one_that_a_worker_has_or_whose_lease_somebody_has_is_not_sent_again(
    broker: Redis,
) -> None:
    held = submit.upload_working_file(SOME_ID, "/projects/a")
    leased = submit.upload_working_file(SOME_ID, "/projects/b")
    message = next(one for one in broker.lrange(UPLOADS, 0, -1) if held.id in one.decode()).decode()
    broker.delete(UPLOADS)
    broker.hset("farm_tasks.unacked", "tag", json.dumps([json.loads(message), "", UPLOADS]))
    lease = Lease(redis_client(), lease_key(leased.id))
    assert lease.take() is None
    look()
    assert waiting(broker) == []
    broker.delete("farm_tasks.unacked")
    redis_client().hset(lease.key, "renewed", 1)  # its owner is dead
    look()
    assert sorted(waiting(broker)) == sorted([held.id, leased.id])


def test_one_that_has_ended_or_whose_record_is_gone_is_looked_after_no_more(
    server: RedisServer, broker: Redis
) -> None:
    ended = submit.upload_working_file(SOME_ID, "/projects/a")
    gone = submit.upload_working_file(SOME_ID, "/projects/b")
    broker.delete(UPLOADS)
    backend = TransferBackend(app=sender(), url=server.url(1))
    backend.store_result(ended.id, {}, SUCCESS)
    backend.client.close()
    assert redis_client().zscore(OPEN_KEY, ended.id) is None
    redis_client().delete(f"celery-task-meta-{gone.id}")
    look()
    assert waiting(broker) == []
    assert redis_client().zcard(OPEN_KEY) == 0


def test_a_queue_too_long_to_look_through_is_left_alone(
    broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_messages, "MOST_WAITING", 1)
    lost = submit.upload_working_file(SOME_ID, "/projects/lost")
    broker.delete(UPLOADS)
    others = [submit.upload_working_file(SOME_ID, f"/projects/{n}").id for n in range(2)]
    look()
    assert sorted(waiting(broker)) == sorted(others)
    broker.lpop(UPLOADS)
    look()
    assert lost.id in waiting(broker)


def test_only_one_worker_looks_in_an_interval(broker: Redis) -> None:
    submit.upload_working_file(SOME_ID, "/projects/a")
    broker.delete(UPLOADS)
    redis_client().zadd(OPEN_KEY, dict.fromkeys(redis_client().zrange(OPEN_KEY, 0, -1), 1))
    redis_client().set("farm-tasks:lock:lost-messages", 1)
    _Searcher(sender(), threading.Event())._look()
    assert waiting(broker) == []


def test_one_whose_message_vanishes_again_and_again_is_listed_as_failed(broker: Redis) -> None:
    """A worker that drops it as unacceptable would be sent it for ever."""
    dropped = submit.upload_working_file(SOME_ID, "/projects/a")
    for _ in range(lost_messages.MOST_RESENT):
        broker.delete(UPLOADS)
        look()
        assert waiting(broker) == [dropped.id]
    broker.delete(UPLOADS)
    look()
    assert waiting(broker) == []
    assert [one.id for one in submit.recent(states=[FAILURE])] == [dropped.id]
    with pytest.raises(PermanentFailure, match="lost 10 times"):
        dropped.wait(1)
    dropped.retry()
    assert waiting(broker) == [dropped.id]


def test_the_queues_are_looked_through_once_however_many_are_open(
    broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_messages, "_BATCH", 3)
    for number in range(10):
        submit.upload_working_file(SOME_ID, f"/projects/{number}")
    lost = json.loads(broker.lindex(UPLOADS, 4))["headers"]["id"]
    broker.lrem(UPLOADS, 1, broker.lindex(UPLOADS, 4))
    broker.config_resetstat()
    look()
    calls = broker.info("commandstats")["cmdstat_lrange"]["calls"]
    assert lost in waiting(broker)
    assert len(waiting(broker)) == 10
    broker.config_resetstat()
    look()  # nothing is missing
    assert broker.info("commandstats")["cmdstat_lrange"]["calls"] == calls / 2


def test_nobody_reads_records_while_the_queue_is_long(
    broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        submit.upload_working_file(SOME_ID, f"/projects/{number}")
    monkeypatch.setattr(lost_messages, "MOST_WAITING", 2)
    broker.config_resetstat()
    look()
    assert {"cmdstat_mget", "cmdstat_lrange"}.isdisjoint(broker.info("commandstats"))
