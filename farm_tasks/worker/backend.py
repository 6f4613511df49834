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
    claim_key,
    lease_key,
    ledger_key,
)
from farm_tasks.stored_state import COUNT, KEEP_COMPANY, digest, is_of_another_run
from farm_tasks.worker.lease import RELEASE, REMEMBERED, Lease
from farm_tasks.worker.patience import is_away

_FOREVER = 365 * 86400
"""Seconds: for a studio that has set ``result_expires`` to none."""

# As farm_tasks.stored_state.replace, and what belongs to an end: it is open no more; of what has
# ended well nothing that it did will be asked for again, and it needs no owner.
_STORE = f"""
{KEEP_COMPANY}
{COUNT}
{RELEASE}
local current = redis.call('GET', KEYS[1])
if (current and redis.sha1hex(current) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
keep_company(KEYS[2], KEYS[3], ARGV[3])
redis.call('PUBLISH', KEYS[1], ARGV[2])
if ARGV[4] ~= '' then redis.call('ZREM', KEYS[4], ARGV[#ARGV]) end
if ARGV[4] == '{SUCCESS}' then redis.call('DEL', KEYS[3]) end
if ARGV[5] ~= '' then release(KEYS[5], ARGV[5], {REMEMBERED}) end
count_from(6)
return 1
"""


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

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: Any = None,
        request: Any = None,
        **_: Any,
    ) -> Any:
        """Store, unless that would turn an end back. Looked at and written in one step.

        Celery's own look before it writes is not atomic, and protects SUCCESS alone.
        """
        self.ensure(self._store_unless_final, (task_id, result, state, traceback, request))
        return result

    def _store_unless_final(
        self, task_id: str, result: Any, state: str, traceback: Any, request: Any
    ) -> None:
        key = self.get_key_for_task(task_id)
        # What this run has stored last is most likely there still. If not, nothing is written.
        seen, stored = getattr(request, "stored", None) or self._look(key)
        while True:
            meta = self._get_result_meta(result, state, traceback, request)
            meta["task_id"] = task_id
            if state != PROGRESS:
                meta["progress"] = getattr(request, "progress", None) or _progress_of(stored)
            if stored is not None and not _may_follow(stored, state, meta):
                return
            value: bytes = self.encode(meta).encode()
            lease = getattr(request, "lease", None) if state == SUCCESS else None
            if lease is not None:
                lease.ends = True
            if self._replace(key, seen, value, stored, meta, lease):
                break
            seen, stored = self._look(key)
        if request is not None:
            request.stored = value, meta
        if lease is not None:
            request.lease_ended = True
        if seen is None:
            # Sent by its name alone, not by our submitter: from now on it is listed as well.
            self.client.zadd(INDEX_KEY, {task_id: time.time()}, nx=True)

    def _look(self, key: Any) -> tuple[bytes | None, dict[str, Any] | None]:
        """What is stored, as it is and decoded."""
        seen = self.client.get(key)
        return seen, None if seen is None else self.decode(seen)

    def _replace(
        self,
        key: Any,
        seen: bytes | None,
        value: bytes,
        stored: dict[str, Any] | None,
        meta: dict[str, Any],
        lease: Lease | None,
    ) -> bool:
        state, submission_id = meta["status"], meta["task_id"]
        before = None if stored is None else stored["status"]
        counts = _counts(meta, before)
        keys = [
            key,
            claim_key(submission_id),
            ledger_key(submission_id),
            OPEN_KEY,
            lease_key(submission_id),
            *(one for one, _ in counts),
        ]
        values = [
            digest(seen),
            value,
            int(self.expires or _FOREVER),
            state if state in FINAL_STATES else "",
            "" if lease is None else lease.owner,
            *(one for _, one in counts),
            submission_id,
        ]
        return bool(self.client.eval(_STORE, len(keys), *keys, *values))

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
        return meta


def _may_follow(stored: dict[str, Any], state: str, meta: dict[str, Any]) -> bool:
    """Whether a state may be stored in the place of what is there."""
    before = stored["status"]
    if before == SUCCESS or (before in FINAL_STATES and state not in FINAL_STATES):
        return False
    if state != STARTED:
        return True
    # A message that came twice: its submission is under way; or one that is about to be dropped.
    return before != PROGRESS and not is_of_another_run(stored, meta.get("kwargs"))


def _progress_of(stored: dict[str, Any] | None) -> dict[str, Any] | None:
    """The last figures in Redis, for a state that is stored by another process or thread."""
    if stored is None:
        return None
    is_figures = stored["status"] in {QUEUED, PROGRESS}
    progress = stored.get("result") if is_figures else stored.get("progress")
    return progress if isinstance(progress, dict) else None


def _counts(meta: dict[str, Any], before: str | None) -> list[Count]:
    """What is counted with a state, if it is an end or a retry."""
    state = meta["status"]
    return of_change(meta, before) if state in FINAL_STATES or state == RETRY else []
