"""With a path map, what a submitter sends is the same on every system."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm_tasks import submit
from farm_tasks.errors import NotConfigured
from farm_tasks.submit import Submission
from tests.support.environment import environment_of

TASK = "11111111-1111-4111-8111-111111111111"
STATUS = "22222222-2222-4222-8222-222222222222"

pytestmark = pytest.mark.usefixtures("alone")


def sent(submission: Submission) -> dict[str, object]:
    return submission.record().arguments


@pytest.fixture
def show(tmp_path: Path, alone: dict[str, str]) -> Iterator[Path]:
    """A folder that is P:\\ on Windows and /projects to all."""
    folder = tmp_path / "show"
    folder.mkdir()
    file = tmp_path / "paths.toml"
    file.write_text(f"[show]\nlinux = '{folder}'\nwindows = 'P:'\ncanonical = '/projects'\n")
    with environment_of({**alone, "FARM_TASKS_PATH_MAP": str(file)}):
        yield folder


def test_every_path_argument_is_sent_in_canonical_form(
    show: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (show / "a.mov").write_bytes(b"12345")
    monkeypatch.chdir(show)
    submission = submit.publish_preview(
        TASK,
        STATUS,
        "P:\\no path",
        attachments=["b.txt", f"{show}/c"],
        preview_file_path="P:/a.mov",
    )
    arguments = sent(submission)
    assert arguments["attachments"] == ["/projects/b.txt", "/projects/c"]
    assert arguments["preview_file_path"] == "/projects/a.mov"
    assert arguments["comment"] == "P:\\no path"
    assert submission.progress().file == "/projects/a.mov"
    assert submission.progress().total == 5, "its size is read where it is on this machine"
    comment = {"task_id": TASK, "preview_files": ["P:\\p.png"], "attachment_files": ["x"]}
    assert sent(submit.batch_comments([comment]))["comments"] == [
        {**comment, "preview_files": ["/projects/p.png"], "attachment_files": ["/projects/x"]}
    ]
    for name, function in (
        ("csv_file_path", submit.import_shots_with_csv),
        ("otio_file_path", submit.import_otio),
        ("file_path", submit.download_preview_file),
    ):
        assert sent(function(TASK, "P:\\new"))[name] == "/projects/new"


def test_so_are_the_frames_of_a_publish_and_all_that_goes_with_them(
    show: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(show)
    submission = submit.publish(
        "show/SQ01/SH010/comp", ["P:\\a.mov", "b.mov"], frames="p:/beauty.####.exr", fps=24,
        logo="P:\\logo.png", movie_path=f"{show}/beauty.mp4", color_config="P:\\config.ocio",
        attachments=["notes.txt"],
    )  # fmt: skip
    arguments = sent(submission)
    assert arguments["task"] == "show/SQ01/SH010/comp"
    assert arguments["previews"] == ["/projects/a.mov", "/projects/b.mov"]
    assert arguments["attachments"] == ["/projects/notes.txt"]
    assert [arguments[name] for name in ("frames", "logo", "movie_path", "color_config")] == [
        f"/projects/{name}" for name in ("beauty.####.exr", "logo.png", "beauty.mp4", "config.ocio")
    ]
    for name in ("ocio://default", "studio-config-v2.1.0_aces-v1.3_ocio-v2.3"):
        built_in = submit.publish(TASK, frames="/f.#.exr", fps=24, color_config=name)
        assert sent(built_in)["color_config"] == name


@pytest.mark.parametrize("path", ["Q:\\a", "P:\\..\\a", "\\\\filer\\share\\a", "//filer/share/a"])
def test_a_path_of_another_system_is_not_put_into_the_current_folder(show: Path, path: str) -> None:
    assert sent(submit.upload_working_file(TASK, path))["file_path"] == path


def test_without_a_map_neither(alone: dict[str, str]) -> None:
    assert sent(submit.upload_working_file(TASK, "P:\\a"))["file_path"] == "P:\\a"
    assert sent(submit.upload_working_file(TASK, "/mnt//a/../b"))["file_path"] == "/mnt//a/../b"


def test_a_wrong_map_keeps_everything_from_being_submitted(
    tmp_path: Path, alone: dict[str, str]
) -> None:
    file = tmp_path / "paths.toml"
    file.write_text("[show]\nlinux = 'projects'")
    variables = {**alone, "FARM_TASKS_PATH_MAP": str(file)}
    with environment_of(variables), pytest.raises(NotConfigured, match=r"\[show\] linux"):
        submit.upload_working_file(TASK, "/a")
    assert json.dumps([one.id for one in submit.recent(5)]) == "[]"
