"""What a batch publishes: each row checked, with its files and a key of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from farm_tasks.batches.files import File, file_at, frames_at, local
from farm_tasks.batches.rows import Row
from farm_tasks.errors import FarmTasksError, InvalidArgument, TooLarge
from farm_tasks.kitsu.checks import attachment_paths, preview_file_path
from farm_tasks.queues import priority_number
from farm_tasks.submit.farm_job import farm_job_of
from farm_tasks.submit.publishing import check
from farm_tasks.submit.sending import portable

DEFAULT_PREFIX = "batch"

_OPTIONS = frozenset(["key", "priority", "farm_job"])
"""How a row is submitted, and nothing of what is published."""


@dataclass
class Item:
    """One publish of a batch.

    Attributes:
        number: The row's.
        target: The task, as it was given.
        arguments: Of ``submit.publish``, but for the key.
        files: Its previews, its frames and its attachments.
        key: The same for the same row and the same files, so that it is published once.
        error: Why it cannot be published, or None.
        note: What a person should know.
    """

    number: int
    target: str
    arguments: dict[str, Any]
    files: list[File] = field(default_factory=list)
    key: str = ""
    error: FarmTasksError | None = None
    note: str = ""

    @property
    def size(self) -> int | None:
        """Bytes in all, or None where a file is not to be seen from here."""
        sizes = [one.size for one in self.files if one.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None


def items_of(rows: Iterable[Row], prefix: str = DEFAULT_PREFIX, again: str = "") -> list[Item]:
    """Check every row and look at its files; what is wrong stands in ``error``.

    A file that is missing in a folder that this machine has is missing; one whose folder is not
    here may be on the worker, which will say.

    Args:
        rows: The rows.
        prefix: What the keys begin with, but for rows that have one of their own.
        again: What makes the keys new, so that what was published is published once more. A row
            that asks for a revision of its own is wrong then: Kitsu has it already.
    """
    items = []
    seen: dict[str, int] = {}
    for row in rows:
        arguments = dict(row.arguments)
        own_key = arguments.pop("key", None)
        files = [File(one) for one in _paths(arguments)]
        item = Item(row.number, str(arguments.get("task", "")), arguments, files, error=row.error)
        items.append(item)
        if item.error is not None:
            continue
        try:
            _check(arguments)
            if again:
                _check_again(arguments)
            _look_at_files(item)
            item.key = own_key or f"{prefix}:{_content(item)}"
        except FarmTasksError as error:
            item.error = error
            continue
        if again:
            item.key = f"{item.key}:{again}"
        if item.key in seen:
            item.note = f"the same as row {seen[item.key]}"
        seen.setdefault(item.key, item.number)
    return items


def _paths(arguments: Mapping[str, Any]) -> list[str]:
    frames = [arguments["frames"]] if arguments.get("frames") else []
    return [*frames, *arguments.get("previews", []), *arguments.get("attachments", [])]


def _check(arguments: Mapping[str, Any]) -> None:
    """See what would be refused later, and can be known now."""
    given = {name: value for name, value in arguments.items() if name not in _OPTIONS}
    check(given)
    priority_number(arguments.get("priority", "normal"))
    farm_job_of(arguments.get("farm_job"))


def _check_again(arguments: Mapping[str, Any]) -> None:
    revision = arguments.get("revision", "auto")
    if revision != "auto":
        raise InvalidArgument(
            f"revision: {revision!r:.80} cannot be published again, a new revision can: write "
            "auto, leave it out (in a folder's pattern {any} for {revision}), or leave out --again."
        )


def _look_at_files(item: Item) -> None:
    arguments = item.arguments
    frames = arguments.get("frames")
    item.files = [
        frames_at(one.path) if one.path == frames else file_at(one.path) for one in item.files
    ]
    unseen = [one.path for one in item.files if one.size is None]
    if unseen:
        item.note = f"not to be seen from this machine: {unseen[0]}"
    checks: dict[str, Callable[[str], object]] = {
        "previews": preview_file_path,
        "attachments": attachment_paths,
    }
    for name, look in checks.items():
        try:
            for path in arguments.get(name, []):
                if path not in unseen:
                    look(local(path))
        except TooLarge:
            # The limit that counts is the worker's.
            item.note = "over FARM_TASKS_MAX_UPLOAD_BYTES of this machine; the worker's counts"


def _content(item: Item) -> str:
    """A digest of what the row says and of its files as they are now.

    It is the same on every system: paths are in the form that all send.
    """
    said = json.dumps(portable("publish", item.arguments), sort_keys=True, ensure_ascii=True)
    files = [(one.size, one.modified, one.count) for one in item.files]
    return hashlib.sha256(f"{said}{json.dumps(files)}".encode()).hexdigest()[:32]
