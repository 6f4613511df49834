"""A submission's ledger in Redis: what its tries have done, kept until it has ended well.

Every write is fenced: it is refused once another worker has taken the submission over. While Redis
is away a step waits for it, since one that is not noted could be done twice; the bytes of a
transfer do not.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from farm_tasks.errors import Busy
from farm_tasks.script import Script
from farm_tasks.settings import settings
from farm_tasks.states import ledger_key, lock_key, maker_key
from farm_tasks.worker.lease import Keeper, Lease, LostOwnership
from farm_tasks.worker.patience import patiently

PATIENCE = 30.0
"""Seconds for which a step waits for another submission that is at the same thing."""

_WRITE = Script("""
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then return 0 end
if ARGV[4] == '' then redis.call('HDEL', KEYS[2], ARGV[3])
else redis.call('HSET', KEYS[2], ARGV[3], ARGV[4]) end
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 1
""")

_CLAIM = Script("""
local whose = redis.call('GET', KEYS[1])
if whose and whose ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
""")

_STEP = "step:"
_CRASHES = "crashes"
_FAILING_SINCE = "failing_since"
RESULT = "result"
"""The field of a ledger that holds what the function returned, as :func:`returned` reads it."""


T = TypeVar("T")


class RedisLedger:
    """See :class:`farm_tasks.kitsu.ledger.Ledger`.

    Args:
        redis: A client of the result backend.
        submission_id: Whose it is.
        lease: The submission's, held by the caller.
        keeper: Renews the leases of :meth:`alone`.
        check: Raises when the submission is to end, while a step waits.
        observe: Is told what is counted.
    """

    survives = True

    def __init__(
        self,
        redis: Any,
        submission_id: str,
        lease: Lease,
        keeper: Keeper,
        check: Callable[[], object],
        observe: Callable[[str, float], object] = lambda _what, _amount: None,
    ) -> None:
        self._redis = redis
        self._id = submission_id
        self._key = ledger_key(submission_id)
        self._lease = lease
        self._keeper = keeper
        self._check = check
        self._observe = observe

    def unstoppable(self) -> RedisLedger:
        """The same, for cleaning up after the submission was told to end."""
        return RedisLedger(
            self._redis, self._id, self._lease, self._keeper, lambda: None, self._observe
        )

    def read(self, step: str) -> dict[str, Any] | None:
        """See the protocol."""
        noted = self._patiently(lambda: self._redis.hget(self._key, f"{_STEP}{step}"))
        return None if noted is None else dict(json.loads(noted))

    def write(self, step: str, facts: dict[str, Any]) -> None:
        """See the protocol.

        Raises:
            LostOwnership: another worker has the submission now.
        """
        self._write(f"{_STEP}{step}", json.dumps(facts))

    def erase(self, step: str) -> None:
        """See the protocol.

        Raises:
            LostOwnership: another worker has the submission now.
        """
        self._write(f"{_STEP}{step}", "")

    def now(self) -> float:
        """Redis' time: the same for all workers."""
        seconds, microseconds = self._patiently(self._redis.time)
        return float(seconds) + float(microseconds) / 1e6

    def claim(self, entity: str) -> bool:
        """See the protocol."""
        return bool(
            self._patiently(
                lambda: _CLAIM.run(self._redis, [maker_key(entity)], [self._id, _seconds()])
            )
        )

    def has_claimed(self, entity: str) -> bool:
        """See the protocol."""
        maker = self._patiently(lambda: self._redis.get(maker_key(entity)))
        return bool(maker == self._id.encode())

    def observe(self, what: str, amount: float = 1.0) -> None:
        """See the protocol."""
        self._observe(what, amount)

    @contextlib.contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """See the protocol.

        Raises:
            Busy: another submission is at it, for longer than is worth to wait here.
        """
        lease = Lease(self._redis, lock_key(what))
        deadline = time.monotonic() + PATIENCE
        while self._patiently(lease.take) is not None:
            if time.monotonic() > deadline:
                raise Busy(f"Another submission is busy with {what.replace(':', ' ')} in Kitsu.")
            self._check()
            time.sleep(random.uniform(0.05, 0.5))
        self._keeper.keep(lease, lambda: None)
        try:
            yield
        finally:
            self._keeper.let_go(lease)
            lease.release()

    def note_result(self, result: Any) -> None:
        """Note that all is done.

        Raises:
            LostOwnership: another worker has the submission now.
        """
        self._write(RESULT, json.dumps(result))

    def failing_since(self) -> float:
        """When the first of the tries failed that have failed ever since: Redis' time."""
        now = self.now()

        def note() -> Any:
            self._redis.hsetnx(self._key, _FAILING_SINCE, now)
            self._redis.expire(self._key, _seconds())
            return self._redis.hget(self._key, _FAILING_SINCE)

        return float(self._patiently(note))

    def count_crash(self) -> int:
        """Note that the last owner died, and say how many have."""
        return int(self._patiently(lambda: self._redis.hincrby(self._key, _CRASHES, 1)))

    def steps(self) -> list[str]:
        """See the protocol."""
        fields = self._patiently(lambda: self._redis.hkeys(self._key))
        names = [one.decode() for one in fields]
        return [one.removeprefix(_STEP) for one in names if one.startswith(_STEP)]

    def _write(self, field: str, value: str) -> None:
        keys = [self._lease.key, self._key]
        values = [self._lease.owner, _seconds(), field, value]
        written = self._patiently(lambda: _WRITE.run(self._redis, keys, values))
        if not written:
            raise LostOwnership(self._id)

    def _patiently(self, ask: Callable[[], T]) -> T:
        return patiently(ask, self._check)


def returned(noted: bytes | None) -> Any:
    """What a function returned, where only the storing of its end was missed; else None.

    Args:
        noted: What the ledger's field :data:`RESULT` holds.
    """
    return None if noted is None else json.loads(noted)


def _seconds() -> int:
    """How long a ledger is kept: longer than any retry, by hand or not, comes."""
    wanted = settings()
    return wanted.record_seconds + int(wanted.retry_seconds)
