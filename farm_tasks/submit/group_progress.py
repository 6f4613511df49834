"""How far a group is, as its sum in Redis says: see :mod:`farm_tasks.group_shares`."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from farm_tasks.group_shares import (
    BY_RANK,
    BYTES_READ,
    FOLDER,
    FUNCTIONS,
    HUNDREDTHS,
    MADE,
    OTHER,
    RATE,
    SHARE_OF,
    SIZELESS,
    STATE,
    TELL_GROUPS,
    TOTAL,
    WHOLE,
)
from farm_tasks.script import Script
from farm_tasks.settings import settings
from farm_tasks.states import (
    FAILURE,
    FINAL_STATES,
    REVOKED,
    SUCCESS,
    group_key,
    group_order_key,
    group_sum_key,
    groups_of_key,
    result_key,
)

_AT_ONCE = 200
"""Members in one script: Redis serves nobody else for those few milliseconds."""

# A member's share is taken from its record in the same step as it becomes a member: nothing that is
# stored at that moment is missed. One that is a member already is told again. Where its record has
# expired, what has ended keeps its share, and what has not is known no more. A share that expired
# before the sum is in there all the same: the order has its state, and says that it is.
_JOIN = Script(f"""
{SHARE_OF}
{TELL_GROUPS}
local sum, order = '{group_sum_key("")}' .. ARGV[1], '{group_order_key("")}' .. ARGV[1]
if redis.call('HSETNX', sum, '{MADE}', ARGV[2]) == 1 then redis.call('DEL', order) end
redis.call('EXPIRE', sum, ARGV[3])
local made = redis.call('HGET', sum, '{MADE}')

local function share_in_sum(id, stored)
  local place = redis.call('ZSCORE', order, id)
  if not place then return '- 0 0 0 0 0' end
  local rank, share = math.floor(place / {BY_RANK}), share_of(stored)
  if ranks[share[1]] ~= rank then
    for state, one in pairs(ranks) do
      if one == rank and state ~= '{OTHER}' then share = share_of(stored, state) end
    end
  end
  return table.concat(share, ' ')
end

