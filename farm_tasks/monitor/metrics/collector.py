"""What is told to Prometheus each time it asks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import ResponseError

from farm_tasks import counting, functions
from farm_tasks.monitor.metrics import connection, families
from farm_tasks.monitor.metrics.age import Ages
from farm_tasks.monitor.metrics.counted import counter, histogram
from farm_tasks.monitor.metrics.crew import crew
from farm_tasks.monitor.metrics.families import Family
from farm_tasks.monitor.metrics.waiting import Broker, Waiting
from farm_tasks.queues import ALL as QUEUES

_HASHES = (
    counting.BYTES, counting.ENDED, counting.FAILURES, counting.RETRIES, counting.DEDUPE,
    counting.CRASHES, counting.SECONDS, counting.THROUGHPUT, counting.PROCESSING,
)  # fmt: skip

_DIRECTED = [(counting.direction_of(one), one) for one in functions.ALL]
_ENDS = [(function, end) for function in (*functions.ALL, counting.OTHER) for end in counting.ENDS]

logger = logging.getLogger(__name__)


class FarmCollector(Collector):
    """Reads Redis, and the broker if that is another one, at each scrape.

    While one of them is away, what the other one says is served all the same.

    Args:
        app: Its configuration says where they are.
    """

    def __init__(self, app: Any) -> None:
        self._lock = threading.Lock()  # one look at a time, on one connection
        self._redis = connection.results(app)
        self._broker = Broker(app, QUEUES)
        self._ages = Ages()
        self._complained: set[str] = set()
        self._found: list[Metric] = []
        self._found_at = 0.0

    def collect(self) -> list[Metric]:
        """All metrics, as of now; or, for who had to wait for somebody else's look, of that one.

        A Redis that hangs takes seconds of each look, and Prometheus waits for ten.
        """
        asked_at = time.monotonic()
        with self._lock:
            if self._found_at < asked_at:
                self._found = list(self._look())
                self._found_at = time.monotonic()
            return self._found

    def _look(self) -> Iterator[Metric]:
        stored = self._asked("results", self._stored)
        waiting = self._asked("broker", self._broker.look)
        yield _gauge(families.UP, (("broker",), waiting), (("results",), stored), flag=True)
        yield from stored or ()
        yield from self._of_queues(waiting) if waiting is not None else ()

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            self._broker.close()
            self._redis.close()

    def _asked(self, part: str, ask: Callable[[], Any]) -> Any:
        """What it answers, or None if it does not."""
        try:
            answer = ask()
        except Exception as error:  # of redis-py, kombu, or another broker's library
            if part not in self._complained:
                logger.warning("The %s cannot be read: %r", part, error)
            self._complained.add(part)
            return None
        self._complained.discard(part)
        return answer

    def _stored(self) -> list[Metric]:
        with self._redis.pipeline(transaction=False) as pipeline:
            for key in _HASHES:
                pipeline.hgetall(key)
            pipeline.zrange(counting.WORKERS, 0, -1, withscores=True)
            pipeline.hgetall(counting.WORKER_STATES)
            pipeline.time()
            answers = pipeline.execute(raise_on_error=False)
        *hashes, heard, states = [_unless_of_another_type(one) for one in answers[:-1]]
        now, _ = answers[-1]
        of = dict(zip(_HASHES, hashes, strict=True))
        found = crew(heard, states, now)
        return [
            counter(families.BYTES, of[counting.BYTES], *_DIRECTED),
            counter(families.ENDED, of[counting.ENDED], *_ENDS),
            counter(families.FAILURES, of[counting.FAILURES]),
            counter(families.RETRIES, of[counting.RETRIES], *_each(families.FOR_RETRIES)),
            counter(families.DEDUPE, of[counting.DEDUPE], *_each(counting.SPARED)),
            counter(families.CRASHES, of[counting.CRASHES], ()),
            _histogram(families.SECONDS, of, counting.SECONDS),
            _histogram(families.THROUGHPUT, of, counting.THROUGHPUT, *_each(counting.DIRECTIONS)),
            _histogram(families.PROCESSING, of, counting.PROCESSING, ()),
            _gauge(families.ONLINE, ((), found.workers)),
            _gauge(families.TAKING, *(((one,), found.takers[one]) for one in QUEUES)),
            _gauge(families.SLOTS, ((), found.slots)),
            _gauge(families.BUSY, ((), found.running.total())),
            _gauge(
                families.RUNNING,
                *(((one,), found.running[one]) for one in (*functions.ALL, counting.OTHER)),
            ),
            _gauge(families.RETRIES_WAITING, ((), found.waiting)),
        ]

    def _of_queues(self, waiting: Waiting) -> Iterator[Metric]:
        yield _gauge(families.WAITING, *(((one,), n) for one, n in waiting.messages.items()))
        if waiting.held is not None:
            yield _gauge(families.HELD, ((), waiting.held))
        if waiting.first is not None:
            first = waiting.first
            ages = self._asked("ages", lambda: self._ages.oldest(first, self._redis))
            if ages is not None:
                yield _gauge(families.OLDEST, *(((one,), age) for one, age in ages.items()))


def _unless_of_another_type(answer: Any) -> Any:
    """What Redis has answered; nothing where somebody has put another thing than a count.

    Raises:
        RedisError: it is not that which is wrong.
    """
    if isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE"):
        return {}
    if isinstance(answer, Exception):
        raise answer
    return answer


def _histogram(family: Family, of: dict[str, Any], key: str, *zeros: tuple[str, ...]) -> Metric:
    return histogram(family, of[key], counting.BUCKETS[key], *zeros)


def _gauge(
    family: Family, *values: tuple[tuple[str, ...], Any], flag: bool = False
) -> GaugeMetricFamily:
    metric = GaugeMetricFamily(family.name, family.text, labels=list(family.labels))
    for labels, value in values:
        metric.add_metric(labels, float(value is not None) if flag else float(value))
    return metric


def _each(names: Iterable[str]) -> list[tuple[str]]:
    return [(name,) for name in names]
