"""Many comments in one request, each with its attachments and previews."""

from __future__ import annotations

import os
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.entity import Entity, entity_id
from farm_tasks.errors import InvalidArgument
from farm_tasks.kitsu.calls import upload
from farm_tasks.kitsu.checks import attachment_paths, preview_file_path, size_of
from farm_tasks.kitsu.ledger import Ledger, Memory, Part, note_failed, once
from farm_tasks.kitsu.operations.comments import add_comment, like_comments, missing
from farm_tasks.kitsu.operations.half_done import remembering
from farm_tasks.kitsu.operations.previews import previews_of, upload_preview_file
from farm_tasks.transfer.progress import ProgressCallback, Share

_BATCH = 10


def batch_comments(
    comments: list[dict[str, Any]] | None = None,
    task: Entity | None = None,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
    ledger: Ledger | None = None,
) -> list[dict[str, Any]]:
    """Post many comments at once, each with its files. Returns them.

    Each is a dict as zou 1.0.97 takes it: ``task_id`` (unless ``task`` is given),
    ``task_status_id``, ``text``, ``checklist``, ``attachment_files`` and ``preview_files`` (lists
    of paths). More than ten go in several requests: zou looks for the files of comment 1 by
    ``"attachment_file-1" in name``, and would give it those of comment 10 as well.

    What a request left undone, which zou may do silently, is made good comment by comment.

    Raises:
        HalfDone, Cancelled: without a ledger: it stopped after some were posted.
        FarmTasksError: whatever else went wrong.
    """
    found = [_checked(comment, task) for comment in comments or []]
    if not found:
        raise InvalidArgument("comments is empty: give at least one comment.")
    ledger = ledger or Memory()
    total = sum(map(_bytes_of, found))
    posted: list[dict[str, Any]] = []
    sent = 0
    for start in range(0, len(found), _BATCH):
        batch = found[start : start + _BATCH]
        share = Share(progress_callback, sent, total)
        if not posted:
            posted += _post(Part(ledger, str(start)), batch, task, client, share)
        else:
            with remembering(ledger, f"{len(posted)} of {len(found)} comments were posted."):
                posted += _post(Part(ledger, str(start)), batch, task, client, share)
        sent += sum(map(_bytes_of, batch))
    if progress_callback is not None:
        progress_callback(total, total)
    return posted


def _post(
    ledger: Ledger,
    batch: list[dict[str, Any]],
    task: Entity | None,
    client: KitsuClient | None,
    progress: ProgressCallback,
) -> list[dict[str, Any]]:
    """Post one request's comments, and what it left undone one by one."""
    known: dict[str, Any] = {}

    def before() -> dict[str, Any]:
        texts = [(one["task_id"], one["task_status_id"], one["text"]) for one in batch]
        known["comments"] = [like_comments(*one, client) for one in texts]
        return known

    def send() -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = upload(
            gazu.task.batch_comments,
            batch,
            task=None if task is None else entity_id("task", task),
            client=client,
            progress_callback=progress,
        )
        for one in answer:
            ledger.claim(one["id"])
        if len(answer) == len(batch) and all(map(_is_whole, answer, batch)):
            return answer
        with remembering(ledger, "Kitsu stored a part of the batch."):
            return make_good(known)

    def make_good(known: dict[str, Any]) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for number, comment in enumerate(batch):
            part = Part(ledger, str(number))
            if part.read("comment") is None:
                taken = [one["id"] for one in made]
                note_failed(part, "comment", {"comments": known["comments"][number] + taken})
            made.append(_complete(part, comment, client))
        return made

    posted: list[dict[str, Any]] = once(ledger, "batch", send, make_good, before)
    return posted


def _complete(
    ledger: Ledger, comment: dict[str, Any], client: KitsuClient | None
) -> dict[str, Any]:
    """Post the comment unless it is there, and add what it lacks."""
    posted = add_comment(
        comment["task_id"],
        comment["task_status_id"],
        comment["text"],
        person=comment.get("person_id"),
        checklist=comment.get("checklist"),
        attachments=comment["attachment_files"],
        created_at=comment.get("created_at"),
        links=comment.get("links"),
        client=client,
        ledger=ledger,
    )
    there = [one for one in previews_of(posted["id"], client) if one["original_name"]]
    filled = []
    for number, path in enumerate(comment["preview_files"]):
        # zou drops what follows the last dot.
        name = os.path.basename(path).rpartition(".")[0]
        found = next((one for one in there if one["original_name"] == name), None)
        if found is None:
            part = Part(ledger, f"preview {number}")
            found = upload_preview_file(posted["id"], path, client=client, ledger=part)
        else:
            there.remove(found)
        filled.append(found)
    return {**posted, "preview_files": filled}


def _checked(comment: dict[str, Any], task: Entity | None) -> dict[str, Any]:
    """Zou answers 500 to a comment that lacks one of these."""
    if "text" not in comment:
        raise InvalidArgument("A comment of the batch has no text.")
    return {
        **comment,
        "task_id": entity_id("task_id", comment.get("task_id", "") if task is None else task),
        "task_status_id": entity_id("task_status_id", comment.get("task_status_id", "")),
        "attachment_files": attachment_paths(comment.get("attachment_files")),
        "preview_files": [preview_file_path(one) for one in comment.get("preview_files") or []],
    }


def _bytes_of(comment: dict[str, Any]) -> int:
    return sum(map(size_of, comment["attachment_files"] + comment["preview_files"]))


def _is_whole(answer: dict[str, Any], comment: dict[str, Any]) -> bool:
    """Whether zou has stored all files: it answers 201 even where it stored nothing."""
    return not missing(answer.get("attachment_files"), comment["attachment_files"]) and len(
        answer.get("preview_files") or []
    ) == len(comment["preview_files"])
