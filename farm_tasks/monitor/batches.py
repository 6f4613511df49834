"""What is shown of a batch: its overall progress, and its files with what matters first."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

from farm_tasks.errors import UnknownSubmission
from farm_tasks.monitor.members import SHOWN, Standing, Sum, members, records
from farm_tasks.monitor.words import words
from farm_tasks.plain_text import plain
from farm_tasks.states import FAILURE, PROGRESS, RETRY, REVOKED, STARTED, SUCCESS
from farm_tasks.submit.group import Group
from farm_tasks.submit.record import Record

MOST_FILES = SHOWN
"""Files that are listed, what runs and what has failed first. The overall figures have all."""

_ORDER = {PROGRESS: 0, STARTED: 1, RETRY: 2, FAILURE: 3, REVOKED: 4}
_WAITING = 5
"""Before those that have succeeded, which come last."""


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
    standing = members(group_id).look()
    listed = sorted(standing.rest, key=lambda one: _ORDER.get(one.state, _WAITING))[:MOST_FILES]
    listed += records(standing.shown[: MOST_FILES - len(listed)])
    overall = _overall(group_id, standing)
    return {
        **overall,
        "files": [_file(one) for one in listed],
        "files_not_listed": overall["files_total"] - len(listed),
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
            found.append({**_overall(group_id, members(group_id).look()), "made": made})
        except UnknownSubmission:
            continue  # expired since
    return found


def _overall(group_id: str, standing: Standing) -> dict[str, Any]:
    overall = standing.succeeded + Sum.of(standing.rest)
    states = Counter(one.state for one in standing.rest)
    states.update({SUCCESS: standing.succeeded.progress.files_total})
    return {
        "id": group_id,
        "title": _title(overall),
        **dataclasses.asdict(overall.progress),
        "percent": overall.progress.percent,
        "seconds_left": overall.progress.eta,
        "states": {state: count for state, count in states.items() if count},
    }


def _title(overall: Sum) -> str:
    """What it does, and in which folder: nobody knows a batch by its id."""
    functions = " and ".join(sorted(overall.functions)) or "transfers"
    folder = overall.folder or ""
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
