"""Comments and their attachments. Kitsu has no key for them: sent twice, they are there twice."""

from __future__ import annotations

from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.entity import Entity, entity_id
from farm_tasks.errors import HalfDone, InvalidArgument
from farm_tasks.kitsu.calls import upload
from farm_tasks.kitsu.checks import (
    as_gazu_sends,
    attachment_paths,
    preview_file_path,
)
from farm_tasks.transfer.progress import ProgressCallback


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
) -> dict[str, Any]:
    """Post a comment, with attachments in the order given. Returns the comment.

    ``total`` is the combined size of the attachments; without any, the callback gets ``(0, 0)``.
    """
    paths = attachment_paths(attachments)
    posted: dict[str, Any] = upload(
        gazu.task.add_comment,
        entity_id("task", task),
        entity_id("task_status", task_status),
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
    if not paths and progress_callback is not None:
        progress_callback(0, 0)
    _count(posted.get("attachment_files"), len(paths), f"Comment {posted.get('id')}")
    return posted


def add_attachment_files_to_comment(
    task: Entity,
    comment: Entity,
    attachments: str | list[str] | None = None,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> list[dict[str, Any]]:
    """Add attachments to a comment, in the order given. Returns what was added.

    Raises:
        InvalidArgument: ``attachments`` is empty.
        HalfDone: Kitsu stored fewer than were sent.
    """
    paths = attachment_paths(attachments)
    if not paths:
        raise InvalidArgument("attachments is empty: give at least one path.")
    comment = entity_id("comment", comment)
    added: list[dict[str, Any]] = upload(
        gazu.task.add_attachment_files_to_comment,
        entity_id("task", task),
        comment,
        as_gazu_sends(paths),
        client=client,
        progress_callback=progress_callback,
    )
    _count(added, len(paths), f"Comment {comment}")
    return added


def batch_comments(
    comments: list[dict[str, Any]] | None = None,
    task: Entity | None = None,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> list[dict[str, Any]]:
    """Post many comments at once, each with its files. Returns them.

    Each is a dict as gazu takes it: ``object_id`` (the task, unless ``task`` is given),
    ``task_status_id``, ``text``, ``attachment_files`` and ``preview_files`` (lists of paths).

    Raises:
        HalfDone: Kitsu dropped a preview, which it does silently.
    """
    found = [dict(comment) for comment in comments or []]
    if not found:
        raise InvalidArgument("comments is empty: give at least one comment.")
    for comment in found:
        comment["attachment_files"] = attachment_paths(comment.get("attachment_files"))
        comment["preview_files"] = [
            preview_file_path(path) for path in comment.get("preview_files") or []
        ]
    posted: list[dict[str, Any]] = upload(
        gazu.task.batch_comments,
        found,
        task=None if task is None else entity_id("task", task),
        client=client,
        progress_callback=progress_callback,
    )
    if progress_callback is not None and not any(
        comment["attachment_files"] or comment["preview_files"] for comment in found
    ):
        progress_callback(0, 0)
    _count(posted, len(found), "The batch of comments")
    for sent, answer in zip(found, posted, strict=True):
        _count(answer.get("previews"), len(sent["preview_files"]), f"Comment {answer.get('id')}")
    return posted


def _count(stored: object, sent: int, where: str) -> None:
    """Zou answers 201 even where it stored nothing."""
    count = len(stored) if isinstance(stored, list) else 0
    if count < sent:
        raise HalfDone(f"{where} has {count} of the {sent} items that were sent. Send the others.")
