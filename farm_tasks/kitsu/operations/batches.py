"""Many comments in one request, each with its attachments and previews."""

from __future__ import annotations

import contextlib
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.entity import Entity, entity_id
from farm_tasks.errors import InvalidArgument
from farm_tasks.kitsu.calls import upload
from farm_tasks.kitsu.checks import attachment_paths, preview_file_path, size_of
from farm_tasks.kitsu.ledger import Ledger, Memory, Part, note_failed, once, settling_of
from farm_tasks.kitsu.operations.comments import (
    add_comment,
    comment_about,
    like_comments,
    missing,
)
from farm_tasks.kitsu.operations.filling import previews_of
from farm_tasks.kitsu.operations.half_done import remembering
from farm_tasks.kitsu.operations.previews import upload_preview_file
from farm_tasks.transfer.progress import ProgressCallback
from farm_tasks.transfer.relay import Share

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

    def before_all() -> dict[str, Any]:
        texts = [(one["task_id"], one["task_status_id"], one["text"]) for one in batch]
        known["comments"] = [like_comments(*one, client) for one in texts]
        return known

    def send() -> list[dict[str, Any]]:
        with contextlib.ExitStack() as alone:
            # In one order for all, or two could wait for each other.
            for one in sorted({comment["task_id"] for comment in batch}):
                alone.enter_context(ledger.alone(f"task:{one}"))
            answer: list[dict[str, Any]] = upload(
                gazu.task.batch_comments,
                batch,
                task=None if task is None else entity_id("task", task),
                client=client,
                progress_callback=progress,
            )
            for posted in answer:
                ledger.claim(posted["id"])
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
                about = comment_about(
                    comment["task_id"],
                    comment["task_status_id"],
                    comment["text"],
                    comment.get("person_id"),
                )
                before = {"comments": known["comments"][number] + taken}
                note_failed(part, "comment", about, before)
            made.append(_complete(part, comment, client))
        return made

    posted: list[dict[str, Any]] = once(
        ledger,
        "batch",
        do=send,
        look=make_good,
        about=[[one["task_id"], one["task_status_id"], one["text"]] for one in batch],
        before=before_all,
        settling=settling_of(sum(map(_bytes_of, batch))),
    )
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
    # Nobody else puts previews on a comment that is ours: those that are there are the first ones.
    for number, path in enumerate(comment["preview_files"]):
        if number < len(there):
            filled.append(there[number])
        else:
            part = Part(ledger, f"preview {number}")
            filled.append(upload_preview_file(posted["id"], path, client=client, ledger=part))
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
