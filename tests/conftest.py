"""The real parts that tests share, each started once and only if a test wants it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from farm_tasks.sandbox import Sandbox, SandboxInfo
from tests.support.environment import environment_of
from tests.support.redis_server import RedisServer, running_redis
from tests.support.worker import Worker, running_worker

# A shell makes what it starts in the background deaf to Ctrl-C, and processes inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast examples are made and run says something of the machine, and nothing of the code.
hypothesis.settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy machine")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxInfo]:
    """A real Kitsu with Postgres and Redis."""
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as info:
        yield info


@pytest.fixture(scope="session")
def kitsu_worker(
    sandbox: SandboxInfo, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    """A real worker, in the recommended pool, on the sandbox."""
    with running_worker(tmp_path_factory.mktemp("worker"), sandbox.environment()) as worker:
        yield worker


@pytest.fixture
def kitsu(sandbox: SandboxInfo) -> Iterator[SandboxInfo]:
    """The sandbox, with this process's environment pointing at it."""
    with environment_of(sandbox.environment()):
        yield sandbox


@pytest.fixture
def projects(sandbox: SandboxInfo, request: pytest.FixtureRequest) -> Path:
    """A folder of this test's own under the worker's roots."""
    folder = sandbox.projects_folder / request.node.name.replace("/", "_")[:80]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test's own, to be hurt."""
    with running_redis(tmp_path / "redis") as server:
        yield server
