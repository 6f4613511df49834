"""Several workers on one Redis, and a Kitsu that counts what they send."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from farm_tasks import submit
from farm_tasks.submit import Submission
from tests.support.discarding_kitsu import WORKING_FILE, DiscardingKitsu, discarding_kitsu
from tests.support.environment import environment_of
from tests.support.redis_server import RedisServer, running_redis
from tests.support.worker import Worker

MB = 1_000_000
IMPATIENT = "tests.support.impatient"


class Crew:
    """What runs; workers are added by :meth:`join`."""

    def __init__(
        self, folder: Path, redis: RedisServer, kitsu: DiscardingKitsu, broker_url: str
    ) -> None:
        self.redis = redis
        self.kitsu = kitsu
        self.folder = folder
        self.workers: list[Worker] = []
        self._lock = threading.Lock()
        self._environment = {
            "FARM_TASKS_BROKER_URL": broker_url,
            "FARM_TASKS_RESULT_BACKEND": redis.url(1),
            "FARM_TASKS_READ_ROOTS": str(folder),
            "FARM_TASKS_WRITE_ROOTS": str(folder),
            **kitsu.environment(),
        }

    def join(
        self,
        pool: str = "prefork",
        concurrency: int = 1,
        app: str = IMPATIENT,
        queues: str = "",
        **settings: str,
    ) -> Worker:
        """Start a worker, for all queues unless some are named."""
        with self._lock:
            folder = self.folder / f"worker{len(self.workers)}"
            environment = {**self._environment, **settings}
            worker = Worker(folder, environment, pool, concurrency, app, queues=queues)
            self.workers.append(worker)
        worker.start()
        return worker

    def join_all(
        self, *pools: str, concurrency: int = 1, app: str = IMPATIENT, **settings: str
    ) -> list[Worker]:
        """Start a worker for each pool, at the same time."""
        with ThreadPoolExecutor() as threads:
            joining = [
                threads.submit(self.join, pool, concurrency, app, **settings) for pool in pools
            ]
        return [one.result() for one in joining]

    def upload(self, size: int, **options: Any) -> Submission:
        """Submit an upload of ``size`` bytes."""
        path = self.folder / f"{size}.ma"
        with path.open("wb") as file:
            file.truncate(size)
        return submit.upload_working_file(WORKING_FILE, str(path), **options)

    def received(self, submission: Submission) -> int:
        """How many times a worker took its message."""
        logs = (worker.log.read_text(errors="replace") for worker in self.workers)
        return sum(log.count(f"[{submission.id}] received") for log in logs)

    def held(self) -> dict[str, float]:
        """When each unacknowledged message was last spoken for, by Redis's clock."""
        with self.redis.client(0) as client:
            pairs: list[tuple[Any, float]] = client.zrange(
                "farm_tasks.unacked_index", 0, -1, withscores=True
            )
        return {tag.decode(): score for tag, score in pairs}

    def queued(self) -> int:
        """Messages that no worker has."""
        with self.redis.client(0) as client:
            return sum(client.llen(key) for key in client.scan_iter("farm_tasks*", _type="list"))


@contextlib.contextmanager
def running_crew(folder: Path, broker_url: str = "") -> Iterator[Crew]:
    """Run Redis and Kitsu, and make this process their submitter.

    Args:
        folder: For their files.
        broker_url: What takes the messages; Redis by default.
    """
    files = folder / "files"
    files.mkdir()
    with running_redis(folder / "redis") as redis, discarding_kitsu() as kitsu:
        broker_url = broker_url or redis.url(0)
        crew = Crew(files, redis, kitsu, broker_url)
        addresses = {
            "FARM_TASKS_BROKER_URL": broker_url,
            "FARM_TASKS_RESULT_BACKEND": redis.url(1),
        }
        try:
            with environment_of(addresses):
                yield crew
        finally:
            for worker in crew.workers:
                if worker.process is not None and worker.process.poll() is None:
                    worker.process.terminate()  # all at once: each takes a second or two
            for worker in crew.workers:
                worker.stop()
