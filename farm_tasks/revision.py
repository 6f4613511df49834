"""The revision that a publish asks for."""

from __future__ import annotations

import re

from farm_tasks.errors import InvalidArgument

LARGEST = 99_999

_IN_A_NAME = re.compile(r"(?<![a-z0-9])v(\d{1,5})(?![0-9])", re.I)
"""``v003`` of ``comp_v003.mov`` and ``SH010-v12a``, and nothing of ``mov2`` or ``hdv1080``."""


def revision_of(policy: int | str, name: str) -> int | None:
    """The number to ask Kitsu for, or None for the next one.

    Args:
        policy: ``auto``, ``from-name``, or a number.
        name: The path of what is published, for ``from-name``: the last version in its file name
            counts, else that of the innermost folder that has one.

    Raises:
        InvalidArgument: the policy is none, or the name holds no version.
    """
    if isinstance(policy, str) and re.fullmatch("[0-9]{1,9}", policy):
        policy = int(policy)
    if isinstance(policy, int) and not isinstance(policy, bool):
        if 0 < policy <= LARGEST:
            return policy
    elif policy == "auto":
        return None
    elif policy == "from-name":
        for part in reversed(re.split(r"[/\\]", name)):
            found = _IN_A_NAME.findall(part)
            if found:
                return revision_of(int(found[-1]), name)
        raise InvalidArgument(
            f"revision: {name!r:.300} holds no version such as v003. Give the number, or auto."
        )
    raise InvalidArgument(
        f"revision: {policy!r:.80} is not auto, from-name, or a number from 1 to {LARGEST:,}."
    )
