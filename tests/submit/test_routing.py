"""Queue, priority and farm job: said once, and kept by whatever happens to the message."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import redis

from farm_tasks import queues, submit
from farm_tasks.errors import InvalidArgument, Rejected
from farm_tasks.queues import DOWNLOADS, SMALL, UPLOADS
from farm_tasks.states import FAILURE, OPEN_KEY, RETRY, SUCCESS
from farm_tasks.submit.connection import redis_client, sender
from farm_tasks.worker import lost_messages
from farm_tasks.worker.lost_messages import _Searcher
from tests.cli.records import store
from tests.support.failing_kitsu import SOME_ID, FailingKitsu
from tests.support.waiting import wait_until

HIGH = "\x06\x161"


def waiting(settings: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """The headers of what waits, by the list in Redis that it waits in."""
    with redis.Redis.from_url(settings["FARM_TASKS_BROKER_URL"]) as client:
        return {
            key.decode(): [json.loads(one)["headers"] for one in client.lrange(key, 0, -1)]
            for key in client.scan_iter("farm_tasks*", _type="list")
        }


def empty(settings: Mapping[str, str]) -> None:
    with redis.Redis.from_url(settings["FARM_TASKS_BROKER_URL"]) as client:
        client.flushdb()


def test_large_and_small_files_and_downloads_wait_apart(
    alone: Mapping[str, str], tmp_path: Path
) -> None:
    movie, still = tmp_path / "movie.mp4", tmp_path / "still.png"
    with movie.open("wb") as file:
        file.truncate(20 * 10**9)
    still.write_bytes(b"png")
    records = [
        submit.upload_preview_file(SOME_ID, str(movie)).record(),
        submit.upload_preview_file(SOME_ID, str(still)).record(),
        submit.add_comment(SOME_ID, SOME_ID, attachments=[str(still), str(movie)]).record(),
        submit.add_comment(SOME_ID, SOME_ID, attachments=[str(still), "/not/here"]).record(),
        submit.download_preview_movie(SOME_ID, str(tmp_path / "down.mp4")).record(),
        submit.download_preview_file_thumbnail(SOME_ID, str(tmp_path / "down.png")).record(),
    ]
    wanted = [UPLOADS, SMALL, UPLOADS, UPLOADS, DOWNLOADS, SMALL]
    assert [one.queue for one in records] == wanted
    found = {one["id"]: queue for queue, messages in waiting(alone).items() for one in messages}
    assert [found[one.id] for one in records] == wanted


def test_all_that_was_said_is_kept_when_it_is_sent_again(
    alone: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_messages, "SECOND_LOOK", 0.0)
    submission = submit.upload_working_file(
        SOME_ID, "/projects/a", key="a key", priority="high", farm_job="comp SH010"
    )

    def sent() -> list[tuple[str, str | None]]:
        return [(key, one["farm_job"]) for key, found in waiting(alone).items() for one in found]

    as_it_was = [(f"{UPLOADS}{HIGH}", "comp SH010")]
    assert sent() == as_it_was
    empty(alone)
    submission.retry()  # queued still: its message is replaced
    assert sent() == as_it_was
    empty(alone)
    redis_client().zadd(OPEN_KEY, {submission.id: 1})
    _Searcher(sender(), threading.Event())._look()
    assert sent() == as_it_was
    empty(alone)
    stored = json.loads(redis_client().get(f"celery-task-meta-{submission.id}"))
    for state in (RETRY, FAILURE):
        store(submission.id, state, Rejected("no"))
        ended = json.loads(redis_client().get(f"celery-task-meta-{submission.id}"))
        said = {name: stored[name] for name in ("queue", "priority", "farm_job", "submission_key")}
        redis_client().set(f"celery-task-meta-{submission.id}", json.dumps({**ended, **said}))
        if state == RETRY:
            submission.cancel()  # whatever has to clean up hears of it at once
        else:
            submission.retry()
        assert sent() == as_it_was
        empty(alone)
    record = submission.record()
    assert (record.queue, record.priority, record.farm_job) == (UPLOADS, "high", "comp SH010")


def test_a_key_that_runs_again_does_so_as_it_is_said_now(alone: Mapping[str, str]) -> None:
    first = submit.upload_working_file(SOME_ID, "/projects/a", key="k", farm_job="one")
    store(first.id, FAILURE, Rejected("no"))
    empty(alone)
    again = submit.upload_working_file(
        SOME_ID, "/projects/a", key="k", priority="low", farm_job="two"
    )
    assert again == first
    (key, (message,)) = next(iter(waiting(alone).items()))
    assert (key, message["farm_job"]) == (f"{UPLOADS}\x06\x169", "two")


def test_the_farm_job_is_read_from_the_environment(
    alone: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def upload(**options: Any) -> str | None:
        submission = submit.upload_working_file(SOME_ID, "/projects/a", **options)
        return submission.record().farm_job

    assert upload() is None
    monkeypatch.setenv("QBJOBID", "4711")
    assert upload() == "4711"
    monkeypatch.setenv("CUE_JOB", "show-sh010-comp\n" + 300 * "x")
    named = upload()
    assert named is not None
    assert named.startswith("show-sh010-compxxx")
    assert len(named) == 200
    monkeypatch.setenv("FARM_TASKS_FARM_JOB", "night 7")
    assert upload() == "night 7"
    assert upload(farm_job="given") == "given"
    monkeypatch.setenv("FARM_TASKS_FARM_JOB", "a\nb")
    with pytest.raises(InvalidArgument, match="FARM_TASKS_FARM_JOB"):
        upload()


@pytest.mark.parametrize("wrong", ["", "x" * 201, "a\x1b[31m", 7])
def test_a_farm_job_that_cannot_stand_in_a_log_is_refused(
    wrong: Any, alone: Mapping[str, str]
) -> None:
    with pytest.raises(InvalidArgument, match="farm_job"):
        submit.upload_working_file(SOME_ID, "/projects/a", farm_job=wrong)
    assert not waiting(alone)


def test_an_unknown_priority_is_refused(alone: Mapping[str, str]) -> None:
    with pytest.raises(InvalidArgument, match="none of high, normal, low"):
        submit.upload_working_file(SOME_ID, "/projects/a", priority="urgent")  # type: ignore[arg-type]
    assert not waiting(alone)


def test_a_worker_stores_what_was_said_and_its_retries_keep_it(
    worker: Mapping[str, str], failing_kitsu: FailingKitsu, folder: Path
) -> None:
    failing_kitsu.answers = [(503, {}), (502, {})]
    scene = folder / "scene.ma"
    scene.write_bytes(b"small")
    submission = submit.upload_working_file(
        SOME_ID, str(scene), priority="high", farm_job="comp SH010"
    )
    submission.wait(60)
    record = submission.record()
    assert (record.state, record.progress.attempt) == (SUCCESS, 3)
    assert (record.queue, record.priority, record.farm_job) == (SMALL, "high", "comp SH010")


def test_what_plain_celery_sends_into_the_default_queue_runs(
    worker: Mapping[str, str], folder: Path
) -> None:
    scene = folder / "plain.ma"
    scene.write_bytes(b"small")
    sent = sender().send_task(
        "farm_tasks.upload_working_file", [SOME_ID, str(scene)], queue="farm_tasks"
    )
    wait_until(lambda: redis_client().exists(f"celery-task-meta-{sent.id}"), 30)
    submission = submit.Submission(sent.id)
    submission.wait(30)
    assert submission.record().queue == queues.DEFAULT
    assert submission.record().priority == "normal"
