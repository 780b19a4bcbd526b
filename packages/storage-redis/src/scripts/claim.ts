import { checkRights } from './check-rights.ts'
import { allFields, readFields, writeFields } from '../layout.ts'
import { addressLayout, claimedLayout, claimLayout, noticeLayout, seenLayout } from '../request-layouts.ts'
import { canceledInPassing, prelude } from './prelude.ts'

/** How many occurrences whose time has come one call makes claimable at most. */
const promotedAtOnce = 2000

/** How many occurrences that deleted and replaced jobs have left one call cancels at most. */
const canceledAtOnce = 1000

const notice = writeFields(noticeLayout, { scheduledAt: 'r.scheduledAt', token: 'r.token', cancelSize: '#r.cancel' })

/**
 * Takes due pending occurrences of one shard, also when memory is short: what waits must be able to run and end.
 * Answers `again` when so much has become due that it takes another call to see all of it. In the mode `peek` it takes nothing and tells what it would take, for claims over several shards.
 */
export const claimScript: string = `#!lua flags=allow-oom
${prelude}${checkRights}
local channel, sender, owner, claimedKey, claimId = ARGV[2], ARGV[3], ARGV[4], KEYS[2], ARGV[5]
${readFields(claimLayout, 'ARGV[1]', allFields(claimLayout))}
local except = {}
for index = 6, #ARGV do except[ARGV[index]] = true end

local missing = missingRight(channel)
if missing then return missing end

-- The client sends a command once more when its connection broke before the answer came. What the first sending took
-- is then known to nobody, so the caller has to hear that.
if call('GET', claimedKey) == claimId then return { 'repeated' } end

local isLeftover = false
if sweep == 1 then
  for _, job in ipairs(call('SMEMBERS', waitingKey)) do
    local h = headOf(job)
    if h and h.deletedAt ~= never then
      cancelWaiting(now, h, job, '=deleted', ${canceledAtOnce})
      isLeftover = isLeftover or h.pending + h.queued > 0
    elseif h then
      local gone = cancelSuperseded(now, h, job, ${canceledAtOnce})
      wakeFirst(now, h, job)
      isLeftover = isLeftover or (h.cancelsBelow > 0 and gone ~= '')
    end
  end
end

local promoted = call('ZRANGEBYSCORE', future, '-inf', now, 'LIMIT', 0, ${promotedAtOnce})
if #promoted > 0 then
  local scored = {}
  for _, member in ipairs(promoted) do
    scored[#scored + 1] = call('ZSCORE', pendingKey, member)
    scored[#scored + 1] = member
  end
  callWith('ZADD', ready, scored)
  callWith('ZREM', future, promoted)
  if #promoted == ${promotedAtOnce} then
    store()
    tell(channel, sender)
    return { 'again' }
  end
end

local skips = {}
local function isExcepted(job)
  if #ARGV < 6 then return false end
  if skips[job] == nil then
    local key = sub(headOf(job).text, headSize + 1)
    skips[job] = except[key == '' and job or key] or false
  end
  return skips[job]
end

local taken, seen, more, nextDueAt = {}, {}, false, never
local claimedJobs = {}
local count, offset, left = 0, 0, 0
local isDone = false
while not isDone do
  local page = call('ZRANGE', ready, offset, offset + math.min(limit, 500), 'WITHSCORES')
  if #page == 0 then break end
  for index = 1, #page, 2 do
    local member, scheduledAt = page[index], tonumber(page[index + 1])
    local id, job = sub(member, 1, 16), sub(member, 17)
    if isExcepted(job) then
      offset = offset + 1
    else
      local r = recordOf(id)
      local h = headOf(job)
      if r.dueAt > now then
        -- Another node's clock is ahead: for that one it was due.
        if r.dueAt < nextDueAt then nextDueAt = r.dueAt end
        offset = offset + 1
      else
        local isLeft = h.deletedAt ~= never
        if isSuperseded(h, r) then
          -- Others of the page may be canceled with it, and what is woken instead may come before all that was seen.
          left = left + #cancelSuperseded(now, h, job, ${canceledInPassing}) / ${addressLayout.size}
          if left >= ${canceledAtOnce} then more, isDone = true, true end
          if wakeFirst(now, h, job) ~= '' then
            offset = 0
            if isPeek == 1 then seen, claimedJobs, count = {}, {}, 0 end
          end
          break
        end
        local isBlocked = isLeft or (h.policy ~= allow and (h.running > 0 or claimedJobs[job]))
        -- Up to a given place, blocked ones are passed over whatever the limit.
        local isLast = scheduledAt > lastAt or (scheduledAt == lastAt and isBefore(lastId, id))
          or (count == limit and not (isBlocked and lastAt ~= never))
        if isPeek == 1 then
          seen[#seen + 1] = ${writeFields(seenLayout, { scheduledAt: 'scheduledAt', id: 'id', isBlocked: 'isBlocked and 1 or 0' })}
          offset = offset + 1
        end
        if isLast then
          more, isDone = true, true
          break
        end
        if isPeek == 1 then
          if not isBlocked then
            count = count + 1
            claimedJobs[job] = true
          end
        elseif isLeft then
          finish(now, h, id, r, canceled, '=deleted')
          left = left + 1
          if left >= ${canceledAtOnce} then
            more, isDone = true, true
            break
          end
        elseif isBlocked then
          move(now, h, id, r, queued, '')
        else
          count = count + 1
          r.token, r.sequence, r.owner, r.startedAt = r.token + 1, 0, owner, now
          move(now, h, id, r, running, '')
          taken[#taken + 1] = id
          taken[#taken + 1] = printRecord(r)
        end
      end
    end
  end
end

local from = 0
while true do
  local page = call('ZRANGE', future, from, from + 99, 'WITHSCORES')
  if #page == 0 then break end
  local found = false
  for index = 1, #page, 2 do
    if not isExcepted(sub(page[index], 17)) then
      local dueAt = tonumber(page[index + 1])
      if dueAt < nextDueAt then nextDueAt = dueAt end
      found = true
      break
    end
  end
  if found then break end
  from = from + 100
end

local notices = {}
local asked = call('HGETALL', cancelsKey)
for index = 1, #asked, 2 do
  if asked[index + 1] == owner then
    local id, job = sub(asked[index], 1, 16), sub(asked[index], 17)
    local r = recordOf(id)
    notices[#notices + 1] = id .. job .. ${notice} .. r.cancel
  end
end

if #taken > 0 then call('SET', claimedKey, claimId, 'EX', 86400) end
store()
tell(channel, sender)
return { 'done', ${writeFields(claimedLayout, { more: '(more or isLeftover) and 1 or 0', nextDueAt: 'nextDueAt' })}, table.concat(notices), table.concat(seen), taken }
`
