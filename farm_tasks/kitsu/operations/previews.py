"""Previews: the upload, and the steps around it that gazu composes without a callback."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.entity import Entity, entity_id
from farm_tasks.errors import (
    AlreadyUploaded,
    BrokenMovie,
    EntityNotFound,
    InvalidArgument,
    NotAllowed,
    StillProcessing,
)
from farm_tasks.kitsu.calls import calling, upload
from farm_tasks.kitsu.checks import attachment_paths, preview_file_path, size_of
from farm_tasks.kitsu.ledger import Ledger, Memory, Part, is_done, once, settling_of
from farm_tasks.kitsu.operations.comments import add_comment
from farm_tasks.kitsu.operations.half_done import remembering
from farm_tasks.transfer.progress import ProgressCallback, Share, announce, check

REMADE = 3
"""How often a preview whose row was deleted is made again in one go."""

POLL = 2.0
"""Seconds between two looks whether Kitsu has processed a movie."""

LONGEST_PROCESSING = 3600.0
"""Seconds. Kitsu took 86 s for a movie of 461 MB; its queue may be long at the end of a night."""


def upload_preview_file(
    preview_file: Entity,
    file_path: str,
    normalize_movie: bool = True,
    no_job: bool = False,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
    ledger: Ledger | None = None,
) -> dict[str, Any]:
    """Upload the content of a preview file. Returns the preview file, still ``processing``.

    Args:
        preview_file: A preview file; or a comment, as gazu's documentation has it: then the
            preview is made on that comment first. One that was made there and never got its
            content is used again, so this may safely be repeated.
        file_path: A movie, a picture, or any other type that Kitsu takes for a preview.
        normalize_movie: Let Kitsu transcode a movie. Without, it is kept byte for byte.
        no_job: Let Kitsu transcode while the upload waits instead of in a job.
        client: A logged-in gazu client, or None for the one of this process.
        progress_callback: ``callback(bytes_read, total)``.
        ledger: What has been done already, where this may be a later try.

    Raises:
        ExtensionRefused, EmptyFile: before anything is sent; Kitsu would delete the preview.
        AlreadyUploaded: the preview has its content; Kitsu keeps one for each.
        FarmTasksError: whatever else went wrong.
    """
    path = preview_file_path(file_path)
    given = entity_id("preview_file", preview_file)
    ledger = ledger or Memory()

    def make() -> dict[str, Any]:
        made = is_done(ledger, "preview", [given, path])
        if made is not None:
            return dict(made)
        with calling(client) as kitsu:
            try:
                preview = gazu.files.get_preview_file(given, client=kitsu)
                return {"id": preview["id"], "original_name": preview["original_name"]}
            except gazu.exception.RouteNotFoundException:
                pass
            try:
                comment = gazu.task.get_comment(given, client=kitsu)
            except gazu.exception.RouteNotFoundException:
                raise EntityNotFound(f"Kitsu has no preview file or comment {given}.") from None
        return _on_comment(ledger, comment, path, client)

    return _filled(ledger, make, path, normalize_movie, no_job, client, progress_callback)


def add_preview(
    task: Entity,
    comment: Entity,
    preview_file_path: str | None = None,
    preview_file_url: str | None = None,
    normalize_movie: bool = True,
    revision: int | None = None,
    no_job: bool = False,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
    ledger: Ledger | None = None,
) -> dict[str, Any]:
    """Make a preview on a comment and upload its content. Returns the preview file.

    Raises:
        InvalidArgument: ``preview_file_url`` is given: a worker fetches no foreign addresses.
        HalfDone, Cancelled: without a ledger: the preview was made but not uploaded; the message
            says how to go on.
        FarmTasksError: whatever else went wrong.
    """
    path = _movie(preview_file_path, preview_file_url)
    task = entity_id("task", task)
    comment = entity_id("comment", comment)
    ledger = ledger or Memory()

    def create(kitsu: KitsuClient) -> Any:
        return gazu.task.create_preview(task, comment, revision=revision, client=kitsu)

    def make() -> dict[str, Any]:
        announce(progress_callback, "making the preview")
        return _made(ledger, task, comment, path, create, client)

    return _filled(ledger, make, path, normalize_movie, no_job, client, progress_callback)


def add_extra_preview(
    task: Entity,
    comment: Entity,
    preview_file: Entity,
    preview_file_path: str | None = None,
    preview_file_url: str | None = None,
    normalize_movie: bool = True,
    no_job: bool = False,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
    ledger: Ledger | None = None,
) -> dict[str, Any]:
    """Make one more preview under the revision of ``preview_file`` and upload its content.

    Raises:
        As :func:`add_preview` does.
    """
    path = _movie(preview_file_path, preview_file_url)
    task = entity_id("task", task)
    comment = entity_id("comment", comment)
    preview_file = entity_id("preview_file", preview_file)
    ledger = ledger or Memory()

    def create(kitsu: KitsuClient) -> Any:
        return gazu.task.create_extra_preview(task, comment, preview_file, client=kitsu)

    def make() -> dict[str, Any]:
        announce(progress_callback, "making the preview")
        return _made(ledger, task, comment, path, create, client)

    return _filled(ledger, make, path, normalize_movie, no_job, client, progress_callback)


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
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
    ledger: Ledger | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Comment, make a preview on the comment, upload it. Returns ``(comment, preview_file)``.

    ``total`` is the combined size of the attachments and the preview. ``wait_until_ready`` is not
    gazu's: with it, this ends when Kitsu has processed the movie, and fails if Kitsu cannot.

    Raises:
        InvalidArgument: ``preview_file_url`` is given: a worker fetches no foreign addresses.
        BrokenMovie: Kitsu could not process it. Called again with the same ledger, it puts
            another preview in its place, on the same comment.
        HalfDone, Cancelled: without a ledger: it stopped after the comment; the message says how
            to go on.
        FarmTasksError: whatever else went wrong.
    """
    path = _movie(preview_file_path, preview_file_url)
    paths = attachment_paths(attachments)
    ledger = ledger or Memory()
    before = sum(size_of(one) for one in paths)
    total = before + size_of(path)
    posted = add_comment(
        task,
        task_status,
        comment=comment,
        person=person,
        checklist=checklist,
        attachments=paths,
        created_at=created_at,
        links=links,
        client=client,
        progress_callback=Share(progress_callback, 0, total),
        ledger=ledger,
    )
    go_on = f"Comment {posted['id']} was posted. To go on, give its id to upload_preview_file."
    with remembering(ledger, go_on):
        try:
            preview = add_preview(
                task,
                posted,
                preview_file_path=path,
                normalize_movie=normalize_movie,
                revision=revision,
                client=client,
                progress_callback=Share(progress_callback, before, total),
                ledger=ledger,
            )
        except EntityNotFound:
            _forget_comment_if_deleted(ledger, posted["id"], client)
            raise
    with remembering(ledger, f"Preview {preview['id']} is published."):
        if wait_until_ready:
            preview = _ready(ledger, preview["id"], client, progress_callback)
        if set_thumbnail:
            with calling(client) as kitsu:
                gazu.task.set_main_preview(entity_id("preview_file", preview), client=kitsu)
    return posted, preview


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
    made = is_done(ledger, "preview")
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
        _forget_preview(ledger)
    return [preview]


