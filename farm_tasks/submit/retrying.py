"""Once more: a submission that failed or was cancelled, after the cause is mended."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
import uuid
from typing import Any

from redis.exceptions import RedisError

from farm_tasks.errors import InvalidArgument, StillRunning
from farm_tasks.settings import settings
from farm_tasks.states import (
    KEY_FIELD,
    PROGRESS,
    QUEUED,
    STARTED,
    SUCCESS,
    result_key,
    submission_key,
)
from farm_tasks.stored_state import replace
from farm_tasks.submit.claim import deliver
from farm_tasks.submit.connection import reaching_redis, redis_client, sender
from farm_tasks.submit.queueing import store_queued
from farm_tasks.submit.record import progress_of, unknown

SILENCE = 60.0
"""Seconds without a report after which a submission counts as running no more: workers report every
five. Its message is sent again; if it runs all the same, one message too many does no harm.
"""


def retry(submission_id: str) -> None:
    """Queue a submission again, under its id and with its arguments.

    Raises:
        InvalidArgument: it has ended well, or its arguments are not known.
        StillRunning: it runs.
        UnknownSubmission: it has no record.
        BrokerUnavailable: Redis cannot be reached; it stays as it was.
    """
    with reaching_redis():
        redis = redis_client()
        while True:
            seen = redis.get(result_key(submission_id))
            if seen is None:
                raise unknown(submission_id)
            stored = json.loads(seen)
            _check(submission_id, stored)
            key = stored.get(KEY_FIELD)
            holder = (redis.get(submission_key(key)) or b"").decode() if key else ""
            if holder not in {"", submission_id}:
                raise InvalidArgument(
                    f"Submission {submission_id} is not retried: {holder} has its key now."
                )
            again = _queued_again(submission_id, stored)
            encoded, token = sender().backend.encode(again), uuid.uuid4().hex
            if not store_queued(again, encoded, seen, holder, token):
                continue
            try:
                deliver(again, token)
            except BaseException:
                # Back to where `list --failed` finds it.
                with contextlib.suppress(RedisError):
                    written = encoded.encode()
                    replace(
                        redis, result_key(submission_id), written, seen, settings().record_seconds
                    )
                raise
            return


def _check(submission_id: str, stored: dict[str, Any]) -> None:
    if stored["status"] == SUCCESS:
        raise InvalidArgument(f"Submission {submission_id} has ended well; nothing is to retry.")
    if stored["status"] in {STARTED, PROGRESS}:
        silent = time.time() - progress_of(stored).updated
        if silent < SILENCE:
            raise StillRunning(
                f"Submission {submission_id} is running. Cancel it first, if it is to begin again."
            )
    if not stored.get("name") or not isinstance(stored.get("kwargs"), dict):
        raise InvalidArgument(
            f"The record of submission {submission_id} does not hold its function and arguments, "
            "so it cannot be retried: submit it again."
        )


def _queued_again(submission_id: str, stored: dict[str, Any]) -> dict[str, Any]:
    queued = dataclasses.replace(
        progress_of(stored),
        bytes_read=0, stage="queued", rate=0.0, eta=None, attempt=1, updated=time.time(),
    )  # fmt: skip
    kept = {name: value for name, value in stored.items() if name not in {"progress", "worker"}}
    return {
        **kept,
        "status": QUEUED,
        "result": queued.to_dict(),
        "traceback": None,
        "date_done": None,
        "task_id": submission_id,
    }
