"""A transfer that has ended before anybody could see it move."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from celery.app.task import Context

from farm_tasks import submit
from farm_tasks.states import (
    FAILURE,
    OPEN_KEY,
    PROGRESS,
    QUEUED,
    STARTED,
    SUCCESS,
    lease_key,
    ledger_key,
    result_key,
)
from farm_tasks.submit.connection import redis_client, sender
from farm_tasks.worker.backend import TransferBackend
from farm_tasks.worker.lease import Lease
from tests.acceptance.farm import running_farm
from tests.support.environment import environment_of
from tests.support.redis_server import running_redis
from tests.support.small_files_of_kitsu import THUMBNAIL_BYTES
from tests.support.waiting import wait_until

ID = "5d1f2f4e-6f2b-4f4e-9d0a-0d6c0f5f5a11"
TRIES = 6


def test_its_end_says_all_that_there_is_to_say(tmp_path: Path) -> None:
    with running_farm(tmp_path) as farm:
        # The first one logs in. A busy machine may hold any of them up until it is seen to move.
        for number in range(TRIES):
            seen = _records_of(farm.redis.client(1), str(farm.folder / f"{number}.png"))
            states = [one["status"] for one in seen]
            if states == [QUEUED, STARTED, SUCCESS]:
                break
    assert states == [QUEUED, STARTED, SUCCESS]
    progress = seen[-1]["progress"]
    assert progress["bytes_read"] == progress["total"] == THUMBNAIL_BYTES
    assert progress["percent"] == 100.0


def _records_of(redis: Any, path: str) -> list[dict[str, Any]]:
    """What is published of a download until it has ended."""
    with redis, redis.pubsub(ignore_subscribe_messages=True) as published:
        published.psubscribe(result_key("*"))
        wait_until(redis.pubsub_numpat, 5)
        submit.download_preview_file_thumbnail(ID, path).wait(30)
        records: list[dict[str, Any]] = []
        for message in published.listen():
            records.append(json.loads(message["data"]))
            if records[-1]["status"] == SUCCESS:
                break
    return records


def test_it_costs_redis_few_round_trips(tmp_path: Path) -> None:
    with running_farm(tmp_path) as farm, farm.redis.client(1) as redis:
        submit.download_preview_file_thumbnail(ID, str(farm.folder / "first.png")).wait(30)
        path = str(farm.folder / "second.png")
        before = redis.info("stats")["total_reads_processed"]
        group = submit.Group.of(
            [submit.download_preview_file_thumbnail(ID, path) for _ in range(50)]
        )
        group.wait(60)
        reads = redis.info("stats")["total_reads_processed"] - before
    # Four of its submission and some of who waits for it; eleven or twelve of the worker.
    assert reads / 50 < 20


def test_a_record_that_was_changed_meanwhile_is_looked_at_again(tmp_path: Path) -> None:
    with (
        running_redis(tmp_path) as server,
        environment_of(
            {
                "FARM_TASKS_BROKER_URL": server.url(0),
                "FARM_TASKS_RESULT_BACKEND": server.url(1),
            }
        ),
    ):
        backend, redis = TransferBackend(app=sender(), url=server.url(1)), redis_client()
        request = Context({"id": "one", "task": "farm_tasks.publish", "kwargs": {}})
        backend.store_result("one", {"bytes_read": 1, "total": 2}, PROGRESS, request=request)
        assert json.loads(redis.get(result_key("one")))["status"] == PROGRESS
        # The main process, whose child has died, knows nothing of what that has stored.
        backend.store_result("one", ValueError("died"), FAILURE, request=Context({"id": "one"}))
        failed = json.loads(redis.get(result_key("one")))
        assert (failed["status"], failed["progress"]["bytes_read"]) == (FAILURE, 1)
        backend.store_result("one", {"bytes_read": 2, "total": 2}, PROGRESS, request=request)
        assert json.loads(redis.get(result_key("one"))) == failed
        backend.client.close()


def test_an_end_is_stored_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    with (
        running_redis(tmp_path) as server,
        environment_of(
            {
                "FARM_TASKS_BROKER_URL": server.url(0),
                "FARM_TASKS_RESULT_BACKEND": server.url(1),
            }
        ),
    ):
        backend, redis = TransferBackend(app=sender(), url=server.url(1)), redis_client()
        for state, ledgers in ((FAILURE, 1), (SUCCESS, 0)):
            redis.zadd(OPEN_KEY, {state: 1})
            redis.hset(ledger_key(state), "step:x", "{}")
            request = Context({"id": state})
            request.lease = Lease(redis, lease_key(state))
            assert request.lease.take() is None
            backend.store_result(state, None, state, request=request)
            # After a failure the task has something left to do in Kitsu, and releases it then.
            left = b"" if state == SUCCESS else request.lease.owner.encode()
            assert redis.hget(lease_key(state), "owner") == left
            assert redis.zscore(OPEN_KEY, state) is None
            assert redis.exists(ledger_key(state)) == ledgers
        backend.client.close()
