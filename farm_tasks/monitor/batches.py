"""What is shown of a batch: its overall progress, and its files with what matters first."""

from __future__ import annotations

import dataclasses
from typing import Any

from farm_tasks.errors import UnknownSubmission
from farm_tasks.monitor.members import SHOWN, members
from farm_tasks.monitor.words import words
from farm_tasks.plain_text import plain
from farm_tasks.states import group_key
from farm_tasks.submit.connection import reaching_redis, redis_client
from farm_tasks.submit.group import Group
from farm_tasks.submit.group_progress import Sum, read_sums, sum_of
from farm_tasks.submit.record import Record

MOST_FILES = SHOWN
"""Files that are listed, what runs and what has failed first. The overall figures have all."""


def batch(group_id: str) -> dict[str, Any]:
    """One batch, JSON-safe. A huge one costs as much as one of :data:`MOST_FILES` files.

    Returns:
        ``id``, ``title``, the fields of :class:`~farm_tasks.submit.group_progress.GroupProgress`,
        ``percent``, ``seconds_left``, ``states`` (how many files are in each state), ``files``
        (:data:`MOST_FILES` at most) and ``files_not_listed``.

    Raises:
        UnknownSubmission: there is no such group, or it has expired.
        BrokerUnavailable: Redis cannot be reached.
    """
    with reaching_redis():
        if not redis_client().exists(group_key(group_id)):
            raise UnknownSubmission(f"There is no batch {group_id}, or it has expired.")
        found = sum_of(redis_client(), group_id)
    overall = _overall(group_id, found)
    listed = members(group_id)
    return {
        **overall,
        "files": [_file(one) for one in listed],
        "files_not_listed": max(0, overall["files_total"] - len(listed)),
    }


def recent_batches(limit: int = 20) -> list[dict[str, Any]]:
    """The newest batches, each as :func:`batch` has it but for its files.

    ``made`` is when, in seconds since the epoch.

    Raises:
        BrokerUnavailable: Redis cannot be reached.
    """
    batches = Group.recent(limit)
    ids = [group_id for group_id, _ in batches]
    with reaching_redis():
        redis = redis_client()
        with redis.pipeline(transaction=False) as pipeline:
            for one in ids:
                pipeline.exists(group_key(one))
            known = pipeline.execute()
        sums = read_sums(redis, ids)
        return [
            {**_overall(group_id, found or sum_of(redis, group_id)), "made": made}
            for (group_id, made), is_known, found in zip(batches, known, sums, strict=True)
            if is_known  # else it has expired since
        ]


def _overall(group_id: str, found: Sum) -> dict[str, Any]:
    return {
        "id": group_id,
        "title": _title(found),
        **dataclasses.asdict(found.progress),
        "percent": found.progress.percent,
        "seconds_left": found.progress.eta,
        "states": found.states,
    }


def _title(found: Sum) -> str:
    """What it does, and in which folder: nobody knows a batch by its id."""
    functions = " and ".join(found.functions) or "transfers"
    return plain(f"{functions}, {found.folder}" if found.folder.strip("/") else functions)


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
