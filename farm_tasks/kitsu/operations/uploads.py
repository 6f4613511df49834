"""Files that belong to one entity: working files and avatars. All may safely be sent again."""

from __future__ import annotations

from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.entity import Entity, entity_id
from farm_tasks.errors import ServerError, ServerUnavailable
from farm_tasks.kitsu.calls import upload
from farm_tasks.kitsu.checks import (
    readable_file,
)
from farm_tasks.transfer.progress import ProgressCallback


def upload_working_file(
    working_file: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Upload the content of a working file, in place of what was there. Returns the model.

    Raises:
        ServerUnavailable: among others where Kitsu fails with 500. zou 1.0.97 does so when one
            working file is uploaded twice at once: both go through one temporary file of its own.
        FarmTasksError: whatever else went wrong.
    """
    try:
        return upload(
            gazu.files.upload_working_file,
            entity_id("working_file", working_file),
            readable_file(file_path, may_be_empty=True),
            client=client,
            progress_callback=progress_callback,
        )
    except ServerError as error:
        raise ServerUnavailable(
            f"{error} Is this working file uploaded by someone else at the same time?"
        ) from error


def upload_person_avatar(
    person: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Upload a person's picture. Returns ``{"thumbnail_path": str}``."""
    return upload(
        gazu.files.upload_person_avatar,
        entity_id("person", person),
        readable_file(file_path),
        client=client,
        progress_callback=progress_callback,
    )


def set_avatar(
    person: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Upload a person's picture: gazu.person's name for :func:`upload_person_avatar`."""
    return upload(
        gazu.person.set_avatar,
        entity_id("person", person),
        readable_file(file_path),
        client=client,
        progress_callback=progress_callback,
    )


def upload_project_avatar(
    project: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Upload a project's thumbnail. Returns ``{"thumbnail_path": str}``."""
    return upload(
        gazu.files.upload_project_avatar,
        entity_id("project", project),
        readable_file(file_path),
        client=client,
        progress_callback=progress_callback,
    )


def upload_organisation_avatar(
    organisation: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Upload the organisation's logo. Returns ``{"thumbnail_path": str}``."""
    return upload(
        gazu.files.upload_organisation_avatar,
        entity_id("organisation", organisation),
        readable_file(file_path),
        client=client,
        progress_callback=progress_callback,
    )
