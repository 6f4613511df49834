"""What somebody perhaps meant by a name that is none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST = 5
_LONGEST = 200
"""Characters that are compared: a name may be any text, and a long one takes long."""


def did_you_mean(wanted: str, names: Iterable[str], listed: Iterable[str] | None = None) -> str:
    """A sentence for the end of an error message.

    Args:
        wanted: The name that is none.
        names: Those that there are. Upper and lower case do not count.
        listed: What to list, in this order, where nothing comes near. By default the first few of
            ``names``.
    """
    unique = sorted(set(names))
    by_lower = {one.lower(): one for one in unique}
    near = difflib.get_close_matches(wanted[:_LONGEST].lower(), by_lower, n=_MOST)
    if near:
        return f"Did you mean {', '.join(by_lower[one] for one in near)}?"
    if listed is not None:
        return f"There are {', '.join(listed)}."
    if not unique:
        return "It has none."
    end = ", ..." if len(unique) > _MOST else "."
    return f"There are {', '.join(unique[:_MOST])}{end}"
