"""Comments and their attachments. Kitsu has no key for them: sent twice, they are there twice."""

from __future__ import annotations

import os
import re
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.entity import Entity, entity_id
from farm_tasks.errors import Incomplete, InvalidArgument
from farm_tasks.kitsu.calls import calling, upload
from farm_tasks.kitsu.checks import as_gazu_sends, attachment_paths, size_of
from farm_tasks.kitsu.ledger import Ledger, Memory, once, settling_of
from farm_tasks.kitsu.operations.half_done import remembering
from farm_tasks.transfer.progress import ProgressCallback, announce


def add_comment(
    task: Entity,
    task_status: Entity,
    comment: str = "",
    person: Entity | None = None,
    checklist: list[dict[str, Any]] | None = None,
    attachments: list[str] | None = None,
    created_at: str | None = None,
    links: list[str] | None = None,
    for_client: bool = False,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
    ledger: Ledger | None = None,
) -> dict[str, Any]:
    """Post a comment, with attachments in the order given. Returns the comment.

    ``total`` is the combined size of the attachments; without any, the callback gets ``(0, 0)``.

    Raises:
        Incomplete: Kitsu stored fewer attachments than were sent. Called again with the same
            ledger, it sends the others.
        FarmTasksError: whatever else went wrong.
    """
    ledger = ledger or Memory()
    paths = attachment_paths(attachments)
    size = sum(map(size_of, paths))
    task = entity_id("task", task)
    task_status = entity_id("task_status", task_status)

    def post() -> dict[str, Any]:
        posted: dict[str, Any] = upload(
            gazu.task.add_comment,
            task,
            task_status,
            comment=comment,
            person=None if person is None else entity_id("person", person),
            checklist=checklist,
            attachments=as_gazu_sends(paths),
            created_at=created_at,
            links=links,
            for_client=for_client,
            client=client,
            progress_callback=progress_callback,
        )
        ledger.claim(posted["id"])
        return posted

    announce(progress_callback, "commenting")
    # What is posted is claimed before anybody else looks for a lost comment of the same text.
    with ledger.alone(f"task:{task}"):
        posted: dict[str, Any] = once(
            ledger,
            "comment",
            do=post,
            look=lambda before: find_comment(
                ledger, task, task_status, comment, person, before["comments"], client
            ),
            about=comment_about(task, task_status, comment, person),
            before=lambda: {"comments": like_comments(task, task_status, comment, client)},
            settling=settling_of(size),
        )
    if missing(posted.get("attachment_files"), paths):
        with remembering(ledger, f"Comment {posted['id']} was posted."):
            posted["attachment_files"] = attach(
                ledger, task, posted["id"], paths, [], client, progress_callback
            )
    if progress_callback is not None:
        progress_callback(size, size)
    return posted


def add_attachment_files_to_comment(
    task: Entity,
    comment: Entity,
    attachments: str | list[str] | None = None,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
    ledger: Ledger | None = None,
) -> list[dict[str, Any]]:
    """Add attachments to a comment, in the order given. Returns what was added.

    Raises:
        InvalidArgument: ``attachments`` is empty.
        Incomplete: Kitsu stored fewer than were sent. Called again with the same ledger, it sends
            the others.
        FarmTasksError: whatever else went wrong.
    """
    ledger = ledger or Memory()
    paths = attachment_paths(attachments)
    if not paths:
        raise InvalidArgument("attachments is empty: give at least one path.")
    task = entity_id("task", task)
    comment = entity_id("comment", comment)
    return attach(ledger, task, comment, paths, None, client, progress_callback)


