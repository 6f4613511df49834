"""Celery's Redis result backend, with two rules for transfers.

A late PROGRESS never overwrites a final state, and every state keeps the last progress. What
depends on Celery's private methods is in this file alone; the versions in pyproject.toml bound it.
"""

from __future__ import annotations

import time
from typing import Any

from celery.backends.redis import RedisBackend
from celery.worker.state import revoked
from redis.backoff import NoBackoff
from redis.retry import Retry

from farm_tasks.cancelling import wish_to_cancel
from farm_tasks.counting import Count, of_change
from farm_tasks.queues import priority_name
from farm_tasks.states import (
    FARM_JOB_FIELD,
    FINAL_STATES,
    INDEX_KEY,
    KEY_FIELD,
    OPEN_KEY,
    PRIORITY_FIELD,
    PROGRESS,
    QUEUED,
    RETRY,
    REVOKED,
    STARTED,
    SUCCESS,
    ledger_key,
    result_key,
)
from farm_tasks.stored_state import is_of_another_run, replace
from farm_tasks.worker.patience import is_away

_FOREVER = 365 * 86400
"""Seconds: for a studio that has set ``result_expires`` to none."""


class TransferBackend(RedisBackend):  # type: ignore[misc]
    """See the module."""

    retry_policy: dict[str, Any]

    def fail_fast(self, timeout: float) -> None:
        """Let writes fail after ``timeout`` seconds instead of waiting for Redis to come back.

        For the reporter's own instance: a figure half a second old is worth nothing. To be called
        before the first write.
        """
        self.connparams.update(
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self.always_retry = False
        self.retry_policy = {**self.retry_policy, "max_retries": 0}

    def exception_safe_to_retry(self, exc: Exception) -> bool:
        """Whether Redis may store it in a while: the end of a transfer is worth the wait."""
        return is_away(exc)

    def mark_as_revoked(
        self,
        task_id: str,
        reason: str = "",
        request: Any = None,
        store_result: bool = True,
        state: str = REVOKED,
    ) -> None:
        """Store the end of a task that was revoked.

        Without a request it is a wish, broadcast by Flower or ``celery control revoke``: stored as
        Celery does, it would read as done while the bytes still move. It does all that Celery's own
        memory of the revoked does, and can be taken back: a worker would discard the message of a
        retry for hours.
        """
        if request is None:
            wish_to_cancel(self.client, task_id)
            revoked.discard(task_id)
        else:
            super().mark_as_revoked(task_id, reason, request, store_result, state)

    def _get_result_meta(
        self, result: Any, state: str, traceback: Any, request: Any, **options: Any
    ) -> dict[str, Any]:
        meta: dict[str, Any] = super()._get_result_meta(
            result, state, traceback, request, **options
        )
        for name in (KEY_FIELD, FARM_JOB_FIELD):  # headers of the message
            if (value := getattr(request, name, None)) is not None:
                meta[name] = value
        delivery = getattr(request, "delivery_info", None)
        if delivery:
            meta[PRIORITY_FIELD] = priority_name(delivery.get("priority"))
        if state != PROGRESS:
            meta["progress"] = getattr(request, "progress", None) or self._stored_progress(request)
        return meta

    def _stored_progress(self, request: Any) -> dict[str, Any] | None:
        """The last figures in Redis, for a state that is stored by another process or thread."""
        task_id = getattr(request, "id", None)
        stored = self.get(result_key(task_id)) if task_id else None
        if not stored:
            return None
        meta: dict[str, Any] = self.decode(stored)
        progress = meta["result"] if meta["status"] in {QUEUED, PROGRESS} else meta.get("progress")
        return progress if isinstance(progress, dict) else None

    def _set_with_state(self, key: Any, value: Any, state: str) -> None:
        self.ensure(self._set_unless_final, (key, value, state))

    def _set_unless_final(self, key: Any, value: Any, state: str) -> None:
        """Store, unless that would turn an end back. Looked at and written in one step.

        Celery's own look before it writes is not atomic, and protects SUCCESS alone.
        """
        while True:
            seen = self.client.get(key)
            if seen is not None:
                stored = self.decode(seen)
                before = stored["status"]
                if before == SUCCESS or (before in FINAL_STATES and state not in FINAL_STATES):
                    return
                if state == STARTED and before == PROGRESS:
                    return  # a message that came twice: its submission is under way
                if state == STARTED and is_of_another_run(stored, self.decode(value)["kwargs"]):
                    return  # it is about to be dropped
            seconds = int(self.expires or _FOREVER)
            if replace(self.client, key, seen, value, seconds, self._counts(seen, value, state)):
                break
        if seen is None:
            # Sent by its name alone, not by our submitter: from now on it is listed as well.
            submission_id = self.decode(value)["task_id"]
            self.client.zadd(INDEX_KEY, {submission_id: time.time()}, nx=True)
        if state in FINAL_STATES:
            submission_id = self.decode(value)["task_id"]
            self.client.zrem(OPEN_KEY, submission_id)
            if state == SUCCESS:
                # Nothing of what it did will be asked for again; not before its end is stored.
                self.client.delete(ledger_key(submission_id))

    def _counts(self, seen: Any, value: Any, state: str) -> list[Count]:
        """What is counted with a state, if it is an end or a retry."""
        if state not in FINAL_STATES and state != RETRY:
            return []
        before = None if seen is None else self.decode(seen)["status"]
        return of_change(self.decode(value), before)
