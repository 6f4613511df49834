"""What Kitsu has of a project, as people ask for it: a sequence, a playlist, the newest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.batches.kinds import KINDS, Kind
from farm_tasks.batches.naming import Template, distinct, safe
from farm_tasks.batches.project import Project
from farm_tasks.errors import EntityNotFound, InvalidArgument, NotAllowed
from farm_tasks.kitsu.calls import calling
from farm_tasks.kitsu.checks import MOVIE_EXTENSIONS
from farm_tasks.kitsu.lookup import find_playlist
from farm_tasks.near import did_you_mean


@dataclass(frozen=True)
class Found:
    """One file in Kitsu.

    Attributes:
        id: Of the preview file or the attachment.
        file_name: What to call it: a relative path with slashes, unique within the project.
        is_movie: Whether it was a movie.
        target: The task that it belongs to, as people write it.
        size: Bytes that will come, or None where Kitsu's list does not tell.
    """

    id: str
    file_name: str
    is_movie: bool = False
    target: str = ""
    size: int | None = None


@dataclass(frozen=True)
class Choice:
    """Which of a project's files. Without any, all.

    Attributes:
        sequence: Its name or id.
        task_type: Its name or id.
        playlist: Its name or id: the previews that are in it, or the attachments of their tasks.
        latest: The newest revision of each task alone.
    """

    sequence: str | None = None
    task_type: str | None = None
    playlist: str | None = None
    latest: bool = False


def files_of(
    project: str,
    kind: str = "previews",
    choice: Choice | None = None,
    template: Template | None = None,
) -> list[Found]:
    """The files of one kind that a project has, by name. Previews without content are left out.

    Names are given to all files of the project before some are chosen, so that each has the same
    name whatever is chosen.

    Args:
        project: Its name or id.
        kind: One of :data:`~farm_tasks.batches.kinds.KINDS`.
        choice: Which of them.
        template: How they are called; without one, ``<sequence>_<shot>_<task type>_v<revision>``.

    Raises:
        EntityNotFound: there is no such project, sequence, task type or playlist.
        InvalidArgument: the choice is not one of this kind of file.
        FarmTasksError: Kitsu cannot be asked.
    """
    wanted, chosen = KINDS[kind], choice or Choice()
    if kind == "attachments" and chosen.latest:
        raise InvalidArgument("Attachments have no revisions: leave out --latest.")
    with calling(None) as client:
        known = Project.load(project, client)
        if kind == "attachments":
            rows = [_attachment_row(one, known) for one in _attachments(known, client)]
        else:
            rows = [_preview_row(one, known) for one in _previews(known, client)]
        named = _named(rows, wanted, template)
        playlist = _of_playlist(chosen.playlist, known, client) if chosen.playlist else None
        if playlist is not None and kind == "attachments":
            # Those of the tasks whose previews are in it.
            playlist = {
                str(one["task_id"]) for one in _previews(known, client) if one["id"] in playlist
            }
        keep = _Filter(chosen, known, playlist)
    newest: dict[str, int] = {}
    for row, _ in named:
        newest[row["task_id"]] = max(newest.get(row["task_id"], 0), row["values"]["revision"])
    return [
        found
        for row, found in named
        if (found.is_movie or not wanted.movies_only)
        and keep(row)
        and (not chosen.latest or row["values"]["revision"] == newest[row["task_id"]])
    ]


def _previews(project: Project, client: KitsuClient) -> list[dict[str, Any]]:
    try:
        # One call; for administrators only (zou, ProjectPreviewFilesResource).
        with calling(client) as kitsu:
            found = gazu.task.all_preview_files_for_project(project.entity, client=kitsu)
    except NotAllowed:
        found = [
            preview
            for task in project.tasks.values()
            for preview in gazu.files.get_all_preview_files_for_task(task, client=client)
        ]
    # A preview that never got its content has no extension.
    return [one for one in found if one.get("extension")]


def _attachments(project: Project, client: KitsuClient) -> list[dict[str, Any]]:
    """Each with ``task_id``."""
    try:
        # One call; for administrators only (zou, ProjectAttachmentFiles).
        with calling(client) as kitsu:
            found = gazu.files.get_all_attachment_files_for_project(project.entity, client=kitsu)
        return [{**one, "task_id": (one.get("comment") or {}).get("object_id")} for one in found]
    except NotAllowed:
        return [
            {**attachment, "task_id": task_id}
            for task_id, task in project.tasks.items()
            for comment in gazu.task.all_comments_for_task(task, client=client)
            for attachment in comment.get("attachment_files") or []
        ]


def _preview_row(preview: Mapping[str, Any], project: Project) -> dict[str, Any]:
    revision, position = preview["revision"] or 0, preview["position"] or 1
    number = f"v{revision:03}"
    further = str(position) if position > 1 else ""
    parts = [*project.parts(preview["task_id"], str(preview["id"])), number, further]
    is_ready = preview.get("status") == "ready"
    return {
        "id": str(preview["id"]),
        "task_id": str(preview["task_id"]),
        "extension": str(preview["extension"]).lower(),
        "stem": "_".join(map(safe, filter(None, parts))),
        "order": (position, str(preview.get("created_at") or ""), str(preview["id"])),
        "size": (preview.get("file_size") or None) if is_ready else None,
        "target": project.path(preview["task_id"]),
        "values": {
            **project.values(preview["task_id"]),
            "revision": revision,
            "position": f"_{further}" if further else "",
            "name": str(preview.get("original_name") or ""),
        },
    }


def _attachment_row(attachment: Mapping[str, Any], project: Project) -> dict[str, Any]:
    task_id = str(attachment["task_id"] or "")
    name, extension = os.path.splitext(str(attachment["name"] or ""))
    parts = [*project.parts(task_id, str(attachment["id"])), name]
    return {
        "id": str(attachment["id"]),
        "task_id": task_id,
        "extension": extension.lstrip(".").lower(),
        "stem": "_".join(map(safe, parts)),
        "order": (1, str(attachment.get("created_at") or ""), str(attachment["id"])),
        "size": attachment.get("size"),
        "target": project.path(task_id),
        "values": {**project.values(task_id), "revision": 0, "position": "", "name": name},
    }


def _named(
    rows: Iterable[dict[str, Any]], kind: Kind, template: Template | None
) -> list[tuple[dict[str, Any], Found]]:
    taken: set[str] = set()
    named = []
    for row in sorted(rows, key=lambda one: (one["stem"], one["order"])):
        suffix = kind.extension or row["extension"]
        name = f"{row['stem']}.{safe(suffix)}" if suffix else row["stem"]
        if template is not None:
            values = {**row["values"], "extension": suffix, "id": row["id"][:8]}
            name = template.fill(values)
        found = Found(
            row["id"],
            distinct(name, row["id"], taken),
            row["extension"] in MOVIE_EXTENSIONS,
            row["target"],
            row["size"] if kind.size_listed else None,
        )
        named.append((row, found))
    return sorted(named, key=lambda one: one[1].file_name) if template else named


class _Filter:
    """Says of a row whether it was chosen."""

    def __init__(self, choice: Choice, project: Project, ids: set[str] | None) -> None:
        self._project = project
        self._ids = ids
        self._sequences: set[str] | None = None
        self._task_types: set[str] | None = None
        if choice.sequence is not None:
            self._sequences = _by_name_or_id(choice.sequence, project.sequences, "sequence")
        if choice.task_type is not None:
            self._task_types = _by_name_or_id(choice.task_type, project.task_types, "task type")

    def __call__(self, row: Mapping[str, Any]) -> bool:
        task = self._project.tasks.get(row["task_id"], {})
        if self._sequences is not None:
            above = self._project.line(task.get("entity_id"))
            if not self._sequences & {one["id"] for one in above}:
                return False
        if self._task_types is not None and task.get("task_type_id") not in self._task_types:
            return False
        return self._ids is None or row["id"] in self._ids or row["task_id"] in self._ids


def _by_name_or_id(wanted: str, known: Mapping[str, dict[str, Any]], what: str) -> set[str]:
    """The ids of all that are called so; sequences of several episodes may be."""
    found = {
        id_
        for id_, one in known.items()
        if wanted == id_ or str(one["name"]).casefold() == wanted.strip().casefold()
    }
    if not found:
        near = did_you_mean(wanted, (str(one["name"]) for one in known.values()))
        raise EntityNotFound(f"The project has no {what} {wanted!r:.80}. {near}")
    return found


def _of_playlist(wanted: str, project: Project, client: KitsuClient) -> set[str]:
    """The ids of its previews."""
    found = find_playlist(project.entity["id"], wanted, client)
    with calling(client) as kitsu:
        # With what is in it, which the list of playlists does not tell.
        playlist = gazu.playlist.get_playlist(found["id"], client=kitsu)
    if playlist.get("project_id") not in {None, project.entity["id"]}:
        raise EntityNotFound(f"Playlist {wanted} is of another project.")
    return {str(one["preview_file_id"]) for one in playlist["shots"] if one.get("preview_file_id")}
