"""Comments and their attachments. See :mod:`farm_tasks.kitsu.operations.comments`."""

from __future__ import annotations

from typing import Any

from farm_tasks.errors import InvalidArgument
from farm_tasks.kitsu import operations
from farm_tasks.worker.app import app
from farm_tasks.worker.task import TransferTask


@app.task(bind=True, base=TransferTask, name="farm_tasks.add_comment")
def add_comment(
    self: TransferTask,
    task: str,
    task_status: str,
    comment: str = "",
    person: str | None = None,
    checklist: list[dict[str, Any]] | None = None,
    attachments: list[str] | None = None,
    created_at: str | None = None,
    links: list[str] | None = None,
    for_client: bool = False,
) -> dict[str, Any]:
    """Post a comment, with attachments in the order given. Returns the comment."""
    return self.transfer(
        operations.add_comment,
        task,
        task_status,
        comment=comment,
        person=person,
        checklist=checklist,
        attachments=self.sources(attachments),
        created_at=created_at,
        links=links,
        for_client=for_client,
        ledger=self.ledger,
    )


@app.task(
    bind=True,
    base=TransferTask,
    name="farm_tasks.add_attachment_files_to_comment",
)
def add_attachment_files_to_comment(
    self: TransferTask,
    task: str,
    comment: str,
    attachments: str | list[str] | None = None,
) -> list[dict[str, Any]]:
    """Add attachments to a comment, in the order given. Returns what was added."""
    return self.transfer(
        operations.add_attachment_files_to_comment,
        task,
        comment,
        attachments=self.sources(attachments),
        ledger=self.ledger,
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.batch_comments")
def batch_comments(
    self: TransferTask,
    comments: list[dict[str, Any]] | None = None,
    task: str | None = None,
) -> list[dict[str, Any]]:
    """Post many comments at once, each with its files. Returns them."""
    if not isinstance(comments, list) or not all(isinstance(one, dict) for one in comments):
        raise InvalidArgument("comments is not a list of dicts.")
    checked = [dict(comment) for comment in comments]
    for comment in checked:
        for kind in ("attachment_files", "preview_files"):
            comment[kind] = self.sources(comment.get(kind))
    return self.transfer(operations.batch_comments, comments=checked, task=task, ledger=self.ledger)
