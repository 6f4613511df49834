from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm_tasks import submit
from farm_tasks.errors import Rejected, UnknownSubmission
from farm_tasks.monitor.batches import MOST_FILES, batch, recent_batches
from farm_tasks.states import FAILURE, PROGRESS, SUCCESS, group_key, result_key
from farm_tasks.submit import Group, Submission
from farm_tasks.submit.connection import redis_client
from farm_tasks.transfer.progress import Progress
from tests.cli.records import store
from tests.support.environment import environment_of
from tests.support.redis_server import running_redis


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        variables = {
            "FARM_TASKS_BROKER_URL": server.url(0),
            "FARM_TASKS_RESULT_BACKEND": server.url(1),
        }
        with environment_of(variables):
            yield


@pytest.fixture
def uploads(redis: None, tmp_path: Path) -> list[Submission]:
    """Three submissions of 100 bytes each."""
    found = []
    for name in ("SH010.mp4", "SH020.mp4", "SH030.mp4"):
        path = tmp_path / name
        path.write_bytes(b"x" * 100)
        found.append(submit.upload_working_file(str(uuid.uuid4()), path))
    return found


@contextlib.contextmanager
def reading_ids() -> Iterator[list[str]]:
    """The submissions whose records are read meanwhile."""
    found: list[str] = []
    client = redis_client()
    mget = client.mget

    def noted(keys: list[str]) -> Any:
        found.extend(one.removeprefix(result_key("")) for one in keys)
        return mget(keys)

    client.mget = noted
    try:
        yield found
    finally:
        del client.mget


def moving(submission: Submission, bytes_read: int, total: int = 100, rate: float = 0.0) -> None:
    store(
        submission.id,
        PROGRESS,
        Progress(bytes_read, total, "uploading", rate, file="/p/a.mp4").to_dict(),
    )


def test_a_batch_adds_its_files_up(uploads: list[Submission]) -> None:
    group = Group.of(uploads)
    moving(uploads[0], 50, rate=10.0)
    moving(uploads[1], 25, rate=5.0)
    found = batch(group.id)
    assert (found["bytes_read"], found["total"], found["percent"]) == (75, 300, 25.0)
    assert (found["rate"], found["seconds_left"]) == (15.0, 15.0)
    assert found["states"] == {"PROGRESS": 2, "QUEUED": 1}
    assert [one["percent"] for one in found["files"]] == [50.0, 25.0, 0.0]


def test_what_runs_comes_first_and_then_what_failed_with_its_reason(
    uploads: list[Submission],
) -> None:
    done, failed, runs = uploads
    store(done.id, SUCCESS, {"id": "x"})
    store(failed.id, FAILURE, Rejected("Kitsu does not take .exr files."))
    moving(runs, 10)
    found = batch(Group.of(uploads).id)
    assert [one["state"] for one in found["files"]] == [PROGRESS, FAILURE, SUCCESS]
    assert found["files"][1]["reason"] == "Kitsu does not take .exr files."
    assert (found["files_done"], found["files_failed"]) == (1, 1)


def test_downloads_count_by_files_as_their_sizes_show_one_by_one(redis: None) -> None:
    downloads = [submit.download_preview_file(str(uuid.uuid4()), f"/p/{n}.mp4") for n in range(4)]
    group = Group.of(downloads)
    store(downloads[0].id, SUCCESS, None, Progress(10, 10))
    moving(downloads[1], 500, 1000)
    assert batch(group.id)["percent"] == pytest.approx(37.5)
    assert batch(group.id)["seconds_left"] is None


def test_a_batch_is_known_by_what_it_does_and_where(
    uploads: list[Submission], tmp_path: Path
) -> None:
    assert batch(Group.of(uploads).id)["title"] == f"upload_working_file, {tmp_path}"


