"""What need not be fetched again: it is here, and whole.

A file of ours appears whole or not at all. What may differ is what is under its name: a movie that
somebody put there, or the preview that Kitsu had before. So its size is compared with the one that
Kitsu knows; measured on zou 1.0.97, for each kind of file:

- a preview or its movie: ``file_size``, once it is ready. It is the size of what Kitsu has made of
  the file, not of what was sent, and that is what comes;
- an attachment: ``size``;
- a low definition movie, a thumbnail, a cover: nothing is listed, and the Content-Length of HEAD is
  the true one. It is asked only of files that are here;
- a tile: Kitsu would render it to answer. That it is here has to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from gazu.client import make_auth_header

from farm_tasks.batches.kinds import Kind
from farm_tasks.batches.project_files import Found
from farm_tasks.kitsu.calls import calling


def whole_here(
    files: Sequence[Found],
    into: Path,
    kind: Kind,
    on_look: Callable[[int], object] = lambda _looked: None,
) -> set[str]:
    """The ids of the files that are in the folder already, as this machine sees it.

    Args:
        files: What would be fetched.
        into: The folder. Where this machine does not have it, nothing is found.
        kind: Of all of them.
        on_look: Told how many have been looked at.

    Raises:
        FarmTasksError: Kitsu cannot be asked.
    """
    found = set()
    for looked, one in enumerate(files, 1):
        size = _size_here(into / one.file_name)
        if size is not None and _is_whole(one, size, kind):
            found.add(one.id)
        on_look(looked)
    return found


def _size_here(path: Path) -> int | None:
    try:
        return os.stat(path).st_size if path.is_file() else None
    except OSError:
        return None


def _is_whole(one: Found, size: int, kind: Kind) -> bool:
    if kind.size_listed:
        return size == one.size
    return not kind.route or size == _content_length(kind.route.format(id=one.id))


def _content_length(route: str) -> int | None:
    with calling(None) as client:
        answer = client.session.head(
            f"{client.host}/{route}", headers=make_auth_header(client=client), timeout=30
        )
    length = answer.headers.get("Content-Length", "")
    return int(length) if answer.ok and length.isdecimal() else None
