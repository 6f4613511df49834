"""Kitsu's entities as people give them: an id, or a dict that holds one."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from farm_tasks.errors import InvalidArgument

Entity = str | Mapping[str, Any]
"""What gazu takes for an entity: its id, or a dict that holds it."""

_ENTITIES = frozenset(
    "assigned_to attachment_file build_job episode organisation person playlist preview_file "
    "project task task_status working_file".split()
)


def is_entity(function: str, argument: str) -> bool:
    """Whether ``argument`` of the transfer function is an entity. A comment is one, or its text."""
    if function == "publish":
        return False  # names will do there
    if argument == "comment":
        return function not in {"add_comment", "publish_preview"}
    return argument in _ENTITIES


def id_or_name(name: str, entity: Entity) -> str:
    """The id in a dict, or the id or name that was given as it is.

    Raises:
        InvalidArgument: it is a dict without an id, or no text.
    """
    if isinstance(entity, Mapping):
        return entity_id(name, entity)
    if not isinstance(entity, str) or not entity.strip():
        raise InvalidArgument(f"{name}: {entity!r:.80} is neither an id nor a name.")
    return entity


def entity_id(name: str, entity: Entity) -> str:
    """The id of ``entity``.

    Args:
        name: What the argument is called, for the message.
        entity: An id, or a dict with one.

    Raises:
        InvalidArgument: it is not a UUID.
    """
    value = entity.get("id") if isinstance(entity, Mapping) else entity
    try:
        return str(uuid.UUID(value if isinstance(value, str) else ""))
    except ValueError:
        raise InvalidArgument(
            f"{name}: {str(value)[:80]!r} is not a Kitsu id (a UUID) nor a dict that has one."
        ) from None
