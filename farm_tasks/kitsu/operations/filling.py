"""One preview from its row to its content, each step once.

Kitsu makes a preview in two steps: a row on a comment, which it shows as being processed, and the
content. ``original_name`` is its own gate between them: set when, and only when, the content was
stored.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.confinement import name_in_submission
from farm_tasks.entity import entity_id
from farm_tasks.errors import AlreadyUploaded, EntityNotFound
from farm_tasks.kitsu.calls import calling, upload
from farm_tasks.kitsu.checks import size_of
from farm_tasks.kitsu.ledger import Ledger, Part, is_done, once, settling_of
from farm_tasks.kitsu.operations.half_done import remembering
from farm_tasks.transfer.progress import ProgressCallback

REMADE = 3
"""How often a preview whose row was deleted is made again in one go."""


def filled(
    ledger: Ledger,
    make: Callable[[], dict[str, Any]],
    path: str,
    normalize_movie: bool,
    no_job: bool,
    client: KitsuClient | None,
    progress: ProgressCallback | None,
    before_sending: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """The preview that ``make`` makes or finds, with its content."""
    size = size_of(path)
    uploaded = None
    for _ in range(REMADE):
        target = make()
        # Of what comes from Redis, nothing is put into an address unlooked at.
        target["id"] = entity_id("preview_file", target)
        is_ours = (is_done(ledger, "preview") or {}).get("id") == target["id"]
        go_on = f"Preview {target['id']} was made. To go on, give its id to upload_preview_file."
        try:
            with remembering(ledger, go_on) if is_ours else contextlib.nullcontext():
                uploaded = _uploaded(
                    ledger, target, path, normalize_movie, no_job, client, progress, before_sending
                )
            break
        except EntityNotFound:
            # Kitsu deletes the row of what it refuses: another one on the same comment.
            forget_preview(ledger)
            if not is_ours:
                raise
    if uploaded is None:
        raise EntityNotFound(f"Kitsu deleted the preview {REMADE} times before it had its content.")
    if progress is not None:
        progress(size, size)
    return dict(uploaded)


def _uploaded(
    ledger: Ledger,
    target: dict[str, Any],
    path: str,
    normalize_movie: bool,
    no_job: bool,
    client: KitsuClient | None,
    progress: ProgressCallback | None,
    before_sending: Callable[[], object],
) -> dict[str, Any]:
    preview = target["id"]

    def send() -> Any:
        before_sending()
        return upload(
            gazu.task.upload_preview_file,
            preview,
            path,
            normalize_movie=normalize_movie,
            no_job=no_job,
            client=client,
            progress_callback=progress,
        )

    def look(_before: dict[str, Any]) -> Any:
        # zou's own gate: it is set when, and only when, the content was stored.
        with calling(client) as kitsu:
            found = gazu.files.get_preview_file(preview, client=kitsu)
        return found if found["original_name"] else None

    def before() -> dict[str, Any]:
        if target["original_name"]:
            raise AlreadyUploaded(
                f"Preview {preview} already has its content ({target['original_name']}). "
                "Make a new preview for a new version."
            )
        return {}

    with ledger.alone(f"preview:{preview}"):
        uploaded: dict[str, Any] = once(
            ledger,
            "upload",
            do=send,
            look=look,
            about=[preview, name_in_submission(path)],
            before=before,
            settling=settling_of(size_of(path)),
        )
    return uploaded


def made_on(
    ledger: Ledger,
    task: str,
    comment: str,
    path: str,
    create: Callable[[KitsuClient], Any],
    client: KitsuClient | None,
) -> dict[str, Any]:
    """A preview on the comment that waits for its content, made once."""

    def make() -> dict[str, Any]:
        with calling(client) as kitsu:
            made = create(kitsu)
        ledger.claim(made["id"])
        return {"id": made["id"], "original_name": None}

    def before() -> dict[str, Any]:
        return {"previews": [one["id"] for one in previews_of(comment, client)]}

    def look(before: dict[str, Any]) -> dict[str, Any] | None:
        return _unfilled(ledger, comment, before["previews"], client)

    # One after the other for a task: two at once must not take the same revision.
    with ledger.alone(f"task:{task}"):
        made: dict[str, Any] = once(
            ledger, "preview", make, look, about=[comment, name_in_submission(path)], before=before
        )
    return made


def made_or_found(
    ledger: Ledger, comment: dict[str, Any], path: str, client: KitsuClient | None
) -> dict[str, Any]:
    """One on the comment that nobody fills, or a new one."""
    task, comment_id = comment["object_id"], comment["id"]

    def create(kitsu: KitsuClient) -> Any:
        with ledger.alone(f"comment:{comment_id}"):
            found = _unfilled(ledger, comment_id, [], client)
        return found or gazu.task.create_preview(task, comment_id, client=kitsu)

    return made_on(ledger, task, comment_id, path, create, client)


def _unfilled(
    ledger: Ledger, comment: str, but: list[str], client: KitsuClient | None
) -> dict[str, Any] | None:
    """The newest preview of a comment that waits for its content and is nobody else's."""
    candidates = [
        one["id"]
        for one in reversed(previews_of(comment, client))
        if one["id"] not in but and not one["original_name"]
    ]
    candidates.sort(key=lambda one: not ledger.has_claimed(one))
    found = next((one for one in candidates if ledger.claim(one)), None)
    return None if found is None else {"id": found, "original_name": None}


