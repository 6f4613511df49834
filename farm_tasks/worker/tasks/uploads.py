"""Files that belong to one entity. See :mod:`farm_tasks.kitsu.operations.uploads`."""

from __future__ import annotations

from typing import Any

from farm_tasks.kitsu import operations
from farm_tasks.worker.app import app
from farm_tasks.worker.task import TransferTask


@app.task(bind=True, base=TransferTask, name="farm_tasks.upload_working_file")
def upload_working_file(
    self: TransferTask,
    working_file: str,
    file_path: str,
) -> dict[str, Any]:
    """Upload the content of a working file, in place of what was there. Returns the model."""
    return self.transfer(
        operations.upload_working_file,
        working_file,
        self.source(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.upload_person_avatar")
def upload_person_avatar(
    self: TransferTask,
    person: str,
    file_path: str,
) -> dict[str, Any]:
    """Upload a person's picture. Returns ``{"thumbnail_path": str}``."""
    return self.transfer(
        operations.upload_person_avatar,
        person,
        self.source(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.set_avatar")
def set_avatar(
    self: TransferTask,
    person: str,
    file_path: str,
) -> dict[str, Any]:
    """Upload a person's picture: gazu.person's name for :func:`upload_person_avatar`."""
    return self.transfer(
        operations.set_avatar,
        person,
        self.source(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.upload_project_avatar")
def upload_project_avatar(
    self: TransferTask,
    project: str,
    file_path: str,
) -> dict[str, Any]:
    """Upload a project's thumbnail. Returns ``{"thumbnail_path": str}``."""
    return self.transfer(
        operations.upload_project_avatar,
        project,
        self.source(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.upload_organisation_avatar")
def upload_organisation_avatar(
    self: TransferTask,
    organisation: str,
    file_path: str,
) -> dict[str, Any]:
    """Upload the organisation's logo. Returns ``{"thumbnail_path": str}``."""
    return self.transfer(
        operations.upload_organisation_avatar,
        organisation,
        self.source(file_path),
    )
