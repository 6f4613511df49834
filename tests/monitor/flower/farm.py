"""A farm that Flower watches: Redis, a slow Kitsu, a worker, and Flower."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.monitor.flower.running import Flower, running_flower
from tests.worker.crew import Crew, running_crew


@dataclass
class Farm:
    """What runs."""

    crew: Crew
    flower: Flower

    def addresses(self) -> dict[str, str]:
        """What another Flower needs to watch it."""
        return {
            "FARM_TASKS_BROKER_URL": self.crew.redis.url(0),
            "FARM_TASKS_RESULT_BACKEND": self.crew.redis.url(1),
        }


@contextlib.contextmanager
def running_farm(folder: Path, pool: str, concurrency: int) -> Iterator[Farm]:
    with running_crew(folder) as crew, ThreadPoolExecutor(1) as thread:
        joining = thread.submit(crew.join, pool, concurrency, "farm_tasks")
        redis = {
            "FARM_TASKS_BROKER_URL": crew.redis.url(0),
            "FARM_TASKS_RESULT_BACKEND": crew.redis.url(1),
        }
        with running_flower(folder, redis) as flower:
            joining.result()
            yield Farm(crew, flower)
