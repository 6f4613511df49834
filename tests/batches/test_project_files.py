"""What Kitsu is asked for and what it says, on a real one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gazu
import pytest

from farm_tasks.batches.kinds import KINDS
from farm_tasks.batches.naming import Template
from farm_tasks.batches.presence import whole_here
from farm_tasks.batches.project_files import Choice, Found, files_of
from farm_tasks.errors import EntityNotFound, InvalidArgument
from farm_tasks.kitsu import operations
from farm_tasks.kitsu.client import kitsu_client
from farm_tasks.sandbox import SandboxInfo
from tests.support.environment import environment_of
from tests.support.media import movie, picture
from tests.support.waiting import wait_until

FLAT = [
    "Robot_Modeling_v001.png",
    "SQ01_SH010_Compositing_v001.png",
    "SQ01_SH010_Compositing_v001_2.png",
    "SQ01_SH010_Compositing_v002.mp4",
    "SQ02_SH020_Compositing_v001.png",
]


class Production(NamedTuple):
    name: str
    tasks: dict[str, Any]
    playlist: str


@pytest.fixture(scope="module")
def production(sandbox: SandboxInfo) -> Iterator[Production]:
    """Two sequences with a shot each, an asset, a movie, pictures, a playlist, attachments."""
    with environment_of(sandbox.environment()):
        yield _make(sandbox)


def _make(sandbox: SandboxInfo) -> Production:
    client = kitsu_client()
    name = f"Found {uuid.uuid4().hex[:6]}"
    project = gazu.project.new_project(name, team=[sandbox.bot_id], client=client)
    compositing = gazu.task.get_task_type_by_name("Compositing", "Shot", client=client)
    modeling = gazu.task.get_task_type_by_name("Modeling", "Asset", client=client)
    asset_type = gazu.asset.all_asset_types(client=client)[0]
    robot = gazu.asset.new_asset(project, asset_type, "Robot", client=client)
    tasks = {"Robot": gazu.task.new_task(robot, modeling, client=client)}
    for sequence_name, shot_name in (("SQ01", "SH010"), ("SQ02", "SH020")):
        sequence = gazu.shot.new_sequence(project, sequence_name, client=client)
        shot = gazu.shot.new_shot(project, sequence, shot_name, client=client)
        tasks[shot_name] = gazu.task.new_task(shot, compositing, client=client)
    folder = sandbox.projects_folder / "found"
    folder.mkdir()
    still = str(picture(sandbox, folder / "still.png", "160x90"))
    film = str(movie(sandbox, folder / "film.mov", 0.5, "160x90"))
    for size, note in enumerate(("note.pdf", "no ex", "note.txt"), 100):
        (folder / note).write_bytes(bytes(size))
    wfa = sandbox.task_status_ids["wfa"]

    def publish(shot: str, *files: str, attachments: tuple[str, ...] = ()) -> Any:
        attached = [str(folder / one) for one in attachments]
        comment = operations.add_comment(tasks[shot], wfa, attachments=attached, client=client)
        return [operations.add_preview(tasks[shot], comment, one, client=client) for one in files][
            -1
        ]

    publish("Robot", still)
    publish("SH010", still, still, attachments=("note.pdf", "no ex"))
    latest = publish("SH010", film)
    last = publish("SH020", still, attachments=("note.txt",))
    playlist = gazu.playlist.new_playlist(project, "Dailies", client=client)
    gazu.playlist.add_entity_to_playlist(playlist, tasks["SH020"]["entity_id"], last, client=client)
    wait_until(lambda: _is_ready(latest["id"], client), 60, every=0.2)
    return Production(name, tasks, playlist["id"])


def _is_ready(preview_file: str, client: Any) -> bool:
    return bool(gazu.files.get_preview_file(preview_file, client=client)["status"] == "ready")


def names(found: list[Found]) -> list[str]:
    return [one.file_name for one in found]


def test_without_a_choice_all_of_a_project_is_found(production: Production) -> None:
    found = files_of(production.name)
    assert names(found) == FLAT
    assert found[1].target == f"{production.name}/SQ01/SH010/Compositing"


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(sequence="sq01"), FLAT[1:4]),
        (Choice(sequence="SQ01", latest=True), FLAT[3:4]),
        (Choice(latest=True), [FLAT[0], FLAT[3], FLAT[4]]),
        (Choice(task_type="Modeling"), FLAT[:1]),
        (Choice(playlist="Dailies"), FLAT[4:]),
        (Choice(playlist="Dailies", sequence="SQ01"), []),
    ],
)
def test_what_is_chosen_keeps_its_name(
    production: Production, choice: Choice, expected: list[str]
) -> None:
    assert names(files_of(production.name, choice=choice)) == expected


def test_a_playlist_may_be_given_by_its_id(production: Production) -> None:
    choice = Choice(playlist=production.playlist)
    assert names(files_of(production.name, choice=choice)) == FLAT[4:]


def test_a_template_makes_folders(production: Production) -> None:
    template = Template("{sequence}/{shot}/{task_type}/v{revision:03}{position}.{extension}")
    found = names(files_of(production.name, "previews", Choice(latest=True), template))
    assert found[1:] == ["SQ01/SH010/Compositing/v002.mp4", "SQ02/SH020/Compositing/v001.png"]
    assert found[0].endswith("/Robot/Modeling/v001.png"), "of an asset, its type and its name"


def test_names_of_a_template_are_distinct_too(production: Production) -> None:
    found = names(files_of(production.name, template=Template("all/{project}.{extension}")))
    assert len(set(found)) == 5


def test_attachments_are_found_with_their_own_names(production: Production) -> None:
    found = files_of(production.name, "attachments")
    assert [(one.file_name, one.size) for one in found] == [
        ("SQ01_SH010_Compositing_no-ex", 101),
        ("SQ01_SH010_Compositing_note.pdf", 100),
        ("SQ02_SH020_Compositing_note.txt", 102),
    ]
    template = Template("{shot}/{name}.{extension}")
    assert names(
        files_of(production.name, "attachments", Choice(playlist="Dailies"), template)
    ) == ["SH020/note.txt"]


def test_who_is_no_administrator_finds_the_same_attachments(
    sandbox: SandboxInfo, production: Production
) -> None:
    client = kitsu_client()
    bot = gazu.person.new_bot("Manager", f"{uuid.uuid4().hex}@example.com", role="manager",
                              client=client)  # fmt: skip
    project = gazu.project.get_project_by_name(production.name, client=client)
    gazu.project.add_person_to_team(project, bot["id"], client=client)
    whole = files_of(production.name, "attachments")
    with environment_of({**sandbox.environment(), "KITSU_BOT_TOKEN": bot["access_token"]}):
        found = files_of(production.name, "attachments")
    assert found == whole


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(sequence="SQ11"), "no sequence 'SQ11'. Did you mean SQ01"),
        (Choice(task_type="Compositin"), "Did you mean Compositing"),
        (Choice(playlist="Weeklies"), "no playlist 'Weeklies'"),
        (Choice(playlist=str(uuid.uuid4())), "under an id"),
    ],
)
def test_what_is_not_there_is_not_found(
    production: Production, choice: Choice, message: str
) -> None:
    with pytest.raises(EntityNotFound, match=message):
        files_of(production.name, choice=choice)


def test_attachments_have_no_revisions(production: Production) -> None:
    with pytest.raises(InvalidArgument, match="revisions"):
        files_of(production.name, "attachments", Choice(latest=True))


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"tiles"}))
def test_what_is_here_is_told_whole_from_cut_by_the_size_that_kitsu_knows(
    production: Production, tmp_path: Path, kind: str
) -> None:
    found = files_of(production.name, kind)
    assert found
    assert whole_here(found, tmp_path, KINDS[kind]) == set()
    download = getattr(operations, KINDS[kind].function)
    for one in found:
        download(one.id, str(tmp_path / one.file_name))
    assert whole_here(found, tmp_path, KINDS[kind]) == {one.id for one in found}
    cut = tmp_path / found[0].file_name
    cut.write_bytes(cut.read_bytes()[:-1])
    assert whole_here(found, tmp_path, KINDS[kind]) == {one.id for one in found[1:]}


def test_a_tile_counts_as_whole_where_there_is_one(production: Production, tmp_path: Path) -> None:
    (found,) = files_of(production.name, "tiles")
    assert whole_here([found], tmp_path, KINDS["tiles"]) == set()
    (tmp_path / found.file_name).touch()
    assert whole_here([found], tmp_path, KINDS["tiles"]) == {found.id}
