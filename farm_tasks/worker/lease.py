"""Who may work on something: a lease in Redis, renewed by a thread that no transfer waits for.

A message that is delivered again is no proof that its first owner is dead: a mere TCP reset does
that. So a submission belongs to whoever holds its lease, and the same goes for what must not be
done by two at once in Kitsu. Only Redis' clock is asked, and a live owner that could not renew
while Redis was away gets the time to do so before it is taken for dead. On the same machine the
system is asked whether the owner's process lives, and there is nothing to wait for.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from farm_tasks.script import Script

LEASE = 20.0
"""Seconds after which a lease that was not renewed raises a suspicion."""

SUSPICION = 10.0
"""Seconds for which a suspected owner may still renew it, now that Redis can be reached."""

RENEWAL = 5.0
"""Seconds between two renewals."""

_FORGOTTEN = 86400
"""Seconds after which Redis forgets a lease that nobody released."""

REMEMBERED = 6 * 3600
"""Seconds for which a lease that was released refuses an owner that it was taken from before: a
machine that was suspended wakes up and goes on, whatever has happened meanwhile."""

_TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local held = redis.call('HMGET', KEYS[1], 'owner', 'renewed', 'suspected', 'since')
local owner = held[1]
if owner == '' then owner = nil end
local is_free = not owner or owner == ARGV[1] or owner == ARGV[2]
if not is_free and now - held[2] > tonumber(ARGV[3]) then
  if held[3] ~= held[2] then
    redis.call('HSET', KEYS[1], 'suspected', held[2], 'since', now)
  elseif now - held[4] > tonumber(ARGV[4]) then
    is_free = true
  end
end
if not is_free then return {0, owner} end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'renewed', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], ARGV[5])
return {1, owner or ''}
"""

_RENEW = Script("""
local time = redis.call('TIME')
local now = string.format('%.6f', time[1] + time[2] / 1000000)
local kept = {}
for number, key in ipairs(KEYS) do
  local owner = redis.call('HGET', key, 'owner')
  kept[number] = (not owner or owner == ARGV[number]) and 1 or 0
  if kept[number] == 1 then
    redis.call('HSET', key, 'owner', ARGV[number], 'renewed', now)
    redis.call('EXPIRE', key, ARGV[#ARGV])
  end
end
return kept
""")

RELEASE = """
local function release(lease, owner, seconds)
  if redis.call('HGET', lease, 'owner') == owner then
    redis.call('HSET', lease, 'owner', '')
    redis.call('EXPIRE', lease, seconds)
  end
end
"""
"""For scripts that store the end of what a lease was held for, and release it in the same step."""

_RELEASE = Script(f"""
{RELEASE}
release(KEYS[1], ARGV[1], ARGV[2])
""")

logger = logging.getLogger(__name__)


class LostOwnership(Exception):
    """Another one has taken over: whatever is done from here on would be done twice."""


class Lease:
    """One owner's hold, or wish for one.

    Args:
        redis: A client of the result backend.
        key: What it is about.

    Attributes:
        owner: Who this is: machine, process and a number of its own.
        followed_a_crash: Whether it was taken from one who had not let go of it.
        ends: Whether its owner is about to release it: nobody has taken it then.
    """

    def __init__(self, redis: Any, key: str) -> None:
        self._redis = redis
        self.key = key
        self.owner = f"{_this_process()}/{uuid.uuid4().hex[:12]}"
        self.followed_a_crash = False
        self.ends = False

    def take(self) -> str | None:
        """Take it if it is free, or its owner is dead.

        Returns:
            None if it is ours now; else who has it.

        Raises:
            RedisError: Redis cannot be reached.
        """
        owner, _ = self.take_and_look(lambda _pipeline: None)
        return owner

    def take_and_look(self, look: Callable[[Any], object]) -> tuple[str | None, list[Any]]:
        """Take it, and read in the same round trip what its owner has to know.

        Args:
            look: Is given a pipeline to ask what it wants.

        Returns:
            As :meth:`take`, and the answers. If it is ours, they are of a moment when it was.

        Raises:
            RedisError: Redis cannot be reached.
        """
        dead = ""
        while True:
            with self._redis.pipeline(transaction=False) as pipeline:
                # Its text each time: in a pipeline it is too late to learn that Redis has it not.
                pipeline.eval(_TAKE, 1, self.key, self.owner, dead, LEASE, SUSPICION, _FORGOTTEN)
                look(pipeline)
                (taken, owner), *answers = pipeline.execute()
            before: str = owner.decode()
            if taken:
                self.followed_a_crash = before not in {"", self.owner}
                return None, answers
            if dead == before or not is_dead(before):
                return before, answers
            dead = before

    def release(self) -> None:
        """Let go of it. Where Redis cannot be reached, it runs out by itself."""
        with contextlib.suppress(RedisError):
            _RELEASE.run(self._redis, [self.key], [self.owner, REMEMBERED])


class Keeper:
    """The thread that renews the leases of this process.

    Args:
        connect: Makes the client that the thread uses; one that gives up early.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._held: dict[Lease, tuple[Callable[[], object], contextvars.Context]] = {}
        self._thread: threading.Thread | None = None

    def keep(self, lease: Lease, lost: Callable[[], object]) -> None:
        """Renew a lease until it is let go; call ``lost`` when another one has taken it."""
        with self._lock:
            self._held[lease] = lost, contextvars.copy_context()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="farm-tasks-leases", daemon=True
                )
                self._thread.start()

    def let_go(self, lease: Lease) -> None:
        """Renew it no more."""
        with self._lock:
            self._held.pop(lease, None)

    def _run(self) -> None:
        redis = self._connect()
        patience = RENEWAL
        while True:
            time.sleep(patience)
            with self._lock:
                held = list(self._held)
            if not held:
                patience = RENEWAL
                continue
            try:
                kept = _RENEW.run(
                    redis,
                    [one.key for one in held],
                    [*(one.owner for one in held), _FORGOTTEN],
                )
            except RedisError as error:
                # Soon again: whoever suspects us waits only so long once Redis is back.
                if patience == RENEWAL:
                    logger.warning("leases not renewed, the transfers go on: %r", error)
                patience = 1.0
                continue
            patience = RENEWAL
            for lease, is_ours in zip(held, kept, strict=True):
                if not is_ours:
                    self._lose(lease)

    def _lose(self, lease: Lease) -> None:
        with self._lock:
            held = self._held.pop(lease, None)
        if held is not None and not lease.ends:  # else it was let go of meanwhile
            lost, context = held
            context.run(logger.warning, "%s belongs to another worker now.", lease.key)
            lost()


def is_dead(owner: str) -> bool:
    """Whether an owner is known to be dead: it was a process of this machine, and is no more."""
    machine, pid, started, _ = owner.rsplit("/", 3)
    if machine != _this_machine():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # somebody else's, so it lives; the kernel may have given the number anew
    state, now_started = _stat(int(pid))
    return state == "Z" or (bool(now_started) and now_started != started)


@functools.lru_cache(maxsize=1)
def _process(pid: int) -> str:
    return f"{_this_machine()}/{pid}/{_stat(pid)[1]}"


def _this_process() -> str:
    return _process(os.getpid())  # after a fork, another one


def _this_machine() -> str:
    """Something that two running systems, or two containers, never share."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return uuid.uuid4().hex  # not Linux: nobody is known to be dead, and leases run out


def _stat(pid: int) -> tuple[str, str]:
    """A process's state and when it was started (proc(5)), or empty strings."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    values = fields.rpartition(")")[2].split()
    return values[0], values[19]
