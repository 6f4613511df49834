"""Files that belong to one entity. See :mod:`farm_tasks.kitsu.operations.uploads`."""

from __future__ import annotations

from farm_tasks.queues import NORMAL, Priority
from farm_tasks.submit.sending import Entity, send
from farm_tasks.submit.submission import Submission


def upload_working_file(
    working_file: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Upload the content of a working file, in place of what was there. Returns the model."""
    return send(
        "upload_working_file",
        working_file=working_file,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def upload_person_avatar(
    person: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Upload a person's picture. Returns ``{"thumbnail_path": str}``."""
    return send(
        "upload_person_avatar",
        person=person,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def set_avatar(
    person: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Upload a person's picture: gazu.person's name for :func:`upload_person_avatar`."""
    return send(
        "set_avatar",
        person=person,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def upload_project_avatar(
    project: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Upload a project's thumbnail. Returns ``{"thumbnail_path": str}``."""
    return send(
        "upload_project_avatar",
        project=project,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def upload_organisation_avatar(
    organisation: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Upload the organisation's logo. Returns ``{"thumbnail_path": str}``."""
    return send(
        "upload_organisation_avatar",
        organisation=organisation,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )
