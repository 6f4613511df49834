"""Comments and their attachments. Kitsu has no key for them: sent twice, they are there twice."""

from __future__ import annotations

import os
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.entity import Entity, entity_id
from farm_tasks.errors import FarmTasksError, HalfDone, InvalidArgument, stopped_after
from farm_tasks.kitsu.calls import upload
from farm_tasks.kitsu.checks import (
    as_gazu_sends,
    attachment_paths,
    preview_file_path,
)
from farm_tasks.transfer.progress import ProgressCallback, Share

_BATCH = 10


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

    Each is a dict as zou 1.0.97 takes it: ``task_id`` (unless ``task`` is given),
    ``task_status_id``, ``text``, ``checklist``, ``attachment_files`` and ``preview_files`` (lists
    of paths). More than ten go in several requests: zou looks for the files of comment 1 by
    ``"attachment_file-1" in name``, and would give it those of comment 10 as well.

    Raises:
        HalfDone: Kitsu dropped a preview, which it does silently, or failed after some were posted.
    """
    found = [_checked(comment, task) for comment in comments or []]
    if not found:
        raise InvalidArgument("comments is empty: give at least one comment.")
    task = None if task is None else entity_id("task", task)
    total = sum(map(_bytes_of, found))
    posted: list[dict[str, Any]] = []
    sent = 0
    for start in range(0, len(found), _BATCH):
        batch = found[start : start + _BATCH]
        try:
            posted += upload(
                gazu.task.batch_comments,
                batch,
                task=task,
                client=client,
                progress_callback=Share(progress_callback, sent, total),
            )
        except FarmTasksError as error:
            if not posted:
                raise
            raise stopped_after(
                f"{len(posted)} of {len(found)} comments were posted.", error
            ) from error
        sent += sum(map(_bytes_of, batch))
    if not total and progress_callback is not None:
        progress_callback(0, 0)
    _count(posted, len(found), "The batch of comments")
    for comment, answer in zip(found, posted, strict=True):
        where = f"Comment {answer.get('id')}"
        _count(answer.get("attachment_files"), len(comment["attachment_files"]), where)
        _count(answer.get("preview_files"), len(comment["preview_files"]), where)
    return posted


def _checked(comment: dict[str, Any], task: Entity | None) -> dict[str, Any]:
    """Zou answers 500 to a comment that lacks one of these."""
    needed = ["task_status_id", *(["task_id"] if task is None else [])]
    if "text" not in comment:
        raise InvalidArgument("A comment of the batch has no text.")
    return {
        **comment,
        **{name: entity_id(name, comment.get(name, "")) for name in needed},
        "attachment_files": attachment_paths(comment.get("attachment_files")),
        "preview_files": [preview_file_path(one) for one in comment.get("preview_files") or []],
    }


def _bytes_of(comment: dict[str, Any]) -> int:
    return sum(map(os.path.getsize, comment["attachment_files"] + comment["preview_files"]))


def _count(stored: object, sent: int, where: str) -> None:
    """Zou answers 201 even where it stored nothing."""
    count = len(stored) if isinstance(stored, list) else 0
    if count < sent:
        raise HalfDone(f"{where} has {count} of the {sent} items that were sent. Send the others.")
