import { type Script, script } from '../script.ts'
import { priorityStepMs } from '@jobistemer/core/storage'
import { allFields, readFields } from '../layout.ts'
import { layouts } from '../request-layouts.ts'
import { recordLayout, rescueStep } from '../stored-layouts.ts'
import { prelude } from './prelude.ts'

/** Maximum number of occurrences that a call reads. */
const scanLimit = 1000

/** Maximum number of live occurrences of a job that a call reads. */
const liveAtOnce = 1000

/** Maximum difference between the `orderAt` of a waiting occurrence and its scheduled time, in ms. */
const widestStep = (rescueStep / 2) * priorityStepMs

const paging = `
${readFields(layouts.paging, 'ARGV[1]', allFields(layouts.paging))}
local cursorAt, cursorId = ARGV[2], ARGV[3]
local found, position = {}, ''

-- Returns the rank at which a walk through a set begins, counted in the direction of the walk.
local function firstRank(key)
  if cursorAt ~= '' then
    -- Compares the score too. A run that was handed back and started again has another deadline, so its score in this
    -- set differs from the cursor's score.
    if call('ZSCORE', key, cursorId) == cursorAt then
      return call(isDescending == 1 and 'ZREVRANK' or 'ZRANK', key, cursorId) + 1
    end
    -- The last member of the previous page was removed, so the walk begins with all members of its score.
    if isDescending == 1 then return call('ZCOUNT', key, '(' .. cursorAt, '+inf') end
    return call('ZCOUNT', key, '-inf', '(' .. cursorAt)
  end
  if isDescending == 1 then return to == never and 0 or call('ZCOUNT', key, to, '+inf') end
  return from == always and 0 or call('ZCOUNT', key, '-inf', '(' .. string.format('%.0f', from))
end

-- Walks through a sorted set by score and member, and collects a page of the records that \`wanted\` returns.
local function walk(key, wanted)
  local rank = firstRank(key)
  local scanned = 0
  while scanned < ${scanLimit} do
    local size = math.min(limit - #found / 2 + 1, ${scanLimit} - scanned)
    local page = call(isDescending == 1 and 'ZREVRANGE' or 'ZRANGE', key, rank, rank + size - 1, 'WITHSCORES')
    for index = 1, #page, 2 do
      local member, score = page[index], page[index + 1]
      local at = tonumber(score)
      if (isDescending == 1 and at < from) or (isDescending == 0 and at >= to) then return '' end
      local isSeen = score == cursorAt
        and ((isDescending == 1 and not isBefore(member, cursorId)) or (isDescending == 0 and not isBefore(cursorId, member)))
      if not isSeen then
        local text = wanted(member)
        if text then
          if #found / 2 == limit then return position end
          found[#found + 1] = member
          found[#found + 1] = withRuns == 1 and text or withoutRuns(text)
        end
      end
      position = score .. ' ' .. member
    end
    scanned = scanned + #page / 2
    rank = rank + #page / 2
    if #page / 2 < size then return '' end
  end
  return position
end
`

const historyOf = `
local job, states = ARGV[4], ARGV[5]
local function walkHistory(job, states)
  return walk(history .. job, function(id)
    local text = textOf(id)
    return text and (states == '' or string.find(states, sub(text, 1, 1), 1, true)) and text
  end)
end
`

/** Reads a page of the history of one job, with all states or some. */
export const listHistoryScript: Script = script(`#!lua flags=no-writes
${prelude}${paging}
${historyOf}
return { walkHistory(job, states), found }
`)

/**
 * Reads the live occurrences of one job in the given states, unsorted, without a walk through the history. If the job has many
 * live occurrences, reads a page of the history instead. The page lies between the earliest and the latest time that a live
 * occurrence may have.
 */
export const listLiveOfJobScript: Script = script(`#!lua flags=no-writes
${prelude}${paging}
${historyOf}
local h = headOf(job)
if not h then return { 'all', found } end
local function isWanted(state)
  return string.find(states, string.char(state), 1, true)
end

local hasActive, hasQueued = isWanted(pending) or isWanted(running), isWanted(queued)
if (hasActive and h.pending + h.running or 0) + (hasQueued and h.queued or 0) > ${liveAtOnce} then
  local first, last = never, always
  local function span(order)
    first, last = math.min(first, order), math.max(last, order)
  end
  for _, key in ipairs({ hasActive and liveOf .. job or '', hasQueued and queueOf .. job or '' }) do
    for _, command in ipairs({ 'ZRANGE', 'ZREVRANGE' }) do
      local ends = key ~= '' and call(command, key, 0, 0, 'WITHSCORES') or {}
      if ends[2] then span(tonumber(ends[2])) end
    end
  end
  if hasActive and h.active ~= none then span(recordOf(h.active).scheduledAt) end
  from, to = math.max(from, first - ${widestStep}), math.min(to, last + ${widestStep} + 1)
  return { 'page', found, walkHistory(job, states) }
end

-- Reads the queue only if the caller asks for queued occurrences, because the queue may be long.
local ids = hasActive and activeOf(h, job) or {}
if h.queued > 0 and hasQueued then
  for _, id in ipairs(call('ZRANGE', queueOf .. job, 0, -1)) do ids[#ids + 1] = id end
end
for _, id in ipairs(ids) do
  local text = textOf(id)
  if string.find(states, sub(text, 1, 1), 1, true) then
    found[#found + 1] = id
    found[#found + 1] = withRuns == 1 and text or withoutRuns(text)
  end
end
return { 'all', found }
`)

/** Reads a page of a set of a shard: the occurrences of one live state, or the failed ones. */
export const listSetScript: Script = script(`#!lua flags=no-writes
${prelude}${paging}
local key, node = ARGV[4], ARGV[5]

return { walk(shard .. key, function(member)
  local text = textOf(sub(member, 1, 16))
  if text and node ~= '' then
    ${readFields(recordLayout, 'text', { ownerSize: 'ownerSize' })}
    local owner = sub(text, recordSize + 1, recordSize + ownerSize)
    if sub(owner, 1, #node) ~= node then return false end
  end
  return text
end), found }
`)
