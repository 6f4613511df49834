"""pytest-celery's components, made of our images.

It would have images from a registry, and find containers by ports on localhost. Here each is found
by its own address on the engine's network, which serves on any host, a container as well.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.containers.engine import answers
from tests.containers.host import OFFLINE, bridge
from tests.support.delaying_proxy import DelayingProxy, delaying_proxy
from tests.support.discarding_kitsu import DiscardingKitsu, discarding_kitsu
from tests.support.environment import environment_of
from tests.support.installed import missing

if importlib.util.find_spec("pytest_celery") is None:
    # Installed by make test-containers alone, which asks for it by name.
    collect_ignore_glob = ["test_*.py"]
else:
    from pytest_celery import (
        CeleryTestSetup,
        CeleryWorkerContainer,
        RabbitMQContainer,
        RedisContainer,
    )
    from pytest_docker_tools import container, fxtr

    def _address(attrs: dict[str, Any]) -> str:
        [network] = attrs["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    class OurRedis(RedisContainer):
        """Redis, found by its own address."""

        @property
        def port(self) -> int:
            return 6379

        @property
        def host_url(self) -> str:
            return f"redis://{_address(self.attrs)}:{self.port}/{self.vhost}"

    class OurRabbitMQ(RabbitMQContainer):
        """RabbitMQ, found by its own address."""

        @property
        def port(self) -> int:
            return 5672

        @property
        def host_url(self) -> str:
            return f"amqp://guest:guest@{_address(self.attrs)}:{self.port}/{self.vhost}"

        @property
        def url(self) -> str:
            return f"amqp://guest:guest@{self.hostname}:{self.port}/{self.vhost}"

    class OurWorker(CeleryWorkerContainer):
        """`farm-tasks worker`, as docker-compose.yml starts it."""

        @classmethod
        def command(cls, *_args: str, **_options: Any) -> list[str]:
            name = f"{cls.worker_name()}@%h"
            return ["farm-tasks", "worker", "--concurrency", "1", "--hostname", name]

    @pytest.fixture(params=["celery_redis_broker", "celery_rabbitmq_broker"])
    def celery_broker(request: pytest.FixtureRequest) -> Iterator[Any]:
        """Both brokers, in an order that is the same in every process."""
        broker = request.getfixturevalue(request.param)
        yield broker
        broker.teardown()

    @pytest.fixture(params=["celery_redis_backend"])
    def celery_backend(request: pytest.FixtureRequest) -> Iterator[Any]:
        backend = request.getfixturevalue(request.param)
        yield backend
        backend.teardown()

    default_redis_broker = container(
        image="{redis_image}",
        command=fxtr("default_redis_broker_command"),
        network="{default_pytest_celery_network.name}",
        wrapper_class=OurRedis,
    )
    default_redis_backend = container(
        image="{redis_image}",
        command=fxtr("default_redis_backend_command"),
        network="{default_pytest_celery_network.name}",
        wrapper_class=OurRedis,
    )
    default_rabbitmq_broker = container(
        image="{rabbitmq_image}",
        network="{default_pytest_celery_network.name}",
        wrapper_class=OurRabbitMQ,
        timeout=60,
    )
    default_worker_container = container(
        image="{worker_image}",
        command=fxtr("default_worker_command"),
        environment=fxtr("default_worker_env"),
        network="{default_pytest_celery_network.name}",
        volumes={"{files}": {"bind": "/projects", "mode": "ro"}},
        read_only=True,
        tmpfs={"/tmp": "mode=1777"},
        cap_drop=["ALL"],
        wrapper_class=OurWorker,
        timeout=60,
    )

    @pytest.fixture
    def default_worker_container_cls() -> type[OurWorker]:
        return OurWorker

    @pytest.fixture
    def default_worker_env(
        celery_worker_cluster_config: dict[str, Any], kitsu: DiscardingKitsu, road: DelayingProxy
    ) -> dict[str, str]:
        broker = celery_worker_cluster_config["celery_broker_cluster_config"]
        backend = celery_worker_cluster_config["celery_backend_cluster_config"]
        return {
            "FARM_TASKS_BROKER_URL": broker["urls"][0],
            "FARM_TASKS_RESULT_BACKEND": backend["urls"][0],
            "FARM_TASKS_READ_ROOTS": "/projects",
            **kitsu.environment(),
            "KITSU_HOST": f"http://{bridge()}:{road.port}",
        }

    @pytest.fixture
    def cluster(celery_setup: CeleryTestSetup) -> Iterator[CeleryTestSetup]:
        """The cluster, with this process as its submitter."""
        addresses = {
            "FARM_TASKS_BROKER_URL": celery_setup.broker.config()["host_url"],
            "FARM_TASKS_RESULT_BACKEND": celery_setup.backend.config()["host_url"],
        }
        with environment_of(addresses):
            yield celery_setup


def _image(name: str) -> str:
    if not (answers() and OFFLINE.exists()):
        missing("no Docker engine with the base images: make test-containers makes them")
    lines = dict(line.partition("=")[::2] for line in OFFLINE.read_text().splitlines())
    return lines[f"{name}_IMAGE"]


@pytest.fixture(scope="session")
def redis_image() -> str:
    return _image("REDIS")


@pytest.fixture(scope="session")
def rabbitmq_image() -> str:
    return _image("REDIS").replace("redis:7", "rabbitmq:3")


@pytest.fixture(scope="session")
def worker_image() -> str:
    return _image("FARM_TASKS")


@pytest.fixture
def kitsu() -> Iterator[DiscardingKitsu]:
    with discarding_kitsu() as server:
        yield server


@pytest.fixture
def road(kitsu: DiscardingKitsu) -> Iterator[DelayingProxy]:
    """The containers' way to Kitsu, which listens on this host alone."""
    with delaying_proxy(kitsu.port, bridge()) as proxy:
        yield proxy


@pytest.fixture
def files(tmp_path: Path) -> str:
    """The folder that the worker knows as /projects."""
    folder = tmp_path / "files"
    folder.mkdir()
    return str(folder)
