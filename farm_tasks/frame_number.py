"""The number in the name of a sequence, as renderers write it."""

from __future__ import annotations

import re

FRAME_NUMBER = re.compile(r"#+|@+|%0?[0-9]*d|\$F[0-9]*")
"""``####``, ``@@@@``, ``%04d`` and ``$F4``."""


def names_like(name: str) -> re.Pattern[str] | None:
    """What the names of a sequence's frames match as a whole; None if there is no number.

    Args:
        name: Without its folder. The last number is the frame's: what stands before it is the name.
    """
    places = list(FRAME_NUMBER.finditer(name))
    if not places:
        return None
    before, after = name[: places[-1].start()], name[places[-1].end() :]
    return re.compile(rf"{re.escape(before)}-?[0-9]+{re.escape(after)}", re.DOTALL)
