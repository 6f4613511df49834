"""What is counted once, what Prometheus is told of it, and what that costs."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from kombu import Connection, Queue
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from redis.backoff import NoBackoff
from redis.retry import Retry

from farm_tasks import counting, functions, submit
from farm_tasks.cancelling import wish_to_cancel
from farm_tasks.kitsu import operations
from farm_tasks.kitsu.ledger import FOUND, PROCESSED, STEP_DONE
from farm_tasks.monitor.metrics import connection, families
from farm_tasks.monitor.metrics.collector import FarmCollector
from farm_tasks.monitor.metrics.connection import connect
from farm_tasks.monitor.metrics.families import Family
from farm_tasks.monitor.metrics.server import serving
from farm_tasks.monitor.metrics.waiting import Broker
from farm_tasks.queues import SMALL
from farm_tasks.states import (
    FAILURE,
    INDEX_KEY,
    PROGRESS,
    RETRY,
    REVOKED,
    SUCCESS,
    lease_key,
    result_key,
)
from farm_tasks.stored_state import replace
from farm_tasks.submit.connection import redis_client
from farm_tasks.transfer.progress import Meter
from farm_tasks.worker.counts import Counts
from tests.support.delaying_proxy import delaying_proxy
from tests.support.environment import environment_of
from tests.support.failing_kitsu import SOME_ID
from tests.support.redis_server import RedisServer, running_redis
from tests.support.waiting import wait_until

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
FAMILIES = {one.name: one for one in vars(families).values() if isinstance(one, Family)}
ODD = ["farm_tasks.rm_rf", "x|y", "", 'a"b\n', "../etc", "é" * 300, "upload_preview_file "]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@dataclass(frozen=True)
class Exporter:
    port: int

    def families(self) -> dict[str, Metric]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return {one.name: one for one in text_string_to_metric_families(text)}

    def value(self, name: str, **labels: str) -> float | None:
        """The value of a sample, or None if there is none with these very labels."""
        samples = [one for family in self.families().values() for one in family.samples]
        return next((s.value for s in samples if (s.name, s.labels) == (name, labels)), None)


@pytest.fixture(scope="module")
def module_exporter(server: RedisServer) -> Iterator[Exporter]:
    with exporting(server) as exporter:
        yield exporter


@pytest.fixture
def exporter(module_exporter: Exporter) -> Exporter:
    """The exporter on an empty Redis, this process as a submitter, and no workers."""
    redis_client().flushall()
    return module_exporter


@contextlib.contextmanager
def exporting(server: RedisServer, user: str = "") -> Iterator[Exporter]:
    variables = {
        "FARM_TASKS_BROKER_URL": server.url(0).replace("//", f"//{user}"),
        "FARM_TASKS_RESULT_BACKEND": server.url(1).replace("//", f"//{user}"),
    }
    with environment_of(variables), serving("127.0.0.1", 0) as port:
        yield Exporter(port)


def counts_of(server: RedisServer, port: int | None = None) -> Counts:
    url = f"redis://127.0.0.1:{port or server.port}/1"
    once = Retry(NoBackoff(), 0)
    return Counts(lambda: redis.Redis.from_url(url, socket_timeout=0.3, retry=once))


def new_file(folder: Path, name: str = "shot.ma") -> str:
    path = folder / name
    path.write_bytes(b"x")
    return str(path)


def record(
    state: str, name: str = "farm_tasks.upload_preview_file", error: str = ""
) -> dict[str, Any]:
    result = {"exc_type": error, "exc_message": []} if error else None
    return {"status": state, "name": name, "result": result, "task_id": "1", "kwargs": {}}


def stored(client: Any, state: str, before: str | None, **fields: str) -> bool:
    """Store a state as a worker does."""
    seen = client.get(result_key("1"))
    new = record(state, **fields)
    return replace(
        client, result_key("1"), seen, json.dumps(new), 60, counting.of_change(new, before)
    )


def test_the_known_functions_are_all_there_are() -> None:
    assert set(functions.ALL) == set(operations.__all__)


def test_an_end_is_counted_with_its_record_and_never_again(exporter: Exporter) -> None:
    client, ended = redis_client(), "farm_tasks_submissions_ended_total"
    function = {"function": "upload_preview_file"}
    assert stored(client, PROGRESS, None)
    assert exporter.value(ended, outcome="success", **function) == 0
    seen = client.get(result_key("1"))
    assert stored(client, SUCCESS, PROGRESS)
    # The same write once more, as after a lost answer, and the same end by another copy.
    late = json.dumps(record(SUCCESS))
    change = counting.of_change(record(SUCCESS), PROGRESS)
    assert not replace(client, result_key("1"), seen, late, 60, change)
    assert stored(client, SUCCESS, SUCCESS)
    assert exporter.value(ended, outcome="success", **function) == 1


def test_a_retry_is_a_retry_and_a_failure_has_its_class(exporter: Exporter) -> None:
    client, before = redis_client(), PROGRESS
    for _ in range(3):
        assert stored(client, PROGRESS, RETRY)
        assert stored(client, RETRY, PROGRESS, error="Unreachable")
    assert stored(client, FAILURE, before, error="TooLarge")
    function = {"function": "upload_preview_file"}
    assert exporter.value("farm_tasks_retries_total", error="Unreachable") == 3
    assert exporter.value("farm_tasks_failures_total", error="TooLarge", **function) == 1
    ended = "farm_tasks_submissions_ended_total"
    assert exporter.value(ended, outcome="failure", **function) == 1
    assert exporter.value(ended, outcome="success", **function) == 0


def test_a_cancel_in_the_queue_is_counted_once(exporter: Exporter, tmp_path: Path) -> None:
    submission = submit.upload_working_file(SOME_ID, new_file(tmp_path))
    submission.cancel()
    submission.cancel()
    wish_to_cancel(redis_client(), submission.id)
    assert submission.state == REVOKED
    ended = "farm_tasks_submissions_ended_total"
    assert exporter.value(ended, outcome="cancelled", function="upload_working_file") == 1


def test_a_key_that_is_in_use_is_a_dedupe_hit(exporter: Exporter, tmp_path: Path) -> None:
    path = new_file(tmp_path)
    first = submit.upload_working_file(SOME_ID, path, key="deadline:1")
    assert exporter.value("farm_tasks_dedupe_hits_total", where="key") == 0
    assert submit.upload_working_file(SOME_ID, path, key="deadline:1") == first
    assert exporter.value("farm_tasks_dedupe_hits_total", where="key") == 1


def test_a_count_that_redis_refuses_stops_no_state(exporter: Exporter) -> None:
    client = redis_client()
    client.set(counting.ENDED, "not a hash")
    assert stored(client, SUCCESS, None)
    assert json.loads(client.get(result_key("1")))["status"] == SUCCESS


def test_what_a_process_counts_arrives(server: RedisServer, exporter: Exporter) -> None:
    counts, clock = counts_of(server), iter([0.0, 10.0, 20.0])
    meter = Meter(clock=lambda: next(clock))
    meter.moved(30_000_000)
    meter.moved(10_000_000)
    counts.moved("farm_tasks.upload_preview_file", meter.moved_bytes)
    counts.attempted("farm_tasks.upload_preview_file", 45.0, counting.SUCCEEDED, meter)
    counts.observe(PROCESSED, 30.0)
    counts.observe(STEP_DONE)
    counts.observe(FOUND)
    counts.came_again()
    counts.crashed()
    counts.crashed()
    assert wait_until(counts.write, 5)
    function = {"function": "upload_preview_file"}
    seconds, moving = {"outcome": "success", **function}, {"direction": "upload"}
    rate = "farm_tasks_transfer_throughput_bytes_per_second"
    assert exporter.value("farm_tasks_transferred_bytes_total", **moving, **function) == 40_000_000
    assert exporter.value("farm_tasks_transfer_seconds_bucket", le="30.0", **seconds) == 0
    assert exporter.value("farm_tasks_transfer_seconds_bucket", le="60.0", **seconds) == 1
    assert exporter.value("farm_tasks_transfer_seconds_count", **seconds) == 1
    assert exporter.value("farm_tasks_transfer_seconds_sum", **seconds) == 45
    assert exporter.value(f"{rate}_bucket", le="1000000.0", **moving) == 1
    assert exporter.value("farm_tasks_kitsu_processing_seconds_sum") == 30
    for where in ("step", "kitsu", "message"):
        assert exporter.value("farm_tasks_dedupe_hits_total", where=where) == 1
    assert exporter.value("farm_tasks_worker_crashes_total") == 2


def test_a_write_whose_answer_is_lost_is_not_added_twice(
    server: RedisServer, exporter: Exporter
) -> None:
    with delaying_proxy(server.port) as proxy:
        counts = counts_of(server, proxy.port)
        proxy.hold(b"farm-tasks:metrics")
        counts.moved("farm_tasks.upload_preview_file", 1000)
        wait_until(lambda: proxy.held, 5)
        wait_until(lambda: counts._complained, 5)
        counts.moved("farm_tasks.upload_preview_file", 1)
        assert proxy.release() > 0  # Redis gets what the process has given up
        wait_until(lambda: value_of_bytes(exporter) == 1000, 5)
        wait_until(counts.write, 5)
        wait_until(counts.write, 5)
    assert value_of_bytes(exporter) == 1001


def value_of_bytes(exporter: Exporter) -> float | None:
    return exporter.value(
        "farm_tasks_transferred_bytes_total", direction="upload", function="upload_preview_file"
    )


def test_counts_add_up_while_redis_is_away(redis_server: RedisServer) -> None:
    counts = counts_of(redis_server)
    redis_server.kill()
    for _ in range(5):
        counts.moved("farm_tasks.upload_preview_file", 100)
    assert not counts.write()
    redis_server.start()
    assert wait_until(counts.write, 10)
    with redis_server.client() as client:
        assert client.hgetall(counting.BYTES) == {b"upload|upload_preview_file": b"500"}


def test_the_last_write_of_a_process_leaves_nothing_behind(
    server: RedisServer, exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ConnectionError

    counts = counts_of(server)
    counts._thread = threading.current_thread()  # this test's; that of the counts ends with them
    with monkeypatch.context() as blip:
        blip.setattr(counts, "_send", away)
        counts.moved("farm_tasks.upload_preview_file", 100)
        assert not counts.write()
    counts.moved("farm_tasks.upload_preview_file", 7)
    assert counts.write()
    assert value_of_bytes(exporter) == 107


def test_no_name_of_a_task_or_an_error_makes_a_new_label(
    server: RedisServer, exporter: Exporter
) -> None:
    counts, client = counts_of(server), redis_client()
    for name in ODD:
        counts.moved(name, 10)
        counts.attempted(name, 1.0, counting.FAILED, Meter())
        assert stored(client, PROGRESS, None)
        assert stored(client, FAILURE, PROGRESS, name=name, error=name or "?")
        assert stored(client, RETRY, PROGRESS, name=name, error=name or "?")
    assert wait_until(counts.write, 5)
    assert exporter.value("farm_tasks_failures_total", function="other", error="other") == len(ODD)
    # And by who writes into the hashes without us.
    for key in client.keys("farm-tasks:metrics:*"):
        if client.type(key) == b"hash":
            client.hset(
                key, mapping=dict.fromkeys(ODD, 1) | {f"{name}|{name}|0": 1 for name in ODD}
            )
            client.hset(key, mapping={"success|99": "nan", "99": "-5", "sum": "x", "1e9": "inf"})
    said = {"slots": 1, "running": dict.fromkeys(ODD, 1), "waiting": 0, "queues": ODD}
    client.zadd(counting.WORKERS, {name: client.time()[0] for name in ODD})
    client.hset(counting.WORKER_STATES, mapping={name: json.dumps(said) for name in ODD[1:]})
    client.hset(counting.WORKER_STATES, ODD[0], "not JSON")
    client.lpush("farm_tasks.odd", "x")
    for family in exporter.families().values():
        known = FAMILIES[family.name]
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "le"}
            assert set(labels) == set(known.labels)
            assert known.allows(tuple(labels[name] for name in known.labels)), sample
    assert exporter.value("farm_tasks_workers_online") == len(ODD) - 1
    assert exporter.value("farm_tasks_running_transfers", function="other") == len(ODD) * (
        len(ODD) - 1
    )


@pytest.mark.parametrize(
    "said",
    [
        '{"slots": 1e999, "running": {}, "waiting": 0, "queues": []}',
        f'{{"slots": 1{"0" * 400}, "running": {{}}, "waiting": 0, "queues": []}}',
        '{"slots": -50, "running": {}, "waiting": 0, "queues": []}',
        '{"slots": 1, "running": {"x": NaN}, "waiting": 0, "queues": []}',
        "[" * 100_000,
    ],
    ids=["infinite", "long", "negative", "no number", "deep"],
)
def test_a_worker_that_says_nonsense_is_none(exporter: Exporter, said: str) -> None:
    client = redis_client()
    good = {"slots": 2, "running": {}, "waiting": 0, "queues": []}
    client.zadd(counting.WORKERS, dict.fromkeys(["good", "bad"], client.time()[0]))
    client.hset(counting.WORKER_STATES, mapping={"good": json.dumps(good), "bad": said})
    assert exporter.value("farm_tasks_worker_slots") == 2
    assert exporter.value("farm_tasks_workers_online") == 1


def test_what_is_no_count_hides_no_other(exporter: Exporter) -> None:
    client = redis_client()
    assert stored(client, SUCCESS, None)
    client.hset(counting.SECONDS, f"add_comment|success|{'1' * 5000}", 1)
    client.set(counting.FAILURES, 5)
    client.set(counting.WORKERS, 5)
    ended, function = "farm_tasks_submissions_ended_total", {"function": "upload_preview_file"}
    assert exporter.value("farm_tasks_up", part="results") == 1
    assert exporter.value(ended, outcome="success", **function) == 1


def test_an_id_that_is_no_text_hides_no_age(server: RedisServer, exporter: Exporter) -> None:
    due = (datetime.now(UTC) - timedelta(seconds=700)).isoformat()
    with server.client(0) as broker:
        broker.lpush("farm_tasks", json.dumps({"headers": {"id": "\ud800"}}))
        broker.lpush(SMALL, json.dumps({"headers": {"id": "x", "eta": due}}))
    assert 690 < exporter.value("farm_tasks_queue_oldest_seconds", queue=SMALL) < 730


def test_who_asks_meanwhile_gets_the_same_answer(server: RedisServer, exporter: Exporter) -> None:
    """Or two of them would wait twice as long for a Redis that hangs."""
    collector = FarmCollector(connect())
    looks, may_go_on, there = [], threading.Event(), []

    class Lock:
        held = threading.Lock()

        def __enter__(self) -> None:
            there.append(1)
            self.held.acquire()

        def __exit__(self, *_: object) -> None:
            self.held.release()

    def look() -> Iterator[Metric]:
        looks.append(1)
        assert may_go_on.wait(10)
        yield from ()

    collector._look, collector._lock = look, Lock()
    with ThreadPoolExecutor() as threads:
        asking = [threads.submit(collector.collect) for _ in range(4)]
        wait_until(lambda: len(there) == 4, 5)
        may_go_on.set()
        answers = [one.result() for one in asking]
    assert len(looks) == 1
    assert all(one is answers[0] for one in answers)
    collector.collect()
    assert len(looks) == 2
    collector.close()


def test_the_queue_is_counted_over_all_priorities_and_its_first_message_has_an_age(
    server: RedisServer, exporter: Exporter, tmp_path: Path
) -> None:
    path, queue = new_file(tmp_path), {"queue": SMALL}
    assert exporter.value("farm_tasks_queue_oldest_seconds", **queue) == 0
    first, *_ = [submit.upload_working_file(SOME_ID, path) for _ in range(3)]
    with server.client(0) as broker:
        broker.lpush(f"{SMALL}\x06\x167", broker.lindex(SMALL, 0))
    results = redis_client()
    age = lambda: exporter.value("farm_tasks_queue_oldest_seconds", **queue)  # noqa: E731
    assert exporter.value("farm_tasks_queue_messages", **queue) == 4
    assert age() < 30
    results.zadd(INDEX_KEY, {first.id: time.time() - 5000})
    assert 4990 < age() < 5030
    # It was with a worker, which died 100 s ago: it has not waited since its submission.
    results.hset(lease_key(first.id), mapping={"owner": "x", "renewed": time.time() - 100})
    assert 95 < age() < 130


def test_a_retry_waits_since_it_is_due_and_a_stranger_since_it_was_seen(
    server: RedisServer, exporter: Exporter
) -> None:
    def message(eta: timedelta | None) -> str:
        due = None if eta is None else (datetime.now(UTC) + eta).isoformat()
        return json.dumps({"headers": {"id": "unknown", "eta": due}})

    age = lambda: exporter.value("farm_tasks_queue_oldest_seconds", queue="farm_tasks")  # noqa: E731
    with server.client(0) as broker:
        broker.lpush("farm_tasks", message(timedelta(seconds=-700)))
        assert 690 < age() < 730
        broker.delete("farm_tasks")
        broker.lpush("farm_tasks", message(timedelta(seconds=700)))
        assert age() == 0
        broker.delete("farm_tasks")
        broker.lpush("farm_tasks", message(None))
        assert age() == 0
        assert wait_until(age, 5) > 0
        broker.rpush("farm_tasks", "no message at all")
        assert age() == 0


def test_workers_that_were_not_heard_of_lately_are_gone(exporter: Exporter) -> None:
    client = redis_client()
    now = client.time()[0]
    said = {
        "slots": 4, "running": {"upload_preview_file": 3}, "waiting": 2,
        "queues": ["farm_tasks", "farm_tasks"],
    }  # fmt: skip
    client.zadd(counting.WORKERS, {"a": now, "b": now - 5, "gone": now - counting.GONE - 5})
    client.hset(counting.WORKER_STATES, mapping=dict.fromkeys(["a", "b", "gone"], json.dumps(said)))
    for name, value in (
        ("workers_online", 2), ("worker_slots", 8), ("worker_slots_busy", 6), ("retries_waiting", 4)
    ):  # fmt: skip
        assert exporter.value(f"farm_tasks_{name}") == value
    assert exporter.value("farm_tasks_queue_workers", queue="farm_tasks") == 2


@pytest.mark.operations  # takes a second or two
def test_what_is_away_is_said_and_the_rest_is_served(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 2 * connection.PATIENCE < 10 / 2  # Prometheus waits for ten seconds
    monkeypatch.setattr(connection, "PATIENCE", 0.5)
    with exporting(redis_server) as exporter:
        assert exporter.value("farm_tasks_up", part="results") == 1
        redis_server.hang()
        began = time.monotonic()
        assert exporter.value("farm_tasks_up", part="results") == 0
        assert time.monotonic() - began < 4
        redis_server.resume()
        wait_until(lambda: exporter.value("farm_tasks_up", part="broker") == 1, 10)
        assert exporter.value("farm_tasks_queue_messages", queue="farm_tasks") == 0


def test_ten_thousand_waiting_messages_cost_a_scrape_no_more_than_one(
    server: RedisServer, exporter: Exporter, tmp_path: Path
) -> None:
    submit.upload_working_file(SOME_ID, new_file(tmp_path))

    def commands() -> int:
        with server.client(0) as client:
            before = client.info("stats")["total_commands_processed"]
            exporter.families()
            asked: int = client.info("stats")["total_commands_processed"] - before
            return asked

    exporter.families()
    few = commands()
    with server.client(0) as client:
        client.lpush(SMALL, *[client.lindex(SMALL, 0)] * 9_999)
    assert commands() == few
    assert exporter.value("farm_tasks_queue_messages", queue=SMALL) == 10_000


@pytest.mark.alone
def test_a_scrape_with_ten_thousand_waiting_messages_takes_no_tenth_of_a_second(
    server: RedisServer, exporter: Exporter, tmp_path: Path
) -> None:
    submit.upload_working_file(SOME_ID, new_file(tmp_path))
    with server.client(0) as client:
        client.lpush(SMALL, *[client.lindex(SMALL, 0)] * 9_999)
    times = []
    for _ in range(10):
        began = time.perf_counter()
        exporter.families()
        times.append(time.perf_counter() - began)
    assert min(times) < 0.1


def test_another_broker_tells_how_many_wait_and_no_more() -> None:
    app = Celery(broker="memory://", set_as_current=False)  # kombu's own, and not Redis
    broker = Broker(app, ("farm_tasks", "not.there"))
    with Connection("memory://") as connection:
        channel = connection.channel()
        Queue("farm_tasks", routing_key="farm_tasks")(channel).declare()
        with connection.Producer(channel) as producer:
            producer.publish({}, routing_key="farm_tasks", exchange="")
        seen = broker.look()
        broker.close()
    assert (seen.messages, seen.first, seen.held) == ({"farm_tasks": 1, "not.there": 0}, None, None)


def test_a_user_that_may_only_read_is_enough(redis_server: RedisServer) -> None:
    [(name, rules)] = re.findall(r"^user (\S+) (.*)$", DOCUMENT.read_text(), re.MULTILINE)
    given = [">secret" if rule.startswith(">") else rule for rule in rules.split()]
    with redis_server.client(0) as client:
        client.execute_command("ACL", "SETUSER", name, "reset", *given)
        client.lpush("farm_tasks", json.dumps({"headers": {"id": "1"}}))
    with exporting(redis_server, f"{name}:secret@") as exporter:
        served = set(exporter.families())
        assert exporter.value("farm_tasks_queue_messages", queue="farm_tasks") == 1
    assert served == set(FAMILIES)
    with redis_server.client(0) as client:
        log = [
            dict(zip(one[::2], one[1::2], strict=True))
            for one in client.execute_command("ACL", "LOG")
        ]
    assert {one[b"object"] for one in log} <= {b"client"}  # redis-py introduces itself
    other = redis.Redis.from_url(redis_server.url(1).replace("//", f"//{name}:secret@"))
    for command in (
        "SET farm-tasks:x 1",
        "HINCRBY farm-tasks:metrics:failures x 1",
        "KEYS *",
        "FLUSHALL",
    ):
        with pytest.raises(redis.ResponseError, match="perm"):
            other.execute_command(*command.split())
    other.close()


def test_the_document_lists_every_metric_with_its_labels_and_meaning(exporter: Exporter) -> None:
    rows = re.findall(
        r"^\| `(farm_tasks_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", DOCUMENT.read_text(), re.M
    )
    listed = {
        name.removesuffix("_total"): (kind, set(re.findall(r"`(\w+)`", labels)), text)
        for name, kind, labels, text in rows
    }
    served = {
        one.name: (one.type, set(FAMILIES[one.name].labels), one.documentation)
        for one in exporter.families().values()
    }
    assert listed == served
    assert set(served) == set(FAMILIES)
