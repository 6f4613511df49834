"""Celery's Redis result backend, with two rules for transfers.

A late PROGRESS never overwrites a final state, and every state keeps the last progress. What
depends on Celery's private methods is in this file alone; the versions in pyproject.toml bound it.
"""

from __future__ import annotations

from typing import Any

from celery.backends.redis import RedisBackend
from redis.backoff import NoBackoff
from redis.retry import Retry

from farm_tasks.cancelling import wish_to_cancel
from farm_tasks.states import FINAL_STATES, PROGRESS, QUEUED, REVOKED, SUCCESS, result_key

# Atomic, because a write that timed out here may still reach Redis later, when a stopped server
# goes on: Celery's own look before it writes cannot see that.
_SET_UNLESS_FINAL = """
local current = redis.call('GET', KEYS[1])
if current then
  local status = cjson.decode(current).status
  if status == 'SUCCESS' or (ARGV[3] == '0' and (status == 'FAILURE' or status == 'REVOKED')) then
    return 0
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('PUBLISH', KEYS[1], ARGV[1])
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
        Celery does, it would read as done while the bytes still move.
        """
        if request is None:
            wish_to_cancel(self.client, task_id)
        else:
            super().mark_as_revoked(task_id, reason, request, store_result, state)

    def _get_result_meta(
        self, result: Any, state: str, traceback: Any, request: Any, **options: Any
    ) -> dict[str, Any]:
        meta: dict[str, Any] = super()._get_result_meta(
            result, state, traceback, request, **options
        )
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
        self.ensure(self._set_unless_final, (key, value, state in FINAL_STATES))

    def _set_unless_final(self, key: Any, value: Any, is_final: bool) -> None:
        self.client.eval(
            _SET_UNLESS_FINAL, 1, key, value, int(self.expires or 0) or 86400, int(is_final)
        )


assert SUCCESS in FINAL_STATES  # noqa: S101 (the script above spells the states out)
