"""One key is one submission: whoever submits it, how often, and whatever dies meanwhile."""

from __future__ import annotations

import inspect
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from farm_tasks import submit
from farm_tasks.errors import BrokerUnavailable, EntityNotFound, InvalidArgument, Rejected
from farm_tasks.queues import UPLOADS
from farm_tasks.states import (
    FAILURE,
    PROGRESS,
    QUEUED,
    REVOKED,
    SUCCESS,
    cancel_key,
    claim_key,
    ledger_key,
    result_key,
    submission_key,
)
from farm_tasks.stored_state import replace
from farm_tasks.submit import Submission, claim
from farm_tasks.submit.connection import redis_client
from tests.cli.records import store
from tests.support.environment import environment_of
from tests.support.failing_kitsu import SOME_ID, FailingKitsu
from tests.support.media import noise
from tests.support.redis_server import free_port
from tests.support.waiting import wait_until
from tests.support.worker import KITSU_VARIABLES

KEY = "deadline:5f2c0a17:comp_v003"
FUNCTIONS = [name for name in submit.__all__ if name[0].islower() and name != "recent"]
ANOTHER_ID = "11111111-1111-4111-8111-111111111111"

# All have looked at the key before one of them claims it.
SUBMITTERS = f"""
import json, os, sys
from farm_tasks import submit
from farm_tasks.submit import claim
upload, store_queued = submit.upload_working_file, claim.store_queued
claim.PATIENCE = 60  # a loaded machine is no dead submitter
count = int(sys.argv[1])
seen, looked = os.pipe()
end, start = os.pipe()

def store_together(*arguments):
    claim.store_queued = store_queued
    os.write(looked, b".")
    os.read(end, 1)
    return store_queued(*arguments)

if sys.argv[3]:
    claim.store_queued = store_together
children = []
for number in range(count):
    child = os.fork()
    if child:
        children.append(child)
        continue
    os.close(start)
    submission = upload({SOME_ID!r}, sys.argv[2], key={KEY!r})
    answer = submission.wait(60) if sys.argv[4] else None
    os.write(1, (json.dumps([submission.id, answer]) + "\\n").encode())
    os._exit(0)
for number in range(count if sys.argv[3] else 0):
    os.read(seen, 1)
os.close(start)
sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
"""


def upload(path: str | Path = "/projects/scene.blend", key: str | None = KEY) -> Submission:
    return submit.upload_working_file(SOME_ID, str(path), key=key)


