"""A key: whatever is submitted with the same one is one submission.

Redis holds ``key -> id``, beside the submission's record, and a claim that says whether the message
was sent. A submitter may die between the two; the next one with its key sends the message then. It
carries the same id, so that one too many does no harm: a worker holds a lease per submission, and
drops the messages of work that has ended.
"""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from typing import Any

from redis.exceptions import RedisError

from farm_tasks.counting import DEDUPE, SAME_KEY
from farm_tasks.errors import InvalidArgument
from farm_tasks.settings import settings
from farm_tasks.states import (
    FAILURE,
    KEY_FIELD,
    QUEUED,
    REVOKED,
    claim_key,
    groups_of_key,
    ledger_key,
    result_key,
    submission_key,
)
from farm_tasks.stored_state import KEEP_COMPANY
from farm_tasks.submit.connection import redis_client, sender
from farm_tasks.submit.queueing import send_message, store_queued

LONGEST_KEY = 200

PATIENCE = 3
"""Seconds, by Redis's clock, after which a claim's message counts as not sent."""

_LOOK_AGAIN = 0.05

_KEEP = f"""
{KEEP_COMPANY}
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[5], ARGV[1])
keep_company(KEYS[2], KEYS[3], ARGV[1])
redis.pcall('HINCRBY', KEYS[4], ARGV[2], 1)
"""

# The token tells this sending from a later one: a late answer says nothing about that.
_SENT = """
if redis.call('HGET', KEYS[1], 'unsent') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'unsent', 'at')
end
"""

_NOT_SENT = """
if redis.call('HGET', KEYS[1], 'unsent') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'at', 0)
end
"""

_TAKE_OVER = """
local unsent, at = unpack(redis.call('HMGET', KEYS[1], 'unsent', 'at'))
local now = tonumber(redis.call('TIME')[1])
if unsent ~= ARGV[1] then return 0 end
if now >= tonumber(at) and now < tonumber(at) + tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'at', now)
return 1
"""


def check_key(key: object) -> None:
    """See that a key can be one.

    Raises:
        InvalidArgument: it is not.
    """
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise InvalidArgument(
            f"key: {key!r:.80} is not a text of 1 to {LONGEST_KEY} printable characters."
        )


def submit_once(record: dict[str, Any]) -> str:
    """Submit a record with a key, unless its submission is queued, running or done already.

    One that failed or was cancelled is queued again under its id, with the arguments given now.
    When this returns, a worker has the message or the broker does.

    Args:
        record: As it is to be stored. If the key is in use, the submission keeps its own id.

    Returns:
        The id of the one submission with this key.

    Raises:
        InvalidArgument: the key is another function's.
    """
    redis = redis_client()
    key = record[KEY_FIELD]
    while True:
        holder = (redis.get(submission_key(key)) or b"").decode()
        seen = redis.get(result_key(holder)) if holder else None
        mine = record
        if seen is not None:
            stored = json.loads(seen)
            _check_function(key, record["name"], stored)
            if stored["status"] not in {FAILURE, REVOKED}:
                names = (result_key, claim_key, ledger_key)
                keys = [*(of(holder) for of in names), DEDUPE, groups_of_key(holder)]
                redis.eval(_KEEP, len(keys), *keys, settings().record_seconds, SAME_KEY)
                _see_it_sent(holder)
                return holder
            mine = {**record, "task_id": holder}
        token = uuid.uuid4().hex
        if store_queued(mine, sender().backend.encode(mine), seen, holder, token):
            deliver(mine, token)
            submission_id: str = mine["task_id"]
            return submission_id


def deliver(record: dict[str, Any], token: str) -> None:
    """Send the message of a claim, and note that it was sent; or that somebody else shall.

    Args:
        record: Whose message.
        token: What the claim is held with.
    """
    redis, claim = redis_client(), claim_key(record["task_id"])
    try:
        send_message(record)
    except BaseException:
        with contextlib.suppress(RedisError):
            redis.eval(_NOT_SENT, 1, claim, token)
        raise
    with contextlib.suppress(RedisError):  # it is sent, which is what counts
        redis.eval(_SENT, 1, claim, token)


def _see_it_sent(submission_id: str) -> None:
    """Wait for whoever is about to send the message, and do it when that takes too long."""
    redis = redis_client()
    while True:
        with redis.pipeline() as pipeline:
            pipeline.hget(claim_key(submission_id), "unsent")
            pipeline.get(result_key(submission_id))
            unsent, seen = pipeline.execute()
        if unsent is None or seen is None:
            return
        stored = json.loads(seen)
        if stored["status"] != QUEUED:  # a worker has it
            return
        if redis.eval(_TAKE_OVER, 1, claim_key(submission_id), unsent, PATIENCE):
            deliver(stored, unsent.decode())
            return
        time.sleep(_LOOK_AGAIN)


def _check_function(key: str, name: str, stored: dict[str, Any]) -> None:
    other = stored.get("name") or name
    if other != name:
        raise InvalidArgument(
            f"key: {key!r} belongs to submission {stored['task_id']}, which is of "
            f"{other.removeprefix('farm_tasks.')} and not of {name.removeprefix('farm_tasks.')}. "
            "Use one key for one piece of work."
        )
