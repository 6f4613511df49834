"""What the sandbox's Kitsu does for the transfer functions, asked with gazu alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gazu
import pytest

from farm_tasks.sandbox import SandboxInfo
from tests.support.media import movie, picture
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def bot(sandbox: SandboxInfo) -> Any:
    client = gazu.client.create_client(sandbox.kitsu_host)
    gazu.client.set_tokens({"access_token": sandbox.bot_token}, client=client)
    return client


@pytest.fixture(scope="module")
def png(sandbox: SandboxInfo, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(picture(sandbox, tmp_path_factory.mktemp("media") / "frame.png", "64x64"))


@pytest.fixture
def comment(sandbox: SandboxInfo, bot: Any, png: str) -> Any:
    status = sandbox.task_status_ids["wip"]
    return gazu.task.add_comment(sandbox.task_id, status, "", attachments=[png], client=bot)


def publish(sandbox: SandboxInfo, bot: Any, path: str) -> Any:
    """Publish a preview and return it once it is ready."""
    status = sandbox.task_status_ids["wfa"]
    _comment, preview = gazu.task.publish_preview(
        sandbox.task_id, status, preview_file_path=path, client=bot
    )

    def ready() -> Any:
        now = gazu.files.get_preview_file(preview["id"], client=bot)
        return now if now["status"] != "processing" else None

    return wait_until(ready, 60)


def test_the_administrator_logs_in(sandbox: SandboxInfo) -> None:
    client = gazu.client.create_client(sandbox.kitsu_host)

    answer = gazu.log_in(sandbox.login, sandbox.password, client=client)  # type: ignore[no-untyped-call]

    assert answer["user"]["role"] == "admin"


def test_what_was_seeded_is_there(sandbox: SandboxInfo, bot: Any) -> None:
    shot_task = gazu.task.get_task(sandbox.task_id, client=bot)
    asset_task = gazu.task.get_task(sandbox.asset_task_id, client=bot)

    assert (shot_task["task_type"]["name"], shot_task["entity"]["name"]) == ("Compositing", "SH010")
    assert (asset_task["task_type"]["name"], asset_task["entity"]["name"]) == ("Modeling", "Robot")
    assert shot_task["sequence"]["id"] == sandbox.sequence_id
    assert shot_task["project"]["name"] == sandbox.project_name
    assert sandbox.person_id in [person["id"] for person in shot_task["persons"]]
    assert {"todo", "wip", "wfa", "retake", "done"} <= set(sandbox.task_status_ids)
    assert gazu.files.get_software(sandbox.software_id, client=bot)["name"] == "Blender"


def test_a_picture_becomes_ready(sandbox: SandboxInfo, bot: Any, png: str) -> None:
    assert publish(sandbox, bot, png)["status"] == "ready"


def test_a_movie_is_normalised_by_the_job_worker(
    sandbox: SandboxInfo, bot: Any, tmp_path: Path
) -> None:
    preview = publish(sandbox, bot, str(movie(sandbox, tmp_path / "shot.mp4", 0.25, "64x64")))

    assert (preview["status"], preview["extension"]) == ("ready", "mp4")
    for download in (
        gazu.files.download_preview_movie,
        gazu.files.download_preview_lowdef_movie,
        gazu.files.download_preview_file_cover,
    ):
        download(preview["id"], str(tmp_path / "back"), client=bot)
        assert (tmp_path / "back").stat().st_size


def test_a_working_file_lies_in_the_projects_folder(
    sandbox: SandboxInfo, bot: Any, png: str, tmp_path: Path
) -> None:
    working_file = gazu.files.new_working_file(
        sandbox.task_id, name="comp", software=sandbox.software_id, client=bot
    )
    gazu.files.upload_working_file(working_file, png, client=bot)
    gazu.files.download_working_file(working_file, str(tmp_path / "back"), client=bot)

    assert Path(working_file["path"]).is_relative_to(sandbox.projects_folder)
    assert (tmp_path / "back").read_bytes() == Path(png).read_bytes()


AVATARS: dict[str, Callable[[SandboxInfo, Any, str], Any]] = {
    "organisation": lambda box, bot, png: gazu.files.upload_organisation_avatar(
        box.organisation_id, png, client=bot
    ),
    "project": lambda box, bot, png: gazu.files.upload_project_avatar(
        box.project_id, png, client=bot
    ),
    "person": lambda box, bot, png: gazu.files.upload_person_avatar(box.person_id, png, client=bot),
    "set": lambda box, bot, png: gazu.person.set_avatar(box.person_id, png, client=bot),
}


@pytest.mark.parametrize("whose", AVATARS)
def test_the_bot_may_set_every_avatar(whose: str, sandbox: SandboxInfo, bot: Any, png: str) -> None:
    assert AVATARS[whose](sandbox, bot, png)["thumbnail_path"]


def test_the_bot_may_import_and_export_csv(sandbox: SandboxInfo, bot: Any, tmp_path: Path) -> None:
    assets, shots = tmp_path / "assets.csv", tmp_path / "shots.csv"
    assets.write_text("Type,Name,Description\nProp,Lamp,lit\n")
    shots.write_text("Sequence,Name,Description\nSQ01,SH020,wide\n")

    assert gazu.asset.import_assets_with_csv(sandbox.project_id, str(assets), client=bot)
    assert gazu.shot.import_shots_with_csv(sandbox.project_id, str(shots), client=bot)
    gazu.asset.export_assets_with_csv(sandbox.project_id, str(tmp_path / "a"), client=bot)
    gazu.shot.export_shots_with_csv(sandbox.project_id, str(tmp_path / "s"), client=bot)

    assert "Lamp" in (tmp_path / "a").read_text()
    assert "SH020" in (tmp_path / "s").read_text()


def test_the_bot_may_import_a_timeline(sandbox: SandboxInfo, bot: Any, tmp_path: Path) -> None:
    timeline = tmp_path / "cut.edl"
    timeline.write_text(
        "TITLE: cut\nFCM: NON-DROP FRAME\n"
        "001  AX  V  C  00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\n"
        "* FROM CLIP NAME: Demo_SQ01-SH010\n"
    )

    answer = gazu.shot.import_otio(sandbox.project_id, str(timeline), client=bot)

    assert [shot["id"] for shot in answer["updated_shots"]] == [sandbox.shot_id]


def test_the_bot_may_attach_more_to_a_comment(
    sandbox: SandboxInfo, bot: Any, png: str, comment: Any
) -> None:
    gazu.task.add_attachment_files_to_comment(sandbox.task_id, comment, [png], client=bot)

    again = gazu.task.get_comment(comment["id"], client=bot)
    assert len(again["attachment_files"]) == 2


def test_the_bot_may_comment_for_an_artist(sandbox: SandboxInfo, bot: Any) -> None:
    status = sandbox.task_status_ids["wip"]

    comment = gazu.task.add_comment(
        sandbox.task_id, status, "as Ada", person=sandbox.person_id, client=bot
    )

    assert comment["person_id"] == sandbox.person_id


def test_the_bot_may_comment_in_a_batch(sandbox: SandboxInfo, bot: Any, png: str) -> None:
    one = {
        "task_id": sandbox.asset_task_id,
        "task_status_id": sandbox.task_status_ids["wip"],
        "text": "batch",
        "attachment_files": [png],
        "preview_files": [png],
    }

    [comment] = gazu.task.batch_comments([one], client=bot)

    again = gazu.task.get_comment(comment["id"], client=bot)
    assert len(again["attachment_files"]) == len(again["previews"]) == 1


def test_events_tell_of_a_movie_that_became_ready(
    sandbox: SandboxInfo, bot: Any, tmp_path: Path
) -> None:
    told: list[Any] = []
    listener = gazu.client.create_client(sandbox.kitsu_host)
    gazu.client.set_tokens({"access_token": sandbox.bot_token}, client=listener)
    gazu.client.set_event_host(sandbox.event_host, client=listener)
    events = gazu.events.init(client=listener)
    try:
        gazu.events.add_listener(events, "preview-file:update", told.append)
        wait_until(lambda: "/events" in events.namespaces, 10)

        preview = publish(sandbox, bot, str(movie(sandbox, tmp_path / "shot.mp4", 0.25, "64x64")))

        wait_until(lambda: preview["id"] in {event["preview_file_id"] for event in told}, 10)
    finally:
        events.disconnect()
