"""A dead letter is run again under its id, once its cause is mended."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import redis

from farm_tasks import submit
from farm_tasks.errors import (
    BrokerUnavailable,
    Cancelled,
    FileMissing,
    InvalidArgument,
    Rejected,
    StillRunning,
    TooLarge,
    UnknownSubmission,
)
from farm_tasks.queues import UPLOADS
from farm_tasks.states import (
    FAILURE,
    PROGRESS,
    QUEUED,
    RETRY,
    REVOKED,
    STARTED,
    SUCCESS,
    cancel_key,
    ledger_key,
    result_key,
    submission_key,
)
from farm_tasks.submit import Group, Submission
from farm_tasks.submit.connection import redis_client, sender
from farm_tasks.transfer.progress import Progress
from tests.cli.records import store
from tests.support.environment import environment_of
from tests.support.failing_kitsu import SOME_ID, FailingKitsu
from tests.support.media import noise
from tests.support.redis_server import free_port
from tests.support.waiting import wait_until

Settings = Mapping[str, str]


def upload(path: str | Path = "/projects/scene.blend", key: str | None = None) -> Submission:
    return submit.upload_working_file(SOME_ID, str(path), key=key)


def waiting_messages(settings: Settings, queue: str = UPLOADS) -> list[dict[str, Any]]:
    with redis.Redis.from_url(settings["FARM_TASKS_BROKER_URL"]) as client:
        return [json.loads(one) for one in client.lrange(queue, 0, -1)]


@pytest.mark.parametrize("state", [FAILURE, REVOKED])
def test_what_ended_without_success_is_queued_again_and_keeps_all_that_it_is_known_by(
    alone: Settings, state: str
) -> None:
    submission = upload(key="a key")
    submitted = submission.record()
    figures = Progress(bytes_read=7, total=10, file="/projects/scene.blend", attempt=3)
    store(submission.id, state, Rejected("no"), figures)
    ledger = {"result": "{}", "failing_since": "1", "crashes": "2", "comment": SOME_ID}
    redis_client().hset(ledger_key(submission.id), mapping=ledger)
    redis_client().set(cancel_key(submission.id), 1)
    submission.retry()
    record = submission.record()
    assert (record.state, record.error, record.ended) == (QUEUED, None, None)
    assert (record.function, record.arguments, record.key) == (
        submitted.function, submitted.arguments, "a key",
    )  # fmt: skip
    progress = record.progress
    assert (progress.stage, progress.file) == ("queued", "/projects/scene.blend")
    assert (progress.bytes_read, progress.total, progress.attempt) == (0, 10, 1)
    assert [one.id for one in submit.recent()] == [submission.id]
    assert redis_client().hgetall(ledger_key(submission.id)) == {b"comment": SOME_ID.encode()}
    assert not redis_client().exists(cancel_key(submission.id))
    second, first = waiting_messages(alone)
    assert second["headers"]["id"] == first["headers"]["id"] == submission.id
    assert second["body"] == first["body"]


def test_who_waits_after_a_retry_waits_for_its_end_and_not_for_the_old_one(alone: Settings) -> None:
    submission = upload()
    store(submission.id, FAILURE, Rejected("no"))
    submission.retry()
    with pytest.raises(StillRunning):
        submission.wait(0.2)
    assert [one.stage for one in submission.watch(0.2)] == ["queued"]
    timer = threading.Timer(0.3, store, (submission.id, SUCCESS, {"id": SOME_ID}))
    timer.start()
    assert submission.wait(10) == {"id": SOME_ID}
    timer.join()


def test_what_waits_has_its_message_sent_again_as_redis_may_have_lost_it(alone: Settings) -> None:
    for state in (QUEUED, RETRY):
        with redis.Redis.from_url(alone["FARM_TASKS_BROKER_URL"]) as client:
            client.delete(UPLOADS)
        submission = upload()
        with redis.Redis.from_url(alone["FARM_TASKS_BROKER_URL"]) as client:
            client.delete(UPLOADS)  # restored from an old file
        if state == RETRY:
            store(submission.id, RETRY, Rejected("no"), Progress())
        submission.retry()
        assert [one["headers"]["id"] for one in waiting_messages(alone)] == [submission.id]


def test_what_is_not_to_be_retried_says_why(alone: Settings) -> None:
    submission = upload()
    moment = Progress(updated=time.time()).to_dict()
    store(submission.id, PROGRESS, moment)
    with pytest.raises(StillRunning, match=r"is running\. Cancel it first"):
        submission.retry()
    store(submission.id, SUCCESS, {})
    with pytest.raises(InvalidArgument, match="has ended well"):
        submission.retry()
    with pytest.raises(UnknownSubmission):
        Submission(SOME_ID).retry()
    bare = json.dumps({"status": FAILURE, "result": {"exc_type": "X"}, "task_id": SOME_ID})
    redis_client().set(result_key(SOME_ID), bare)
    with pytest.raises(InvalidArgument, match="does not hold its function and arguments"):
        Submission(SOME_ID).retry()
    assert len(waiting_messages(alone)) == 1


@pytest.mark.parametrize("state", [STARTED, PROGRESS])
def test_what_was_running_and_is_silent_for_minutes_is_sent_again(
    alone: Settings, state: str
) -> None:
    submission = upload()
    silent = Progress(updated=time.time() - 600)
    store(submission.id, state, silent.to_dict() if state == PROGRESS else None, silent)
    submission.retry()
    assert submission.state == QUEUED
    assert len(waiting_messages(alone)) == 2


def test_a_retry_without_a_broker_leaves_it_among_what_failed(alone: Settings) -> None:
    submission = upload()
    store(submission.id, FAILURE, Rejected("no"))
    before = redis_client().get(result_key(submission.id))
    dead = {**alone, "FARM_TASKS_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0"}
    with environment_of(dead), pytest.raises(BrokerUnavailable):
        submission.retry()
    assert redis_client().get(result_key(submission.id)) == before
    assert [one.id for one in submit.recent(states=[FAILURE])] == [submission.id]


def test_it_goes_back_into_the_queue_that_it_was_in(alone: Settings) -> None:
    submission = upload()
    stored = json.loads(redis_client().get(result_key(submission.id)))
    redis_client().set(
        result_key(submission.id),
        json.dumps({**stored, "status": FAILURE, "result": None, "queue": "movies"}),
    )
    submission.retry()
    assert len(waiting_messages(alone, "movies")) == 1


def test_a_submission_whose_key_is_anothers_now_is_not_retried(alone: Settings) -> None:
    old = upload(key="a key")
    store(old.id, FAILURE, Rejected("no"))
    kept = redis_client().get(result_key(old.id))
    redis_client().delete(result_key(old.id))  # expired on one, then restored from a file
    new = upload(key="a key")
    redis_client().set(result_key(old.id), kept)
    with pytest.raises(InvalidArgument, match=f"{new.id} has its key now"):
        old.retry()
    redis_client().delete(submission_key("a key"))
    old.retry()
    assert redis_client().get(submission_key("a key")) == old.id.encode()


def test_the_failed_members_of_a_group_are_retried(alone: Settings) -> None:
    done, failed, waiting = upload(), upload(), upload()
    store(done.id, SUCCESS, {})
    store(failed.id, FAILURE, Rejected("no"))
    Group.of([done, failed, waiting]).retry()
    assert [one.state for one in (done, failed, waiting)] == [SUCCESS, QUEUED, QUEUED]
    assert len(waiting_messages(alone)) == 4


def test_after_the_cause_is_mended_a_retry_ends_well(
    worker: Settings, failing_kitsu: FailingKitsu, folder: Path
) -> None:
    path = folder / f"{uuid.uuid4()}.blend"
    submission = upload(path)
    with pytest.raises(FileMissing):
        submission.wait(30)
    noise(path, 1000)
    submission.retry()
    assert submission.wait(30) == {"id": SOME_ID}
    record = submission.record()
    assert (record.progress.bytes_read, record.arguments["file_path"]) == (1000, str(path))
    assert len(failing_kitsu.posts) == 1


@pytest.mark.parametrize("way", ["retry", "key"])
def test_a_publish_goes_on_after_its_comment(
    way: str, worker: Settings, failing_kitsu: FailingKitsu, folder: Path
) -> None:
    failing_kitsu.answers = [(201, {}), (201, {}), (413, {})]
    path = str(noise(folder / f"{way}.mp4", 1000))

    def publish() -> Submission:
        return submit.publish_preview(SOME_ID, SOME_ID, preview_file_path=path, key=way)

    submission = publish()
    with pytest.raises(TooLarge):
        submission.wait(30)
    if way == "retry":
        submission.retry()
    else:
        assert publish() == submission
    comment, preview = submission.wait(30)
    assert (comment["id"], preview["id"]) == (SOME_ID, SOME_ID)
    posted = [one.rpartition("/")[2] for one in failing_kitsu.posts]
    assert (posted.count("comment"), posted.count("add-preview")) == (1, 2)


def test_what_was_sent_by_its_name_and_positions_is_retried_too(
    worker: Settings, failing_kitsu: FailingKitsu, folder: Path
) -> None:
    path = folder / f"{uuid.uuid4()}.blend"
    arguments = [SOME_ID, str(path)]
    sent = sender().send_task("farm_tasks.upload_working_file", arguments, queue="farm_tasks")
    submission = Submission(sent.id)
    wait_until(lambda: redis_client().exists(result_key(sent.id)), 20)
    with pytest.raises(FileMissing):
        submission.wait(30)
    noise(path, 1000)
    submission.retry()
    assert submission.wait(30) == {"id": SOME_ID}


def test_what_was_cancelled_in_the_queue_runs_after_a_retry_once(
    worker: Settings, failing_kitsu: FailingKitsu, folder: Path
) -> None:
    failing_kitsu.hold = threading.Event()
    busy = [upload(noise(folder / f"busy{n}.blend", 20_000_000)) for n in range(2)]
    for one in busy:
        wait_until(lambda one=one: one.progress().bytes_read > 0, 20)
    submission = upload(noise(folder / "cancelled.blend", 10))
    submission.cancel()
    assert submission.state == REVOKED
    submission.retry()
    failing_kitsu.hold.set()
    assert submission.wait(30) == {"id": SOME_ID}
    assert [one.wait(30) for one in busy] == [{"id": SOME_ID}] * 2


def test_what_celery_revokes_in_the_queue_never_starts_until_it_is_retried(
    worker: Settings, failing_kitsu: FailingKitsu, folder: Path
) -> None:
    failing_kitsu.hold = threading.Event()
    busy = [upload(noise(folder / f"busy{n}.blend", 20_000_000)) for n in range(2)]
    for one in busy:
        wait_until(lambda one=one: one.progress().bytes_read > 0, 20)
    submission = upload(noise(folder / "revoked.blend", 10))
    sender().control.revoke(submission.id)
    wait_until(lambda: submission.state == REVOKED, 20)
    failing_kitsu.hold.set()
    behind = upload(noise(folder / "behind.blend", 10))
    assert [one.wait(30) for one in (*busy, behind)] == [{"id": SOME_ID}] * 3
    assert (submission.state, len(failing_kitsu.posts)) == (REVOKED, 3)
    submission.retry()
    assert submission.wait(30) == {"id": SOME_ID}
    assert len(failing_kitsu.posts) == 4


def test_a_message_of_an_earlier_run_with_other_arguments_is_not_run(
    worker: Settings, failing_kitsu: FailingKitsu, folder: Path
) -> None:
    """Cancelled in the queue and submitted anew with its key: the first message is still there."""
    failing_kitsu.hold = threading.Event()
    busy = [upload(noise(folder / f"busy{n}.blend", 20_000_000)) for n in range(2)]
    for one in busy:
        wait_until(lambda one=one: one.progress().bytes_read > 0, 20)
    submission = upload(folder / "wrong.blend", key="anew")
    submission.cancel()
    path = noise(folder / "right.blend", 10)
    assert upload(path, key="anew") == submission
    failing_kitsu.hold.set()
    assert submission.wait(30) == {"id": SOME_ID}
    assert submission.record().arguments["file_path"] == str(path)
    assert [one.wait(30) for one in busy] == [{"id": SOME_ID}] * 2
    assert len(failing_kitsu.posts) == 3


@pytest.mark.parametrize("way", ["submission", "celery"])
def test_what_was_cancelled_while_it_ran_runs_after_a_retry(
    way: str, worker: Settings, failing_kitsu: FailingKitsu, folder: Path
) -> None:
    failing_kitsu.hold = threading.Event()
    submission = upload(noise(folder / f"{way}.blend", 50_000_000))
    wait_until(lambda: submission.progress().bytes_read > 0, 20)
    if way == "submission":
        submission.cancel()
    else:
        sender().control.revoke(submission.id)
    with pytest.raises(Cancelled):
        submission.wait(10)
    failing_kitsu.hold.set()
    submission.retry()
    assert submission.wait(30) == {"id": SOME_ID}


def test_what_waits_to_be_retried_is_cancelled_at_once_and_runs_after_a_retry(
    worker: Settings, failing_kitsu: FailingKitsu, folder: Path
) -> None:
    failing_kitsu.answers = [(503, {"Retry-After": "60"})]
    submission = upload(noise(folder / "waits.blend", 10))
    wait_until(lambda: submission.state == RETRY, 20)
    submission.cancel()
    record = submission.record()
    assert (record.state, record.progress.total) == (REVOKED, 10)
    assert record.ended is not None
    with pytest.raises(Cancelled):
        submission.wait(1)
    submission.retry()
    assert submission.wait(30) == {"id": SOME_ID}


def test_a_cancel_of_what_has_ended_leaves_no_wish_behind(alone: Settings) -> None:
    submission = upload()
    store(submission.id, FAILURE, Rejected("no"))
    submission.cancel()
    assert submission.state == FAILURE
    assert not redis_client().exists(cancel_key(submission.id))
