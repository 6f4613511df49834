"""gazu's transfer functions, with gazu's names and arguments, on our bytes.

Each takes ids, or dicts that hold one, and paths; each takes ``client`` (a logged-in gazu client,
by default the one of this process) and ``progress_callback(bytes_read, total)``, and returns a
JSON-safe value. Those that must not be done twice also take ``ledger``, to go on where an earlier
try has stopped (:mod:`farm_tasks.kitsu.ledger`). An upload returns what gazu returns; a download
returns ``{"file_path", "size", "content_type"}``. All raise errors of :mod:`farm_tasks.errors`
only.
"""

from farm_tasks.kitsu.operations.batches import batch_comments
from farm_tasks.kitsu.operations.comments import add_attachment_files_to_comment, add_comment
from farm_tasks.kitsu.operations.downloads import (
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
from farm_tasks.kitsu.operations.previews import (
    add_extra_preview,
    add_preview,
    publish_preview,
    upload_preview_file,
)
from farm_tasks.kitsu.operations.publishing import publish
from farm_tasks.kitsu.operations.tables import (
    export_assets_with_csv,
    export_shots_with_csv,
    import_assets_with_csv,
    import_otio,
    import_shots_with_csv,
)
from farm_tasks.kitsu.operations.uploads import (
    set_avatar,
    upload_organisation_avatar,
    upload_person_avatar,
    upload_project_avatar,
    upload_working_file,
)

__all__ = [
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
    "set_avatar",
    "upload_organisation_avatar",
    "upload_person_avatar",
    "upload_preview_file",
    "upload_project_avatar",
    "upload_working_file",
]
