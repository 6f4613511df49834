"""Previews, alone and published. See :mod:`farm_tasks.kitsu.operations.previews`."""

from __future__ import annotations

from typing import Any

from farm_tasks.queues import NORMAL, Priority
from farm_tasks.submit.sending import Entity, send
from farm_tasks.submit.submission import Submission


def upload_preview_file(
    preview_file: Entity,
    file_path: str,
    normalize_movie: bool = True,
    no_job: bool = False,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Upload the content of a preview file. Returns the preview file, still ``processing``."""
    return send(
        "upload_preview_file",
        preview_file=preview_file,
        file_path=file_path,
        normalize_movie=normalize_movie,
        no_job=no_job,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def add_preview(
    task: Entity,
    comment: Entity,
    preview_file_path: str | None = None,
    preview_file_url: str | None = None,
    normalize_movie: bool = True,
    revision: int | None = None,
    no_job: bool = False,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Make a preview on a comment and upload its content. Returns the preview file."""
    return send(
        "add_preview",
        task=task,
        comment=comment,
        preview_file_path=preview_file_path,
        preview_file_url=preview_file_url,
        normalize_movie=normalize_movie,
        revision=revision,
        no_job=no_job,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def add_extra_preview(
    task: Entity,
    comment: Entity,
    preview_file: Entity,
    preview_file_path: str | None = None,
    preview_file_url: str | None = None,
    normalize_movie: bool = True,
    no_job: bool = False,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Make one more preview under the revision of ``preview_file`` and upload its content."""
    return send(
        "add_extra_preview",
        task=task,
        comment=comment,
        preview_file=preview_file,
        preview_file_path=preview_file_path,
        preview_file_url=preview_file_url,
        normalize_movie=normalize_movie,
        no_job=no_job,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def publish_preview(
    task: Entity,
    task_status: Entity,
    comment: str = "",
    person: Entity | None = None,
    checklist: list[dict[str, Any]] | None = None,
    attachments: list[str] | None = None,
    created_at: str | None = None,
    preview_file_path: str | None = None,
    preview_file_url: str | None = None,
    normalize_movie: bool = True,
    revision: int | None = None,
    set_thumbnail: bool = False,
    links: list[str] | None = None,
    wait_until_ready: bool = False,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Comment, make a preview on the comment, upload it. Returns ``[comment, preview_file]``."""
    return send(
        "publish_preview",
        task=task,
        task_status=task_status,
        comment=comment,
        person=person,
        checklist=checklist,
        attachments=attachments,
        created_at=created_at,
        preview_file_path=preview_file_path,
        preview_file_url=preview_file_url,
        normalize_movie=normalize_movie,
        revision=revision,
        set_thumbnail=set_thumbnail,
        links=links,
        wait_until_ready=wait_until_ready,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )
