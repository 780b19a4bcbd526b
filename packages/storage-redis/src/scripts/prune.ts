import { checkRights, type Script, script } from '../script.ts'
import { jobKeys } from './job-keys.ts'
import { allFields, readFields, writeFields } from '../layout.ts'
import { layouts, recordLayout, spanBit } from '../layouts.ts'
import { prelude } from './prelude.ts'

/** Maximum number of jobs that a call reads. */
const jobsAtOnce = 200

/** Maximum number of records that a call reads. */
const readAtOnce = 2000

const place = writeFields(layouts.prunePlace, allFields(layouts.prunePlace))

const slotFields = { ownerSize: 'ownerSize', kind: 'kind', version: 'version', scheduledAt: 'scheduledAt' }

/**
 * Removes old finished occurrences of one job, or of all jobs of a shard. Begins at the place at which the previous call
 * ended. When memory is short, the server nevertheless runs this script, because the script frees memory.
 *
 * Returns the number of removed occurrences, whether a further call would remove more, and the place at which that call
 * begins. The place is empty at the end.
 */
export const pruneScript: Script = script(`#!lua flags=allow-oom
${prelude}${checkRights}${jobKeys}
${readFields(layouts.prune, 'ARGV[1]', allFields(layouts.prune))}
local only = ARGV[2]
${readFields(layouts.prunePlace, 'ARGV[3]', allFields(layouts.prunePlace), { next: 'rest' })}
local after, unread = sub(ARGV[3], rest), ${readAtOnce}

local missing = missingRight(nil)
if missing then return missing end

-- Returns the last slot that a record stands for, and the number of the record's job version. A record of several
-- missed slots (a span) stores its last slot behind its owner.
local function lastSlotOf(text)
  ${readFields(recordLayout, 'text', slotFields)}
  if kind < ${spanBit} then return scheduledAt, version end
  return math.max(scheduledAt, (read('<d', text, recordSize + ownerSize + 1))), version
end

-- Returns the oldest removable occurrences, at most one more than the limit: the additional one shows that more are
-- left. Passes over live occurrences, and over records of several slots whose last slot is too recent. Also returns true
-- if the call has read as many records as it may, so that the next call must continue with this job.
local function victimsOf(h, job, limit)
  local victims = {}
  local endAt = math.min(before, h.nextAt)
  -- The minimum, because older occurrences may have ended since the previous call. It would otherwise remove newer ones.
  spare = math.min(spare, call('ZCARD', history .. job) - h.pending - h.running - h.queued - keep)
  while spare > 0 do
    local from = passed + #victims
    local page = call('ZRANGE', history .. job, from, from + 499, 'WITHSCORES')
    for index = 1, #page, 2 do
      local id = page[index]
      if spare <= 0 or tonumber(page[index + 1]) >= endAt or #victims > limit then return victims end
      if unread == 0 then return victims, true end
      unread = unread - 1
      local text = textOf(id)
      local state, last, version = text and string.byte(text), never, nil
      if not text or state > running then spare = spare - 1 end
      if text and state > running then last, version = lastSlotOf(text) end
      if not text then
        call('ZREM', history .. job, id)
      elseif last < endAt then
        victims[#victims + 1] = { id = id, last = last, version = version, state = state }
      else
        passed = passed + 1
      end
    end
    if #page < 1000 then break end
  end
  return victims
end

-- Frees the request keys that still belong to removed occurrences.
local function freeKeys(job, victims)
  local names = keysOf .. job
  if call('EXISTS', names) == 0 then return end
  for _, victim in ipairs(victims) do
    local key = call('HGET', names, 'o' .. victim.id)
    if key then
      call('HDEL', names, 'o' .. victim.id)
      if call('HGET', names, 'k' .. key) == victim.id then call('HDEL', names, 'k' .. key) end
    end
  end
end

local function remove(h, job, victims)
  local gone, failures, failuresOfJob = {}, {}, {}
  for _, victim in ipairs(victims) do
    h.floor = math.max(h.floor, victim.last)
    if victim.version == h.version then h.uses = h.uses - 1 end
  end
  -- The prune floor is raised first, so that no call creates a removed slot again.
  call('HSET', heads, job, printHead(h))
  for _, victim in ipairs(victims) do
    call('HDEL', bucketOf(victim.id), victim.id)
    append(gone, victim.id)
    if isFailure[victim.state] then
      append(failures, victim.id .. job)
      append(failuresOfJob, victim.id)
    end
    if victim.version ~= h.version then call('HINCRBY', usesOf .. job, versionField(victim.version), -1) end
  end
  freeKeys(job, victims)
  callWith('ZREM', history .. job, gone)
  callWith('ZREM', failedKey, failures)
  callWith('ZREM', failedOf .. job, failuresOfJob)
end

-- Removes versions that no occurrence uses, and an old tombstone without occurrences.
local function forget(h, job)
  if h.deletedAt < before and call('EXISTS', history .. job) == 0 then
    call('HDEL', heads, job)
    call('DEL', jobOf .. job, versionsOf .. job, usesOf .. job)
    call('ZREM', jobsKey, job)
    call('ZREM', changedKey, job)
    return
  end
  local uses = call('HGETALL', usesOf .. job)
  for index = 1, #uses, 2 do
    if tonumber(uses[index + 1]) <= 0 then
      call('HDEL', usesOf .. job, uses[index])
      call('HDEL', versionsOf .. job, uses[index])
    end
  end
end

local removed, more = 0, 0
local jobs = only ~= '' and { only }
  or call('ZRANGEBYLEX', jobsKey, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, ${jobsAtOnce})
for _, job in ipairs(jobs) do
  local h = headOf(job)
  if h then
    local victims, isCut = victimsOf(h, job, limit - removed)
    if #victims > limit - removed then
      more = 1
      victims[#victims], spare = nil, spare + 1
    end
    if #victims > 0 then remove(h, job, victims) end
    removed = removed + #victims
    if isCut or more == 1 then return { removed, more, ${place} .. after } end
    forget(h, job)
  end
  passed, spare, after = 0, never, job
end
return { removed, 0, (only ~= '' or #jobs < ${jobsAtOnce}) and '' or ${place} .. after }
`)
