"""Kitsu's entities by the names that people and farms know them by.

A task is ``project/sequence/shot/task_type`` (``project/episode/sequence/shot/task_type`` in a TV
show) or ``project/asset_type/asset/task_type``. Names are compared exactly first, and without
regard to case where that finds one alone. Whatever is not found, or found twice, is an error that
lists what comes near.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.entity import Entity
from farm_tasks.errors import EntityNotFound, InvalidArgument
from farm_tasks.kitsu.calls import calling
from farm_tasks.near import did_you_mean

FORMS = (
    "project/sequence/shot/task_type, project/episode/sequence/shot/task_type or "
    "project/asset_type/asset/task_type"
)

_MOST_NEAR = 5

_Row = dict[str, Any]


def find_task(task: Entity, client: KitsuClient | None = None) -> _Row:
    """A task, by its id or its path.

    Args:
        task: An id, a dict that holds one, or a path as this module's head says.
        client: A logged-in gazu client, or None for the one of this process.

    Returns:
        Kitsu's task, and as ``path`` the names that lead to it, as Kitsu spells them.

    Raises:
        InvalidArgument: the path has another form, or leads to more than one task.
        EntityNotFound: a name in it is not there.
    """
    given = task.get("id") if isinstance(task, Mapping) else task
    if not isinstance(given, str) or not given.strip():
        raise InvalidArgument(f"task: give an id or {FORMS}.")
    if is_id(given):
        with calling(client) as kitsu:
            found: _Row = gazu.task.get_task(given, client=kitsu)
        return {**found, "path": _path_of(found)}
    names = [one.strip() for one in given.strip("/").split("/")]
    if len(names) not in {4, 5} or not all(names):
        raise InvalidArgument(f"task: {given!r:.200} is neither an id nor {FORMS}.")
    with calling(client) as kitsu:
        return _Finder(kitsu, given).task(names)


def find_status(status: Entity, client: KitsuClient | None = None) -> _Row:
    """A task status, by its id, its short name (``wfa``) or its name.

    Raises:
        EntityNotFound: there is none; the error lists what comes near.
    """
    wanted = _text("task_status", status)
    with calling(client) as kitsu:
        rows = gazu.task.all_task_statuses(client=kitsu)
    if is_id(wanted):
        return _by_id(rows, wanted, "task status")
    shorts = {one["short_name"].lower() for one in rows}
    key = "short_name" if wanted.lower() in shorts else "name"
    return _named(rows, wanted, "task status", key, also="short_name")


def find_person(person: Entity, client: KitsuClient | None = None) -> _Row:
    """A person, by id, email, full name or desktop login.

    Raises:
        InvalidArgument: several have that name.
        EntityNotFound: there is none; the error lists who comes near.
    """
    wanted = _text("person", person)
    with calling(client) as kitsu:
        rows: list[_Row] = gazu.person.all_persons(client=kitsu)
    if is_id(wanted):
        return _by_id(rows, wanted, "person")
    for key in ("email", "full_name", "desktop_login"):
        found = [one for one in rows if (one.get(key) or "").lower() == wanted.lower()]
        active = [one for one in found if one.get("active", True)] or found
        if len(active) > 1:
            raise InvalidArgument(
                f"person: {len(active)} people have the {key.replace('_', ' ')} {wanted!r:.80}: "
                "give the email or the id."
            )
        if active:
            return active[0]
    near = did_you_mean(wanted, (str(one.get("full_name")) for one in rows))
    raise EntityNotFound(f"Kitsu has no person {wanted!r:.80}. {near}")


def find_playlist(project: str, playlist: Entity, client: KitsuClient | None = None) -> _Row:
    """A playlist of a project, by its id or name.

    Args:
        project: The project's id.
        playlist: Its id, a dict that holds one, or its name.
        client: A logged-in gazu client, or None for the one of this process.

    Raises:
        InvalidArgument: several have that name.
        EntityNotFound: there is none.
    """
    wanted = _text("playlist", playlist)
    with calling(client) as kitsu:
        if is_id(wanted):
            found: _Row = gazu.playlist.get_playlist(wanted, client=kitsu)
            return found
        rows = gazu.playlist.all_playlists_for_project(project, client=kitsu)
    return _named(rows, wanted, "playlist")


def find_project(project: str, client: KitsuClient | None = None) -> _Row:
    """A project that the bot is in the team of, by its id or name.

    Raises:
        InvalidArgument: several have that name.
        EntityNotFound: there is none; the error lists what comes near.
    """
    with calling(client) as kitsu:
        rows = gazu.project.all_projects(client=kitsu)
    if is_id(project):
        return _by_id(rows, project, "project")
    return _named(rows, project, "project", but=" Is the bot in its team?")


def is_id(text: str) -> bool:
    """Whether a text is an id of Kitsu's: a UUID."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return "-" in text or len(text) == 32


