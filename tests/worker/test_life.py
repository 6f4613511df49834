"""What becomes of a submission between its message and its end: queued, retried, cancelled.

The Kitsu here is one of ours where the real one cannot be made to fail on demand.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farm_tasks import submit
from farm_tasks.errors import (
    Cancelled,
    InvalidArgument,
    ServerUnavailable,
    StillRunning,
    UnknownSubmission,
)
from farm_tasks.states import FAILURE, PROGRESS, QUEUED, REVOKED, STARTED, SUCCESS, result_key
from farm_tasks.submit import Group, Submission
from farm_tasks.submit.connection import redis_client, sender
from farm_tasks.worker.backend import TransferBackend
from tests.support.environment import environment_of
from tests.support.failing_kitsu import SOME_ID, FailingKitsu
from tests.support.media import noise
from tests.support.redis_server import RedisServer, running_redis
from tests.support.waiting import wait_until
from tests.support.worker import Worker, running_worker

Settings = dict[str, str]
Upload = Callable[..., Submission]


@pytest.fixture(scope="module")
def server() -> Iterator[FailingKitsu]:
    with FailingKitsu() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def failing_kitsu(server: FailingKitsu) -> Iterator[FailingKitsu]:
    """The server, as a test wants to find it."""
    server.answers, server.puts, server.taken, server.hold = [], [], 0, None
    server.posts, server.looks, server.deletes, server.meant = [], [], [], ""
    yield server
    if server.hold is not None:
        server.hold.set()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("life")


@pytest.fixture(scope="module")
def redis_of_module(folder: Path) -> Iterator[RedisServer]:
    with running_redis(folder / "redis") as server:
        yield server


@pytest.fixture(scope="module", params=["prefork", "threads"])
def pool(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def settings_for(redis: RedisServer, kitsu: FailingKitsu, root: Path, database: int) -> Settings:
    return {
        "KITSU_HOST": f"http://127.0.0.1:{kitsu.server_port}",
        "KITSU_BOT_TOKEN": "token",
        "FARM_TASKS_BROKER_URL": redis.url(database),
        "FARM_TASKS_RESULT_BACKEND": redis.url(database + 1),
        "FARM_TASKS_READ_ROOTS": str(root),
        "FARM_TASKS_WRITE_ROOTS": str(root),
        "FARM_TASKS_RETRY_SECONDS": "5",
    }


@pytest.fixture(scope="module")
def module_worker(
    redis_of_module: RedisServer, server: FailingKitsu, folder: Path, pool: str
) -> Iterator[tuple[Worker, Settings]]:
    database = {"prefork": 0, "threads": 2}[pool]
    settings = settings_for(redis_of_module, server, folder, database)
    with running_worker(folder / pool, settings, pool=pool) as running:
        yield running, settings


@pytest.fixture
def worker(module_worker: tuple[Worker, Settings], failing_kitsu: FailingKitsu) -> Iterator[Worker]:
    """A worker in each pool that we recommend, and this process as its submitter."""
    running, settings = module_worker
    with environment_of(settings):
        yield running


@pytest.fixture
def alone(
    redis_of_module: RedisServer, failing_kitsu: FailingKitsu, folder: Path
) -> Iterator[Settings]:
    """This process as a submitter, and no worker."""
    settings = settings_for(redis_of_module, failing_kitsu, folder, 4)
    with environment_of(settings):
        redis_client().flushall()
        yield settings


@pytest.fixture
def upload(folder: Path) -> Upload:
    def start(size: int = 1000) -> Submission:
        path = noise(folder / f"{uuid.uuid4()}.blend", size)
        return submit.upload_working_file(SOME_ID, str(path))

    return start


def test_before_a_worker_takes_it_a_submission_is_queued_with_its_file_and_size(
    alone: Settings, upload: Upload, folder: Path
) -> None:
    submission = upload(1234)
    assert submission.state == QUEUED
    progress = submission.progress()
    assert (progress.stage, progress.bytes_read, progress.total) == ("queued", 0, 1234)
    assert Path(progress.file).parent == folder
    assert Submission.load(submission.id) == submission
    assert [one.id for one in submit.recent()] == [submission.id]


def test_an_unknown_id_is_an_error_and_not_pending_for_ever(alone: Settings) -> None:
    with pytest.raises(UnknownSubmission, match=SOME_ID):
        Submission.load(SOME_ID)
    with pytest.raises(UnknownSubmission):
        Submission(SOME_ID).wait(5)
    with pytest.raises(UnknownSubmission):
        Group.load(SOME_ID)


def test_waiting_ends_with_its_timeout(alone: Settings, upload: Upload) -> None:
    with pytest.raises(StillRunning):
        upload().wait(0.2)


def test_a_temporary_failure_is_tried_again_and_then_works(
    upload: Upload, worker: Worker, failing_kitsu: FailingKitsu
) -> None:
    failing_kitsu.answers = [(503, {"Retry-After": "1"}), (201, {})]
    submission = upload()
    stages = [progress.stage for progress in submission.watch(30)]
    assert submission.wait(1) == {"id": SOME_ID}
    assert "waiting to retry" in stages
    assert stages[-1] == "done"
    assert submission.progress().attempt == 2
    assert len(failing_kitsu.posts) == 2


def test_a_temporary_failure_that_stays_fails_with_its_own_error(
    upload: Upload, worker: Worker, failing_kitsu: FailingKitsu
) -> None:
    failing_kitsu.answers = [(502, {})] * 99
    submission = upload()
    with pytest.raises(ServerUnavailable, match=r"502.*FARM_TASKS_RETRY_SECONDS"):
        submission.wait(30)
    assert len(failing_kitsu.posts) > 1
    assert submission.state == FAILURE


def test_a_temporary_failure_that_asks_for_more_than_there_is_fails_at_once(
    upload: Upload, worker: Worker, failing_kitsu: FailingKitsu
) -> None:
    failing_kitsu.answers = [(503, {"Retry-After": "600"})]
    with pytest.raises(ServerUnavailable, match="503"):
        upload().wait(30)
    assert len(failing_kitsu.posts) == 1


def test_a_comment_that_may_have_been_posted_is_looked_for_before_it_is_posted_again(
    alone: Settings, failing_kitsu: FailingKitsu, folder: Path
) -> None:
    # What an earlier test's worker has left may come back meanwhile, and is not to have the answer.
    failing_kitsu.answers, failing_kitsu.meant = [(502, {})], "/comment"
    settings = {**alone, "FARM_TASKS_RETRY_SECONDS": "60"}
    with running_worker(folder / "looking", settings, concurrency=1):
        assert submit.add_comment(SOME_ID, SOME_ID, "Once").wait(40)["id"] == SOME_ID
    looks = [one for one in failing_kitsu.looks if one.endswith("/comments")]
    # What was there before, and whether it is there now.
    assert len(looks) == 2, failing_kitsu.posts
    assert len([one for one in failing_kitsu.posts if one.endswith("/comment")]) == 2


def test_a_publish_goes_on_from_where_it_failed(
    worker: Worker, failing_kitsu: FailingKitsu, folder: Path
) -> None:
    failing_kitsu.answers = [(201, {}), (429, {}), (201, {}), (429, {"Retry-After": "0.1"})]
    path = noise(folder / "shot.mp4", 1000)
    submit.publish_preview(SOME_ID, SOME_ID, preview_file_path=str(path)).wait(30)
    kinds = [one.split("?")[0].rpartition("/")[2] for one in failing_kitsu.posts]
    assert kinds == ["comment", "add-preview", "add-preview", SOME_ID, SOME_ID]


def test_a_queued_submission_that_is_cancelled_never_starts(
    alone: Settings, upload: Upload, failing_kitsu: FailingKitsu, folder: Path
) -> None:
    submission = upload()
    submission.cancel()
    assert submission.state == REVOKED
    assert submission.progress().stage == "cancelled"
    assert submission.progress().total == 1000
    with running_worker(folder / "late", alone, concurrency=1):
        assert upload(10).wait(30) == {"id": SOME_ID}  # it was behind the other in the queue
    with pytest.raises(Cancelled):
        submission.wait(1)
    assert len(failing_kitsu.posts) == 1


@pytest.mark.parametrize("way", ["submission", "celery", "terminate"])
def test_a_running_upload_that_is_cancelled_stops_and_keeps_its_last_figures(
    way: str, upload: Upload, worker: Worker, failing_kitsu: FailingKitsu
) -> None:
    failing_kitsu.hold = threading.Event()
    size = 100_000_000
    submission = upload(size)
    wait_until(lambda: submission.progress().bytes_read > 0, 20)
    if way == "submission":
        submission.cancel()
    else:
        sender().control.revoke(submission.id, terminate=way == "terminate")
    with pytest.raises(Cancelled):
        submission.wait(60)
    record = submission.record()
    assert record.state == REVOKED
    assert 0 < record.progress.bytes_read < size
    assert failing_kitsu.taken < size
    # The slot is free again.
    failing_kitsu.hold.set()
    assert upload(10).wait(60) == {"id": SOME_ID}


def test_the_states_are_pushed_in_order_and_figures_never_fall(
    upload: Upload, worker: Worker, failing_kitsu: FailingKitsu
) -> None:
    failing_kitsu.hold = threading.Event()
    submission = upload(5_000_000)
    states, figures = [], []
    for progress in submission.watch(30):
        states.append(submission.state)
        figures.append(progress.bytes_read)
    order = [QUEUED, STARTED, PROGRESS, SUCCESS]
    ranks = [order.index(state) for state in states]
    assert ranks == sorted(ranks)
    assert PROGRESS in states
    assert figures == sorted(figures)
    assert figures[-1] == 5_000_000
    assert len(set(figures)) >= 4


def test_update_state_carries_the_figures_that_celery_users_expect(
    upload: Upload, worker: Worker, failing_kitsu: FailingKitsu
) -> None:
    failing_kitsu.hold = threading.Event()
    submission = upload(3_000_000)

    def moving() -> bool:
        result = sender().AsyncResult(submission.id)
        return bool(result.state == PROGRESS and result.info["bytes_read"])

    wait_until(moving, 20)
    info = sender().AsyncResult(submission.id).info
    assert info["total"] == 3_000_000
    assert 0 < info["bytes_read"] <= 3_000_000
    assert info["percent"] == pytest.approx(100 * info["bytes_read"] / 3_000_000, abs=0.01)
    assert submission.wait(30) == {"id": SOME_ID}


def test_an_event_tells_flower_what_redis_tells_a_submitter(
    upload: Upload, worker: Worker, failing_kitsu: FailingKitsu
) -> None:
    failing_kitsu.hold = threading.Event()
    events: list[dict[str, object]] = []
    with sender().connection_for_read() as connection:
        receiver = sender().events.Receiver(connection, handlers={"*": events.append})
        thread = threading.Thread(target=receiver.capture, kwargs={"timeout": 30})
        thread.start()
        wait_until(lambda: events, 20)  # the worker's heartbeat: the receiver is listening
        submission = upload(3_000_000)
        wait_until(lambda: ("task-succeeded", submission.id) in _kinds(events), 30)
        receiver.should_stop = True
        thread.join()
    moves = [one for one in events if ("task-progress", submission.id) == _kinds([one])[0]]
    assert {one["name"] for one in moves} == {"farm_tasks.upload_working_file"}
    assert moves[-1]["bytes_read"] == moves[-1]["total"] == 3_000_000
    assert _kinds(events).index(("task-succeeded", submission.id)) > events.index(moves[-1])


def _kinds(events: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(one["type"], one.get("uuid")) for one in events]


def test_a_late_progress_does_not_turn_a_finished_submission_back(
    upload: Upload, worker: Worker
) -> None:
    submission = upload()
    submission.wait(60)
    before = redis_client().get(result_key(submission.id))
    backend = TransferBackend(app=sender(), url=os.environ["FARM_TASKS_RESULT_BACKEND"])
    backend.store_result(submission.id, {"bytes_read": 1, "total": 2}, PROGRESS)
    assert redis_client().get(result_key(submission.id)) == before
    backend.client.close()


def test_a_group_adds_up_and_one_failure_does_not_stop_the_rest(
    worker: Worker, failing_kitsu: FailingKitsu, folder: Path
) -> None:
    paths = [noise(folder / f"{n}.blend", 1000 * n) for n in range(1, 5)]
    missing = folder / "missing.blend"
    members = [submit.upload_working_file(SOME_ID, str(path)) for path in (*paths, missing)]
    group = Group.of(members)
    seen = list(group.watch(30))
    outcomes = group.wait(1)
    assert outcomes[:4] == [{"id": SOME_ID}] * 4
    assert "missing.blend does not exist" in str(outcomes[4])
    last = Group.load(group.id).progress()
    assert (last.files_done, last.files_failed, last.files_total) == (4, 1, 5)
    assert (last.bytes_read, last.total) == (10_000, 10_000)
    assert seen[-1].percent == 100.0
    assert [one.files_done for one in seen] == sorted(one.files_done for one in seen)


def test_a_publish_whose_thumbnail_could_not_be_set_sets_that_alone(
    worker: Worker, failing_kitsu: FailingKitsu, folder: Path
) -> None:
    failing_kitsu.puts = [(429, {"Retry-After": "0"})]
    path = noise(folder / "thumbnail.mp4", 1000)
    submit.publish_preview(SOME_ID, SOME_ID, preview_file_path=str(path), set_thumbnail=True).wait(
        30
    )
    assert len(failing_kitsu.posts) == 3  # the comment, the preview, its content
    assert not failing_kitsu.puts


def test_a_publish_that_is_cancelled_removes_the_preview_that_it_made(
    worker: Worker, failing_kitsu: FailingKitsu, folder: Path
) -> None:
    failing_kitsu.hold = threading.Event()
    path = noise(folder / "cancelled.mp4", 50_000_000)
    submission = submit.publish_preview(SOME_ID, SOME_ID, preview_file_path=str(path))
    wait_until(lambda: submission.progress().bytes_read > 0, 20)
    submission.cancel()
    with pytest.raises(Cancelled):
        submission.wait(60)
    assert submission.state == REVOKED
    wait_until(lambda: failing_kitsu.deletes, 10)
    assert failing_kitsu.deletes == [f"/api/data/preview-files/{SOME_ID}?force=True"]


def test_a_cancel_that_meets_a_temporary_failure_does_not_wait_for_the_retry(
    upload: Upload, worker: Worker, failing_kitsu: FailingKitsu
) -> None:
    failing_kitsu.hold = threading.Event()
    failing_kitsu.answers = [(503, {"Retry-After": "4"})]
    submission = upload(2_000_000)
    wait_until(lambda: submission.progress().bytes_read > 0, 20)
    submission.cancel()
    failing_kitsu.hold.set()
    with pytest.raises(Cancelled):
        submission.wait(3)


def test_a_name_that_is_not_utf8_is_a_name(worker: Worker, folder: Path) -> None:
    path = os.fsdecode(os.fsencode(folder) + b"/sc\xe8ne.blend")
    Path(path).write_bytes(b"content")
    submission = submit.upload_working_file(SOME_ID, path)
    assert submission.wait(60) == {"id": SOME_ID}
    assert submission.progress().file == path


def test_a_failure_while_redis_is_away_is_tried_again_when_it_is_back(
    redis_server: RedisServer, failing_kitsu: FailingKitsu, upload: Upload, folder: Path
) -> None:
    """A switch that reboots takes Kitsu and Redis at once."""
    settings = settings_for(redis_server, failing_kitsu, folder, 0)
    settings["FARM_TASKS_RETRY_SECONDS"] = "60"
    with environment_of(settings), running_worker(folder / "outage", settings) as worker:
        failing_kitsu.hold = threading.Event()
        failing_kitsu.answers = [(502, {})]
        submission = upload(20_000_000)
        wait_until(lambda: submission.progress().bytes_read > 0, 20)
        redis_server.kill()
        failing_kitsu.hold.set()
        wait_until(lambda: "Redis is away, and waited for" in worker.log.read_text(), 30)
        redis_server.start()
        assert submission.wait(60) == {"id": SOME_ID}
        assert submission.progress().attempt == 2


def test_a_message_of_work_that_is_done_is_not_done_again(
    upload: Upload, worker: Worker, failing_kitsu: FailingKitsu
) -> None:
    submission = upload()
    submission.wait(60)
    record = submission.record()
    sender().send_task(
        "farm_tasks.upload_working_file", kwargs=record.arguments, task_id=submission.id
    )
    wait_until(lambda: "has ended already" in worker.log.read_text(), 20)
    assert len(failing_kitsu.posts) == 1
    assert submission.state == SUCCESS


def test_a_group_that_names_one_twice_counts_it_once(upload: Upload, worker: Worker) -> None:
    one = upload()
    group = Group.of([one, one])
    assert group.wait(60) == [{"id": SOME_ID}]


def test_a_file_name_cannot_forge_a_line_of_the_log(worker: Worker, folder: Path) -> None:
    path = folder / "a\r\nX-Evil: 1\x1b[2J.blend"
    submission = submit.download_working_file(SOME_ID, str(path))
    submission.wait(60)
    wait_until(lambda: f"[{submission.id}] succeeded" in worker.log.read_text(), 10)
    log = worker.log.read_text()
    assert "a\\x0d\\x0aX-Evil: 1\\x1b[2J.blend" in log
    assert "\nX-Evil" not in log
    assert "\x1b[2J" not in log


def test_cancelling_what_is_unknown_is_an_error(alone: Settings) -> None:
    with pytest.raises(UnknownSubmission):
        Submission(SOME_ID).cancel()
    assert redis_client().dbsize() == 0


@pytest.mark.parametrize(
    "comment", [{"text": "x"}, {"task_id": SOME_ID, "task_status_id": SOME_ID}, {"text": 7}]
)
def test_a_comment_of_a_batch_that_lacks_something_is_refused(
    comment: dict[str, object], worker: Worker, failing_kitsu: FailingKitsu
) -> None:
    with pytest.raises(InvalidArgument):
        submit.batch_comments([comment]).wait(60)
    assert not failing_kitsu.posts
