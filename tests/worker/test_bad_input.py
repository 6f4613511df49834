"""Bad input ends as an error of ours that says what to do, and leaves nothing half-written.

Everything goes through the real worker, so that what is seen is what a submitter sees.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import gazu
import pytest

from farm_tasks import submit
from farm_tasks.errors import (
    AlreadyUploaded,
    EmptyFile,
    EntityNotFound,
    ExtensionRefused,
    FarmTasksError,
    FileChanged,
    FileMissing,
    InvalidArgument,
    NotAuthenticated,
    OutsideRoots,
    TooLarge,
)
from farm_tasks.kitsu.client import kitsu_client
from farm_tasks.sandbox import SandboxInfo
from farm_tasks.submit import Submission
from farm_tasks.submit.connection import sender
from tests.support.environment import environment_of
from tests.support.media import noise, picture
from tests.support.worker import Worker, running_worker

pytestmark = pytest.mark.usefixtures("kitsu_worker")

NOBODY = "00000000-0000-4000-8000-000000000000"


def failure(submission: Submission, kind: type[FarmTasksError]) -> FarmTasksError:
    """Wait for the failure, and see that its record tells of it as well."""
    with pytest.raises(kind) as caught:
        submission.wait(30)
    record = submission.record()
    assert record.state == "FAILURE"
    assert record.progress.stage == "failed"
    assert str(record.error) == str(caught.value)
    assert caught.value.exit_code == kind.exit_code
    return caught.value


@pytest.fixture
def preview(kitsu: SandboxInfo) -> str:
    """A preview that waits for its content."""
    api = kitsu_client()
    comment = gazu.task.add_comment(
        kitsu.task_id, kitsu.task_status_ids["wip"], "Bad input", client=api
    )
    made = gazu.task.create_preview(kitsu.task_id, comment, client=api)
    return str(made["id"])


def is_still_there(preview: str) -> bool:
    found = gazu.files.get_preview_file(preview, client=kitsu_client())
    return not found["original_name"]


def test_a_path_outside_the_roots(kitsu: SandboxInfo, tmp_path: Path) -> None:
    sent = noise(tmp_path / "secret.blend", 10)
    error = failure(submit.upload_working_file(NOBODY, str(sent)), OutsideRoots)
    assert "FARM_TASKS_READ_ROOTS" in str(error)
    target = tmp_path / "new.blend"
    error = failure(submit.download_working_file(NOBODY, str(target)), OutsideRoots)
    assert "FARM_TASKS_WRITE_ROOTS" in str(error)
    assert not target.exists()


def test_a_link_that_leads_outside_the_roots(
    kitsu: SandboxInfo, projects: Path, tmp_path: Path
) -> None:
    noise(tmp_path / "secret.blend", 10)
    (projects / "link.blend").symlink_to(tmp_path / "secret.blend")
    failure(submit.upload_working_file(NOBODY, str(projects / "link.blend")), OutsideRoots)
    (projects / "up").symlink_to(tmp_path)
    failure(submit.download_working_file(NOBODY, str(projects / "up" / "x")), OutsideRoots)
    dots = f"{projects}/../../../outside"
    failure(submit.download_working_file(NOBODY, dots), OutsideRoots)


def test_a_file_that_is_missing(kitsu: SandboxInfo, projects: Path) -> None:
    error = failure(
        submit.upload_working_file(NOBODY, str(projects / "missing.blend")), FileMissing
    )
    assert "missing.blend does not exist" in str(error)


def test_a_folder(kitsu: SandboxInfo, projects: Path) -> None:
    failure(submit.upload_working_file(NOBODY, str(projects)), InvalidArgument)
    failure(submit.download_working_file(NOBODY, str(projects)), InvalidArgument)


def test_a_pipe(kitsu: SandboxInfo, projects: Path) -> None:
    os.mkfifo(projects / "pipe.blend")
    failure(submit.upload_working_file(NOBODY, str(projects / "pipe.blend")), InvalidArgument)


def test_an_empty_preview_does_not_cost_its_row(
    kitsu: SandboxInfo, projects: Path, preview: str
) -> None:
    (projects / "empty.mp4").touch()
    error = failure(submit.upload_preview_file(preview, str(projects / "empty.mp4")), EmptyFile)
    assert "has the render ended?" in str(error)
    assert is_still_there(preview)


@pytest.mark.parametrize("name", ["frame.tif", "notes.txt", "archive.tar.gz", "none"])
def test_an_extension_that_kitsu_refuses_does_not_cost_the_preview_its_row(
    name: str, kitsu: SandboxInfo, projects: Path, preview: str
) -> None:
    sent = noise(projects / name, 10)
    error = failure(submit.upload_preview_file(preview, str(sent)), ExtensionRefused)
    assert "mp4" in str(error)
    assert is_still_there(preview)


def test_a_preview_that_has_its_content(kitsu: SandboxInfo, projects: Path, preview: str) -> None:
    sent = picture(kitsu, projects / "frame.png")
    submit.upload_preview_file(preview, str(sent)).wait(30)
    failure(submit.upload_preview_file(preview, str(sent)), AlreadyUploaded)


@pytest.mark.parametrize("entity", ["", "SH010", "../../etc", {"id": 7}, {"name": "SH010"}])
def test_an_id_that_is_none_is_refused_at_the_submitters(
    entity: str, kitsu: SandboxInfo, projects: Path
) -> None:
    with pytest.raises(InvalidArgument, match="not a Kitsu id"):
        submit.upload_working_file(entity, str(projects / "x"))


def test_an_id_that_names_nothing(kitsu: SandboxInfo, projects: Path) -> None:
    sent = noise(projects / "scene.blend", 10)
    failure(submit.upload_working_file(NOBODY, str(sent)), EntityNotFound)
    failure(submit.upload_preview_file(NOBODY, str(sent)), EntityNotFound)
    target = projects / "nothing.mp4"
    failure(submit.download_preview_file(NOBODY, str(target)), EntityNotFound)
    assert sorted(path.name for path in projects.iterdir()) == ["scene.blend"]


def test_a_message_with_a_wrong_id_an_unknown_argument_or_a_missing_one(
    kitsu: SandboxInfo, projects: Path
) -> None:
    """Whoever sends by name alone is not protected by our submitter."""
    sent = noise(projects / "scene.blend", 10)
    for kwargs in (
        {"working_file": "SH010", "file_path": str(sent)},
        {"working_file": NOBODY, "file_path": str(sent), "speed": 11},
        {"working_file": NOBODY},
        {"working_file": NOBODY, "file_path": ""},
        {"working_file": NOBODY, "file_path": 7},
        {"working_file": NOBODY, "file_path": "relative.blend"},
        {"working_file": ["nested"], "file_path": str(sent)},
    ):
        result = sender().send_task("farm_tasks.upload_working_file", kwargs=kwargs)
        with pytest.raises(InvalidArgument):
            Submission(result.id).wait(30) if result.state != "PENDING" else _wait(result.id)


def _wait(task_id: str) -> None:
    """A message that did not come from our submitter has no record until a worker takes it."""
    deadline = time.monotonic() + 30
    while sender().backend.get_state(task_id) == "PENDING":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    Submission(task_id).wait(30)


def test_a_file_that_changes_while_it_is_read_is_not_stored(
    kitsu: SandboxInfo, projects: Path
) -> None:
    api = kitsu_client()
    made = gazu.files.new_working_file(
        kitsu.task_id, name="changing", software=kitsu.software_id, client=api
    )
    path = projects / "growing.blend"
    with path.open("wb") as file:
        file.truncate(400_000_000)
    submission = submit.upload_working_file(made, str(path))
    with path.open("ab") as file:
        for progress in submission.watch(30):
            if progress.bytes_read:
                file.write(b"one more frame")
                file.flush()
    error = failure(submission, FileChanged)
    assert "growing.blend changed" in str(error)
    failure(submit.download_working_file(made, str(projects / "back.blend")), EntityNotFound)
    path.unlink()


def test_a_file_over_the_limit_a_and_a_wrong_token(
    kitsu: SandboxInfo, projects: Path, tmp_path: Path
) -> None:
    sent = noise(projects / "scene.blend", 2000)
    redis = {"FARM_TASKS_BROKER_URL": kitsu.broker_url.rsplit("/", 1)[0] + "/12"}
    redis["FARM_TASKS_RESULT_BACKEND"] = kitsu.broker_url.rsplit("/", 1)[0] + "/13"
    settings = {**kitsu.environment(), **redis, "FARM_TASKS_MAX_UPLOAD_BYTES": "1000"}
    settings["KITSU_BOT_TOKEN"] = "not.a.token"
    with environment_of(settings), running_worker(tmp_path / "worker", settings, concurrency=1):
        error = failure(submit.upload_working_file(NOBODY, str(sent)), TooLarge)
        assert "FARM_TASKS_MAX_UPLOAD_BYTES" in str(error)
        assert "client_max_body_size" in str(error)
        small = noise(projects / "small.blend", 10)
        error = failure(submit.upload_working_file(NOBODY, str(small)), NotAuthenticated)
        assert "KITSU_BOT_TOKEN" in str(error)


def test_a_failure_is_a_line_in_the_workers_log_without_a_traceback(
    kitsu: SandboxInfo, kitsu_worker: Worker, projects: Path
) -> None:
    submission = submit.upload_working_file(NOBODY, str(projects / "unheard-of.blend"))
    failure(submission, FileMissing)
    lines = [one for one in kitsu_worker.log.read_text().splitlines() if submission.id in one]
    assert any("unheard-of.blend does not exist" in one for one in lines)
    assert not any("Traceback" in one for one in lines)


def test_what_is_stored_of_a_failure_is_json(kitsu: SandboxInfo, projects: Path) -> None:
    submission = submit.upload_working_file(NOBODY, str(projects / "missing.blend"))
    failure(submission, FileMissing)
    meta = json.loads(sender().backend.client.get(f"celery-task-meta-{submission.id}"))
    assert meta["result"]["exc_type"] == "FileMissing"
    assert meta["progress"]["file"].endswith("missing.blend")
