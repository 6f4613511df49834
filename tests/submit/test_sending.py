"""What a submitter's call becomes before it leaves the machine."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from farm_tasks import submit
from farm_tasks.errors import BrokerUnavailable, InvalidArgument
from farm_tasks.states import result_key
from farm_tasks.submit import Submission
from farm_tasks.submit.connection import redis_client
from tests.support.environment import environment_of
from tests.support.redis_server import RedisServer, free_port

TASK = "11111111-1111-4111-8111-111111111111"
STATUS = "22222222-2222-4222-8222-222222222222"


pytestmark = pytest.mark.usefixtures("alone")


def sent(submission: Submission) -> dict[str, object]:
    return submission.record().arguments


def test_a_dict_of_gazu_is_sent_as_its_id_and_unset_arguments_as_null() -> None:
    submission = submit.upload_preview_file(
        {"id": TASK, "type": "PreviewFile", "data": {"much": "more"}}, "/projects/a.mp4"
    )
    assert sent(submission) == {
        "preview_file": TASK,
        "file_path": "/projects/a.mp4",
        "normalize_movie": True,
        "no_job": False,
    }


def test_relative_paths_are_sent_as_absolute_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mp4").write_bytes(b"12345")
    (tmp_path / "b.txt").write_bytes(b"123")
    submission = submit.publish_preview(
        TASK, STATUS, "text", attachments=["b.txt"], preview_file_path="a.mp4"
    )
    arguments = sent(submission)
    assert arguments["attachments"] == [str(tmp_path / "b.txt")]
    assert arguments["preview_file_path"] == str(tmp_path / "a.mp4")
    assert arguments["comment"] == "text"
    progress = submission.progress()
    assert (progress.file, progress.total) == (str(tmp_path / "a.mp4"), 8)


def test_paths_inside_a_batch_are_made_absolute_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    comment = {"task_id": TASK, "task_status_id": STATUS, "text": "x", "preview_files": ["p.png"]}
    [arguments] = sent(submit.batch_comments([comment]))["comments"]  # type: ignore[misc]
    assert arguments["preview_files"] == [str(tmp_path / "p.png")]


def test_a_path_object_will_do(tmp_path: Path) -> None:
    submission = submit.download_preview_file(TASK, tmp_path / "new.mp4")  # type: ignore[arg-type]
    assert sent(submission)["file_path"] == str(tmp_path / "new.mp4")
    assert submission.progress().total == 0


@pytest.mark.parametrize("path", ["", 7, b""])
def test_what_is_no_path_is_refused(path: object) -> None:
    with pytest.raises(InvalidArgument, match="file_path"):
        submit.upload_working_file(TASK, path)  # type: ignore[arg-type]


def test_a_message_that_would_fill_redis_is_refused_and_leaves_nothing() -> None:
    with pytest.raises(InvalidArgument, match="bytes"):
        submit.add_comment(TASK, STATUS, "x" * 300_000)
    assert redis_client().dbsize() == 0


def test_what_cannot_be_json_is_refused_and_leaves_nothing() -> None:
    with pytest.raises(InvalidArgument, match="JSON"):
        submit.add_comment(TASK, STATUS, checklist=[{"text": object()}])
    assert redis_client().dbsize() == 0


def test_the_message_is_small_and_readable() -> None:
    submission = submit.upload_working_file(TASK, "/projects/scene.blend")
    stored = redis_client().get(result_key(submission.id))
    assert len(stored) < 1000
    assert json.loads(stored)["kwargs"]["file_path"] == "/projects/scene.blend"


def test_every_record_expires() -> None:
    submission = submit.upload_working_file(TASK, "/projects/scene.blend")
    assert 0 < redis_client().ttl(result_key(submission.id)) <= 7 * 86400


def test_without_redis_a_submission_fails_soon_and_says_what_to_look_at() -> None:
    dead = f"redis://127.0.0.1:{free_port()}/0"
    variables = {"FARM_TASKS_BROKER_URL": dead, "FARM_TASKS_RESULT_BACKEND": dead}
    started = time.monotonic()
    with environment_of(variables), pytest.raises(BrokerUnavailable, match="FARM_TASKS_BROKER_URL"):
        submit.upload_working_file(TASK, "/projects/scene.blend")
    assert time.monotonic() - started < 5


def test_a_broker_that_cannot_be_reached_leaves_no_record_behind(broker: RedisServer) -> None:
    variables = {
        "FARM_TASKS_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0",
        "FARM_TASKS_RESULT_BACKEND": broker.url(1),
    }
    with environment_of(variables):
        with pytest.raises(BrokerUnavailable):
            submit.upload_working_file(TASK, "/projects/scene.blend")
        assert redis_client().dbsize() == 0
        assert submit.recent() == []


def test_a_submission_leaves_no_subscription_behind() -> None:
    for _ in range(3):
        submit.upload_working_file(TASK, "/projects/scene.blend")
    assert redis_client().pubsub_channels() == []
    assert redis_client().pubsub_numpat() == 0


@pytest.mark.parametrize("attachments", [5, [""], [{"a": 1}]])
def test_attachments_that_are_no_paths_are_refused(attachments: object) -> None:
    with pytest.raises(InvalidArgument, match="attachments"):
        submit.add_comment(TASK, STATUS, attachments=attachments)  # type: ignore[arg-type]


@pytest.mark.parametrize("comments", [5, [5], [{"preview_files": 5}]])
def test_comments_that_are_no_dicts_are_refused(comments: object) -> None:
    with pytest.raises(InvalidArgument, match=r"comments|preview_files"):
        submit.batch_comments(comments)  # type: ignore[arg-type]


def test_one_path_in_a_batch_is_a_list_of_one() -> None:
    submission = submit.batch_comments([{"preview_files": "/projects/a.png"}])
    [comment] = sent(submission)["comments"]  # type: ignore[misc]
    assert comment["preview_files"] == ["/projects/a.png"]


def test_a_broker_that_accepts_and_never_answers_is_given_up(broker: RedisServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        variables = {
            "FARM_TASKS_BROKER_URL": f"redis://127.0.0.1:{silent.getsockname()[1]}/0",
            "FARM_TASKS_RESULT_BACKEND": broker.url(1),
        }
        with environment_of(variables), pytest.raises(BrokerUnavailable):
            submit.upload_working_file(TASK, "/projects/scene.blend")
