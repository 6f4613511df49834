"""Files from Kitsu. Each appears whole or not at all, and may safely be asked for again."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import gazu
from gazu.client import KitsuClient

from farm_tasks.entity import Entity, entity_id
from farm_tasks.errors import InvalidArgument
from farm_tasks.kitsu.calls import calling, download
from farm_tasks.kitsu.login import session_of
from farm_tasks.transfer.progress import ProgressCallback


def download_working_file(
    working_file: Entity,
    file_path: str | None = None,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download the content of a working file, byte for byte.

    Without ``file_path``, it goes to the path that Kitsu has for the working file.
    EntityNotFound where it was never uploaded, or is empty.
    """
    working_file = entity_id("working_file", working_file)
    if file_path is None:
        file_path = working_file_path(working_file, client)
    return download(
        gazu.files.download_working_file,
        working_file,
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )


def working_file_path(working_file: Entity, client: KitsuClient | None = None) -> str:
    """The path that Kitsu has for a working file.

    Raises:
        InvalidArgument: it has none.
    """
    working_file = entity_id("working_file", working_file)
    with calling(client) as kitsu:
        path = gazu.files.get_working_file(working_file, client=kitsu).get("path")
    if not path:
        raise InvalidArgument(f"Working file {working_file} has no path in Kitsu: give file_path.")
    return str(path)


def download_attachment_file(
    attachment_file: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download a comment's attachment, byte for byte."""
    return download(
        _download_attachment_quoted,
        entity_id("attachment_file", attachment_file),
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )


def _download_attachment_quoted(
    attachment_file: str, *, client: KitsuClient, **options: Any
) -> Any:
    """Gazu 1.3.1 puts the attachment's name into the address as it is; ``#`` and ``?`` cut it."""
    name = gazu.files.get_attachment_file(attachment_file, client=client)["name"]

    def quote_name(url: str) -> str:
        return url.removesuffix(name) + quote(name, safe="") if url.endswith(f"/{name}") else url

    session_of(client).mend_url = quote_name
    return gazu.files.download_attachment_file(attachment_file, client=client, **options)


def download_preview_file(
    preview_file: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download a preview as it is kept: movies as MP4, pictures as PNG, other files as sent."""
    return download(
        gazu.files.download_preview_file,
        entity_id("preview_file", preview_file),
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )


def download_preview_file_thumbnail(
    preview_file: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download a preview's thumbnail, a PNG."""
    return download(
        gazu.files.download_preview_file_thumbnail,
        entity_id("preview_file", preview_file),
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )


def download_preview_file_cover(
    preview_file: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download a preview's cover, a PNG: of a movie, its first frame."""
    return download(
        gazu.files.download_preview_file_cover,
        entity_id("preview_file", preview_file),
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )


def download_preview_movie(
    preview_file: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download a preview's movie in full definition. A picture has none: EntityNotFound."""
    return download(
        gazu.files.download_preview_movie,
        entity_id("preview_file", preview_file),
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )


def download_preview_lowdef_movie(
    preview_file: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download a preview's movie in low definition. A picture has none: EntityNotFound."""
    return download(
        gazu.files.download_preview_lowdef_movie,
        entity_id("preview_file", preview_file),
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )


def download_attachment_thumbnail(
    attachment_file: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download an attachment's thumbnail.

    Kitsu makes them for chat messages only; of a comment's attachment there is none, and zou
    1.0.97 answers 404 always: EntityNotFound.
    """
    return download(
        gazu.files.download_attachment_thumbnail,
        entity_id("attachment_file", attachment_file),
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )


def download_person_avatar(
    person: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download a person's picture. EntityNotFound where none is set."""
    return download(
        gazu.files.download_person_avatar,
        entity_id("person", person),
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )


def download_project_avatar(
    project: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download a project's thumbnail. EntityNotFound where none is set."""
    return download(
        gazu.files.download_project_avatar,
        entity_id("project", project),
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )


def download_organisation_avatar(
    organisation: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download the organisation's logo. EntityNotFound where none is set."""
    return download(
        gazu.files.download_organisation_avatar,
        entity_id("organisation", organisation),
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )


def extract_tile_from_preview(
    preview_file: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download the tile image that Kitsu renders from a movie preview, all its frames in one."""
    return download(
        gazu.files.extract_tile_from_preview,
        entity_id("preview_file", preview_file),
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )


def download_playlist_zip(
    playlist: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download a playlist's previews as a ZIP archive, which Kitsu makes on request."""
    return download(
        gazu.playlist.download_playlist_zip,
        entity_id("playlist", playlist),
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )


def extract_frame_from_preview(
    preview_file: Entity,
    frame_number: int,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download one frame of a movie preview, a PNG that Kitsu renders on request."""
    if not isinstance(frame_number, int) or isinstance(frame_number, bool) or frame_number < 0:
        raise InvalidArgument(f"frame_number: {frame_number!r} is not a frame number.")
    return download(
        gazu.files.extract_frame_from_preview,
        entity_id("preview_file", preview_file),
        frame_number=frame_number,
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )


def download_playlist_build(
    playlist: Entity,
    build_job: Entity,
    file_path: str,
    client: KitsuClient | None = None,
    progress_callback: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Download the movie that a build job made of a playlist."""
    return download(
        gazu.playlist.download_playlist_build,
        entity_id("playlist", playlist),
        entity_id("build_job", build_job),
        file_path=file_path,
        client=client,
        progress_callback=progress_callback,
    )
