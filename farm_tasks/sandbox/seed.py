"""What is in a new sandbox, put there through Kitsu's own API."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gazu

PROJECT_NAME = "Demo"


@dataclass(frozen=True)
class Seed:
    """Ids of what was seeded; :class:`farm_tasks.sandbox.SandboxInfo` explains each."""

    bot_token: str
    bot_id: str
    organisation_id: str
    project_id: str
    project_name: str
    sequence_id: str
    shot_id: str
    asset_id: str
    task_id: str
    asset_task_id: str
    task_status_ids: dict[str, str]
    person_id: str
    software_id: str

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, which the constructor takes back."""
        return asdict(self)


def sow(host: str, login: str, password: str) -> Seed:
    """Fill an empty Kitsu as its administrator.

    Args:
        host: What gazu wants as host.
        login: The administrator's email.
        password: The administrator's password.
    """
    client = _client(host)
    gazu.log_in(login, password, client=client)  # type: ignore[no-untyped-call]
    statuses = {
        status["short_name"]: status["id"] for status in gazu.task.all_task_statuses(client)
    }
    compositing = gazu.task.get_task_type_by_name("Compositing", "Shot", client=client)
    modeling = gazu.task.get_task_type_by_name("Modeling", "Asset", client=client)
    prop = gazu.asset.get_asset_type_by_name("Prop", client=client)
    artist = gazu.person.new_person("Ada", "Artist", "ada@example.com", client=client)
    # A manager in the team may do all but two things: the avatars of others and of the studio.
    bot = gazu.person.new_bot("Farm", "farm@example.com", role="admin", client=client)
    project = gazu.project.new_project(PROJECT_NAME, team=[artist["id"], bot["id"]], client=client)
    sequence = gazu.shot.new_sequence(project, "SQ01", client=client)
    shot = gazu.shot.new_shot(
        project, sequence, "SH010", nb_frames=24, frame_in=1001, frame_out=1024, client=client
    )
    asset = gazu.asset.new_asset(project, prop, "Robot", client=client)
    new_task = gazu.task.new_task
    task = new_task(shot, compositing, assignees=[artist["id"]], client=client)
    asset_task = new_task(asset, modeling, assignees=[artist["id"]], client=client)
    software = gazu.files.new_software("Blender", "bld", "blend", client=client)
    return Seed(
        bot_token=bot["access_token"],
        bot_id=bot["id"],
        organisation_id=gazu.person.get_organisation(client=client)["id"],
        project_id=project["id"],
        project_name=PROJECT_NAME,
        sequence_id=sequence["id"],
        shot_id=shot["id"],
        asset_id=asset["id"],
        task_id=task["id"],
        asset_task_id=asset_task["id"],
        task_status_ids=statuses,
        person_id=artist["id"],
        software_id=software["id"],
    )


def plant_file_tree(host: str, bot_token: str, project_id: str, projects_folder: Path) -> None:
    """Root the project's file tree in a folder: without a file tree, working-files/new answers 500.

    Args:
        host: What gazu wants as host.
        bot_token: An administrator's.
        project_id: Whose file tree it is.
        projects_folder: Under which the working files' paths are to lie.
    """
    client = _client(host)
    gazu.client.set_tokens({"access_token": bot_token}, client=client)
    gazu.files.update_project_file_tree(project_id, _file_tree(projects_folder), client=client)


def _client(host: str) -> Any:
    client = gazu.client.create_client(host)
    client.session.trust_env = False  # a proxy knows nothing of our localhost
    return client


def _file_tree(root: Path) -> dict[str, Any]:
    entities = {
        "shot": "<Project>/shots/<Sequence>/<Shot>/<TaskType>",
        "asset": "<Project>/assets/<AssetType>/<Asset>/<TaskType>",
        "sequence": "<Project>/sequences/<Sequence>/<TaskType>",
    }
    names = {
        "shot": "<Project>_<Sequence>_<Shot>_<TaskType>_<Name>_v<Version>",
        "asset": "<Project>_<AssetType>_<Asset>_<TaskType>_<Name>_v<Version>",
        "sequence": "<Project>_<Sequence>_<TaskType>_<Name>_v<Version>",
    }
    return {
        kind: {
            "mountpoint": str(root),
            "root": "",
            "folder_path": entities | {"style": "lowercase"},
            "file_name": names | {"style": "lowercase"},
        }
        for kind in ("working", "output", "preview")
    }