def _movie(path: str | None, url: str | None) -> str:
    if url is not None:
        raise InvalidArgument("preview_file_url is not supported: give preview_file_path.")
    if path is None:
        raise InvalidArgument("preview_file_path is missing.")
    return preview_file_path(path)


def _made(
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
            ledger, "preview", make, look, about=[comment, path], before=before
        )
    return made


def _on_comment(
    ledger: Ledger, comment: dict[str, Any], path: str, client: KitsuClient | None
) -> dict[str, Any]:
    """One on the comment that nobody fills, or a new one."""
    task, comment_id = comment["object_id"], comment["id"]

    def create(kitsu: KitsuClient) -> Any:
        with ledger.alone(f"comment:{comment_id}"):
            found = _unfilled(ledger, comment_id, [], client)
        return found or gazu.task.create_preview(task, comment_id, client=kitsu)

    return _made(ledger, task, comment_id, path, create, client)


def _unfilled(
    ledger: Ledger, comment: str, but: list[str], client: KitsuClient | None
) -> dict[str, Any] | None:
    """The newest preview of a comment that waits for its content and is nobody else's."""
    for one in reversed(previews_of(comment, client)):
        if one["id"] in but or one["original_name"]:
            continue
        if ledger.claim(one["id"]):
            return {"id": one["id"], "original_name": None}
    return None


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


def _filled(
    ledger: Ledger,
    make: Callable[[], dict[str, Any]],
    path: str,
    normalize_movie: bool,
    no_job: bool,
    client: KitsuClient | None,
    progress: ProgressCallback | None,
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
                    ledger, target, path, normalize_movie, no_job, client, progress
                )
            break
        except EntityNotFound:
            # Kitsu deletes the row of what it refuses: another one on the same comment.
            _forget_preview(ledger)
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
) -> dict[str, Any]:
    preview = target["id"]

    def send() -> Any:
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
            about=[preview, path],
            before=before,
            settling=settling_of(size_of(path)),
        )
    return uploaded


def _ready(
    ledger: Ledger, preview: str, client: KitsuClient | None, progress: ProgressCallback | None
) -> dict[str, Any]:
    """The preview, once Kitsu has processed it.

    Raises:
        BrokenMovie: it cannot.
        StillProcessing: it has not after an hour.
    """
    announce(progress, "waiting for Kitsu")
    preview = entity_id("preview_file", preview)
    deadline = time.monotonic() + LONGEST_PROCESSING
    while time.monotonic() < deadline:
        with calling(client) as kitsu:
            found: dict[str, Any] = gazu.files.get_preview_file(preview, client=kitsu)
        if found["status"] == "ready":
            return found
        if found["status"] in {"broken", "missing"}:
            with contextlib.suppress(NotAllowed), calling(client) as kitsu:
                gazu.files.remove_preview_file(preview, force=True, client=kitsu)
            _forget_preview(ledger)
            raise BrokenMovie(
                f"Kitsu could not process the movie: preview {preview} was {found['status']}. "
                "Does the movie play? Publish it again when it does."
            )
        _pause(POLL, progress)
    raise StillProcessing(f"Kitsu has not processed preview {preview} within an hour.")


def _forget_comment_if_deleted(ledger: Ledger, comment: str, client: KitsuClient | None) -> None:
    """Somebody did that on purpose, so this fails; a retry by hand posts another one."""
    try:
        previews_of(comment, client)
    except EntityNotFound:
        for step in ("comment", "attachments", "preview", "upload"):
            ledger.erase(step)


def _forget_preview(ledger: Ledger) -> None:
    ledger.erase("upload")
    ledger.erase("preview")


def _pause(seconds: float, progress: ProgressCallback | None) -> None:
    """Wait, listening for a cancel."""
    wake_at = time.monotonic() + seconds
    while (left := wake_at - time.monotonic()) > 0:
        check(progress)
        time.sleep(min(left, 0.25))
    check(progress)
