"""Previews, alone and published. See :mod:`farm_tasks.kitsu.operations.previews`."""

from __future__ import annotations

from typing import Any

from farm_tasks.kitsu import operations
from farm_tasks.worker.app import app
from farm_tasks.worker.task import TransferTask


@app.task(bind=True, base=TransferTask, name="farm_tasks.upload_preview_file")
def upload_preview_file(
    self: TransferTask,
    preview_file: str,
    file_path: str,
    normalize_movie: bool = True,
    no_job: bool = False,
) -> dict[str, Any]:
    """Upload the content of a preview file. Returns the preview file, still ``processing``."""
    return self.transfer(
        operations.upload_preview_file,
        preview_file,
        self.source(file_path),
        normalize_movie=normalize_movie,
        no_job=no_job,
        ledger=self.ledger,
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.add_preview")
def add_preview(
    self: TransferTask,
    task: str,
    comment: str,
    preview_file_path: str | None = None,
    preview_file_url: str | None = None,
    normalize_movie: bool = True,
    revision: int | None = None,
    no_job: bool = False,
) -> dict[str, Any]:
    """Make a preview on a comment and upload its content. Returns the preview file."""
    return self.transfer(
        operations.add_preview,
        task,
        comment,
        preview_file_path=None if preview_file_path is None else self.source(preview_file_path),
        preview_file_url=preview_file_url,
        normalize_movie=normalize_movie,
        revision=revision,
        no_job=no_job,
        ledger=self.ledger,
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.add_extra_preview")
def add_extra_preview(
    self: TransferTask,
    task: str,
    comment: str,
    preview_file: str,
    preview_file_path: str | None = None,
    preview_file_url: str | None = None,
    normalize_movie: bool = True,
    no_job: bool = False,
) -> dict[str, Any]:
    """Make one more preview under the revision of ``preview_file`` and upload its content."""
    return self.transfer(
        operations.add_extra_preview,
        task,
        comment,
        preview_file,
        preview_file_path=None if preview_file_path is None else self.source(preview_file_path),
        preview_file_url=preview_file_url,
        normalize_movie=normalize_movie,
        no_job=no_job,
        ledger=self.ledger,
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.publish_preview")
def publish_preview(
    self: TransferTask,
    task: str,
    task_status: str,
    comment: str = "",
    person: str | None = None,
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
) -> list[dict[str, Any]]:
    """Comment, make a preview on the comment, upload it. Returns ``[comment, preview_file]``."""
    return self.transfer(
        operations.publish_preview,
        task,
        task_status,
        comment=comment,
        person=person,
        checklist=checklist,
        attachments=self.sources(attachments),
        created_at=created_at,
        preview_file_path=None if preview_file_path is None else self.source(preview_file_path),
        preview_file_url=preview_file_url,
        normalize_movie=normalize_movie,
        revision=revision,
        set_thumbnail=set_thumbnail,
        links=links,
        wait_until_ready=wait_until_ready,
        ledger=self.ledger,
    )
