"""The functions that move bytes, by their names: gazu's, and ``publish``.

Spelt out, for submitters and monitors: they may not import what defines them. A test compares the
list with the operations.
"""

from __future__ import annotations

SMALL = (
    "download_attachment_file",
    "download_attachment_thumbnail",
    "download_organisation_avatar",
    "download_person_avatar",
    "download_preview_file_cover",
    "download_preview_file_thumbnail",
    "download_project_avatar",
    "export_assets_with_csv",
    "export_shots_with_csv",
    "extract_frame_from_preview",
    "extract_tile_from_preview",
    "import_assets_with_csv",
    "import_otio",
    "import_shots_with_csv",
    "set_avatar",
    "upload_organisation_avatar",
    "upload_person_avatar",
    "upload_project_avatar",
)
"""Pictures, tables and attachments: what they move takes seconds."""

DOWNLOADS = (
    "download_playlist_build",
    "download_playlist_zip",
    "download_preview_file",
    "download_preview_lowdef_movie",
    "download_preview_movie",
    "download_working_file",
)

UPLOADS = (
    "add_attachment_files_to_comment",
    "add_comment",
    "add_extra_preview",
    "add_preview",
    "batch_comments",
    "publish",
    "publish_preview",
    "upload_preview_file",
    "upload_working_file",
)

ALL = tuple(sorted((*SMALL, *DOWNLOADS, *UPLOADS)))

DOWNLOAD_PREFIXES = ("download_", "export_", "extract_")
"""How the names begin of functions whose bytes come from Kitsu."""


def is_download(function: str) -> bool:
    """Whether its bytes come from Kitsu; they go there otherwise."""
    return function.startswith(DOWNLOAD_PREFIXES)
