"""The wish to stop a submission, as it is kept in Redis.

Celery's own revoke would store REVOKED at once, while the bytes still move; and what waits in a
queue would stay there as if nothing had been said. So a wish is a key of ours: the worker that has
the transfer looks for it at each report, and a submission that no worker has is cancelled here.
"""

from __future__ import annotations

import json
from typing import Any

from farm_tasks.states import QUEUED, RETRY, REVOKED, cancel_key, result_key
from farm_tasks.stored_state import replace

WISH_SECONDS = 7 * 86400
"""How long a wish is remembered: longer than a message waits in a queue."""


def wish_to_cancel(redis: Any, submission_id: str) -> None:
    """Have a submission stop; one that has ended stays as it is.

    Args:
        redis: A client of the result backend.
        submission_id: Celery's task id.
    """
    redis.set(cancel_key(submission_id), 1, ex=WISH_SECONDS)
    key = result_key(submission_id)
    stored = redis.get(key)
    if stored is None:
        return  # sent by name alone, and no worker has it yet: the wish will meet it there
    meta = json.loads(stored)
    if meta["status"] not in {QUEUED, RETRY}:
        return
    if meta["status"] == QUEUED:
        meta["progress"] = meta["result"]
    meta["status"] = REVOKED
    meta["result"] = {
        "exc_type": "TaskRevokedError",
        "exc_message": ["The submission was cancelled before it ran."],
        "exc_module": "celery.exceptions",
    }
    # Unless a worker has taken it in between.
    replace(redis, key, stored, json.dumps(meta), WISH_SECONDS)


def is_cancelled(redis: Any, submission_ids: list[str]) -> list[bool]:
    """Which of the submissions are wished to stop, in one round trip."""
    wishes = redis.mget([cancel_key(one) for one in submission_ids])
    return [wish is not None for wish in wishes]
