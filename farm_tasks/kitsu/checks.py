"""What is checked before a byte is sent, because Kitsu checks it too late."""

from __future__ import annotations

import os

from farm_tasks.confinement import current
from farm_tasks.errors import (
    EmptyFile,
    ExtensionRefused,
    FileMissing,
    FileUnreadable,
    InvalidArgument,
    TooLarge,
)
from farm_tasks.paths import check_regular
from farm_tasks.settings import settings

_PICTURES = frozenset(["jpe", "jpeg", "jpg", "png"])
MOVIE_EXTENSIONS = frozenset(["avi", "m4v", "mkv", "mov", "mp4", "webm", "wmv"])
_FILES = frozenset(
    "ae ai blend clip comp diff exr fbx fla flv gif glb gltf hip kra ma mb md mp3 obj pdf psd psb "
    "rar rev riv sai sai2 sbbkp svg swf tvpp wav zip".split()
)
PREVIEW_EXTENSIONS = _PICTURES | MOVIE_EXTENSIONS | _FILES
"""What zou 1.0.97 takes as a preview (blueprints/previews/resources.py). It answers 400 to any
other and DELETES the preview's row, so the extension is checked here, before the upload."""


def readable_file(path: str | os.PathLike[str], may_be_empty: bool = False) -> str:
    """See that ``path`` is a file that can be uploaded, and return it as a string.

    Under a :class:`~farm_tasks.confinement.Confinement` the file itself is looked at, opened from
    its root on; else what is under the name.

    Raises:
        OutsideRoots: the confinement does not let it be read.
        InvalidArgument: it is empty, a folder, or no regular file.
        FileMissing: nothing is there.
        FileUnreadable: this user may not read it.
        EmptyFile: it has no bytes and ``may_be_empty`` is false.
        TooLarge: it is over ``FARM_TASKS_MAX_UPLOAD_BYTES``.
    """
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise InvalidArgument("The path of the file is empty.")
    path, found = _look_at(os.fspath(path))
    if not found.st_size and not may_be_empty:
        raise EmptyFile(f"{path} is empty: has the render ended?")
    limit = settings().max_upload_bytes
    if found.st_size > limit:
        raise TooLarge(
            f"{path} has {found.st_size:,} bytes, over the {limit:,} that Kitsu takes "
            "(FARM_TASKS_MAX_UPLOAD_BYTES here, MAX_CONTENT_LENGTH in zou, and "
            "client_max_body_size in the nginx in front of it)."
        )
    return path


def _look_at(path: str) -> tuple[str, os.stat_result]:
    confined = current()
    if confined is not None:
        source = confined.source(path)
        with confined.opened(source) as descriptor:
            return source, os.fstat(descriptor)
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise FileMissing(f"{path} does not exist on this machine.") from None
    except (OSError, ValueError) as error:
        raise FileUnreadable(f"{path}: {getattr(error, 'strerror', error)}") from error
    check_regular(path, found)
    if not os.access(path, os.R_OK):
        raise FileUnreadable(f"{path} cannot be read by the user that this runs as.")
    return path, found


def size_of(path: str) -> int:
    """Bytes of a file to upload.

    Raises:
        As :func:`readable_file`, but for its size.
    """
    return _look_at(path)[1].st_size


def preview_file_path(path: str | os.PathLike[str]) -> str:
    """As :func:`readable_file`, and with an extension that Kitsu takes for a preview.

    Raises:
        ExtensionRefused: Kitsu would refuse it and delete the preview.
    """
    path = readable_file(path)
    extension = extension_of(path)
    if extension not in PREVIEW_EXTENSIONS:
        raise ExtensionRefused(
            f"{path}: Kitsu takes no preview of type {extension or 'none'!r}. "
            f"It takes {' '.join(sorted(PREVIEW_EXTENSIONS))}."
        )
    return path


def extension_of(path: str) -> str:
    """What stands behind the last dot of a file's name, in lower case; "" if none does."""
    return os.path.splitext(path)[1].lstrip(".").lower()


def attachment_paths(paths: str | list[str] | None) -> list[str]:
    """The files of a comment, in the order in which they are to appear.

    Raises:
        As :func:`readable_file`, and InvalidArgument for a name that makes zou answer 500 after
        it has stored the comment (an extension of more than 6 characters).
    """
    found = [paths] if isinstance(paths, str) else list(paths or [])
    checked = [readable_file(path, may_be_empty=True) for path in found]
    for path in checked:
        extension = os.path.splitext(path)[1].lstrip(".")
        name = os.path.basename(path)
        if len(extension) > 6 or ("." not in name and len(name) > 6):
            raise InvalidArgument(
                f"{path}: Kitsu fails on attachments whose extension is longer than 6 characters. "
                "Rename or zip it."
            )
    return checked


def as_gazu_sends(paths: list[str]) -> list[str]:
    """Turn ``paths`` so that gazu sends them in order: it takes the last one first."""
    return paths[1:] + paths[:1]