def previews_of(comment: str, client: KitsuClient | None) -> list[dict[str, Any]]:
    """The previews of a comment, oldest first."""
    comment = entity_id("comment", comment)
    with calling(client) as kitsu:
        try:
            found = gazu.task.get_comment(comment, client=kitsu)
        except gazu.exception.RouteNotFoundException:
            raise EntityNotFound(f"Kitsu has no comment {comment}.") from None
        ids = found.get("previews") or []
        return [gazu.files.get_preview_file(one, client=kitsu) for one in ids]


def remove_orphans(ledger: Ledger, client: KitsuClient | None = None) -> list[str]:
    """Remove the previews that were made for a content which will not come.

    Kitsu would show them as being processed for ever. The comment stays, and a later try with the
    same ledger makes another preview on it.

    Returns:
        The ids of what was removed.

    Raises:
        FarmTasksError: one could not be removed.
    """
    removed = []
    for step in ledger.steps():
        part, _, name = step.rpartition(".")
        if name == "preview":
            removed += _remove_orphan(Part(ledger, part) if part else ledger, client)
    return removed


def _remove_orphan(ledger: Ledger, client: KitsuClient | None) -> list[str]:
    made = is_done(ledger, "preview") or _of_lost_answer(ledger, client)
    if made is None:
        return []
    preview = entity_id("preview_file", made)
    with ledger.alone(f"preview:{preview}"):
        try:
            with calling(client) as kitsu:
                if gazu.files.get_preview_file(preview, client=kitsu)["original_name"]:
                    return []
                # First, as it is refused to whoever has lost the submission to another worker.
                ledger.erase("upload")
                gazu.files.remove_preview_file(preview, force=True, client=kitsu)
        except EntityNotFound:
            pass  # Kitsu has removed it, or somebody has
        forget_preview(ledger)
    return [preview]


def _of_lost_answer(ledger: Ledger, client: KitsuClient | None) -> dict[str, Any] | None:
    """The preview that may have been made although nobody heard so."""
    facts = ledger.read("preview")
    if facts is None:
        return None
    return _unfilled(ledger, facts["about"][0], facts["before"]["previews"], client)


def forget_preview(ledger: Ledger) -> None:
    """Have the next try make another preview."""
    ledger.erase("upload")
    ledger.erase("preview")


def forget_if_deleted(ledger: Ledger, comment: str, client: KitsuClient | None) -> None:
    """Have the next try begin anew if somebody has deleted the comment.

    That was done on purpose, so this try fails; a retry by hand posts another one.
    """
    try:
        previews_of(comment, client)
    except EntityNotFound:
        for step in ledger.steps():
            ledger.erase(step)