local known = {{}}
for number = 4, #ARGV, 2 do
  local position, id = ARGV[number], ARGV[number + 1]
  local groups_of, key = '{groups_of_key("")}' .. id, '{result_key("")}' .. id
  local stored = redis.call('MGET', key)[1]
  local told = redis.call('HGET', groups_of, ARGV[1])
  if not told or string.sub(told, 1, #made + 1) ~= made .. ' ' then
    told = table.concat({{made, position, share_in_sum(id, stored)}}, ' ')
    redis.call('HSET', groups_of, ARGV[1], told)
    redis.call('EXPIRE', groups_of, ARGV[3])
  end
  local state = string.match(told, '^%S+ %S+ (%S+)')
  if stored or (state ~= '-' and not is_final[state]) then
    tell_groups(key, stored or '', ARGV[3], true)
  end
  local _, name, file = share_of(stored)
  known[#known + 1] = name
  known[#known + 1] = file
end
return known
""")


@dataclasses.dataclass(frozen=True, slots=True)
class GroupProgress:
    """How far a group is.

    Attributes:
        files_done: Submissions that ended well.
        files_failed: Submissions that failed or were cancelled.
        files_total: All of them.
        bytes_read: Bytes transferred so far, over all.
        total: Bytes in all, as far as they are known: a download's size shows when it begins.
        rate: Bytes per second over the last few seconds.
        fraction: 0 to 1 of the files, each with its own share of what it has moved.
        sizes_known: Whether ``total`` holds all of them.
    """

    files_done: int
    files_failed: int
    files_total: int
    bytes_read: int
    total: int
    rate: float = 0.0
    fraction: float = 0.0
    sizes_known: bool = True

    @property
    def percent(self) -> float | None:
        """0 to 100 of the bytes where all sizes are known, else of the files."""
        if not self.files_total:
            return None
        if self.files_done + self.files_failed == self.files_total:
            return 100.0
        if self.sizes_known and self.total > 0:
            return min(100.0, 100.0 * self.bytes_read / self.total)
        return 100.0 * self.fraction

    @property
    def eta(self) -> float | None:
        """Seconds left at that rate, or None when it cannot be told."""
        if not self.sizes_known or self.rate <= 0 or self.total <= 0:
            return None
        return max(0, self.total - self.bytes_read) / self.rate


@dataclasses.dataclass(frozen=True)
class Sum:
    """What the members of a group add up to.

    Attributes:
        progress: Their figures; ``rate`` is what those that move say of themselves.
        states: How many are in each state. What has no record is in none.
        functions: Their functions' names.
        folder: Where all their files were when they were last added; "" if in no folder in common.
    """

    progress: GroupProgress
    states: dict[str, int]
    functions: tuple[str, ...]
    folder: str

    @property
    def has_ended(self) -> bool:
        """Whether all have that have a record."""
        return all(state in FINAL_STATES for state in self.states)


def add_members(redis: Any, group_id: str, submission_ids: Sequence[str]) -> None:
    """Make a group's sum, or make it right again: every member's record is read.

    Several may do so at once, while workers store what they do.

    Raises:
        RedisError: Redis cannot be reached.
    """
    functions: set[str] = set()
    folders: set[str] = set()
    mark, seconds = f"{time.time_ns():x}", settings().record_seconds
    for first in range(0, len(submission_ids), _AT_ONCE):
        some = submission_ids[first : first + _AT_ONCE]
        placed = [value for pair in enumerate(some, first) for value in pair]
        known = _JOIN.run(redis, [], [group_id, mark, seconds, *placed])
        texts = [one.decode(errors="replace") for one in known]
        functions |= {one.removeprefix("farm_tasks.") for one in texts[::2] if one}
        folders |= {os.path.dirname(one) for one in texts[1::2] if one}
    with redis.pipeline() as pipeline:
        pipeline.hset(
            group_sum_key(group_id),
            mapping={WHOLE: 1, FUNCTIONS: " ".join(sorted(functions)), FOLDER: _common(folders)},
        )
        for key in (group_sum_key, group_order_key, group_key):
            pipeline.expire(key(group_id), seconds)
        pipeline.execute()


def read_sums(redis: Any, group_ids: Sequence[str]) -> list[Sum | None]:
    """The sums of groups, in one round trip; None where there is none, or not yet a whole one.

    Raises:
        RedisError: Redis cannot be reached.
    """
    with redis.pipeline(transaction=False) as pipeline:
        for one in group_ids:
            pipeline.hgetall(group_sum_key(one))
        return [_decoded(one) for one in pipeline.execute()]


def sum_of(redis: Any, group_id: str, submission_ids: Sequence[str] | None = None) -> Sum:
    """A group's sum; made now if an older version has made the group, or its maker was stopped.

    Args:
        redis: A client of the result backend.
        group_id: Whose.
        submission_ids: Its members, if they are known to the caller.

    Raises:
        RedisError: Redis cannot be reached.
    """
    [found] = read_sums(redis, [group_id])
    if found is None:
        if submission_ids is None:
            submission_ids = [one.decode() for one in redis.lrange(group_key(group_id), 0, -1)]
        add_members(redis, group_id, list(dict.fromkeys(submission_ids)))
        [found] = read_sums(redis, [group_id])
    return found or _added_up({})


def _decoded(stored: Mapping[bytes, bytes]) -> Sum | None:
    fields = {name.decode(): value.decode(errors="replace") for name, value in stored.items()}
    return _added_up(fields) if WHOLE in fields else None


def _added_up(fields: Mapping[str, str]) -> Sum:
    states = {
        name.removeprefix(STATE): count
        for name, value in fields.items()
        if name.startswith(STATE) and (count := int(value)) > 0
    }
    figures = {name: int(fields.get(name, 0)) for name in (BYTES_READ, TOTAL, HUNDREDTHS, RATE)}
    files, ended = sum(states.values()), sum(states.get(one, 0) for one in FINAL_STATES)
    progress = GroupProgress(
        files_done=states.get(SUCCESS, 0),
        files_failed=states.get(FAILURE, 0) + states.get(REVOKED, 0),
        files_total=files,
        bytes_read=figures[BYTES_READ],
        total=figures[TOTAL],
        rate=float(figures[RATE]),
        fraction=(ended + figures[HUNDREDTHS] / 10_000) / files if files else 0.0,
        # A download's size shows when it begins: a bar that counted those so far would fall back.
        sizes_known=int(fields.get(SIZELESS, 0)) == 0,
    )
    functions = tuple(fields.get(FUNCTIONS, "").split())
    return Sum(progress, states, functions, fields.get(FOLDER, ""))


def _common(folders: Iterable[str]) -> str:
    try:
        return os.path.commonpath(list(folders))
    except ValueError:  # none, or absolute and relative ones, or of several drives
        return ""