class _Finder:
    """Walks a path. Every call gets one kind of child of what was found before."""

    def __init__(self, kitsu: KitsuClient, path: str) -> None:
        self._kitsu = kitsu
        self._path = path

    def task(self, names: list[str]) -> _Row:
        project = find_project(names[0], self._kitsu)
        where = project["name"]
        if len(names) == 5:
            episodes = gazu.shot.all_episodes_for_project(project, client=self._kitsu)
            episode = _named(episodes, names[1], f"episode of {where}")
            rows = gazu.shot.all_sequences_for_episode(episode, client=self._kitsu)
            sequence = _named(rows, names[2], f"sequence of {where}/{episode['name']}")
            parents = [where, episode["name"], sequence["name"]]
            return self._of_shot(sequence, names[3], names[4], parents)
        return self._of_shot_or_asset(project, names)

    def _of_shot_or_asset(self, project: _Row, names: list[str]) -> _Row:
        where, second = project["name"], names[1]
        sequences = gazu.shot.all_sequences_for_project(project, client=self._kitsu)
        types = gazu.asset.all_asset_types(client=self._kitsu)
        in_sequences = _matching(sequences, second)
        in_types = _matching(types, second)
        episodes: dict[str, str] = {}
        if any(one.get("parent_id") for one in in_sequences):
            rows = gazu.shot.all_episodes_for_project(project, client=self._kitsu)
            episodes = {one["id"]: one["name"] for one in rows}
        if not in_sequences and not in_types:
            near = did_you_mean(second, (one["name"] for one in [*sequences, *types]))
            raise EntityNotFound(f"{where} has no sequence or asset type {second!r:.80}. {near}")
        found: list[_Row] = []
        missed: list[EntityNotFound] = []
        for sequence in in_sequences:
            parents = [where, episodes.get(sequence.get("parent_id") or ""), sequence["name"]]
            try:
                found.append(
                    self._of_shot(sequence, names[2], names[3], list(filter(None, parents)))
                )
            except EntityNotFound as error:
                missed.append(error)
        for asset_type in in_types:
            try:
                found.append(self._of_asset(project, asset_type, names[2], names[3]))
            except EntityNotFound as error:
                missed.append(error)
        if not found:
            raise missed[0]
        if len(found) > 1:
            ways = ", ".join(f"{one['path']} ({one['id']})" for one in found)
            raise InvalidArgument(
                f"task: {self._path!r:.200} is more than one: {ways}. Name the episode, or give "
                "the id."
            )
        return found[0]

    def _of_shot(self, sequence: _Row, name: str, task_type: str, parents: list[str]) -> _Row:
        where = "/".join(parents)
        shots = gazu.shot.all_shots_for_sequence(sequence, client=self._kitsu)
        shot = _named(shots, name, f"shot of {where}")
        tasks = gazu.task.all_tasks_for_shot(shot, client=self._kitsu)
        return self._task(tasks, task_type, [*parents, shot["name"]])

    def _of_asset(self, project: _Row, asset_type: _Row, name: str, task_type: str) -> _Row:
        assets = gazu.asset.all_assets_for_project_and_type(project, asset_type, client=self._kitsu)
        where = f"{project['name']}/{asset_type['name']}"
        asset = _named(assets, name, f"asset of {where}")
        tasks = gazu.task.all_tasks_for_asset(asset, client=self._kitsu)
        return self._task(tasks, task_type, [project["name"], asset_type["name"], asset["name"]])

    def _task(self, tasks: list[_Row], task_type: str, parents: list[str]) -> _Row:
        types = {one["id"]: one for one in gazu.task.all_task_types(client=self._kitsu)}
        where = "/".join(parents)
        rows = [{**one, "name": types[one["task_type_id"]]["name"]} for one in tasks]
        # A task's own name is "main" unless somebody made several of one type.
        matching = _matching(rows, task_type)
        if len(matching) > 1:
            own = {one["id"]: one["name"] for one in tasks}
            matching = [one for one in matching if own[one["id"]] == "main"] or matching
        found = _one(matching, rows, task_type, f"task of {where}")
        original = next(one for one in tasks if one["id"] == found["id"])
        return {**original, "path": f"{where}/{found['name']}"}


def _path_of(task: _Row) -> str:
    """The names in what Kitsu says of a task that was asked for by its id."""

    def name(key: str) -> str:
        return str((task.get(key) or {}).get("name") or "")

    parents = [name("project"), name("episode"), name("sequence")]
    if not name("sequence"):
        parents.append(name("entity_type"))
    return "/".join(filter(None, [*parents, name("entity"), name("task_type")]))


def _text(argument: str, value: Entity) -> str:
    given = value.get("id") if isinstance(value, Mapping) else value
    if not isinstance(given, str) or not given.strip():
        raise InvalidArgument(f"{argument}: {given!r:.80} is neither a name nor an id.")
    return given.strip()


def _by_id(rows: list[_Row], wanted: str, what: str) -> _Row:
    wanted = str(uuid.UUID(wanted))
    for one in rows:
        if one["id"] == wanted:
            return one
    raise EntityNotFound(f"Kitsu has no {what} {wanted}.")


def _named(
    rows: list[_Row], wanted: str, what: str, key: str = "name", also: str = "", but: str = ""
) -> _Row:
    found = _matching(rows, wanted, key)
    return _one(found, rows, wanted, what, key=key, also=also, but=but)


def _matching(rows: list[_Row], wanted: str, key: str = "name") -> list[_Row]:
    """Those that are called so; without regard to case if none is exactly."""
    exact = [one for one in rows if one.get(key) == wanted]
    return exact or [one for one in rows if str(one.get(key, "")).lower() == wanted.lower()]


def _one(
    found: list[_Row],
    rows: list[_Row],
    wanted: str,
    what: str,
    *,
    key: str = "name",
    also: str = "",
    but: str = "",
) -> _Row:
    if len(found) == 1:
        return found[0]
    if found:
        ways = ", ".join(f"{one[key]} ({one['id']})" for one in found[:_MOST_NEAR])
        raise InvalidArgument(
            f"{what}: {wanted!r:.80} is {len(found)} of them: {ways}. Give the id instead."
        )
    words = [str(one.get(key)) for one in rows]
    words += [str(one.get(also)) for one in rows if also and one.get(also)]
    where, _, rest = what.partition(" of ")
    holder = f"{rest} has" if rest else "Kitsu has"
    near = did_you_mean(wanted, words)
    raise EntityNotFound(f"{holder} no {where} {wanted!r:.80}. {near}{but}")
