"""Where ``publish`` publishes: the ids behind the names, looked up once, and the status to set."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.entity import Entity
from farm_tasks.errors import Rejected
from farm_tasks.kitsu.calls import calling
from farm_tasks.kitsu.ledger import Ledger, is_done
from farm_tasks.kitsu.lookup import find_person, find_playlist, find_status, find_task
from farm_tasks.kitsu.operations.comments import comment_about
from farm_tasks.transfer.progress import ProgressCallback, announce

Target = dict[str, Any]
"""``task`` (``id``, ``path``, ``project_id``, ``entity_id``), ``task_status`` (an id, or None for
the present one), ``person`` and ``playlist`` (ids or None), ``artist`` (a full name or ""), and
``date`` (``2026-01-31``, of the first try)."""

_TARGET = "target"
_STATUS = "status"


def find_target(
    ledger: Ledger,
    task: Entity,
    task_status: Entity | None,
    person: Entity | None,
    playlist: Entity | None,
    client: KitsuClient | None,
    progress: ProgressCallback,
) -> Target:
    """The ids behind the names, looked up once: names may change.

    Args:
        ledger: Where they are kept.
        task: As :func:`farm_tasks.kitsu.operations.publishing.publish` takes it, as what follows.
        task_status: See there.
        person: See there.
        playlist: See there.
        client: As everywhere.
        progress: As everywhere.

    Raises:
        EntityNotFound, InvalidArgument: see :mod:`farm_tasks.kitsu.lookup`.
    """
    about = [task, task_status, person, playlist]
    noted = ledger.read(_TARGET)
    if noted is not None and noted["about"] == about:
        return dict(noted["found"])
    announce(progress, "looking up the task")
    found = find_task(task, client)
    today = datetime.fromtimestamp(ledger.now()).astimezone().strftime("%Y-%m-%d")
    kept = ("id", "path", "project_id", "entity_id")
    target = {
        "task": {name: found[name] for name in kept},
        "task_status": None if task_status is None else find_status(task_status, client)["id"],
        "person": None,
        "artist": "",
        "playlist": None,
        # Written into the picture: a later try has to make the same movie.
        "date": noted["found"]["date"] if noted is not None else today,
    }
    if person is not None:
        one = find_person(person, client)
        target |= {"person": one["id"], "artist": one["full_name"]}
    if playlist is not None:
        target["playlist"] = find_playlist(found["project_id"], playlist, client)["id"]
    ledger.write(_TARGET, {"about": about, "found": target})
    return target


def check_revision(target: Target, wanted: int | None, client: KitsuClient | None) -> None:
    """See that a revision is free, before anything is said in Kitsu.

    Kitsu itself refuses one that is taken (400), when the comment is there already.

    Raises:
        Rejected: it is taken.
    """
    if wanted is None:
        return
    with calling(client) as kitsu:
        previews = gazu.files.get_all_preview_files_for_task(target["task"], client=kitsu)
    taken = {one["revision"] for one in previews}
    if wanted in taken:
        raise Rejected(
            f"Revision {wanted} of {target['task']['path']} is taken; {max(taken) + 1} is the next "
            "free one. Ask for another one, or for auto."
        )


def look_up_again(ledger: Ledger) -> None:
    """Have the next try look the names up again. The date stays: it is in the movie."""
    noted = ledger.read(_TARGET)
    if noted is not None:
        ledger.write(_TARGET, {**noted, "about": None})


def status_of(ledger: Ledger, target: Target, comment: str, client: KitsuClient | None) -> str:
    """The status that the comment sets.

    None is given for the present one: as it is when the comment is first tried, which may be long
    after the names were looked up. From then on the comment is known by it.
    """
    given: str | None = target["task_status"]
    if given is not None:
        return given
    about = [target["task"]["id"], comment, target["person"]]
    noted = ledger.read(_STATUS)
    if noted is None or noted["about"] != about or ledger.read("comment") is None:
        with calling(client) as kitsu:
            found = gazu.task.get_task(target["task"]["id"], client=kitsu)
        noted = {"about": about, "status": found["task_status_id"]}
        ledger.write(_STATUS, noted)
    return str(noted["status"])


def posted_before(ledger: Ledger, target: Target, comment: str) -> dict[str, Any] | None:
    """The comment, if an earlier try has posted it."""
    task, person = target["task"]["id"], target["person"]
    status = target["task_status"] or (ledger.read(_STATUS) or {"status": ""})["status"]
    found: dict[str, Any] | None = is_done(
        ledger, "comment", comment_about(task, status, comment, person)
    )
    return found
