"""Names as people and farms give them, in a real Kitsu."""

from __future__ import annotations

import re
from typing import Any

import gazu
import pytest
from gazu.client import KitsuClient

from farm_tasks.errors import EntityNotFound, InvalidArgument
from farm_tasks.kitsu.client import kitsu_client
from farm_tasks.kitsu.lookup import find_person, find_playlist, find_status, find_task
from farm_tasks.sandbox import SandboxInfo

pytestmark = pytest.mark.usefixtures("kitsu")


@pytest.fixture
def api(kitsu: SandboxInfo) -> KitsuClient:
    return kitsu_client()


@pytest.fixture(scope="module")
def show() -> dict[str, Any]:
    """Ids of what was made in a TV show, filled by the first test that asks."""
    return {}


@pytest.fixture
def series(show: dict[str, Any], kitsu: SandboxInfo, api: KitsuClient) -> dict[str, Any]:
    """Two episodes with a sequence of one name, and an asset type called as the sequence is."""
    if not show:
        bot = gazu.person.get_person(kitsu.bot_id, client=api)
        project = gazu.project.new_project("Lookup Show", team=[bot["id"]], client=api)
        shots = gazu.task.get_task_type_by_name("Compositing", "Shot", client=api)
        light = gazu.task.get_task_type_by_name("Lighting", "Shot", client=api)
        models = gazu.task.get_task_type_by_name("Modeling", "Asset", client=api)
        for episode_name, shot_name in (("E01", "SH010"), ("E02", "SH020"), ("E03", "SH010")):
            episode = gazu.shot.new_episode(project, episode_name, client=api)
            sequence = gazu.shot.new_sequence(project, "SQ01", episode=episode, client=api)
            shot = gazu.shot.new_shot(project, sequence, shot_name, client=api)
            task = gazu.task.new_task(shot, shots, client=api)
            show[f"{episode_name}/{shot_name}"] = task["id"]
        show["light"] = gazu.task.new_task(shot, light, client=api)["id"]
        kind = gazu.asset.new_asset_type("SQ01", client=api)
        asset = gazu.asset.new_asset(project, kind, "SH020", client=api)
        show["asset"] = gazu.task.new_task(asset, models, client=api)["id"]
        show["project"] = project["id"]
    return show


@pytest.mark.parametrize(
    "path",
    [
        "Demo/SQ01/SH010/Compositing",
        "demo/sq01/sh010/compositing",
        "/Demo/SQ01/ SH010 /Compositing/",
    ],
)
def test_a_task_is_found_by_its_path(path: str, kitsu: SandboxInfo) -> None:
    found = find_task(path)
    assert (found["id"], found["path"]) == (kitsu.task_id, "Demo/SQ01/SH010/Compositing")


def test_a_task_is_found_by_its_id_and_tells_its_path(kitsu: SandboxInfo) -> None:
    by_id, by_dict = find_task(kitsu.task_id), find_task({"id": kitsu.task_id})
    assert by_id["id"] == by_dict["id"] == kitsu.task_id
    assert by_id["path"] == "Demo/SQ01/SH010/Compositing"
    assert find_task(kitsu.asset_task_id)["path"] == "Demo/Prop/Robot/Modeling"


def test_an_assets_task_is_found_by_its_path(kitsu: SandboxInfo) -> None:
    assert find_task("Demo/prop/Robot/modeling")["id"] == kitsu.asset_task_id


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("Demmo/SQ01/SH010/Compositing", "no project 'Demmo'. Did you mean Demo?"),
        (
            "Demo/SQ1/SH010/Compositing",
            "Demo has no sequence or asset type 'SQ1'. Did you mean SQ01",
        ),
        ("Demo/SQ01/SH0100/Compositing", "Demo/SQ01 has no shot 'SH0100'. Did you mean SH010?"),
        ("Demo/SQ01/SH010/Comp", "Demo/SQ01/SH010 has no task 'Comp'. There are Compositing."),
        ("Demo/Prop/Robt/Modeling", "Demo/Prop has no asset 'Robt'. Did you mean Robot?"),
        ("Demo/E01/SQ01/SH010/Compositing", "Demo has no episode 'E01'. It has none."),
        ("09b7f717-750a-48af-8bc5-000000000000", "09b7f717-750a-48af-8bc5-000000000000"),
    ],
)
def test_what_is_not_there_is_told_with_what_comes_near(path: str, told: str) -> None:
    with pytest.raises(EntityNotFound, match=re.escape(told)):
        find_task(path)


