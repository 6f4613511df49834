"""Into the queue: a submission's record as QUEUED, and its message.

For the first time, and again under the same id after it has ended without success: the worker's
ledger of the steps that are done goes on.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from redis.exceptions import RedisError

from farm_tasks import message
from farm_tasks.group_shares import TELL_GROUPS
from farm_tasks.script import Script
from farm_tasks.settings import settings
from farm_tasks.states import (
    INDEX_KEY,
    KEY_FIELD,
    OPEN_KEY,
    cancel_key,
    claim_key,
    ledger_key,
    result_key,
    submission_key,
)
from farm_tasks.stored_state import KEEP_COMPANY, digest
from farm_tasks.submit.connection import redis_client, sender

INDEX_SECONDS = 90 * 86400
"""Older submissions leave the list, unless this submitter keeps them longer: others share it."""

# All or nothing, and only while record and key are what they were when they were looked at. What
# the last run ended with is forgotten; what it has done is not.
_STORE = Script(f"""
{KEEP_COMPANY}
{TELL_GROUPS}
local current = redis.call('GET', KEYS[1])
if (current and redis.sha1hex(current) or '') ~= ARGV[1] then return 0 end
if KEYS[6] then
  if (redis.call('GET', KEYS[6]) or '') ~= ARGV[2] then return 0 end
  local now = redis.call('TIME')
  redis.call('SET', KEYS[6], ARGV[3])
  redis.call('HSET', KEYS[2], 'key', KEYS[6], 'unsent', ARGV[4], 'at', now[1])
end
keep_company(KEYS[2], KEYS[5], ARGV[6])
redis.call('SET', KEYS[1], ARGV[5], 'EX', ARGV[6])
redis.call('ZADD', KEYS[3], ARGV[7], ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[3], 0, ARGV[8])
redis.call('DEL', KEYS[4])
redis.call('HDEL', KEYS[5], 'result', 'failing_since', 'crashes')
redis.call('PUBLISH', KEYS[1], ARGV[5])
tell_groups(KEYS[1], ARGV[5], ARGV[6])
return 1
""")


def store_queued(
    record: dict[str, Any],
    encoded: str,
    seen: bytes | None = None,
    holder: str = "",
    token: str = "",
) -> bool:
    """Store a record as QUEUED, unless something has changed since it was looked at.

    Args:
        record: What is stored; ``task_id`` is the submission's id.
        encoded: The same, as Celery encodes it.
        seen: The record as it was read; None if there was none.
        holder: For a submission with a key: the id that the key was seen to hold; "" if none.
        token: For a submission with a key: of who is about to send the message.

    Returns:
        Whether it was stored.
    """
    submission_id, key = record["task_id"], record.get(KEY_FIELD)
    keys = [
        result_key(submission_id),
        claim_key(submission_id),
        INDEX_KEY,
        cancel_key(submission_id),
        ledger_key(submission_id),
    ]
    if key:
        keys.append(submission_key(key))
    now, seconds = time.time(), settings().record_seconds
    values = [digest(seen), holder, submission_id, token, encoded, seconds, now]
    oldest = now - max(seconds, INDEX_SECONDS)
    return bool(_STORE.run(redis_client(), keys, [*values, oldest]))


def send_message(record: dict[str, Any]) -> None:
    """Send a record's message, and have workers see that it is not lost from now on."""
    message.send(sender(), record)
    if settings().broker_is_rabbitmq:
        return  # nobody can look through RabbitMQ's queues; it loses no message either
    # Not before: a message that could not be sent must not be sent by a worker, later.
    with contextlib.suppress(RedisError):  # it is sent, which is what counts
        redis_client().zadd(OPEN_KEY, {record["task_id"]: time.time()})
