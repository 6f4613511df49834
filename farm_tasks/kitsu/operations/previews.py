"""Previews: the upload, and the steps around it that gazu composes without a callback."""

from __future__ import annotations

import os
from typing import Any

import gazu
from gazu.client import KitsuClient

from farm_tasks.entity import Entity, entity_id
from farm_tasks.errors import (
    AlreadyUploaded,
    EntityNotFound,
    FarmTasksError,
    InvalidArgument,
    stopped_after,
)
from farm_tasks.kitsu.calls import calling, upload
from farm_tasks.kitsu.checks import (
    attachment_paths,
    preview_file_path,
)
from farm_tasks.kitsu.operations.comments import add_comment
from farm_tasks.transfer.progress import ProgressCallback, Share, announce


def upload_preview_file(
    preview_file: Entity,
    file_path: str,
    normalize_movie: bool = True,
    no_job: bool = False,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
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

    Raises:
        ExtensionRefused, EmptyFile: before anything is sent; Kitsu would delete the preview.
        AlreadyUploaded: the preview has its content; Kitsu keeps one for each.
        FarmTasksError: whatever else went wrong.
    """
    path = preview_file_path(file_path)
    given = entity_id("preview_file", preview_file)
    with calling(client) as kitsu:
        target = _empty_preview(given, kitsu)
    uploaded: dict[str, Any] = upload(
        gazu.task.upload_preview_file,
        target,
        path,
        normalize_movie=normalize_movie,
        no_job=no_job,
        client=client,
        progress_callback=progress_callback,
    )
    return uploaded


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
) -> dict[str, Any]:
    """Make a preview on a comment and upload its content. Returns the preview file.

    Raises:
        InvalidArgument: ``preview_file_url`` is given: a worker fetches no foreign addresses.
        HalfDone, Cancelled: the preview was made but not uploaded; the message says how to go on.
        FarmTasksError: whatever else went wrong; nothing was made.
    """
    path = _movie(preview_file_path, preview_file_url)
    task = entity_id("task", task)
    comment = entity_id("comment", comment)
    announce(progress_callback, "making the preview")
    with calling(client) as kitsu:
        made = gazu.task.create_preview(task, comment, revision=revision, client=kitsu)
    return _fill(made, path, normalize_movie, no_job, client, progress_callback)


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
) -> dict[str, Any]:
    """Make one more preview under the revision of ``preview_file`` and upload its content.

    Raises:
        As :func:`add_preview` does.
    """
    path = _movie(preview_file_path, preview_file_url)
    task = entity_id("task", task)
    comment = entity_id("comment", comment)
    preview_file = entity_id("preview_file", preview_file)
    announce(progress_callback, "making the preview")
    with calling(client) as kitsu:
        made = gazu.task.create_extra_preview(task, comment, preview_file, client=kitsu)
    return _fill(made, path, normalize_movie, no_job, client, progress_callback)


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
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Comment, make a preview on the comment, upload it. Returns ``(comment, preview_file)``.

    ``total`` is the combined size of the attachments and the preview.

    Raises:
        InvalidArgument: ``preview_file_url`` is given: a worker fetches no foreign addresses.
        HalfDone, Cancelled: it stopped after the comment; the message says how to go on.
        FarmTasksError: whatever else went wrong; nothing was made.
    """
    path = _movie(preview_file_path, preview_file_url)
    paths = attachment_paths(attachments)
    before = sum(os.path.getsize(one) for one in paths)
    total = before + os.path.getsize(path)
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
    )
    share = Share(progress_callback, before, total)
    try:
        preview = add_preview(
            task,
            posted,
            preview_file_path=path,
            normalize_movie=normalize_movie,
            revision=revision,
            client=client,
            progress_callback=share,
        )
    except FarmTasksError as error:
        raise stopped_after(
            f"Comment {posted['id']} was posted. To go on, give its id to upload_preview_file.",
            error,
        ) from error
    if set_thumbnail:
        _set_thumbnail(preview, client)
    return posted, preview


def _movie(path: str | None, url: str | None) -> str:
    if url is not None:
        raise InvalidArgument("preview_file_url is not supported: give preview_file_path.")
    if path is None:
        raise InvalidArgument("preview_file_path is missing.")
    return preview_file_path(path)


def _fill(
    made: dict[str, Any],
    path: str,
    normalize_movie: bool,
    no_job: bool,
    client: KitsuClient | None,
    progress: ProgressCallback | None,
) -> dict[str, Any]:
    try:
        return upload_preview_file(made, path, normalize_movie, no_job, client, progress)
    except FarmTasksError as error:
        raise stopped_after(
            f"Preview {made['id']} was made. To go on, give its id to upload_preview_file.", error
        ) from error


def _set_thumbnail(preview: dict[str, Any], client: KitsuClient | None) -> None:
    try:
        with calling(client) as kitsu:
            gazu.task.set_main_preview(preview, client=kitsu)
    except FarmTasksError as error:
        raise stopped_after(
            f"Preview {preview['id']} is published; only the thumbnail was not set.", error
        ) from error


def _empty_preview(given: str, kitsu: KitsuClient) -> str:
    """The id of a preview that waits for its content: ``given``, or one on the comment ``given``.

    ``original_name`` is zou's own gate: it is set when, and only when, the content was stored.
    """
    try:
        preview = gazu.files.get_preview_file(given, client=kitsu)
    except gazu.exception.RouteNotFoundException:
        return _preview_of_comment(given, kitsu)
    if preview.get("original_name"):
        raise AlreadyUploaded(
            f"Preview {given} already has its content ({preview['original_name']}). "
            "Make a new preview for a new version."
        )
    return given


def _preview_of_comment(given: str, kitsu: KitsuClient) -> str:
    try:
        comment = gazu.task.get_comment(given, client=kitsu)
    except gazu.exception.RouteNotFoundException:
        raise EntityNotFound(f"Kitsu has no preview file or comment {given}.") from None
    for made in reversed(comment.get("previews") or []):
        preview = gazu.files.get_preview_file(made, client=kitsu)
        if not preview.get("original_name"):
            return str(preview["id"])
    return str(gazu.task.create_preview(comment["object_id"], given, client=kitsu)["id"])
