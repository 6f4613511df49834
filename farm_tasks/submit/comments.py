"""Comments and their attachments. See :mod:`farm_tasks.kitsu.operations.comments`."""

from __future__ import annotations

from typing import Any

from farm_tasks.queues import NORMAL, Priority
from farm_tasks.submit.sending import Entity, send
from farm_tasks.submit.submission import Submission


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
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Post a comment, with attachments in the order given. Returns the comment."""
    return send(
        "add_comment",
        task=task,
        task_status=task_status,
        comment=comment,
        person=person,
        checklist=checklist,
        attachments=attachments,
        created_at=created_at,
        links=links,
        for_client=for_client,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def add_attachment_files_to_comment(
    task: Entity,
    comment: Entity,
    attachments: str | list[str] | None = None,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Add attachments to a comment, in the order given. Returns what was added."""
    return send(
        "add_attachment_files_to_comment",
        task=task,
        comment=comment,
        attachments=attachments,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def batch_comments(
    comments: list[dict[str, Any]] | None = None,
    task: Entity | None = None,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Post many comments at once, each with its files. Returns them."""
    return send(
        "batch_comments",
        comments=comments,
        task=task,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )
