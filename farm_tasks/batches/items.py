"""What a batch publishes: each row checked, with its files and a key of its own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from farm_tasks.batches.rows import Row
from farm_tasks.errors import FarmTasksError, FileMissing, InvalidArgument, TooLarge
from farm_tasks.frame_rate import frame_rate
from farm_tasks.kitsu.checks import attachment_paths, preview_file_path
from farm_tasks.queues import priority_number
from farm_tasks.revision import revision_of

DEFAULT_PREFIX = "batch"

_FRAME_NUMBER = re.compile(r"#+|@+|%0?[0-9]*d|\$F[0-9]*")
"""The number in the name of a sequence, as renderers write it."""


@dataclass(frozen=True)
class File:
    """A file, or all frames of a sequence, as it is seen from here.

    Attributes:
        path: Its path, or the sequence's pattern.
        size: Bytes in all, or None where nothing is seen.
        modified: When it was last changed, in nanoseconds since the epoch; 0 where nothing is seen.
        count: How many files these are.
    """

    path: str
    size: int | None = None
    modified: int = 0
    count: int = 0


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
        again: What makes the keys new, so that what was published is published once more.
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
            _look_at_files(item)
        except FarmTasksError as error:
            item.error = error
            continue
        item.key = own_key or f"{prefix}:{_content(item)}"
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
    frames, previews = arguments.get("frames"), arguments.get("previews")
    revision_of(arguments.get("revision", "auto"), str(frames or (previews or [""])[0]))
    priority_number(arguments.get("priority", "normal"))
    if not frames:
        return
    if not arguments.get("fps"):
        raise InvalidArgument("A row with frames needs fps, such as 24 or 24000/1001.")
    frame_rate(str(arguments["fps"]))


def _look_at_files(item: Item) -> None:
    arguments = item.arguments
    frames = arguments.get("frames")
    item.files = [
        _frames(one.path) if one.path == frames else _file(one.path) for one in item.files
    ]
    unseen = [one.path for one in item.files if one.size is None]
    if unseen:
        item.note = f"not to be seen from this machine: {unseen[0]}"
    checks: dict[str, Callable[[str], object]] = {
        "previews": preview_file_path,
        "attachments": attachment_paths,
    }
    for name, check in checks.items():
        try:
            for path in arguments.get(name, []):
                if path not in unseen:
                    check(path)
        except TooLarge:
            # The limit that counts is the worker's.
            item.note = "over FARM_TASKS_MAX_UPLOAD_BYTES of this machine; the worker's counts"


def _file(path: str) -> File:
    """A file.

    Raises:
        FileMissing: it is not in its folder, and the folder is here.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        if os.path.isdir(os.path.dirname(path)) and not os.path.lexists(path):
            raise FileMissing(f"{path} does not exist on this machine.") from None
        return File(path)
    return File(
        path, found.st_size if stat.S_ISREG(found.st_mode) else 0, found.st_mtime_ns, count=1
    )


def _frames(pattern: str) -> File:
    """A sequence, as it is on the disk.

    Raises:
        FileMissing: its folder is here and none of its frames.
    """
    folder, name = os.path.split(pattern)
    pieces = [re.escape(one) for one in _FRAME_NUMBER.split(name)]
    if len(pieces) < 2:
        return _file(pattern)
    like = re.compile(r"-?[0-9]+".join(pieces))
    if not os.path.isdir(folder):
        return File(pattern)
    size = count = modified = 0
    with os.scandir(folder) as entries:
        for one in entries:
            if like.fullmatch(one.name) and one.is_file():
                found = one.stat()
                count += 1
                size += found.st_size
                modified = max(modified, found.st_mtime_ns)
    if not count:
        raise FileMissing(f"{pattern}: no frame of it exists on this machine.")
    return File(pattern, size, modified, count)


def _content(item: Item) -> str:
    """A digest of what the row says and of its files as they are now."""
    said = json.dumps(item.arguments, sort_keys=True, ensure_ascii=True, default=str)
    files = [(one.path, one.size, one.modified, one.count) for one in item.files]
    return hashlib.sha256(f"{said}{json.dumps(files)}".encode()).hexdigest()[:32]
