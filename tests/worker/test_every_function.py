"""Every function as a task: submitted, through Redis and a real worker, to a real Kitsu."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import gazu
import pytest
from gazu.client import KitsuClient

from farm_tasks import submit
from farm_tasks.errors import EntityNotFound
from farm_tasks.kitsu import operations
from farm_tasks.kitsu.client import kitsu_client
from farm_tasks.sandbox import SandboxInfo
from farm_tasks.submit import Submission
from tests.support.media import digest, movie, noise, picture
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("kitsu_worker")

PNG = b"\x89PNG\r\n\x1a\n"
WAIT = 60.0

ran: set[str] = set()


def run(function: str, *arguments: Any, **options: Any) -> Any:
    """Submit, wait, and see that the last figures are those of a whole transfer."""
    ran.add(function)
    submission: Submission = getattr(submit, function)(*arguments, **options)
    result = submission.wait(WAIT)
    progress = submission.progress()
    assert progress.bytes_read == progress.total
    assert progress.stage == "done"
    return result


@pytest.fixture
def api(kitsu: SandboxInfo) -> KitsuClient:
    return kitsu_client()


@pytest.fixture
def comment(kitsu: SandboxInfo) -> dict[str, Any]:
    made: dict[str, Any] = run("add_comment", kitsu.task_id, kitsu.task_status_ids["wip"], "Hello")
    return made


@pytest.fixture(scope="session")
def ready_movie_id() -> dict[str, str]:
    return {}


@pytest.fixture
def ready_movie(
    ready_movie_id: dict[str, str], api: KitsuClient, kitsu: SandboxInfo, projects: Path
) -> str:
    """A movie preview that Kitsu has transcoded, made once."""
    if "id" not in ready_movie_id:
        path = movie(kitsu, projects / "shot.mp4")
        _, preview = run(
            "publish_preview",
            kitsu.task_id,
            kitsu.task_status_ids["wfa"],
            "Please review",
            preview_file_path=str(path),
            set_thumbnail=True,
        )
        ready_movie_id["id"] = until_ready(preview["id"], api)["id"]
    return ready_movie_id["id"]


def until_ready(preview: str, api: KitsuClient) -> dict[str, Any]:
    def ready() -> dict[str, Any] | None:
        found: dict[str, Any] = gazu.files.get_preview_file(preview, client=api)
        assert found["status"] != "broken"
        return found if found["status"] == "ready" else None

    found = wait_until(ready, WAIT, every=0.2)
    assert found is not None
    return found


def test_a_working_file_comes_back_byte_for_byte(
    kitsu: SandboxInfo, api: KitsuClient, projects: Path
) -> None:
    made = gazu.files.new_working_file(
        kitsu.task_id, name="main", software=kitsu.software_id, client=api
    )
    sent = noise(projects / "scene.blend", 3_000_001)
    assert run("upload_working_file", made, str(sent))["id"] == made["id"]
    got = run("download_working_file", made, str(projects / "back" / "scene.blend"))
    assert got["size"] == 3_000_001
    assert digest(got["file_path"]) == digest(sent)


def test_a_working_file_without_a_path_goes_where_kitsu_has_it(
    kitsu: SandboxInfo, api: KitsuClient, projects: Path
) -> None:
    made = gazu.files.new_working_file(
        kitsu.task_id, name="placed", software=kitsu.software_id, client=api
    )
    place = Path(made["path"])
    assert place.is_relative_to(kitsu.projects_folder)
    sent = noise(projects / "scene.blend", 1000)
    run("upload_working_file", made, str(sent))
    got = run("download_working_file", made)
    assert Path(got["file_path"]) == place
    assert digest(place) == digest(sent)


@pytest.mark.parametrize("kind", ["person", "project", "organisation"])
def test_an_avatar_goes_up_and_comes_down(kind: str, kitsu: SandboxInfo, projects: Path) -> None:
    entity = getattr(kitsu, f"{kind}_id")
    sent = picture(kitsu, projects / "avatar.png")
    assert "thumbnail_path" in run(f"upload_{kind}_avatar", entity, str(sent))
    got = run(f"download_{kind}_avatar", entity, str(projects / "back.png"))
    assert Path(got["file_path"]).read_bytes().startswith(PNG)


def test_set_avatar_is_gazu_persons_name_for_it(kitsu: SandboxInfo, projects: Path) -> None:
    sent = picture(kitsu, projects / "avatar.jpg")
    assert "thumbnail_path" in run("set_avatar", kitsu.person_id, str(sent))


def test_attachments_keep_their_names_types_and_bytes(
    kitsu: SandboxInfo, api: KitsuClient, projects: Path
) -> None:
    names = ["a.txt", "b #1?.zip", "c.png"]
    sent = [noise(projects / name, 1000 + n) for n, name in enumerate(names)]
    made = run(
        "add_comment",
        kitsu.task_id,
        kitsu.task_status_ids["wip"],
        "See these",
        attachments=[str(path) for path in sent],
    )
    attachments = sorted(made["attachment_files"], key=lambda one: one["size"])
    assert [one["name"] for one in attachments] == names
    models = [gazu.files.get_attachment_file(one["id"], client=api) for one in attachments]
    assert [one["mimetype"] for one in models] == ["text/plain", "application/zip", "image/png"]
    for attachment, path in zip(attachments, sent, strict=True):
        got = run("download_attachment_file", attachment, str(projects / "back"))
        assert digest(got["file_path"]) == digest(path)


def test_a_comment_without_attachments_ends_its_progress_too(comment: dict[str, Any]) -> None:
    assert comment["text"] == "Hello"


def test_attachments_can_be_added_later(
    kitsu: SandboxInfo, comment: dict[str, Any], projects: Path
) -> None:
    sent = noise(projects / "notes.pdf", 100)
    added = run("add_attachment_files_to_comment", kitsu.task_id, comment, [str(sent)])
    assert [one["name"] for one in added] == ["notes.pdf"]


def test_the_thumbnail_of_a_comments_attachment_is_not_there(
    kitsu: SandboxInfo, projects: Path
) -> None:
    sent = picture(kitsu, projects / "frame.png")
    made = run("add_comment", kitsu.task_id, kitsu.task_status_ids["wip"], attachments=[str(sent)])
    ran.add("download_attachment_thumbnail")
    submission = submit.download_attachment_thumbnail(
        made["attachment_files"][0], str(projects / "thumbnail.png")
    )
    with pytest.raises(EntityNotFound):
        submission.wait(WAIT)
    assert not (projects / "thumbnail.png").exists()


def test_many_comments_go_in_one_batch_with_their_files(kitsu: SandboxInfo, projects: Path) -> None:
    attachment = noise(projects / "notes.pdf", 500)
    preview = picture(kitsu, projects / "frame.png")
    made = run(
        "batch_comments",
        [
            {
                "task_id": kitsu.task_id,
                "task_status_id": kitsu.task_status_ids["wip"],
                "text": "first",
                "attachment_files": [str(attachment)],
            },
            {
                "task_id": kitsu.task_id,
                "task_status_id": kitsu.task_status_ids["wip"],
                "text": "second",
                "preview_files": [str(preview)],
            },
        ],
    )
    assert [one["text"] for one in made] == ["first", "second"]


def test_a_movie_kept_as_sent_comes_back_byte_for_byte(
    kitsu: SandboxInfo, api: KitsuClient, comment: dict[str, Any], projects: Path
) -> None:
    sent = movie(kitsu, projects / "kept.mp4")
    preview = run("upload_preview_file", comment, str(sent), normalize_movie=False)
    until_ready(preview["id"], api)
    got = run("download_preview_file", preview, str(projects / "back.mp4"))
    assert digest(got["file_path"]) == digest(sent)


def test_a_preview_that_is_no_media_comes_back_byte_for_byte(
    comment: dict[str, Any], projects: Path
) -> None:
    sent = noise(projects / "scene.blend", 700_000)
    preview = run("upload_preview_file", comment, str(sent))
    got = run("download_preview_file", preview, str(projects / "back.blend"))
    assert digest(got["file_path"]) == digest(sent)


def test_a_comments_empty_preview_is_used_again(
    kitsu: SandboxInfo, api: KitsuClient, comment: dict[str, Any], projects: Path
) -> None:
    waiting = gazu.task.create_preview(kitsu.task_id, comment, client=api)
    sent = picture(kitsu, projects / "frame.png")
    assert run("upload_preview_file", comment["id"], str(sent))["id"] == waiting["id"]


@pytest.mark.parametrize(
    "function",
    [
        "download_preview_file_thumbnail",
        "download_preview_file_cover",
        "extract_tile_from_preview",
    ],
)
def test_a_movies_pictures_are_pngs(function: str, ready_movie: str, projects: Path) -> None:
    got = run(function, ready_movie, str(projects / "picture.png"))
    assert Path(got["file_path"]).read_bytes().startswith(PNG)
    assert got["content_type"] == "image/png"


@pytest.mark.parametrize("function", ["download_preview_movie", "download_preview_lowdef_movie"])
def test_a_movie_comes_down_transcoded(function: str, ready_movie: str, projects: Path) -> None:
    got = run(function, ready_movie, str(projects / "movie.mp4"))
    assert b"ftyp" in Path(got["file_path"]).read_bytes()[:16]


def test_one_frame_of_a_movie_comes_down(ready_movie: str, projects: Path) -> None:
    got = run("extract_frame_from_preview", ready_movie, 5, str(projects / "frame.png"))
    assert Path(got["file_path"]).read_bytes().startswith(PNG)


def test_previews_share_a_revision(
    kitsu: SandboxInfo, comment: dict[str, Any], projects: Path
) -> None:
    sent = picture(kitsu, projects / "frame.png")
    first = run("add_preview", kitsu.task_id, comment, str(sent))
    second = run("add_extra_preview", kitsu.task_id, comment, first, str(sent))
    assert second["revision"] == first["revision"]
    assert second["id"] != first["id"]


def test_a_publish_is_a_comment_and_a_preview(
    ready_movie: str, kitsu: SandboxInfo, api: KitsuClient
) -> None:
    preview = gazu.files.get_preview_file(ready_movie, client=api)
    assert preview["task_id"] == kitsu.task_id
    assert preview["original_name"] == "shot"


def test_a_playlist_comes_down_as_zip_and_as_movie(
    ready_movie: str, kitsu: SandboxInfo, api: KitsuClient, projects: Path
) -> None:
    playlist = gazu.playlist.new_playlist(kitsu.project_id, "Dailies", client=api)
    playlist = gazu.playlist.get_playlist(playlist, client=api)
    shot = gazu.shot.get_shot(kitsu.shot_id, client=api)
    gazu.playlist.add_entity_to_playlist(playlist, shot, preview_file=ready_movie, client=api)
    got = run("download_playlist_zip", playlist, str(projects / "dailies.zip"))
    assert Path(got["file_path"]).read_bytes().startswith(b"PK")

    job = gazu.playlist.build_playlist_movie(playlist, client=api)
    wait_until(
        lambda: gazu.playlist.get_build_job(playlist, job, client=api)["status"] == "succeeded",
        WAIT,
        every=0.2,
    )
    got = run("download_playlist_build", playlist, job, str(projects / "dailies.mp4"))
    assert b"ftyp" in Path(got["file_path"]).read_bytes()[:16]


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("assets", [["Type", "Name"], ["Props", "Lamp"]]),
        ("shots", [["Sequence", "Name"], ["SQ09", "SH090"]]),
    ],
)
def test_a_table_goes_up_and_comes_down(
    kind: str, rows: list[list[str]], kitsu: SandboxInfo, projects: Path
) -> None:
    table = projects / f"{kind}.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    run(f"import_{kind}_with_csv", kitsu.project_id, str(table))
    got = run(f"export_{kind}_with_csv", kitsu.project_id, str(projects / "back.csv"))
    assert rows[1][1] in Path(got["file_path"]).read_text()


def test_an_edit_becomes_shots(kitsu: SandboxInfo, projects: Path) -> None:
    edit = projects / "cut.edl"
    edit.write_text(
        "TITLE: Cut\nFCM: NON-DROP FRAME\n\n"
        "001  AX       V     C        00:00:00:00 00:00:02:00 01:00:00:00 01:00:02:00\n"
        "* FROM CLIP NAME: Demo_SQ20-SH200\n"
    )
    got = run("import_otio", kitsu.project_id, str(edit))
    assert set(got) == {"created_shots", "updated_shots"}


def test_a_publish_by_names_brings_comment_previews_attachment_and_playlist(
    kitsu: SandboxInfo, api: KitsuClient, projects: Path
) -> None:
    made = gazu.playlist.new_playlist(kitsu.project_id, "Publish Dailies", client=api)
    first, second = (picture(kitsu, projects / f"robot_v0{n}.png") for n in (41, 42))
    notes = projects / "notes.txt"
    notes.write_text("Grain is to come.")
    got = run(
        "publish",
        "demo/prop/robot/modeling",
        previews=[str(first), str(second)],
        task_status="wfa",
        comment="By names",
        person="ada artist",
        attachments=[str(notes)],
        revision="from-name",
        thumbnail="first",
        playlist="publish dailies",
    )
    assert got["task"] == {"id": kitsu.asset_task_id, "path": "Demo/Prop/Robot/Modeling"}
    assert got["revision"] == 41
    assert [one["sha256"] for one in got["previews"]] == [digest(first), digest(second)]
    assert got["notes"] == []
    [comment] = [
        one
        for one in gazu.task.all_comments_for_task(kitsu.asset_task_id, client=api)
        if one["text"] == "By names"
    ]
    assert comment["person_id"] == kitsu.person_id
    assert [one["name"] for one in comment["attachment_files"]] == ["notes.txt"]
    kept = [gazu.files.get_preview_file(one["id"], client=api) for one in comment["previews"]]
    told = {(one["id"], one["revision"], one["status"]) for one in got["previews"]}
    assert {(one["id"], one["revision"], one["status"]) for one in kept} == told
    assert {one["status"] for one in kept} == {"ready"}
    asset = gazu.asset.get_asset(kitsu.asset_id, client=api)
    assert asset["preview_file_id"] == got["previews"][0]["id"]
    [entry] = gazu.playlist.get_playlist(made, client=api)["shots"]
    assert entry["preview_file_id"] == got["previews"][0]["id"]


def test_every_function_was_run() -> None:
    """Last in this file; it says nothing when only some of the tests above were asked for."""
    assert ran == set(operations.__all__)
