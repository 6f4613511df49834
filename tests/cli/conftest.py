"""A Redis for the commands that need no Kitsu."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.environment import environment_of
from tests.support.redis_server import RedisServer, running_redis


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for the tests of one file."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def farm(shared_redis: RedisServer) -> Iterator[dict[str, str]]:
    """An empty queue, as environment variables; this process uses it too."""
    shared_redis.client().flushall()
    variables = {
        "FARM_TASKS_BROKER_URL": shared_redis.url(0),
        "FARM_TASKS_RESULT_BACKEND": shared_redis.url(1),
    }
    with environment_of(variables):
        yield variables