@pytest.mark.parametrize("path", ["", "Demo", "Demo/SQ01/SH010", "Demo//SH010/Comp", "a/b/c/d/e/f"])
def test_what_is_no_path_is_told_with_the_forms(path: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape("project/sequence/shot/task_type")):
        find_task(path)


def test_an_episode_tells_sequences_of_one_name_apart(series: dict[str, Any]) -> None:
    found = find_task("lookup show/E01/SQ01/SH010/Compositing")
    assert found["id"] == series["E01/SH010"]
    assert found["path"] == "Lookup Show/E01/SQ01/SH010/Compositing"
    assert find_task(found["id"])["path"] == found["path"]


def test_without_an_episode_a_path_has_to_be_the_only_one(series: dict[str, Any]) -> None:
    assert find_task("Lookup Show/SQ01/SH020/Compositing")["id"] == series["E02/SH020"]
    assert find_task("Lookup Show/SQ01/SH020/Modeling")["id"] == series["asset"]
    with pytest.raises(InvalidArgument, match="more than one") as told:
        find_task("Lookup Show/SQ01/SH010/Compositing")
    assert series["E01/SH010"] in str(told.value)
    assert series["E03/SH010"] in str(told.value)
    assert "E01/SQ01/SH010" in str(told.value)


@pytest.mark.parametrize("given", ["wfa", "WFA", "Waiting For Approval", "waiting for approval"])
def test_a_status_is_found_by_its_short_name_or_name(given: str, kitsu: SandboxInfo) -> None:
    assert find_status(given)["id"] == kitsu.task_status_ids["wfa"]
    assert find_status(kitsu.task_status_ids["wip"])["short_name"] == "wip"


def test_a_status_that_is_not_there_is_told_with_what_comes_near() -> None:
    with pytest.raises(EntityNotFound, match=r"no task status 'wfaa'. Did you mean wfa"):
        find_status("wfaa")


@pytest.mark.parametrize("given", ["ada@example.com", "ADA ARTIST", "Ada Artist"])
def test_a_person_is_found_by_email_or_name(given: str, kitsu: SandboxInfo) -> None:
    assert find_person(given)["id"] == kitsu.person_id


def test_a_person_is_found_by_desktop_login_and_two_of_one_name_are_told(
    kitsu: SandboxInfo, api: KitsuClient
) -> None:
    for number in (1, 2):
        gazu.person.new_person("Grace", "Twin", f"grace{number}@example.com", client=api)
    third = gazu.person.new_person("Edsger", "One", "edsger@example.com", client=api)
    gazu.person.update_person({"id": third["id"], "desktop_login": "edsger1"}, client=api)
    assert find_person("edsger1")["id"] == third["id"]
    with pytest.raises(InvalidArgument, match="2 people have the full name"):
        find_person("Grace Twin")
    with pytest.raises(EntityNotFound, match=r"no person 'Edsger Two'. Did you mean Edsger One"):
        find_person("Edsger Two")


def test_a_playlist_is_found_by_its_name(kitsu: SandboxInfo, api: KitsuClient) -> None:
    made = gazu.playlist.new_playlist(kitsu.project_id, "Lookup Dailies", client=api)
    assert find_playlist(kitsu.project_id, "lookup dailies")["id"] == made["id"]
    assert find_playlist(kitsu.project_id, made["id"])["id"] == made["id"]
    with pytest.raises(
        EntityNotFound, match=r"no playlist 'Lookup Daily'. Did you mean Lookup Dai"
    ):
        find_playlist(kitsu.project_id, "Lookup Daily")