def submitters(
    count: int,
    path: str | Path,
    settings: Mapping[str, str],
    *,
    race: bool = False,
    wait: bool = False,
) -> subprocess.Popen[str]:
    """So many processes that submit the same at once, and print the id and the result."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(KITSU_VARIABLES)}
    arguments = [str(count), str(path), "race" if race else "", "wait" if wait else ""]
    return subprocess.Popen(
        [sys.executable, "-c", SUBMITTERS, *arguments],
        stdout=subprocess.PIPE, text=True, env={**kept, **settings},
    )  # fmt: skip


def answers(process: subprocess.Popen[str]) -> list[Any]:
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return [json.loads(line) for line in printed.splitlines()]


def waiting_messages(settings: Mapping[str, str]) -> list[dict[str, Any]]:
    """The headers of what is in the queue."""
    with redis.Redis.from_url(settings["FARM_TASKS_BROKER_URL"]) as client:
        return [json.loads(one)["headers"] for one in client.lrange(UPLOADS, 0, -1)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_takes_a_key_by_its_name_alone(name: str) -> None:
    parameter = inspect.signature(getattr(submit, name)).parameters["key"]
    assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
    assert parameter.default is None


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "\x1b[2J", "a\u202eb", "\ud800", 7, b"key"])
def test_a_key_that_cannot_be_one_is_refused_and_leaves_nothing(
    alone: Mapping[str, str], key: Any
) -> None:
    with pytest.raises(InvalidArgument, match="1 to 200 printable"):
        upload(key=key)
    assert redis_client().dbsize() == 0


def test_without_a_key_each_is_a_submission_of_its_own(alone: Mapping[str, str]) -> None:
    assert upload(key=None) != upload(key=None)
    assert redis_client().keys("farm-tasks:key:*") == []


def test_the_same_key_is_the_same_submission_while_it_waits_and_while_it_runs(
    alone: Mapping[str, str],
) -> None:
    first = upload()
    assert upload() == first
    store(first.id, PROGRESS, {"bytes_read": 1, "total": 2})
    assert upload() == first
    assert upload(key="another") != first
    assert len(waiting_messages(alone)) == 2
    assert len(submit.recent()) == 2


def test_after_success_the_same_key_gives_the_result(alone: Mapping[str, str]) -> None:
    store(upload().id, SUCCESS, {"id": SOME_ID})
    assert upload().wait(1) == {"id": SOME_ID}
    assert len(waiting_messages(alone)) == 1


@pytest.mark.parametrize("state", [FAILURE, REVOKED])
def test_after_a_failure_the_same_key_runs_again_under_its_id_with_the_arguments_given_now(
    alone: Mapping[str, str], state: str
) -> None:
    first = upload("/projects/wrong.blend")
    ledger = {"result": "{}", "failing_since": "1", "crashes": "2", "comment": SOME_ID}
    redis_client().hset(ledger_key(first.id), mapping=ledger)
    redis_client().set(cancel_key(first.id), 1)
    store(first.id, state, Rejected("no"))
    assert upload("/projects/right.blend") == first
    record = first.record()
    assert (record.state, record.error) == (QUEUED, None)
    assert record.arguments["file_path"] == "/projects/right.blend"
    assert record.progress.file == "/projects/right.blend"
    assert [one["id"] for one in waiting_messages(alone)] == [first.id, first.id]
    # What is done is still known, what it came to is not; nobody wants it to stop any more.
    assert redis_client().hgetall(ledger_key(first.id)) == {b"comment": SOME_ID.encode()}
    assert not redis_client().exists(cancel_key(first.id))
    assert [one.id for one in submit.recent()] == [first.id]


def test_a_key_belongs_to_one_function(alone: Mapping[str, str]) -> None:
    first = upload()
    with pytest.raises(InvalidArgument, match=f"{first.id}.*upload_working_file.*not of add_comm"):
        submit.add_comment(SOME_ID, SOME_ID, key=KEY)
    store(first.id, FAILURE, Rejected("no"))
    with pytest.raises(InvalidArgument, match="one key for one piece of work"):
        submit.add_comment(SOME_ID, SOME_ID, key=KEY)
    assert len(waiting_messages(alone)) == 1


def test_key_and_ledger_live_as_long_as_the_record_and_every_use_and_report_renews_them(
    alone: Mapping[str, str],
) -> None:
    one = upload()
    kept = [submission_key(KEY), claim_key(one.id), result_key(one.id), ledger_key(one.id)]
    redis_client().hset(ledger_key(one.id), "step:comment", "{}")  # by a worker
    upload()

    def age() -> None:
        for name in kept:
            redis_client().expire(name, 1000)

    def lifetimes() -> set[bool]:
        return {6 * 86400 < redis_client().ttl(name) <= 7 * 86400 for name in kept}

    assert lifetimes() == {True}
    age()
    upload()
    assert lifetimes() == {True}
    age()
    seen = redis_client().get(kept[2])
    assert replace(redis_client(), kept[2], seen, seen, 7 * 86400)  # as a worker reports
    assert lifetimes() == {True}
    age()
    one.cancel()
    assert lifetimes() == {True}
    age()
    one.retry()
    assert lifetimes() == {True}
    redis_client().expire(ledger_key(one.id), 30 * 86400)
    upload()
    assert redis_client().ttl(ledger_key(one.id)) > 29 * 86400  # a worker may keep it longer


def test_a_key_whose_record_has_expired_makes_a_new_submission(alone: Mapping[str, str]) -> None:
    first = upload()
    redis_client().delete(result_key(first.id))
    second = upload()
    assert second != first
    assert upload() == second


def test_the_key_stays_in_the_record_whatever_a_worker_stores(
    worker: Mapping[str, str], failing_kitsu: FailingKitsu, folder: Path
) -> None:
    failing_kitsu.answers = [(503, {"Retry-After": "0"})]
    submission = upload(noise(folder / "kept.blend", 10), key="kept")
    keys = {one.key for one in _follow(submission)}
    assert submission.progress().attempt == 2  # through a retry, too
    assert keys == {"kept"}


def _follow(submission: Submission) -> list[Any]:
    from farm_tasks.submit.feed import follow

    return list(follow([submission.id], 30))


def test_twenty_processes_with_one_key_make_one_submission_with_one_effect(
    worker: Mapping[str, str], failing_kitsu: FailingKitsu, folder: Path
) -> None:
    redis_client().flushdb()
    path = noise(folder / "twenty.blend", 1000)
    given = answers(submitters(20, path, worker, race=True, wait=True))
    assert len(given) == 20
    [submission] = submit.recent()
    assert given == [[submission.id, {"id": SOME_ID}]] * 20
    assert len(failing_kitsu.posts) == 1


def test_twenty_processes_after_a_failure_make_one_more_run(alone: Mapping[str, str]) -> None:
    first = upload()
    store(first.id, FAILURE, Rejected("no"))
    assert answers(submitters(20, "/projects/a", alone, race=True)) == [[first.id, None]] * 20
    assert len(waiting_messages(alone)) == 2


def test_a_submitter_killed_before_its_message_is_sent_leaves_that_to_the_next(
    alone: Mapping[str, str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hung = {**alone, "FARM_TASKS_BROKER_URL": f"redis://127.0.0.1:{silent.getsockname()[1]}/0"}
        process = submitters(1, "/projects/scene.blend", hung)
        held = wait_until(lambda: redis_client().get(submission_key(KEY)), 30).decode()
        [child] = psutil.Process(process.pid).children()
        child.kill()
        process.communicate(timeout=10)
    assert waiting_messages(alone) == []
    began = time.monotonic()
    assert upload().id == held
    assert [one["id"] for one in waiting_messages(alone)] == [held]
    assert time.monotonic() - began < claim.PATIENCE + 5
    assert upload().id == held
    assert len(waiting_messages(alone)) == 1


def test_twenty_that_find_an_unsent_message_send_it_once(alone: Mapping[str, str]) -> None:
    held = upload().id
    with redis.Redis.from_url(alone["FARM_TASKS_BROKER_URL"]) as client:
        client.delete(UPLOADS)
    redis_client().hset(claim_key(held), mapping={"unsent": "of one who died", "at": 1})
    assert answers(submitters(20, "/projects/a", alone)) == [[held, None]] * 20
    assert len(waiting_messages(alone)) == 1


def test_a_submitter_that_cannot_reach_the_broker_leaves_its_key_to_the_next_at_once(
    alone: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "PATIENCE", 60)
    dead = {**alone, "FARM_TASKS_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0"}
    with environment_of(dead), pytest.raises(BrokerUnavailable):
        upload()
    [submission] = submit.recent()
    began = time.monotonic()
    assert upload().id == submission.id
    assert time.monotonic() - began < 30
    assert [one["id"] for one in waiting_messages(alone)] == [submission.id]


def test_a_late_word_that_a_message_was_sent_says_nothing_about_a_later_one(
    alone: Mapping[str, str],
) -> None:
    held = upload().id
    redis_client().hset(claim_key(held), mapping={"unsent": "later", "at": 1})
    redis_client().eval(claim._SENT, 1, claim_key(held), "earlier")
    assert redis_client().hget(claim_key(held), "unsent") == b"later"
    redis_client().eval(claim._SENT, 1, claim_key(held), "later")
    assert redis_client().hgetall(claim_key(held)) == {b"key": submission_key(KEY).encode()}


def test_a_key_goes_on_to_its_result_through_a_real_worker_after_a_failure_is_mended(
    worker: Mapping[str, str], failing_kitsu: FailingKitsu, folder: Path
) -> None:
    path = folder / "mended.blend"
    failing_kitsu.answers = [(404, {})]
    noise(path, 100)
    failed = upload(path, key="mended")
    with pytest.raises(EntityNotFound):
        failed.wait(30)
    again = upload(path, key="mended")
    assert again == failed
    assert again.wait(30) == {"id": SOME_ID}
    assert upload(path, key="mended").wait(1) == {"id": SOME_ID}
    assert len(failing_kitsu.posts) == 2
