"""Since when a message has waited for a worker.

Since its submission, if nothing has happened since. One that was with a worker, and came back
because that died or ended, waits since its last owner was heard of; one that is to be tried again,
since its time has come. So the age of a queue says how long nobody had a slot for it, and not how
old the work is.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from farm_tasks.states import INDEX_KEY, lease_key


class Ages:
    """Tells ages, and remembers when it first saw what says nothing of itself.

    A message that was sent without our submitter has no record until a worker has it.
    """

    def __init__(self) -> None:
        self._first_seen: dict[str, float] = {}

    def oldest(self, first: dict[str, list[bytes]], redis: Any) -> dict[str, float]:
        """Seconds that the first message of each queue has waited; 0 where there is none.

        Args:
            first: Of each queue, the next message of each of its lists.
            redis: A client of the result backend, whose clock is asked.

        Raises:
            RedisError: it cannot be reached.
        """
        messages = [(queue, *_read(one)) for queue, ones in first.items() for one in ones]
        with redis.pipeline(transaction=False) as pipeline:
            pipeline.time()
            for _, submission_id, _, _ in messages:
                pipeline.zscore(INDEX_KEY, submission_id)
                pipeline.hget(lease_key(submission_id), "renewed")
            (seconds, microseconds), *answers = pipeline.execute(raise_on_error=False)
        now = seconds + microseconds / 1e6
        ages = dict.fromkeys(first, 0.0)
        seen: dict[str, float] = {}
        for number, (queue, _, due, digest) in enumerate(messages):
            moments = [*map(_number, answers[2 * number : 2 * number + 2]), due]
            known = [one for one in moments if one is not None]
            if not known:
                seen[digest] = self._first_seen.get(digest, now)
                known = [seen[digest]]
            ages[queue] = max(ages[queue], now - max(known))
        self._first_seen = seen
        return ages


def _read(message: bytes) -> tuple[str, float | None, str]:
    """Its submission's id, when it is due if it says so, and what it is recognised by."""
    digest = hashlib.sha256(message).hexdigest()
    try:
        headers = json.loads(message)["headers"]
        submission_id, eta = headers["id"], headers.get("eta")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "", None, digest
    # Half a surrogate pair is text to JSON, and none to Redis.
    return str(submission_id).encode("utf-8", "replace").decode(), _moment(eta), digest


def _moment(eta: object) -> float | None:
    try:
        moment = datetime.fromisoformat(eta)  # type: ignore[arg-type]  # a TypeError is an answer
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _number(answer: object) -> float | None:
    try:
        return float(answer)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
