import { priorityStepMs } from '@jobistemer/core/storage'
import { allFields, readFields, writeFields } from '../layout.ts'
import { layouts, recordLayout, rescueStep, timesLayout } from '../layouts.ts'
import { checkRights, type Script, script } from '../script.ts'
import { jobKeys } from './job-keys.ts'
import { prelude } from './prelude.ts'

/** Number of queued occurrences above which the search for a job's latest run skips most of the queue. */
const manyQueued = 100

/** Approximate maximum number of history entries that the search for a job's latest run reads. */
const mostLooked = 1000

/**
 * Number of history entries that the search for a job's latest run reads with one command. Usually one of the last ten
 * entries belongs to an occurrence that has run.
 */
const atOnce = 10

const countsOfJob = writeFields(layouts.counts, { pending: 'h.pending', queued: 'h.queued', running: 'h.running' })

// Lua for the counts of live occurrences of a shard: the sizes of the sets of the live states.
const countsOfShard = writeFields(layouts.counts, {
  pending: "call('ZCARD', pendingKey)",
  queued: "call('ZCARD', queuedKey)",
  running: "call('ZCARD', runningKey)",
})

/**
 * Reads jobs, versions and occurrences by id, counts of live occurrences, and the latest runs of jobs. A missing record
 * has an empty answer.
 */
export const getScript: Script = script(`#!lua flags=no-writes
${prelude}${jobKeys}
local jobs, versions, occurrences, counts, latest = {}, {}, {}, {}, {}
for at = 1, #ARGV[1], 16 do
  local job = sub(ARGV[1], at, at + 15)
  local h = headOf(job)
  jobs[#jobs + 1] = h and printJob(job, h) or {}
end
for at = 1, #ARGV[2], 20 do
  versions[#versions + 1] = call('HGET', versionsOf .. sub(ARGV[2], at, at + 15), sub(ARGV[2], at + 16, at + 19)) or ''
end
for at = 1, #ARGV[3], 16 do
  occurrences[#occurrences + 1] = textOf(sub(ARGV[3], at, at + 15)) or ''
end
for at = 1, #ARGV[4], 16 do
  local h = headOf(sub(ARGV[4], at, at + 15))
  counts[#counts + 1] = h and ${countsOfJob} or ''
end

-- Returns the latest ended run among \`most\` entries of the history, starting at position \`rank\`. Positions count backwards:
-- the last entry has position 0.
local function latestFrom(job, rank, most)
  local last = rank + most
  while rank < last do
    local ids = call('ZREVRANGE', history .. job, rank, rank + ${atOnce} - 1)
    for _, id in ipairs(ids) do
      local text = textOf(id)
      ${readFields(recordLayout, 'text', { state: 'state', token: 'token' })}
      if state > running and token > 0 then return id .. withoutRuns(text) end
    end
    if #ids < ${atOnce} then break end
    rank = rank + ${atOnce}
  end
  return nil
end

-- Returns the latest ended run of a job, by its position in the history. The last history entries may belong to waiting
-- occurrences. If more than manyQueued occurrences are queued, the function searches only two ranges:
--
-- - the last manyQueued entries
-- - the entries before the first queued occurrence
--
-- A run with a higher priority may have overtaken queued occurrences. If this run lies between the two ranges, the
-- function does not find it.
local function latestOf(job, h)
  local rank = 0
  if h.queued > ${manyQueued} then
    local found = latestFrom(job, 0, ${manyQueued})
    if found then return found end
    local first = recordOf(call('ZRANGE', queueOf .. job, 0, 0)[1])
    local behind = call('ZCOUNT', history .. job, '(' .. string.format('%.0f', first.scheduledAt), '+inf')
    rank = math.max(behind, h.queued)
  end
  return latestFrom(job, rank, ${mostLooked}) or ''
end

for at = 1, #ARGV[6], 16 do
  local job = sub(ARGV[6], at, at + 15)
  local h = headOf(job)
  latest[#latest + 1] = h and latestOf(job, h) or ''
end
return { jobs, versions, occurrences, counts, ARGV[5] == '1' and ${countsOfShard} or '', latest }
`)

/** Maximum number of jobs or occurrences that a call reads. */
const scanLimit = 1000

/**
 * Reads jobs of one shard in the order of their ids. Answers with the id of the last job that it has read; with an
 * empty text at the end. If few jobs have changed since `since`, reads them from the index of changes.
 */
export const listJobsScript: Script = script(`#!lua flags=no-writes
${prelude}${jobKeys}
${readFields(layouts.listJobs, 'ARGV[1]', allFields(layouts.listJobs))}
local after, owner = ARGV[2], ARGV[3]
local found = {}

local changedOnes = nil
if since > always then
  changedOnes = call('ZRANGEBYSCORE', changedKey, since, '+inf', 'LIMIT', 0, ${scanLimit})
  if #changedOnes == ${scanLimit} then changedOnes = nil else table.sort(changedOnes, isBefore) end
end

local jobs = changedOnes
  or call('ZRANGEBYLEX', jobsKey, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, ${scanLimit})
local position = ''
for index, job in ipairs(jobs) do
  if isBefore(after, job) then
    local h = headOf(job)
    local isWanted = h and (withDeleted == 1 or h.deletedAt == never)
    if isWanted and owner ~= '' then isWanted = call('HGET', jobOf .. job, 'owner') == owner end
    if isWanted and since > always then
      ${readFields(timesLayout, "call('HGET', jobOf .. job, 'times')", { changedAt: 'changedAt' })}
      isWanted = changedAt >= since
    end
    if isWanted then
      if #found == limit then return { position, found } end
      found[#found + 1] = printJob(job, h)
    end
    position = job
  end
end
local isEnd = changedOnes ~= nil or #jobs < ${scanLimit}
return { isEnd and '' or position, found }
`)

