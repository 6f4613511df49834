"""Files from Kitsu. See :mod:`farm_tasks.kitsu.operations.downloads`."""

from __future__ import annotations

from farm_tasks.queues import NORMAL, Priority
from farm_tasks.submit.sending import Entity, send
from farm_tasks.submit.submission import Submission


def download_working_file(
    working_file: Entity,
    file_path: str | None = None,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download the content of a working file, byte for byte."""
    return send(
        "download_working_file",
        working_file=working_file,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def download_attachment_file(
    attachment_file: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download a comment's attachment, byte for byte."""
    return send(
        "download_attachment_file",
        attachment_file=attachment_file,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def download_preview_file(
    preview_file: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download a preview as it is kept: movies as MP4, pictures as PNG, other files as sent."""
    return send(
        "download_preview_file",
        preview_file=preview_file,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def download_preview_file_thumbnail(
    preview_file: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download a preview's thumbnail, a PNG."""
    return send(
        "download_preview_file_thumbnail",
        preview_file=preview_file,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def download_preview_file_cover(
    preview_file: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download a preview's cover, a PNG: of a movie, its first frame."""
    return send(
        "download_preview_file_cover",
        preview_file=preview_file,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def download_preview_movie(
    preview_file: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download a preview's movie in full definition. A picture has none: EntityNotFound."""
    return send(
        "download_preview_movie",
        preview_file=preview_file,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def download_preview_lowdef_movie(
    preview_file: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download a preview's movie in low definition. A picture has none: EntityNotFound."""
    return send(
        "download_preview_lowdef_movie",
        preview_file=preview_file,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def download_attachment_thumbnail(
    attachment_file: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download an attachment's thumbnail."""
    return send(
        "download_attachment_thumbnail",
        attachment_file=attachment_file,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def download_person_avatar(
    person: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download a person's picture. EntityNotFound where none is set."""
    return send(
        "download_person_avatar",
        person=person,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def download_project_avatar(
    project: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download a project's thumbnail. EntityNotFound where none is set."""
    return send(
        "download_project_avatar",
        project=project,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def download_organisation_avatar(
    organisation: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download the organisation's logo. EntityNotFound where none is set."""
    return send(
        "download_organisation_avatar",
        organisation=organisation,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def extract_tile_from_preview(
    preview_file: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download the tile image that Kitsu renders from a movie preview, all its frames in one."""
    return send(
        "extract_tile_from_preview",
        preview_file=preview_file,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def download_playlist_zip(
    playlist: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download a playlist's previews as a ZIP archive, which Kitsu makes on request."""
    return send(
        "download_playlist_zip",
        playlist=playlist,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def extract_frame_from_preview(
    preview_file: Entity,
    frame_number: int,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download one frame of a movie preview, a PNG that Kitsu renders on request."""
    return send(
        "extract_frame_from_preview",
        preview_file=preview_file,
        frame_number=frame_number,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )


def download_playlist_build(
    playlist: Entity,
    build_job: Entity,
    file_path: str,
    *,
    key: str | None = None,
    priority: Priority = NORMAL,
    farm_job: str | None = None,
) -> Submission:
    """Download the movie that a build job made of a playlist."""
    return send(
        "download_playlist_build",
        playlist=playlist,
        build_job=build_job,
        file_path=file_path,
        key=key,
        priority=priority,
        farm_job=farm_job,
    )
