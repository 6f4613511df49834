"""A submission's message, made of its record: at first, by hand, and where it was lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from farm_tasks import queues
from farm_tasks.states import FARM_JOB_FIELD, KEY_FIELD, PRIORITY_FIELD

if TYPE_CHECKING:
    from celery import Celery


def send(app: Celery, record: Mapping[str, Any]) -> None:
    """Send a record's message: its function, its arguments, its id, into its queue.

    Args:
        app: Sends it.
        record: What is stored of the submission, decoded.
    """
    options = {"queue": record["queue"]} if record.get("queue") else {}
    # Celery carries them through retries, and a worker's backend into each state that it stores.
    headers = {name: record[name] for name in (KEY_FIELD, FARM_JOB_FIELD) if record.get(name)}
    app.send_task(
        record["name"],
        args=record.get("args"),
        kwargs=record["kwargs"],
        task_id=record["task_id"],
        priority=queues.priority_number(record.get(PRIORITY_FIELD) or queues.NORMAL),
        headers=headers or None,
        **options,
    )