/** Maximum number of index entries that a call reads. */
const mostEntries = 4000

const place = writeFields(layouts.duePlace, { nextAt: 'nextAt', job: 'job' })

/**
 * Reads the due jobs of one shard, ordered by next instant and id. First applies the noted changes of next instants to
 * the index.
 *
 * Answers the position of the last job that it has read. If no due job is left, answers an empty text. If one call
 * cannot apply all notes, answers `again`.
 *
 * Arguments:
 * - Reading begins after the job `ARGV[3]` with the instant `ARGV[2]`. Without a job, reading begins after this
 *   instant.
 * - `ARGV[5]`, if given, has a 1 for each wanted first byte of a job id.
 * - The instants stay texts, because the script also uses them as excluded bounds of ranges. Redis expects an excluded
 *   bound as a text that begins with `(`.
 */
export const listDueJobsScript: Script = script(`#!lua flags=allow-oom
${prelude}${checkRights}${jobKeys}
local limit, after, lastJob, upTo, wanted = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local found, position = {}, ''

if call('ZCARD', movedKey) > 0 then
  local missing = missingRight(nil)
  if missing then return missing end
  if catchUp() then return 'again' end
end

-- Returns the rank in the sorted set from which this call reads jobs.
local function firstRank()
  if lastJob == '' then return call('ZCOUNT', nextKey, '-inf', after) end
  local low = call('ZCOUNT', nextKey, '-inf', '(' .. after)
  local high = call('ZCOUNT', nextKey, '-inf', after)
  -- Many jobs may have the same instant, so a binary search finds the position after the last job of the previous page.
  while low < high do
    local middle = math.floor((low + high) / 2)
    if isBefore(lastJob, call('ZRANGE', nextKey, middle, middle)[1]) then high = middle else low = middle + 1 end
  end
  return low
end

local rank = firstRank()
local dueCount = call('ZCOUNT', nextKey, '-inf', upTo)
local stop = math.min(dueCount, rank + ${mostEntries})
while rank < stop do
  local last = math.min(stop, rank + limit + 1) - 1
  local page = call('ZRANGE', nextKey, rank, last, 'WITHSCORES')
  for index = 1, #page, 2 do
    local job, nextAt = page[index], tonumber(page[index + 1])
    if wanted == '' or string.byte(wanted, string.byte(job) + 1) == 1 then
      if #found == limit then return { position, found } end
      found[#found + 1] = printJob(job, headOf(job))
    end
    position = ${place}
  end
  rank = last + 1
end
return { stop == dueCount and '' or position, found }
`)

/** Maximum difference between `orderAt` and the scheduled time of an occurrence, in ms. */
const widestStep = (rescueStep / 2) * priorityStepMs

const paging = `
${readFields(layouts.paging, 'ARGV[1]', allFields(layouts.paging))}
local cursorAt, cursorId = ARGV[2], ARGV[3]
local found, position = {}, ''

-- Returns the rank in the sorted set at which \`walk\` begins, counted in the direction of the walk.
local function firstRank(key)
  if cursorAt ~= '' then
    -- The same member with another score is not the end of the previous page. For example, a run that was handed back
    -- and started again has another deadline as its score.
    if call('ZSCORE', key, cursorId) == cursorAt then
      return call(isDescending == 1 and 'ZREVRANK' or 'ZRANK', key, cursorId) + 1
    end
    -- The last member of the previous page was removed, or its score has changed. So the walk begins with all members
    -- that have the cursor's score.
    if isDescending == 1 then return call('ZCOUNT', key, '(' .. cursorAt, '+inf') end
    return call('ZCOUNT', key, '-inf', '(' .. cursorAt)
  end
  if isDescending == 1 then return to == never and 0 or call('ZCOUNT', key, to, '+inf') end
  return from == always and 0 or call('ZCOUNT', key, '-inf', '(' .. string.format('%.0f', from))
end

-- Walks through a sorted set by score and member. For each member, \`wanted\` returns the record, or nil if the page
-- must not contain the record. Collects a page of these records.
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
          append(found, member, withRuns == 1 and text or withoutRuns(text))
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

/** Reads a page of the history of one job: the occurrences in the given states, or in all states. */
export const listHistoryScript: Script = script(`#!lua flags=no-writes
${prelude}${paging}
${historyOf}
return { walkHistory(job, states), found }
`)

/**
 * Reads the live occurrences of one job in the given states, unsorted, without a walk through the history. If the job
 * has many live occurrences, reads a page of the history instead. This page is limited to the times between the
 * earliest and the latest live occurrence.
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
if (hasActive and h.pending + h.running or 0) + (hasQueued and h.queued or 0) > ${scanLimit} then
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

-- The caller may ask for active occurrences, for queued ones, or for both. The script reads the queue only if the
-- caller asks for it, because the queue may be long.
local ids = hasActive and activeOf(h, job) or {}
if h.queued > 0 and hasQueued then
  for _, id in ipairs(call('ZRANGE', queueOf .. job, 0, -1)) do ids[#ids + 1] = id end
end
for _, id in ipairs(ids) do
  local text = textOf(id)
  if string.find(states, sub(text, 1, 1), 1, true) then
    append(found, id, withRuns == 1 and text or withoutRuns(text))
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
