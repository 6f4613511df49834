"""What a submission adds to the sums of the groups that it is in, kept as its record changes.

The progress of a batch is read from one hash, however many members it has, and a change of a member
costs as much in a batch of ten thousand as in one of two. Whatever stores a record tells the
groups in the same step. What is added is the difference to the share that this member has in the
sum already, which is kept beside it. So a record that is told twice counts once, and a sum is right
again with the next record that is told, whatever was missed before.
"""

from __future__ import annotations

from farm_tasks.functions import DOWNLOAD_PREFIXES
from farm_tasks.states import (
    FAILURE,
    FINAL_STATES,
    PROGRESS,
    QUEUED,
    RETRY,
    REVOKED,
    STARTED,
    SUCCESS,
    group_channel,
    group_key,
    group_order_key,
    group_sum_key,
    groups_of_key,
    result_key,
)

MADE, WHOLE, FUNCTIONS, FOLDER = "made", "whole", "functions", "folder"
"""Fields of a sum: a mark of its own, by which shares in an earlier sum of the same group are told
from those in this one; that all members have been added; and what the group is known by."""

FIGURES = BYTES_READ, TOTAL, HUNDREDTHS, RATE, SIZELESS = (
    "bytes_read", "total", "hundredths", "rate", "sizeless",
)  # fmt: skip
"""Fields of a sum: bytes; bytes; hundredths of a percent of members that have not ended; bytes per
second of those that move; how many members there are whose size says nothing of the whole."""

STATE = "state:"
"""How many members are in each state, in fields that begin like this."""

OTHER = "OTHER"
"""Stands for a state that is none of ours."""

ORDER = (PROGRESS, STARTED, RETRY, FAILURE, REVOKED, QUEUED, SUCCESS)
"""In what order people want to see the members of a batch."""

BY_RANK = 10_000_000
"""A member's place in that order is its state's rank times this, and its position in the group."""

# Figures are bounded, and whole numbers: a sum of fractions would drift, and one of forged figures
# would not fit into a double.
SHARE_OF = f"""
local ranks = {{{", ".join(f"{state} = {rank}" for rank, state in enumerate(ORDER))}}}
ranks['{OTHER}'] = ranks['{QUEUED}']
local is_final = {{{", ".join(f"{state} = true" for state in sorted(FINAL_STATES))}}}
local figures = {{{", ".join(f"'{one}'" for one in FIGURES)}}}
local downloads = {{{", ".join(f"'farm_tasks.{one}'" for one in DOWNLOAD_PREFIXES)}}}

local function figure_of(value, most)
  if type(value) ~= 'number' or not (value > 0) then return 0 end
  return math.floor(math.min(value, most) + 0.5)
end

local function text_of(value)
  return type(value) == 'string' and value or ''
end

local function share_of(stored, counted_as)
  local is_json, record = pcall(cjson.decode, stored or '')
  if not is_json or type(record) ~= 'table' or type(record.status) ~= 'string' then
    return {{counted_as or '-', 0, 0, 0, 0, 0}}, '', ''
  end
  local state = ranks[record.status] and record.status or '{OTHER}'
  local progress = record.progress
  if state == '{QUEUED}' or state == '{PROGRESS}' then progress = record.result end
  if type(progress) ~= 'table' then progress = {{}} end
  -- In another state it had moved other bytes, or none.
  if counted_as then state, progress = counted_as, {{total = progress.total}} end
  local name, total, share = text_of(record.name), figure_of(progress.total, 1e13), {{}}
  local is_download = false
  for _, prefix in ipairs(downloads) do
    is_download = is_download or string.sub(name, 1, #prefix) == prefix
  end
  share[1] = state
  share[2] = figure_of(progress.bytes_read, 1e13)
  share[3] = total
  share[4] = is_final[state] and 0 or figure_of((tonumber(progress.percent) or 0) * 100, 10000)
  share[5] = state == '{PROGRESS}' and figure_of(progress.rate, 1e13) or 0
  share[6] = (is_download or (not is_final[state] and total == 0)) and 1 or 0
  return share, name, text_of(progress.file)
end
"""
"""``share_of(what is stored)``: a record's state and :data:`FIGURES`, its function, its file. A
second argument is a state that it was in before: the least that it can have added then."""

# Most submissions are in no group: for them this is one look for a key that is not there. Whatever
# fails here, the record is stored. A key is renewed with a tenth of its time gone: each change of
# it goes into Redis's append-only file.
TELL_GROUPS = f"""
local function tell_all(id, groups_of, groups, stored, seconds, is_news)
{SHARE_OF}
  local share = share_of(stored)
  local needs_time = redis.call('TTL', groups_of) < seconds * 0.9
  for number = 1, #groups, 2 do
    local group, told = groups[number], groups[number + 1]
    local sum, before = '{group_sum_key("")}' .. group, {{}}
    for word in string.gmatch(told, '%S+') do before[#before + 1] = word end
    local made, position, state = unpack(before)
    local then_key, now_key = '{STATE}' .. state, '{STATE}' .. share[1]
    local known = redis.call('HMGET', sum, '{MADE}', then_key, now_key, unpack(figures))
    local now, changed = {{made, position, share[1]}}, {{}}
    for place, name in ipairs(figures) do
      local mine = share[place + 1]
      now[place + 3] = string.format('%.0f', mine)
      if now[place + 3] ~= before[place + 3] then
        local all = (tonumber(known[place + 3]) or 0) + mine - tonumber(before[place + 3])
        changed[#changed + 1] = name
        changed[#changed + 1] = string.format('%.0f', all)
      end
    end
    local line, order = table.concat(now, ' '), '{group_order_key("")}' .. group
    if known[1] ~= made then
      redis.call('HDEL', groups_of, group)
    elseif line ~= told then
      if state ~= share[1] then
        if state ~= '-' then
          changed[#changed + 1] = then_key
          changed[#changed + 1] = known[2] - 1
        end
        if share[1] == '-' then
          redis.call('ZREM', order, id)
        else
          changed[#changed + 1] = now_key
          changed[#changed + 1] = (tonumber(known[3]) or 0) + 1
          redis.call('ZADD', order, ranks[share[1]] * {BY_RANK} + position, id)
          if redis.call('TTL', order) < 0 then redis.call('EXPIRE', order, seconds) end
        end
      end
      redis.call('HSET', sum, unpack(changed))
      redis.call('HSET', groups_of, group, line)
    end
    if known[1] == made and (is_news or line ~= told) then
      redis.call('PUBLISH', '{group_channel("")}' .. group, id)
    end
    if needs_time then
      redis.call('EXPIRE', sum, seconds)
      redis.call('EXPIRE', order, seconds)
      redis.call('EXPIRE', '{group_key("")}' .. group, seconds)
    end
  end
  if needs_time then redis.call('EXPIRE', groups_of, seconds) end
end

local function tell_groups(key, stored, seconds, is_old)
  local id = string.sub(key, {len(result_key("")) + 1})
  local groups_of = '{groups_of_key("")}' .. id
  local groups = redis.pcall('HGETALL', groups_of)
  if #groups > 0 then
    pcall(tell_all, id, groups_of, groups, stored, tonumber(seconds), not is_old)
  end
end
"""
"""For scripts that store a record: ``tell_groups(its key, what is stored, seconds)``. A fourth
argument says that it was stored before: then watchers hear of it only if the sum has changed."""
