"""Previews: the upload, and the steps around it that gazu composes without a callback."""

from __future__ import annotations

from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.confinement import name_in_submission
from farm_tasks.entity import Entity, entity_id
from farm_tasks.errors import (
    EntityNotFound,
    InvalidArgument,
)
from farm_tasks.kitsu.calls import calling
from farm_tasks.kitsu.checks import attachment_paths, preview_file_path, size_of
from farm_tasks.kitsu.ledger import Ledger, Memory, is_done
from farm_tasks.kitsu.operations.comments import add_comment
from farm_tasks.kitsu.operations.filling import (
    filled,
    forget_if_deleted,
    made_on,
    made_or_found,
)
from farm_tasks.kitsu.operations.half_done import remembering
from farm_tasks.kitsu.operations.processing import ready
from farm_tasks.transfer.progress import ProgressCallback, announce
from farm_tasks.transfer.relay import Share


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
        made = is_done(ledger, "preview", [given, name_in_submission(path)])
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
        return made_or_found(ledger, comment, path, client)

    return filled(ledger, make, path, normalize_movie, no_job, client, progress_callback)


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
        return made_on(ledger, task, comment, path, create, client)

    return filled(ledger, make, path, normalize_movie, no_job, client, progress_callback)


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
        return made_on(ledger, task, comment, path, create, client)

    return filled(ledger, make, path, normalize_movie, no_job, client, progress_callback)


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
            forget_if_deleted(ledger, posted["id"], client)
            raise
    with remembering(ledger, f"Preview {preview['id']} is published."):
        if wait_until_ready:
            preview = ready(ledger, preview["id"], client, progress_callback)
        if set_thumbnail:
            with calling(client) as kitsu:
                gazu.task.set_main_preview(entity_id("preview_file", preview), client=kitsu)
    return posted, preview


def _movie(path: str | None, url: str | None) -> str:
    if url is not None:
        raise InvalidArgument("preview_file_url is not supported: give preview_file_path.")
    if path is None:
        raise InvalidArgument("preview_file_path is missing.")
    return preview_file_path(path)
