"""A small farm: a Redis, a worker and a server that counts, each a process of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.delaying_proxy import DelayingProxy, delaying_proxy
from tests.support.discarding_kitsu import DiscardingKitsu, discarding_kitsu
from tests.support.environment import environment_of
from tests.support.redis_server import RedisServer, running_redis
from tests.support.tls import Authority
from tests.support.worker import Worker, running_worker

MB = 1_000_000
MIB = 1024 * 1024


@dataclass(frozen=True)
class Farm:
    """What runs, and the folder that the worker may use.

    Attributes:
        road: The worker's way to the result backend. Used if the farm was made ``by_road``.
    """

    redis: RedisServer
    road: DelayingProxy
    kitsu: DiscardingKitsu
    worker: Worker
    folder: Path

    def new_file(self, name: str, size: int) -> Path:
        """A file that holds nothing but takes ``size`` bytes to send."""
        path = self.folder / name
        with path.open("wb") as file:
            file.truncate(size)
        return path


@contextlib.contextmanager
def running_farm(
    folder: Path,
    pool: str = "prefork",
    concurrency: int = 1,
    files: Path | None = None,
    by_road: bool = False,
    authority: Authority | None = None,
    app: str = "farm_tasks",
    more: Mapping[str, str] | None = None,
) -> Iterator[Farm]:
    """Run a farm, and make this process its submitter.

    Args:
        folder: For logs and Redis.
        pool: The worker's.
        concurrency: Its slots.
        files: The folder of the files that move, by default one in ``folder``.
        by_road: Whether the worker's results go through :attr:`Farm.road`.
        authority: Who certifies the server, which then speaks TLS.
        app: The worker's.
        more: Settings of the worker's beside these.
    """
    files = files or folder / "files"
    files.mkdir(exist_ok=True)
    with (
        running_redis(folder / "redis") as redis,
        delaying_proxy(redis.port) as road,
        discarding_kitsu(authority and authority.issue("kitsu", "IP:127.0.0.1")) as kitsu,
    ):
        addresses = {
            "FARM_TASKS_BROKER_URL": redis.url(0),
            "FARM_TASKS_RESULT_BACKEND": redis.url(1),
        }
        roots = {"FARM_TASKS_READ_ROOTS": str(files), "FARM_TASKS_WRITE_ROOTS": str(files)}
        environment = {**addresses, **roots, **kitsu.environment(), **(more or {})}
        if authority is not None:
            environment["KITSU_CA_FILE"] = str(authority.certificate)
        if by_road:
            environment["FARM_TASKS_RESULT_BACKEND"] = f"redis://127.0.0.1:{road.port}/1"
        with (
            running_worker(folder / "worker", environment, pool, concurrency, app) as worker,
            # A submitter has the addresses of Redis and no more.
            environment_of(addresses),
        ):
            yield Farm(redis, road, kitsu, worker, files)
