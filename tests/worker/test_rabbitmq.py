"""RabbitMQ as the broker, Redis for the results: the same promises, kept by other means."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Connection

from farm_tasks import queues, submit
from farm_tasks.cli import checks
from farm_tasks.errors import BrokerUnavailable, Denied, NotConfigured
from farm_tasks.submit.connection import sender
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.environment import environment_of
from tests.support.failing_kitsu import SOME_ID, FailingKitsu
from tests.support.rabbitmq import RabbitMQ, running_rabbitmq
from tests.support.redis_server import free_port
from tests.support.tls import Authority, server_context, tls_forwarder
from tests.support.waiting import wait_until
from tests.worker.crew import MB, Crew, running_crew

pytestmark = pytest.mark.operations

OURS = "farm_tasks"
LARGE = ",".join([queues.DEFAULT, queues.UPLOADS, queues.DOWNLOADS, queues.MEDIA])


@pytest.fixture(scope="module")
def failing_kitsu() -> Iterator[FailingKitsu]:
    with FailingKitsu() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with running_rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(scope="module")
def crew(
    rabbitmq: RabbitMQ, failing_kitsu: FailingKitsu, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Crew]:
    """A worker for large files; and one for small ones, whose Kitsu fails on demand."""
    failing = f"http://127.0.0.1:{failing_kitsu.server_port}"
    with running_crew(tmp_path_factory.mktemp("crew"), rabbitmq.url) as crew:
        with ThreadPoolExecutor() as threads:
            joining = [
                threads.submit(crew.join, "prefork", 2, OURS, LARGE),
                threads.submit(crew.join, "threads", 1, OURS, queues.SMALL, KITSU_HOST=failing),
            ]
            for one in joining:
                one.result()
        yield crew


@pytest.fixture(autouse=True)
def _at_full_speed(crew: Crew) -> None:
    crew.kitsu.serve(0)


@contextlib.contextmanager
def submitting_to(crew: Crew, broker_url: str) -> Iterator[None]:
    """This process as a submitter to another broker."""
    here = {"FARM_TASKS_BROKER_URL": broker_url, "FARM_TASKS_RESULT_BACKEND": crew.redis.url(1)}
    with environment_of(here):
        yield


def depth(queue: str) -> int:
    """Messages that wait."""
    with sender().connection_for_read() as connection:
        declared = connection.default_channel.queue_declare(queue, passive=True)
        return int(declared.message_count)


def test_an_upload_shows_its_progress_and_the_doctor_is_content(crew: Crew) -> None:
    crew.kitsu.serve(0, 5 * MB)  # four seconds, in which it is reported eight times
    submission = crew.upload(20 * MB, farm_job="comp SH010", priority="high", key="one")
    seen = [one.bytes_read for one in submission.watch(60)]
    assert submission.wait(60)["size"] == 20 * MB
    assert len(set(seen)) > 2
    assert seen == sorted(seen)
    assert crew.upload(20 * MB, key="one") == submission
    record = submission.record()
    assert (record.queue, record.priority, record.farm_job) == (
        queues.UPLOADS, "high", "comp SH010",
    )  # fmt: skip
    found = [*checks.broker(), *checks.workers()]
    assert {one.state for one in found} == {"ok"}
    assert "RabbitMQ 3." in found[0].text


def test_a_message_that_is_none_is_dropped_and_ends_no_worker(
    crew: Crew, rabbitmq: RabbitMQ
) -> None:
    headers = {"task": "farm_tasks.upload_working_file", "id": str(uuid.uuid4()), "lang": "py"}
    body = json.dumps([[], {}, {}])
    fine: dict[str, Any] = {
        "body": body, "content_type": "application/json", "content_encoding": "utf-8",
        "headers": headers,
    }  # fmt: skip
    wrong = [
        {**fine, "body": "garbage"},
        {**fine, "body": b"\xff\xfe\x00"},
        {**fine, "body": "[" * 100_000},
        {**fine, "body": "x" * 2_000_000},
        {
            **fine, "body": b"\x80\x04.",
            "content_type": "application/x-python-serialize", "content_encoding": "binary",
        },
        {**fine, "headers": {}},
        {**fine, "headers": {**headers, "id": "no:id"}},
        {**fine, "headers": {**headers, "task": "celery.backend_cleanup"}},
        {**fine, "headers": {**headers, "eta": "2199-01-01T00:00:00"}},
        {**fine, "headers": {**headers, "retries": "many"}},
        {**fine, "headers": {**headers, "timelimit": [1, 2, 3]}},
        {**fine, "headers": {**headers, "compression": "application/x-gzip"}},
        {**fine, "headers": {**headers, "task": "os.system"}},
    ]  # fmt: skip
    with Connection(rabbitmq.url) as connection:
        producer = connection.Producer()
        for queue in queues.ALL:
            for one in wrong:
                producer.publish(**one, routing_key=queue)
    # Behind them in the same queues, and on the same slots.
    assert crew.upload(9 * MB).wait(30)["size"] == 9 * MB
    assert crew.upload(1 * MB).wait(30)["id"] == SOME_ID
    wait_until(lambda: not any(map(depth, queues.ALL)), 10)

    def dropped() -> int:
        log = "".join(one.log.read_text(errors="replace") for one in crew.workers)
        return log.count("was dropped")

    # The last but one is a message as any other once it is not unpacked; the last one Celery drops.
    expected = (len(wrong) - 2) * len(queues.ALL)
    wait_until(lambda: dropped() >= expected, 10)  # one that is taken is not in its log yet
    assert dropped() == expected


def test_a_temporary_failure_is_tried_again_with_all_that_the_message_said(
    crew: Crew, failing_kitsu: FailingKitsu
) -> None:
    failing_kitsu.answers = [(503, {})]
    submission = crew.upload(1 * MB, farm_job="night", priority="low")
    assert submission.wait(30)["id"] == SOME_ID
    record = submission.record()
    assert record.progress.attempt == 2
    assert (record.queue, record.priority, record.farm_job) == (queues.SMALL, "low", "night")


def test_a_retry_that_is_due_waits_for_no_slot_of_the_worker_that_has_read_it(
    crew: Crew, failing_kitsu: FailingKitsu
) -> None:
    # Seconds enough for the other one to be running when this one is due, and not to have ended.
    failing_kitsu.answers = [(503, {"Retry-After": "2"})]
    due = crew.upload(1 * MB)
    wait_until(lambda: due.state == "RETRY", 10)
    failing_kitsu.hold = threading.Event()
    occupies = crew.upload(8 * MB)
    wait_until(lambda: depth(queues.SMALL) == 1, 10)
    wait_until(lambda: occupies.state == "PROGRESS", 10)
    failing_kitsu.hold.set()
    assert [one.wait(30)["id"] for one in (occupies, due)] == [SOME_ID] * 2
    assert due.record().progress.attempt == 2


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_who_is_refused_is_told_and_leaves_no_record(crew: Crew, rabbitmq: RabbitMQ) -> None:
    before = len(submit.recent())
    with submitting_to(crew, rabbitmq.url.replace("guest:guest", "guest:wr0ng")):
        with pytest.raises(Denied, match="FARM_TASKS_BROKER_URL") as caught:
            crew.upload(1 * MB)
        assert "wr0ng" not in str(caught.value)
        assert len(submit.recent()) == before
    del caught
    gc.collect()  # py-amqp leaves the socket of a login that was refused to this
    with (
        submitting_to(crew, f"amqp://guest:guest@127.0.0.1:{free_port()}//"),
        pytest.raises(BrokerUnavailable, match="RabbitMQ"),
    ):
        crew.upload(1 * MB)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_by_tls_the_certificate_is_checked_with_its_name(
    crew: Crew, rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    ours, strange = Authority(tmp_path / "ours"), Authority(tmp_path / "strange")
    greeting, strange_greeting = (
        server_context(one.issue("server", "DNS:localhost")) for one in (ours, strange)
    )
    with (
        tls_forwarder(crew.redis.port, greeting) as results,
        tls_forwarder(rabbitmq.port, greeting) as road,
        tls_forwarder(rabbitmq.port, strange_greeting) as strange_road,
    ):
        for host, port, is_fine in (
            ("localhost", road.port, True),
            ("127.0.0.1", road.port, False),
            ("localhost", strange_road.port, False),
        ):
            addresses = {
                "FARM_TASKS_BROKER_URL": f"amqps://guest:guest@{host}:{port}//",
                "FARM_TASKS_RESULT_BACKEND": f"rediss://localhost:{results.port}/1",
                "FARM_TASKS_REDIS_CA_FILE": str(ours.certificate),
            }
            with environment_of(addresses):
                if is_fine:
                    assert crew.upload(9 * MB).wait(30)["size"] == 9 * MB
                else:
                    with pytest.raises(NotConfigured, match="certificate"):
                        crew.upload(9 * MB)
        assert road.served
        assert not strange_road.served
    gc.collect()  # py-amqp leaves the socket of a refusal to this


def test_plain_celery_reaches_the_default_queue(crew: Crew, rabbitmq: RabbitMQ) -> None:
    path = str(crew.folder / "plain.ma")
    with open(path, "wb") as file:
        file.truncate(10)
    with Celery(broker=rabbitmq.url, backend=crew.redis.url(1), set_as_current=False) as app:
        sent = app.send_task(
            "farm_tasks.upload_working_file", [WORKING_FILE, path], queue=queues.DEFAULT
        )
        assert sent.get(timeout=30)["size"] == 10
    assert submit.Submission(sent.id).record().priority == "normal"


def test_a_cancel_ends_what_runs_and_what_waits(crew: Crew) -> None:
    crew.kitsu.serve(0, MB)
    running = [crew.upload(50 * MB) for _ in range(2)]
    for one in running:
        wait_until(lambda one=one: one.progress().bytes_read, 20)
    waits = crew.upload(50 * MB)
    for one in (waits, *running):
        one.cancel()
        wait_until(lambda one=one: one.state == "REVOKED", 10)
    wait_until(lambda: crew.received(waits) == 1, 10)
    assert waits.state == "REVOKED"


def test_a_dead_workers_upload_goes_to_another_and_is_done_once(crew: Crew) -> None:
    crew.kitsu.serve(0, 2 * MB)
    submission = crew.upload(20 * MB)
    wait_until(lambda: submission.progress().bytes_read, 20)
    dying = crew.workers[0]
    family = dying.children()
    os.kill(dying.pid, signal.SIGKILL)
    for one in family:
        one.kill()
    crew.kitsu.serve(0)
    ended = crew.kitsu.ended
    crew.join(app=OURS, queues=LARGE)
    assert submission.wait(60)["size"] == 20 * MB
    assert crew.received(submission) >= 2
    assert crew.kitsu.ended == ended + 1
