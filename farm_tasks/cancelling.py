"""The wish to stop a submission, as it is kept in Redis.

Celery's own revoke would store REVOKED at once, while the bytes still move; and what waits in a
queue would stay there as if nothing had been said. So a wish is a key of ours: the worker that has
the transfer looks for it at each report, and a submission that no worker has is cancelled here.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from farm_tasks.counting import of_change
from farm_tasks.group_shares import TELL_GROUPS
from farm_tasks.script import Script
from farm_tasks.settings import settings
from farm_tasks.states import (
    FINAL_STATES,
    QUEUED,
    RETRY,
    REVOKED,
    cancel_key,
    claim_key,
    ledger_key,
    result_key,
)
from farm_tasks.stored_state import COUNT, KEEP_COMPANY, digest

SHORTEST_WISH = 7 * 86400
"""Seconds. A wish is remembered as long as a message may wait in a queue."""

# In one step: a worker looks for the wish right after it has stored a state, and whoever has the
# submission run again takes the wish back in the same step as it stores QUEUED.
_WISH = Script(f"""
{KEEP_COMPANY}
{COUNT}
{TELL_GROUPS}
local current = redis.call('GET', KEYS[1])
if (current and redis.sha1hex(current) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], 1, 'EX', ARGV[2])
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4])
  keep_company(KEYS[3], KEYS[4], ARGV[4])
  redis.call('PUBLISH', KEYS[1], ARGV[3])
  count_from(5)
  tell_groups(KEYS[1], ARGV[3], ARGV[4])
end
return 1
""")


def wish_to_cancel(redis: Any, submission_id: str) -> dict[str, Any] | None:
    """Have a submission stop; one that has ended stays as it is.

    Args:
        redis: A client of the result backend.
        submission_id: Celery's task id.

    Returns:
        The record of one that waited to be retried. Its message may not be due for an hour; sent
        again now, it has a worker clean up what the tries before have left.
    """
    keys = [of(submission_id) for of in (result_key, cancel_key, claim_key, ledger_key)]
    record_seconds = settings().record_seconds
    wish_seconds = max(SHORTEST_WISH, record_seconds)
    while True:
        stored = redis.get(keys[0])
        # Sent by name alone, and no worker has it yet: the wish will meet it there.
        meta = {"status": None} if stored is None else json.loads(stored)
        if meta["status"] in FINAL_STATES:
            return None
        ends_here = meta["status"] in {QUEUED, RETRY}
        revoked = json.dumps(_revoked(meta)) if ends_here else ""
        values = [digest(stored), wish_seconds, revoked, record_seconds]
        counts = of_change(_revoked(meta), meta["status"]) if ends_here else []
        all_keys = [*keys, *(one for one, _ in counts)]
        if _WISH.run(redis, all_keys, [*values, *(one for _, one in counts)]):
            return {**meta, "task_id": submission_id} if meta["status"] == RETRY else None


def is_cancelled(redis: Any, submission_ids: list[str]) -> list[bool]:
    """Which of the submissions are wished to stop, in one round trip."""
    wishes = redis.mget([cancel_key(one) for one in submission_ids])
    return [wish is not None for wish in wishes]


def _revoked(meta: dict[str, Any]) -> dict[str, Any]:
    """The record of a submission that no worker has, cancelled."""
    return {
        **meta,
        "status": REVOKED,
        "date_done": datetime.now(UTC).isoformat(),
        "progress": meta["result"] if meta["status"] == QUEUED else meta.get("progress"),
        "result": {
            "exc_type": "TaskRevokedError",
            "exc_message": ["The submission was cancelled before it ran."],
            "exc_module": "celery.exceptions",
        },
    }
