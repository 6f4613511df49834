"""What a batch can download, and how Kitsu tells the size of it."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """One kind of file that Kitsu has."""

    function: str
    """Of :mod:`farm_tasks.submit`."""

    extension: str = ""
    """Of the files that Kitsu makes; "" where it gives what it was given."""

    movies_only: bool = False

    size_listed: bool = False
    """Whether Kitsu's list has the bytes that come. Measured on zou 1.0.97: ``file_size`` of a
    preview that is ready, and ``size`` of an attachment."""

    route: str = ""
    """Where to ask for the Content-Length, if the list has it not and asking costs Kitsu little."""


KINDS = {
    "previews": Kind("download_preview_file", size_listed=True),
    "movies": Kind("download_preview_movie", "mp4", movies_only=True, size_listed=True),
    "lowdef": Kind(
        "download_preview_lowdef_movie", "mp4", movies_only=True,
        route="movies/low/preview-files/{id}.mp4",
    ),
    "thumbnails": Kind(
        "download_preview_file_thumbnail", "png",
        route="pictures/thumbnails/preview-files/{id}.png",
    ),
    "covers": Kind(
        "download_preview_file_cover", "png", route="pictures/originals/preview-files/{id}.png"
    ),
    "tiles": Kind("extract_tile_from_preview", "png", movies_only=True),
    "attachments": Kind("download_attachment_file", size_listed=True),
}  # fmt: skip
"""By the names that ``farm-tasks batch download --kind`` has for them."""
