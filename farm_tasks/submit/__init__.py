"""What a submitter imports: enqueue a transfer, follow it, stop it.

One function for each task, with gazu's name and arguments, that returns a :class:`Submission`.
Needs Redis and Celery; imports neither gazu nor the worker, and sees no Kitsu credential.

The functions are loaded at first use, so that importing this package costs a submitter nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farm_tasks.submit.comments import (
        add_attachment_files_to_comment,
        add_comment,
        batch_comments,
    )
    from farm_tasks.submit.downloads import (
        download_attachment_file,
        download_attachment_thumbnail,
        download_organisation_avatar,
        download_person_avatar,
        download_playlist_build,
        download_playlist_zip,
        download_preview_file,
        download_preview_file_cover,
        download_preview_file_thumbnail,
        download_preview_lowdef_movie,
        download_preview_movie,
        download_project_avatar,
        download_working_file,
        extract_frame_from_preview,
        extract_tile_from_preview,
    )
    from farm_tasks.submit.group import Group
    from farm_tasks.submit.group_progress import GroupProgress
    from farm_tasks.submit.listing import recent
    from farm_tasks.submit.previews import (
        add_extra_preview,
        add_preview,
        publish_preview,
        upload_preview_file,
    )
    from farm_tasks.submit.publishing import publish
    from farm_tasks.submit.record import Record
    from farm_tasks.submit.submission import Submission
    from farm_tasks.submit.tables import (
        export_assets_with_csv,
        export_shots_with_csv,
        import_assets_with_csv,
        import_otio,
        import_shots_with_csv,
    )
    from farm_tasks.submit.uploads import (
        set_avatar,
        upload_organisation_avatar,
        upload_person_avatar,
        upload_project_avatar,
        upload_working_file,
    )

_MODULE_OF = {
    "Group": "group",
    "GroupProgress": "group_progress",
    "Record": "record",
    "Submission": "submission",
    "add_attachment_files_to_comment": "comments",
    "add_comment": "comments",
    "add_extra_preview": "previews",
    "add_preview": "previews",
    "batch_comments": "comments",
    "download_attachment_file": "downloads",
    "download_attachment_thumbnail": "downloads",
    "download_organisation_avatar": "downloads",
    "download_person_avatar": "downloads",
    "download_playlist_build": "downloads",
    "download_playlist_zip": "downloads",
    "download_preview_file": "downloads",
    "download_preview_file_cover": "downloads",
    "download_preview_file_thumbnail": "downloads",
    "download_preview_lowdef_movie": "downloads",
    "download_preview_movie": "downloads",
    "download_project_avatar": "downloads",
    "download_working_file": "downloads",
    "export_assets_with_csv": "tables",
    "export_shots_with_csv": "tables",
    "extract_frame_from_preview": "downloads",
    "extract_tile_from_preview": "downloads",
    "import_assets_with_csv": "tables",
    "import_otio": "tables",
    "import_shots_with_csv": "tables",
    "publish": "publishing",
    "publish_preview": "previews",
    "recent": "listing",
    "set_avatar": "uploads",
    "upload_organisation_avatar": "uploads",
    "upload_person_avatar": "uploads",
    "upload_preview_file": "previews",
    "upload_project_avatar": "uploads",
    "upload_working_file": "uploads",
}

__all__ = [
    "Group",
    "GroupProgress",
    "Record",
    "Submission",
    "add_attachment_files_to_comment",
    "add_comment",
    "add_extra_preview",
    "add_preview",
    "batch_comments",
    "download_attachment_file",
    "download_attachment_thumbnail",
    "download_organisation_avatar",
    "download_person_avatar",
    "download_playlist_build",
    "download_playlist_zip",
    "download_preview_file",
    "download_preview_file_cover",
    "download_preview_file_thumbnail",
    "download_preview_lowdef_movie",
    "download_preview_movie",
    "download_project_avatar",
    "download_working_file",
    "export_assets_with_csv",
    "export_shots_with_csv",
    "extract_frame_from_preview",
    "extract_tile_from_preview",
    "import_assets_with_csv",
    "import_otio",
    "import_shots_with_csv",
    "publish",
    "publish_preview",
    "recent",
    "set_avatar",
    "upload_organisation_avatar",
    "upload_person_avatar",
    "upload_preview_file",
    "upload_project_avatar",
    "upload_working_file",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
