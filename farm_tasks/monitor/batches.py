"""What is shown of a batch: its overall progress, and its files with what matters first."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

from farm_tasks.errors import UnknownSubmission
from farm_tasks.monitor.words import words
from farm_tasks.plain_text import plain
from farm_tasks.states import (
    FAILURE,
    PROGRESS,
    RETRY,
    REVOKED,
    STARTED,
    SUCCESS,
    group_key,
    result_key,
)
from farm_tasks.submit.connection import reaching_redis, redis_client
from farm_tasks.submit.group import Group, add_up
from farm_tasks.submit.record import Record, decode

MOST_FILES = 500
"""Files that are listed, what runs and what has failed first. The overall figures have all."""

_ORDER = {PROGRESS: 0, STARTED: 1, RETRY: 2, FAILURE: 3, REVOKED: 4, SUCCESS: 6}
_WAITING = 5


def batch(group_id: str) -> dict[str, Any]:
    """One batch, JSON-safe.

    Returns:
        ``id``, ``title``, the fields of :class:`~farm_tasks.submit.group.GroupProgress`,
        ``percent``, ``seconds_left``, ``states`` (how many files are in each state), ``files``
        (:data:`MOST_FILES` at most) and ``files_not_listed``.

    Raises:
        UnknownSubmission: there is no such group, or it has expired.
        BrokerUnavailable: Redis cannot be reached.
    """
    records = _records(group_id)
    listed = sorted(records, key=lambda one: _ORDER.get(one.state, _WAITING))[:MOST_FILES]
    return {
        **_overall(group_id, records),
        "files": [_file(one) for one in listed],
        "files_not_listed": len(records) - len(listed),
    }


def recent_batches(limit: int = 20) -> list[dict[str, Any]]:
    """The newest batches, each as :func:`batch` has it but for its files.

    ``made`` is when, in seconds since the epoch.

    Raises:
        BrokerUnavailable: Redis cannot be reached.
    """
    found = []
    for group_id, made in Group.recent(limit):
        try:
            found.append({**_overall(group_id, _records(group_id)), "made": made})
        except UnknownSubmission:
            continue  # expired since
    return found


def _records(group_id: str) -> list[Record]:
    """The members' records, without those that have expired."""
    with reaching_redis():
        members = redis_client().lrange(group_key(group_id), 0, -1)
        ids = [one.decode() for one in dict.fromkeys(members)]
        values = redis_client().mget([result_key(one) for one in ids]) if ids else []
    found = [
        decode(one, value) for one, value in zip(ids, values, strict=True) if value is not None
    ]
    if not found:
        raise UnknownSubmission(f"There is no batch {group_id}, or it has expired.")
    return found


def _overall(group_id: str, records: Sequence[Record]) -> dict[str, Any]:
    progress = dataclasses.replace(add_up(records), rate=sum(one.progress.rate for one in records))
    return {
        "id": group_id,
        "title": _title(records),
        **dataclasses.asdict(progress),
        "percent": progress.percent,
        "seconds_left": progress.eta,
        "states": dict(Counter(one.state for one in records)),
    }


def _title(records: Sequence[Record]) -> str:
    """What it does, and in which folder: nobody knows a batch by its id."""
    functions = " and ".join(sorted({one.function for one in records})) or "transfers"
    folders = {os.path.dirname(one.progress.file) for one in records if one.progress.file}
    try:
        folder = os.path.commonpath(folders) if folders else ""
    except ValueError:  # absolute and relative ones, or of several drives
        folder = ""
    return plain(f"{functions}, {folder}" if folder.strip("/") else functions)


def _file(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "function": record.function,
        "state": record.state,
        **_figures(record.progress.to_dict()),
        "worker": record.worker,
        "reason": None if record.error is None else words(repr(record.error)),
    }


def _figures(progress: dict[str, Any]) -> dict[str, Any]:
    """By the names that Flower's API has."""
    return {**progress, "seconds_left": progress.pop("eta")}
