"""An OCIO config as people give it: the path of a file, or the name of one that OCIO brings."""

from __future__ import annotations

import os

from farm_tasks.any_path import is_absolute

_ENDINGS = (".ocio", ".ocioz")


def config_path(given: str, folder: str | os.PathLike[str]) -> str | None:
    """The path that is meant, or None of a name such as ``ocio://default``.

    Args:
        given: An absolute path of whichever system; a name; or a relative path, which ends as
            configs do, or is that of a file that is here.
        folder: Where a relative path begins.
    """
    if is_absolute(given):
        return given
    if given.startswith("ocio://"):
        return None
    path = os.path.join(os.path.abspath(folder), given)
    return path if given.lower().endswith(_ENDINGS) or os.path.isfile(path) else None
