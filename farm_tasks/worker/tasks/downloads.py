"""Files from Kitsu. See :mod:`farm_tasks.kitsu.operations.downloads`."""

from __future__ import annotations

from typing import Any

from farm_tasks.kitsu import operations
from farm_tasks.kitsu.operations.downloads import working_file_path
from farm_tasks.worker.app import app
from farm_tasks.worker.task import TransferTask


@app.task(bind=True, base=TransferTask, name="farm_tasks.download_working_file")
def download_working_file(
    self: TransferTask,
    working_file: str,
    file_path: str | None = None,
) -> dict[str, Any]:
    """Download the content of a working file, byte for byte."""
    if file_path is None:
        file_path = working_file_path(working_file)
    return self.transfer(
        operations.download_working_file,
        working_file,
        file_path=self.target(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.download_attachment_file")
def download_attachment_file(
    self: TransferTask,
    attachment_file: str,
    file_path: str,
) -> dict[str, Any]:
    """Download a comment's attachment, byte for byte."""
    return self.transfer(
        operations.download_attachment_file,
        attachment_file,
        file_path=self.target(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.download_preview_file")
def download_preview_file(
    self: TransferTask,
    preview_file: str,
    file_path: str,
) -> dict[str, Any]:
    """Download a preview as it is kept: movies as MP4, pictures as PNG, other files as sent."""
    return self.transfer(
        operations.download_preview_file,
        preview_file,
        file_path=self.target(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.download_preview_file_thumbnail")
def download_preview_file_thumbnail(
    self: TransferTask,
    preview_file: str,
    file_path: str,
) -> dict[str, Any]:
    """Download a preview's thumbnail, a PNG."""
    return self.transfer(
        operations.download_preview_file_thumbnail,
        preview_file,
        file_path=self.target(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.download_preview_file_cover")
def download_preview_file_cover(
    self: TransferTask,
    preview_file: str,
    file_path: str,
) -> dict[str, Any]:
    """Download a preview's cover, a PNG: of a movie, its first frame."""
    return self.transfer(
        operations.download_preview_file_cover,
        preview_file,
        file_path=self.target(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.download_preview_movie")
def download_preview_movie(
    self: TransferTask,
    preview_file: str,
    file_path: str,
) -> dict[str, Any]:
    """Download a preview's movie in full definition. A picture has none: EntityNotFound."""
    return self.transfer(
        operations.download_preview_movie,
        preview_file,
        file_path=self.target(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.download_preview_lowdef_movie")
def download_preview_lowdef_movie(
    self: TransferTask,
    preview_file: str,
    file_path: str,
) -> dict[str, Any]:
    """Download a preview's movie in low definition. A picture has none: EntityNotFound."""
    return self.transfer(
        operations.download_preview_lowdef_movie,
        preview_file,
        file_path=self.target(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.download_attachment_thumbnail")
def download_attachment_thumbnail(
    self: TransferTask,
    attachment_file: str,
    file_path: str,
) -> dict[str, Any]:
    """Download an attachment's thumbnail."""
    return self.transfer(
        operations.download_attachment_thumbnail,
        attachment_file,
        file_path=self.target(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.download_person_avatar")
def download_person_avatar(
    self: TransferTask,
    person: str,
    file_path: str,
) -> dict[str, Any]:
    """Download a person's picture. EntityNotFound where none is set."""
    return self.transfer(
        operations.download_person_avatar,
        person,
        file_path=self.target(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.download_project_avatar")
def download_project_avatar(
    self: TransferTask,
    project: str,
    file_path: str,
) -> dict[str, Any]:
    """Download a project's thumbnail. EntityNotFound where none is set."""
    return self.transfer(
        operations.download_project_avatar,
        project,
        file_path=self.target(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.download_organisation_avatar")
def download_organisation_avatar(
    self: TransferTask,
    organisation: str,
    file_path: str,
) -> dict[str, Any]:
    """Download the organisation's logo. EntityNotFound where none is set."""
    return self.transfer(
        operations.download_organisation_avatar,
        organisation,
        file_path=self.target(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.extract_tile_from_preview")
def extract_tile_from_preview(
    self: TransferTask,
    preview_file: str,
    file_path: str,
) -> dict[str, Any]:
    """Download the tile image that Kitsu renders from a movie preview, all its frames in one."""
    return self.transfer(
        operations.extract_tile_from_preview,
        preview_file,
        file_path=self.target(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.download_playlist_zip")
def download_playlist_zip(
    self: TransferTask,
    playlist: str,
    file_path: str,
) -> dict[str, Any]:
    """Download a playlist's previews as a ZIP archive, which Kitsu makes on request."""
    return self.transfer(
        operations.download_playlist_zip,
        playlist,
        file_path=self.target(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.extract_frame_from_preview")
def extract_frame_from_preview(
    self: TransferTask,
    preview_file: str,
    frame_number: int,
    file_path: str,
) -> dict[str, Any]:
    """Download one frame of a movie preview, a PNG that Kitsu renders on request."""
    return self.transfer(
        operations.extract_frame_from_preview,
        preview_file,
        frame_number,
        file_path=self.target(file_path),
    )


@app.task(bind=True, base=TransferTask, name="farm_tasks.download_playlist_build")
def download_playlist_build(
    self: TransferTask,
    playlist: str,
    build_job: str,
    file_path: str,
) -> dict[str, Any]:
    """Download the movie that a build job made of a playlist."""
    return self.transfer(
        operations.download_playlist_build,
        playlist,
        build_job,
        file_path=self.target(file_path),
    )
