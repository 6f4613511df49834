"""The previews of a project, as Kitsu lists them, and the file names that people know them by."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.errors import EntityNotFound, NotAllowed
from farm_tasks.kitsu.calls import calling
from farm_tasks.kitsu.checks import MOVIE_EXTENSIONS

LONGEST_PART = 48
"""Bytes of a name in a file name: there are up to four, and file systems take 255 in all."""


@dataclass(frozen=True)
class Preview:
    """One preview file.

    Attributes:
        id: Its id.
        file_name: What to call it: unique within the project, without path separators.
        is_movie: Whether it was a movie.
    """

    id: str
    file_name: str
    is_movie: bool


def previews_of(project: str, extension: str = "") -> list[Preview]:
    """The previews of a project that have content, by name.

    Args:
        project: Its name or id.
        extension: Of the files to be made, or "" for each preview's own.

    Raises:
        EntityNotFound: there is no such project.
        FarmTasksError: Kitsu cannot be asked.
    """
    with calling(None) as client:
        project_id = _project_id(project, client)
        names = _Names(project_id, client)
        # A preview that never got its content has no extension.
        found = [one for one in _preview_files(project_id, client) if one.get("extension")]
    taken: set[str] = set()
    previews = []
    for one in sorted(found, key=lambda one: (names.stem(one), one["position"] or 1, one["id"])):
        kept_as = str(one["extension"]).lower()
        suffix = _safe(extension or kept_as)
        name = f"{names.stem(one)}.{suffix}"
        if name.lower() in taken:  # some file systems do not tell A from a
            name = f"{names.stem(one)}_{one['id'][:8]}.{suffix}"
        taken.add(name.lower())
        previews.append(Preview(one["id"], name, kept_as in MOVIE_EXTENSIONS))
    return previews


def _project_id(project: str, client: KitsuClient) -> str:
    try:
        return str(uuid.UUID(project))
    except ValueError:
        found = gazu.project.get_project_by_name(project, client=client)
    if found is None:
        raise EntityNotFound(f"Kitsu has no project {project!r}, or the bot is not in its team.")
    return str(found["id"])


def _preview_files(project_id: str, client: KitsuClient) -> list[dict[str, Any]]:
    try:
        # One call; for administrators only (zou, ProjectPreviewFilesResource).
        with calling(client) as kitsu:
            whole: list[dict[str, Any]] = gazu.task.all_preview_files_for_project(
                {"id": project_id}, client=kitsu
            )
            return whole
    except NotAllowed:
        tasks = gazu.task.all_tasks_for_project({"id": project_id}, client=client)
        return [
            preview
            for task in tasks
            for preview in gazu.files.get_all_preview_files_for_task(task, client=client)
        ]


class _Names:
    """Names of what previews belong to, fetched in one call for each kind."""

    def __init__(self, project_id: str, client: KitsuClient) -> None:
        project = {"id": project_id}
        self._tasks = _by_id(gazu.task.all_tasks_for_project(project, client=client))
        self._types = _by_id(gazu.task.all_task_types(client=client))
        self._entities = _by_id(
            [
                *gazu.shot.all_episodes_for_project(project, client=client),
                *gazu.shot.all_sequences_for_project(project, client=client),
                *gazu.shot.all_shots_for_project(project, client=client),
                *gazu.asset.all_assets_for_project(project, client=client),
            ]
        )
        self._stems: dict[str, str] = {}

    def stem(self, preview: Mapping[str, Any]) -> str:
        """``<episode>_<sequence>_<shot>_<task type>_v<revision>``, as far as there are such."""
        known = self._stems.get(preview["id"])
        if known is None:
            known = self._stems[preview["id"]] = self._make(preview)
        return known

    def _make(self, preview: Mapping[str, Any]) -> str:
        task = self._tasks.get(preview["task_id"], {})
        parts = self._parents(task.get("entity_id"))
        if not parts:
            parts = [str(task.get("entity_id") or preview["id"])[:8]]
        if task_type := self._types.get(task.get("task_type_id") or ""):
            parts.append(task_type["name"])
        parts.append(f"v{preview['revision'] or 0:03}")
        if (preview["position"] or 1) > 1:
            parts.append(str(preview["position"]))
        return "_".join(map(_safe, parts))

    def _parents(self, entity_id: str | None) -> list[str]:
        """The names from the outermost parent to the entity itself."""
        names: list[str] = []
        while entity_id in self._entities and len(names) < 4:
            entity = self._entities[entity_id]
            names.insert(0, str(entity["name"]))
            entity_id = entity.get("parent_id")
        return names


def _by_id(entities: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in entities}


def _safe(name: str) -> str:
    """A name that is one part of a path on every system, and no option or hidden file."""
    kept = "".join(
        character if unicodedata.category(character)[0] not in "CZ" else "-"
        for character in unicodedata.normalize("NFC", name)
    )
    kept = re.sub(r'[/\\:*?"<>|]+', "-", kept).strip(".- ")
    return kept.encode()[:LONGEST_PART].decode(errors="ignore") or "unnamed"
