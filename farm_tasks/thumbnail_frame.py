"""The frame of a movie that stands for a shot, as a publish asks for it."""

from __future__ import annotations

import re

from farm_tasks.errors import InvalidArgument

NAMED = ("first", "middle", "last")

LARGEST = 9_999_999


def check_thumbnail(frame: int | str | None) -> None:
    """See that a frame can be meant.

    Raises:
        InvalidArgument: it is not one of :data:`NAMED`, nor a number from 1.
    """
    if frame is None or frame in NAMED:
        return
    if isinstance(frame, bool) or not re.fullmatch("[0-9]{1,9}", str(frame)):
        raise InvalidArgument(f"thumbnail: {frame!r:.80} is not {', '.join(NAMED)} or a number.")
    if not 0 < int(frame) <= LARGEST:
        raise InvalidArgument(f"thumbnail: frames are counted from 1, and {frame} is not one.")
