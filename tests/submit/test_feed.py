"""What a watcher sees, whatever comes late."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from farm_tasks.states import FAILURE, PROGRESS, QUEUED, SUCCESS, result_key
from farm_tasks.submit import feed, record
from farm_tasks.submit.connection import redis_client
from farm_tasks.transfer.progress import Progress
from tests.support.environment import environment_of
from tests.support.redis_server import RedisServer, running_redis

ONE = "11111111-1111-4111-8111-111111111111"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(autouse=True)
def connected(redis: RedisServer) -> Iterator[None]:
    variables = {
        "FARM_TASKS_BROKER_URL": redis.url(0),
        "FARM_TASKS_RESULT_BACKEND": redis.url(1),
    }
    with environment_of(variables):
        redis_client().flushall()
        yield


def state(status: str, bytes_read: int, attempt: int = 1, updated: float = 0.0) -> str:
    progress = Progress(bytes_read=bytes_read, total=3, attempt=attempt, updated=updated)
    figures = progress.to_dict()
    meta = {"status": status, "result": figures if status in {QUEUED, PROGRESS} else None}
    return json.dumps({**meta, "progress": figures, "task_id": ONE, "children": []})


def write(value: str) -> None:
    redis_client().set(result_key(ONE), value)
    redis_client().publish(result_key(ONE), value)


def test_what_was_published_before_it_was_read_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    write(state(PROGRESS, 0))
    reads = 0

    def read_many(ids: list[str]) -> list[record.Record]:
        nonlocal reads
        reads += 1
        if reads == 2:  # between the subscription and the reading
            for done in (1, 2, 3):
                write(state(PROGRESS, done))
            write(state(SUCCESS, 3))
        return record.read_many(ids)

    monkeypatch.setattr(feed, "read_many", read_many)
    seen = [(one.state, one.progress.bytes_read) for one in feed.follow([ONE], 10)]
    assert seen == [(PROGRESS, 0), (SUCCESS, 3)]


def test_a_new_attempt_begins_at_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    write(state(PROGRESS, 2))
    seen = []
    for one in feed.follow([ONE], 10):
        seen.append((one.progress.attempt, one.progress.bytes_read))
        if len(seen) == 1:
            write(state(PROGRESS, 0, attempt=2))
        elif len(seen) == 2:
            write(state(FAILURE, 1, attempt=2))
    assert seen == [(1, 2), (2, 0), (2, 1)]


@pytest.mark.parametrize("is_missed", [False, True])
def test_a_retry_by_hand_begins_at_the_beginning(is_missed: bool) -> None:
    """Who watches what waits to be retried sees it begin anew, and nothing that is older."""
    write(state(PROGRESS, 2, attempt=3, updated=5))
    seen = []
    for one in feed.follow([ONE], 10):
        seen.append((one.state, one.progress.attempt, one.progress.bytes_read))
        if len(seen) == 1:
            write(state(QUEUED, 0, updated=6))
            if is_missed:
                write(state(PROGRESS, 1, updated=7))
        elif one.state == QUEUED:
            write(state(QUEUED, 0, updated=4))
            write(state(PROGRESS, 1, updated=7))
        elif one.progress.bytes_read == 1:
            write(state(SUCCESS, 3))
    begun = [] if is_missed else [(QUEUED, 1, 0)]
    assert seen == [(PROGRESS, 3, 2), *begun, (PROGRESS, 1, 1), (SUCCESS, 1, 3)]


def test_following_nothing_ends_at_once() -> None:
    assert list(feed.follow([])) == []
