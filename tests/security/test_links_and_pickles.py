"""Nothing in a message runs, but the function that it names."""

from __future__ import annotations

import base64
import json
import os
import pickle
import uuid
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from farm_tasks import submit
from farm_tasks.states import result_key
from farm_tasks.submit import Submission
from farm_tasks.submit.connection import sender
from tests.acceptance.farm import Farm
from tests.security.messages import envelope
from tests.support.discarding_kitsu import WORKING_FILE
from tests.support.waiting import wait_until


class Creates:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.open, (str(self.path), os.O_CREAT | os.O_WRONLY)


def barrier(farm: Farm) -> None:
    """Return when the worker has gone past everything that was put into the queue before."""
    sent = farm.new_file(f"{uuid.uuid4()}.blend", 10)
    submit.upload_working_file(WORKING_FILE, str(sent)).wait(30)


def push(farm: Farm, *messages: dict[str, Any]) -> None:
    with farm.redis.client(0) as redis:
        for message in messages:
            redis.lpush("farm_tasks", json.dumps(message))
    barrier(farm)


def is_known(farm: Farm, task_id: str) -> bool:
    with farm.redis.client(1) as redis:
        return bool(redis.exists(result_key(task_id)))


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/x-python-serialize", "binary"),
        ("application/x-python-serialize", "utf-8"),
        ("application/json", "utf-8"),
        ("application/json", "binary"),
        ("application/data", "binary"),
        ("application/x-yaml", "utf-8"),
        ("application/x-msgpack", "binary"),
        (None, None),
    ],
)
def test_a_pickle_is_not_opened_whatever_it_calls_itself(
    content_type: str | None, encoding: str | None, farm: Farm, tmp_path: Path
) -> None:
    proof = tmp_path / "proof"
    os.close(pickle.loads(pickle.dumps(Creates(proof))))
    assert proof.exists(), "the pickle is a good one"
    proof.unlink()
    message = envelope()
    body = pickle.dumps([[Creates(proof)], {"sekret": "sekret"}, {}])
    message["body"] = base64.b64encode(body).decode()
    message["content-type"], message["content-encoding"] = content_type, encoding
    push(farm, message)
    assert not proof.exists()
    assert not is_known(farm, message["headers"]["id"])
    log = farm.worker.log.read_text()
    assert " was dropped: " in log
    assert "sekret" not in log


def test_a_pickle_as_celery_itself_sends_it_is_refused(farm: Farm, tmp_path: Path) -> None:
    with Connection(farm.redis.url(0)) as connection:
        result = sender().send_task(
            "farm_tasks.upload_working_file",
            args=[WORKING_FILE, str(tmp_path)],
            serializer="pickle",
            connection=connection,
        )
    barrier(farm)
    assert not is_known(farm, result.id)


def test_a_pickle_by_remote_control_is_not_opened_either(farm: Farm, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    message = envelope()
    message["body"] = base64.b64encode(pickle.dumps(Creates(proof))).decode()
    message["content-type"] = "application/x-python-serialize"
    message["content-encoding"] = "binary"
    with farm.redis.client(0) as redis:
        assert redis.publish("/0.celery.pidbox", json.dumps(message)) > 0
    barrier(farm)
    wait_until(lambda: "x-python-serialize" in farm.worker.log.read_text(), 10)
    assert not proof.exists()


LINK = {"task": "farm_tasks.upload_working_file", "args": [], "kwargs": {}, "options": {}}


@pytest.mark.parametrize(
    "embed",
    [
        {"callbacks": [{**LINK, "task": "other.task"}]},
        {"callbacks": [{**LINK, "task": "celery.backend_cleanup"}]},
        {"callbacks": [{**LINK, "options": {"queue": "celery"}}]},
        {"callbacks": [{**LINK, "options": {"routing_key": "celery", "exchange": ""}}]},
        {"callbacks": [{**LINK, "options": {"serializer": "pickle"}}]},
        {"callbacks": [{**LINK, "options": {"link": [{**LINK, "task": "other.task"}]}}]},
        {"callbacks": [{**LINK, "options": {"link_error": [LINK]}}]},
        {"chain": [{**LINK, "task": "other.task"}]},
        {"chord": {**LINK, "task": "other.task"}},
        {"errbacks": [LINK]},
        {"errbacks": [{**LINK, "task": "other.task"}]},
    ],
)
def test_a_link_leads_nowhere_but_to_our_functions_in_our_queues(
    embed: dict[str, Any], farm: Farm
) -> None:
    sent = farm.new_file("linked.blend", 10)
    message = envelope([], args=[], embed=embed)
    good = envelope({"working_file": WORKING_FILE, "file_path": str(sent)}, embed=embed)
    push(farm, message, good)
    assert not is_known(farm, good["headers"]["id"])
    with farm.redis.client(0) as redis:
        assert not redis.exists("celery")


def test_a_chain_of_our_functions_runs(farm: Farm) -> None:
    sent = farm.new_file("chained.blend", 10)
    arguments = [WORKING_FILE, str(sent)]
    step = sender().signature("farm_tasks.upload_working_file", args=arguments, immutable=True)
    result = (step | step.clone()).apply_async()
    wait_until(lambda: is_known(farm, result.id), 10)
    assert Submission(result.id).wait(30)["size"] == 10
    step.clone().apply_async(link=step.clone().set(task_id="linked-by-name"))
    wait_until(lambda: is_known(farm, "linked-by-name"), 10)
    assert Submission("linked-by-name").wait(30)["size"] == 10


def test_a_message_cannot_say_where_it_goes_back_to_nor_as_what_it_is_kept(farm: Farm) -> None:
    """Or else a worker that dies would put it into another program's queue, in another's place."""
    slow = farm.new_file("slow.blend", 5_000_000)
    farm.kitsu.serve(0, rate=2_000_000)
    message = envelope({"working_file": WORKING_FILE, "file_path": str(slow)})
    message["properties"]["delivery_info"] = {"exchange": "other", "routing_key": "celery"}
    message["properties"]["delivery_tag"] = "chosen"
    kept_in = sender().conf.broker_transport_options["unacked_key"]
    with farm.redis.client(0) as redis:
        redis.lpush("farm_tasks", json.dumps(message))
        kept = wait_until(lambda: redis.hgetall(kept_in), 10)
        (tag, value), *_ = kept.items()
    assert tag != b"chosen"
    assert json.loads(value)[1:] == ["", "farm_tasks"]
    farm.kitsu.serve(0)
    wait_until(lambda: is_known(farm, message["headers"]["id"]), 10)
    Submission(message["headers"]["id"]).wait(30)
