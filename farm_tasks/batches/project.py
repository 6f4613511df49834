"""The names of a project's tasks, shots and assets, fetched in one call for each kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.kitsu.lookup import find_project

_Entities = Mapping[str, dict[str, Any]]


@dataclass(frozen=True)
class Project:
    """What is known of a project.

    Attributes:
        entity: The project itself: ``id`` and ``name``.
        tasks: By id, and so the others.
        task_types: Of the whole Kitsu.
        sequences: Of the project.
        entities: Episodes, sequences, shots and assets.
        asset_types: Of the whole Kitsu.
    """

    entity: dict[str, Any]
    tasks: _Entities
    task_types: _Entities
    sequences: _Entities
    episodes: _Entities
    entities: _Entities
    asset_types: _Entities

    @classmethod
    def load(cls, name_or_id: str, client: KitsuClient) -> Project:
        """Ask Kitsu for all of it.

        Raises:
            EntityNotFound: there is no such project.
            InvalidArgument: several have that name.
        """
        entity = find_project(name_or_id, client)
        sequences = _by_id(gazu.shot.all_sequences_for_project(entity, client=client))
        episodes = _by_id(gazu.shot.all_episodes_for_project(entity, client=client))
        shots = gazu.shot.all_shots_for_project(entity, client=client)
        assets = gazu.asset.all_assets_for_project(entity, client=client)
        return cls(
            entity,
            tasks=_by_id(gazu.task.all_tasks_for_project(entity, client=client)),
            task_types=_by_id(gazu.task.all_task_types(client=client)),
            sequences=sequences,
            episodes=episodes,
            entities={**episodes, **sequences, **_by_id(shots), **_by_id(assets)},
            asset_types=_by_id(gazu.asset.all_asset_types(client=client)),
        )

    def line(self, entity_id: str | None) -> list[dict[str, Any]]:
        """From the outermost parent to the entity itself."""
        found: list[dict[str, Any]] = []
        while entity_id and entity_id in self.entities and len(found) < 4:
            found.insert(0, self.entities[entity_id])
            entity_id = self.entities[entity_id].get("parent_id")
        return found

    def parts(self, task_id: str, fallback: str) -> list[str]:
        """Names for a file name: the line's, and the task type's."""
        task = self.tasks.get(task_id, {})
        names = [str(one["name"]) for one in self.line(task.get("entity_id"))]
        if not names:
            names = [str(task.get("entity_id") or fallback)[:8]]
        task_type = self._task_type(task)
        return [*names, task_type] if task_type else names

    def values(self, task_id: str) -> dict[str, str]:
        """What a template needs of a task: "" where there is no such.

        Of an asset, ``sequence`` is its type and ``shot`` its name, so that one template serves.
        """
        task = self.tasks.get(task_id, {})
        line = self.line(task.get("entity_id"))
        values = {
            "project": str(self.entity["name"]),
            "task_type": self._task_type(task),
            "episode": "", "sequence": "", "shot": "", "asset_type": "", "asset": "",
        }  # fmt: skip
        for one in line:
            if one["id"] in self.episodes:
                values["episode"] = str(one["name"])
            elif one["id"] in self.sequences:
                values["sequence"] = str(one["name"])
            else:
                values["shot"] = str(one["name"])
        asset_type = self.asset_types.get(line[-1].get("entity_type_id") or "") if line else None
        if asset_type is not None:
            values["asset"] = values["shot"]
            values["asset_type"] = values["sequence"] = str(asset_type["name"])
        return values

    def path(self, task_id: str) -> str:
        """The task as people write it: ``project/[episode/]sequence/shot/task_type``."""
        values = self.values(task_id)
        wanted = ("project", "episode", "sequence", "shot", "task_type")
        return "/".join(values[one] for one in wanted if values[one])

    def _task_type(self, task: Mapping[str, Any]) -> str:
        found = self.task_types.get(task.get("task_type_id") or "")
        return str(found["name"]) if found else ""


def _by_id(entities: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in entities}