def attach(
    ledger: Ledger,
    task: str,
    comment: str,
    paths: list[str],
    known: list[str] | None,
    client: KitsuClient | None,
    progress: ProgressCallback | None,
) -> list[dict[str, Any]]:
    """Send those of ``paths`` that are not on the comment yet, and return all of them.

    Args:
        ledger: Where it is kept.
        task: The comment's task.
        comment: The comment.
        paths: What the comment shall have.
        known: Ids of attachments that are none of these. None for all that are there now: then
            nothing is looked for before the first try.
        client: As everywhere.
        progress: As everywhere.

    Raises:
        Incomplete: Kitsu stored fewer than were sent.
    """
    found: list[dict[str, Any]] = []

    def look(before: dict[str, Any]) -> list[dict[str, Any]] | None:
        there = _attachments(task, comment, client)
        found[:] = [one for one in there if one["id"] not in before["attachments"]]
        return None if missing(found, paths) else found

    def send() -> list[dict[str, Any]]:
        absent = missing(found, paths)
        if not absent:
            return found
        added = upload(
            gazu.task.add_attachment_files_to_comment,
            task,
            comment,
            as_gazu_sends(absent),
            client=client,
            progress_callback=progress,
        )
        stored = found + list(added or [])
        left = missing(stored, paths)
        if left:
            raise Incomplete(
                f"Comment {comment} has {len(paths) - len(left)} of the {len(paths)} attachments "
                "that were sent."
            )
        return stored

    def before() -> dict[str, Any]:
        if known is None:
            return {"attachments": [one["id"] for one in _attachments(task, comment, client)]}
        look({"attachments": known})
        return {"attachments": known}

    with ledger.alone(f"comment:{comment}"):
        attached: list[dict[str, Any]] = once(
            ledger,
            "attachments",
            do=send,
            look=look,
            about=[comment, [os.path.basename(path) for path in paths]],
            before=before,
            settling=settling_of(sum(map(size_of, paths))),
        )
    return attached


def comment_about(
    task: str, task_status: str, text: str, person: Entity | None
) -> list[str | None]:
    """What makes it this comment and no other."""
    return [task, task_status, text, None if person is None else entity_id("person", person)]


def like_comments(task: str, task_status: str, text: str, client: KitsuClient | None) -> list[str]:
    """Ids of the comments on a task that say the same already."""
    return [one["id"] for one in _comments(task, client) if _is_like(one, task_status, text)]


def find_comment(
    ledger: Ledger,
    task: str,
    task_status: str,
    text: str,
    person: Entity | None,
    before: list[str],
    client: KitsuClient | None,
) -> dict[str, Any] | None:
    """The comment that an earlier try has posted, if there is one: no other ledger's.

    Kitsu keeps nothing by which one could tell which try made it. So it is one that says the same,
    by the same author, was not there before, and has not been claimed.
    """
    with calling(client) as kitsu:
        # In the name of ``person``, unless Kitsu does not let us.
        authors = {gazu.client.get_current_user(client=kitsu)["id"]}
    if person is not None:
        authors.add(entity_id("person", person))
    candidates = [
        one
        for one in reversed(_comments(task, client))  # oldest first
        if _is_like(one, task_status, text)
        and one["id"] not in before
        and one["person_id"] in authors
    ]
    # One that was claimed here before its claimer lost the submission, rather than another's.
    candidates.sort(key=lambda one: not ledger.has_claimed(one["id"]))
    return next((one for one in candidates if ledger.claim(one["id"])), None)


def missing(stored: object, paths: list[str]) -> list[str]:
    """Those of ``paths`` that are not among the attachments ``stored``, by name and size.

    Kitsu keeps some names otherwise: zou puts a dash and eight letters behind one that the comment
    has already, and a backslash, a quote or a line end does not come through HTTP as it is. So
    what is left over of the same size is taken for it.
    """
    left = list(stored) if isinstance(stored, list) else []
    absent = []
    for path in sorted(paths, key=lambda one: not _find(left, one, by_name=True)):
        found = _find(left, path, by_name=True) or _find(left, path, by_name=False)
        if found is None:
            absent.append(path)
        else:
            left.remove(found)
    return [one for one in paths if one in absent]


def _find(stored: list[dict[str, Any]], path: str, by_name: bool) -> dict[str, Any] | None:
    stem, extension = os.path.splitext(os.path.basename(path))
    name = re.compile(f"{re.escape(stem)}(-[a-z]{{8}})?{re.escape(extension)}")
    size = size_of(path)
    for one in stored:
        if one.get("size") == size and (not by_name or name.fullmatch(one.get("name", ""))):
            return one
    return None


def _comments(task: str, client: KitsuClient | None) -> list[dict[str, Any]]:
    """All comments of a task with their attachments, newest first."""
    with calling(client) as kitsu:
        found: list[dict[str, Any]] = gazu.task.all_comments_for_task(task, client=kitsu)
    return found


def _attachments(task: str, comment: str, client: KitsuClient | None) -> list[dict[str, Any]]:
    for one in _comments(task, client):
        if one["id"] == comment:
            return list(one.get("attachment_files") or [])
    return []


def _is_like(comment: dict[str, Any], task_status: str, text: str) -> bool:
    return comment["task_status_id"] == task_status and (comment["text"] or "") == (text or "")
