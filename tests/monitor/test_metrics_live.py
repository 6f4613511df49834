"""A worker that works, the exporter as a process, and a Prometheus that asks it every second."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from farm_tasks import submit
from farm_tasks.counting import BYTES, ENDED, SECONDS, WORKER_STATES, WORKERS
from farm_tasks.errors import FarmTasksError
from farm_tasks.message import send
from farm_tasks.submit import Submission
from farm_tasks.submit.connection import sender
from tests.monitor.test_metrics_dashboard import EXPRESSIONS
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.environment import environment_of
from tests.support.failing_kitsu import SOME_ID, FailingKitsu
from tests.support.installed import program
from tests.support.redis_server import free_port, running_redis
from tests.support.waiting import wait_until
from tests.support.worker import KITSU_VARIABLES, Worker, running_worker
from tests.worker.crew import running_crew

pytestmark = pytest.mark.operations

SIZE = 33_000_000
FUNCTION = "upload_working_file"
UPLOADED = {"direction": "upload", "function": FUNCTION}


@dataclass(frozen=True)
class Farm:
    """What runs."""

    kitsu: FailingKitsu
    worker: Worker
    folder: Path
    exporter: str
    prometheus: str

    def value(self, name: str, **labels: str) -> float:
        """The value of a sample that the exporter serves now; 0 if it serves none."""
        with urllib.request.urlopen(f"{self.exporter}/metrics", timeout=10) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        samples = [sample for family in families for sample in family.samples]
        return sum(s.value for s in samples if (s.name, s.labels) == (f"farm_tasks_{name}", labels))

    def ended(self, outcome: str) -> float:
        return self.value("submissions_ended_total", function=FUNCTION, outcome=outcome)

    def attempts(self, outcome: str) -> float:
        return self.value("transfer_seconds_count", function=FUNCTION, outcome=outcome)

    def asked(self, path: str, **arguments: Any) -> Any:
        """What Prometheus answers."""
        query = urllib.parse.urlencode(arguments)
        with urllib.request.urlopen(
            f"{self.prometheus}/api/v1/{path}?{query}", timeout=10
        ) as answer:
            return json.load(answer)["data"]

    def upload(self, size: int = SIZE, **options: Any) -> Submission:
        path = self.folder / f"{size}.ma"
        with path.open("wb") as file:
            file.truncate(size)
        return submit.upload_working_file(SOME_ID, str(path), **options)


@contextlib.contextmanager
def process(*command: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(KITSU_VARIABLES)}
    with log.open("wb") as output:
        running = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**kept, **environment}
        )
    try:
        yield running
    finally:
        running.terminate()
        running.wait(60)


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    found = program("prometheus")
    folder = tmp_path_factory.mktemp("farm")
    files = folder / "files"
    files.mkdir()
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(running_redis(folder / "redis"))
        kitsu = stack.enter_context(FailingKitsu())
        thread = threading.Thread(target=kitsu.serve_forever, args=(0.05,))
        thread.start()
        stack.callback(thread.join)
        stack.callback(kitsu.shutdown)
        addresses = {
            "FARM_TASKS_BROKER_URL": redis.url(0),
            "FARM_TASKS_RESULT_BACKEND": redis.url(1),
        }
        exporter_port, port = free_port(), free_port()
        log = folder / "exporter.log"
        command = [sys.executable, "-m", "farm_tasks.cli", "metrics", "--port", str(exporter_port)]
        running = [stack.enter_context(process(*command, log=log, **addresses))]
        configuration = folder / "prometheus.yml"
        configuration.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            "scrape_configs:\n"
            "  - job_name: farm_tasks\n"
            f"    static_configs: [{{targets: ['127.0.0.1:{exporter_port}']}}]\n"
        )
        wait_until(lambda: "Serving" in log.read_text(), 15)
        running.append(stack.enter_context(
            process(
                found, f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}", log=folder / "prometheus.log",
            )
        ))  # fmt: skip
        settings = {
            **addresses,
            "KITSU_HOST": f"http://127.0.0.1:{kitsu.server_port}",
            "KITSU_BOT_TOKEN": "token",
            "FARM_TASKS_READ_ROOTS": str(files),
            "FARM_TASKS_WRITE_ROOTS": str(files),
        }
        worker = stack.enter_context(running_worker(folder / "worker", settings))
        stack.enter_context(environment_of(addresses))
        assert worker.process is not None
        for one in [*running, worker.process]:
            stack.callback(one.terminate)  # all at once: each takes a second or two
        yield Farm(
            kitsu, worker, files, f"http://127.0.0.1:{exporter_port}", f"http://127.0.0.1:{port}"
        )


@pytest.fixture(autouse=True)
def kitsu_is_well(farm: Farm) -> Iterator[None]:
    yield
    farm.kitsu.answers = []
    if farm.kitsu.hold is not None:
        farm.kitsu.hold.set()
    farm.kitsu.hold = None


def test_a_retry_is_counted_as_one_and_its_bytes_for_each_attempt(farm: Farm) -> None:
    before = (
        farm.value("transferred_bytes_total", **UPLOADED), farm.ended("success"),
        farm.attempts("success"), farm.attempts("retry"),
    )  # fmt: skip
    farm.kitsu.answers = [(503, {})]
    farm.upload().wait(30)
    moved, ended, done, retried = before
    # Each process of the pool tells its own counts, twice a second.
    wait_until(lambda: farm.attempts("success") == done + 1, 5)
    wait_until(lambda: farm.attempts("retry") == retried + 1, 5)
    wait_until(lambda: farm.value("transferred_bytes_total", **UPLOADED) >= moved + 2 * SIZE, 5)
    assert farm.ended("success") == ended + 1
    assert farm.value("retries_total", error="ServerUnavailable") >= 1
    assert farm.ended("failure") == 0
    assert farm.value("transferred_bytes_total", **UPLOADED) == moved + 2 * SIZE


def test_a_message_that_comes_again_after_the_end_counts_no_second_success(farm: Farm) -> None:
    submission = farm.upload()
    submission.wait(30)
    ended, again = farm.ended("success"), farm.value("dedupe_hits_total", where="message")
    arguments = {"working_file": SOME_ID, "file_path": str(farm.folder / f"{SIZE}.ma")}
    message = {"name": f"farm_tasks.{FUNCTION}", "kwargs": arguments, "task_id": submission.id}
    send(sender(), message)
    wait_until(lambda: farm.value("dedupe_hits_total", where="message") == again + 1, 10)
    assert farm.ended("success") == ended


def test_bytes_are_counted_while_they_move_and_the_slot_is_busy(farm: Farm) -> None:
    before = farm.value("transferred_bytes_total", **UPLOADED)
    farm.kitsu.hold = threading.Event()  # 50 ms for each 64 KiB
    submission = farm.upload()

    def moved() -> float:
        return farm.value("transferred_bytes_total", **UPLOADED) - before

    wait_until(lambda: 0 < moved() < SIZE, 10)
    wait_until(lambda: farm.value("running_transfers", function=FUNCTION) == 1, 10)
    assert farm.value("worker_slots_busy") == 1
    assert (farm.value("worker_slots"), farm.value("workers_online")) == (2, 1)
    assert farm.value("messages_held") == 1
    submission.cancel()
    wait_until(lambda: farm.ended("cancelled") == 1, 10)
    wait_until(lambda: farm.attempts("cancelled") == 1, 10)
    assert 0 < moved() < SIZE


def test_a_process_that_dies_is_counted_and_its_transfer_succeeds_once(farm: Farm) -> None:
    ended = farm.ended("success")
    farm.kitsu.hold = threading.Event()
    submission = farm.upload()
    wait_until(lambda: submission.progress().bytes_read, 10)
    for child in farm.worker.children():
        child.kill()
    farm.kitsu.hold.set()
    submission.wait(40)
    wait_until(lambda: farm.value("worker_crashes_total") == 1, 10)
    assert farm.ended("success") == ended + 1


def test_every_query_of_the_dashboard_returns_figures(farm: Farm) -> None:
    began = time.time()
    small = farm.upload(10, key="deadline:1")
    small.wait(30)
    assert farm.upload(10, key="deadline:1") == small
    with contextlib.suppress(FarmTasksError):
        submit.upload_working_file(SOME_ID, str(farm.folder / "not_there.ma")).wait(30)
    shot = farm.folder / "shot.zip"
    shot.write_bytes(b"x" * 1000)

    def scrapes() -> int:
        # Over more than this file takes: over a minute, they are sixty in the end and never more.
        answer = farm.asked("query", query="count_over_time(farm_tasks_workers_online[1h])")
        return sum(int(found["value"][1]) for found in answer["result"])

    # Something of everything between any two scrapes.
    first = wait_until(scrapes, 20)
    while scrapes() < first + 3:
        farm.kitsu.answers = [(503, {})]
        publish = submit.publish_preview(
            SOME_ID, SOME_ID, "Shot", preview_file_path=str(shot), wait_until_ready=True
        )
        with contextlib.suppress(FarmTasksError):
            farm.upload().wait(30)
        with contextlib.suppress(FarmTasksError):
            publish.wait(30)
        assert time.time() < began + 100
    farm.kitsu.hold = threading.Event()
    slow = farm.upload()
    wait_until(lambda: farm.value("running_transfers", function=FUNCTION) == 1, 10)
    seen = scrapes()
    wait_until(lambda: scrapes() > seen + 1, 10)
    slow.cancel()
    missing = {}
    for expression in EXPRESSIONS:
        asked = replaced(expression)
        answer = farm.asked(
            "query_range", query=asked, start=began - 15, end=time.time(), step="1s"
        )
        values = [float(value) for series in answer["result"] for _, value in series["values"]]
        if not any(map(math.isfinite, values)):
            missing[expression] = answer["result"][:1]
    assert missing == {}


def replaced(expression: str) -> str:
    """A query as Grafana sends it."""
    for name, value in (("$__rate_interval", "5s"), ("$__range", "2m"), ("$function", ".*")):
        expression = expression.replace(name, value)
    assert not re.search(r"\$", expression)
    return expression


def test_workers_that_end_leave_no_count_behind_in_any_pool(tmp_path: Path) -> None:
    with running_crew(tmp_path) as crew:
        workers = crew.join_all("prefork", "threads", app="tests.support.slow_counting")
        with crew.redis.client() as client:
            wait_until(lambda: client.zcard(WORKERS) == 2, 10)
            sizes = range(1_000_000, 1_000_006)
            for submission in [crew.upload(size) for size in sizes]:
                submission.wait(30)
            crew.kitsu.serve(2_000_001)
            target = str(crew.folder / "from_kitsu.ma")
            submit.download_working_file(WORKING_FILE, target).wait(30)
            for worker in workers:
                assert worker.process is not None
                worker.process.terminate()
            for worker in workers:
                # Now and then billiard waits half a minute for a result that has been read.
                assert worker.process is not None
                assert worker.process.wait(90) == 0
            assert client.hgetall(BYTES) == {
                b"upload|upload_working_file": str(sum(sizes)).encode(),
                b"download|download_working_file": b"2000001",
            }
            seconds = client.hgetall(SECONDS)
            done = sum(int(n) for field, n in seconds.items() if not field.endswith(b"sum"))
            assert done == len(sizes) + 1
            assert client.hget(ENDED, "upload_working_file|success") == b"6"
            assert client.zcard(WORKERS) == client.hlen(WORKER_STATES) == 0


def test_the_exporter_ends_when_it_is_told_to_and_says_when_it_cannot_listen(
    farm: Farm, tmp_path: Path
) -> None:
    taken = farm.exporter.rpartition(":")[2]
    command = [sys.executable, "-m", "farm_tasks.cli", "metrics", "--port"]
    refused = subprocess.run(
        [*command, taken], capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 2
    assert f"port {taken}" in refused.stderr
    assert "Traceback" not in refused.stderr
    log = tmp_path / "log"
    with process(*command, "0", log=log) as running:
        wait_until(lambda: "Serving http://127.0.0.1:" in log.read_text(), 15)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 143
    assert "Traceback" not in log.read_text()