def test_what_a_batch_has_done_stays_known_when_a_record_expires(
    uploads: list[Submission],
) -> None:
    group = Group.of(uploads)
    store(uploads[1].id, SUCCESS, {"id": "x"}, Progress(100, 100))
    redis_client().delete(result_key(uploads[1].id))
    found = batch(group.id)
    assert (found["files_total"], found["files_done"], found["bytes_read"]) == (3, 1, 100)
    assert (len(found["files"]), found["files_not_listed"]) == (2, 1)


def test_the_newest_batches_come_first(uploads: list[Submission]) -> None:
    old, new = Group.of(uploads[:1]), Group.of(uploads[1:])
    assert [one["id"] for one in recent_batches(2)] == [new.id, old.id]
    assert [one["files_total"] for one in recent_batches(2)] == [2, 1]


def test_of_a_huge_batch_the_overall_figures_have_all_and_the_list_does_not(
    redis: None,
) -> None:
    many = [Submission(str(uuid.uuid4())) for _ in range(MOST_FILES + 7)]
    for one in many:
        moving(one, 50)
    found = batch(Group.of(many).id)
    assert (len(found["files"]), found["files_not_listed"]) == (MOST_FILES, 7)
    assert found["bytes_read"] == 50 * (MOST_FILES + 7)


def test_a_look_at_the_batches_reads_no_record_and_a_page_those_that_it_lists(
    redis: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm_tasks.monitor.members.SHOWN", 5)
    many = [Submission(str(uuid.uuid4())) for _ in range(20)]
    for one in many:
        moving(one, 50)
    group = Group.of(many)
    for one in many[:18]:
        store(one.id, SUCCESS, {"id": "x"}, Progress(100, 100))
    store(many[18].id, FAILURE, Rejected("Kitsu does not take .exr files."))
    with reading_ids() as ids:
        assert recent_batches(1)[0]["states"] == {"SUCCESS": 18, "FAILURE": 1, "PROGRESS": 1}
        assert not ids
        found = batch(group.id)
    assert (
        [one["id"] for one in found["files"]]
        == ids
        == [one.id for one in [many[19], many[18], *many[:3]]]
    )
    assert found["files_not_listed"] == 15


def test_an_ended_batch_that_is_retried_moves_again(uploads: list[Submission]) -> None:
    group = Group.of(uploads)
    for one in uploads:
        store(one.id, FAILURE, Rejected("Kitsu does not take .exr files."))
    assert recent_batches(1)[0]["percent"] == 100.0
    group.retry()
    [again] = recent_batches(1)
    assert (again["percent"], again["states"]) == (0.0, {"QUEUED": 3})


def test_a_batch_that_has_expired_is_not_known_any_more(uploads: list[Submission]) -> None:
    group = Group.of(uploads)
    for one in uploads:
        store(one.id, SUCCESS, {"id": "x"})
    assert batch(group.id)["files_done"] == 3
    redis_client().delete(group_key(group.id))
    with pytest.raises(UnknownSubmission):
        batch(group.id)
    assert group.id not in [one["id"] for one in recent_batches()]


FORGED = [
    *("{", "5", "[]", "[" * 5000),
    *({"name": 5}, {"status": 5}, {"status": []}, {"worker": [5]}),
    *({"result": {"bytes_read": one}} for one in ("x", float("nan"), 10**400)),
    *({"result": {"eta": float("inf")}}, {"result": {"file": 5}}, {"result": {"updated": "x"}}),
]


@pytest.mark.parametrize("forged", FORGED, ids=lambda one: repr(one)[:40])
def test_a_record_that_nobody_can_read_hides_no_other(
    uploads: list[Submission], forged: str | dict[str, Any]
) -> None:
    group = Group.of(uploads)
    if isinstance(forged, dict):
        moving(uploads[0], 10)
        stored = json.loads(redis_client().get(result_key(uploads[0].id)))
        forged = json.dumps({**stored, **forged})
    redis_client().set(result_key(uploads[0].id), forged)
    for found in (batch(group.id), recent_batches(1)[0]):
        assert (found["files_total"], found["id"]) == (3, group.id)
        json.dumps(found, allow_nan=False)
