import { checkRights } from './check-rights.ts'
import { allFields, readFields, writeFields } from '../layout.ts'
import { addressLayout, claimedLayout, claimLayout, noticeLayout, seenLayout, takenLayout } from '../request-layouts.ts'
import { stateCodes } from '../record-codes.ts'
import { headLayout, recordLayout } from '../stored-layouts.ts'
import { canceledInPassing, prelude } from './prelude.ts'

/** How many occurrences whose time has come one call makes claimable at most. */
const promotedAtOnce = 2000

/** How many occurrences that deleted and replaced jobs have left one call cancels at most. */
const canceledAtOnce = 1000

const notice = writeFields(noticeLayout, { scheduledAt: 'r.scheduledAt', token: 'r.token', cancelSize: '#r.cancel' })

/** What a claim changes of a record is in front, but for the instant of the start. */
const front = {
  state: 'state',
  token: 'token',
  sequence: '_',
  finishedAt: 'finishedAt',
  ownerSize: 'ownerSize',
  detailsSize: 'detailsSize',
  cancelSize: 'cancelSize',
  reasonSize: 'reasonSize',
}

/** The same of a record that was taken; the texts behind it lose the reason. */
const takenFront = {
  ...front,
  state: `${stateCodes.running}`,
  token: 'token + 1',
  sequence: '0',
  ownerSize: '#owner',
  reasonSize: '0',
}

/** What of a head may stand in the way of a start. */
const conditions = {
  delayed: 'nDelayed',
  pausedUntil: 'pausedUntil',
  policy: 'policy',
  deletedAt: 'deletedAt',
  cancelsBelow: 'cancelsBelow',
  startLimit: 'startLimit',
  maxConcurrency: 'maxConcurrency',
}

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
      -- One that is active wakes the next by itself, at its time.
      local mayWake = h.cancelsBelow > 0 or activeCount(h) == 0
      local gone = cancelSuperseded(now, h, job, ${canceledAtOnce})
      if mayWake then wakeFirst(now, h, job) end
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

-- The heads of jobs that a page has, as texts: most of them need no table.
local pageHeads = {}

local function headOfPage(job)
  local text = pageHeads[job]
  if known[job] == nil and text then known[job] = parseHead(text) end
  return headOf(job)
end

local hasExceptions = #ARGV >= 6
local skips = {}
local function isExcepted(job)
  if skips[job] == nil then
    local key = handlerOf(headOfPage(job))
    skips[job] = except[key == '' and job or key] or false
  end
  return skips[job]
end

local taken, takenCount, seen, more, nextDueAt = {}, 0, {}, false, never
-- By job, how many a look has counted as taken, and how many of these had waited for their time.
local claimedJobs, delayedSeen = {}, {}
local count, offset, left = 0, 0, 0
local isDone = false
-- Jobs of which one waits for its time by the start rate, as this call has seen to; and whether starts wake others.
local heldJobs, wakes = {}, false

-- Only who takes up to a given place has to know the order of each.
local needsOrder = isPeek == 1 or lastAt ~= never
local stride = needsOrder and 2 or 1

-- The records of a page, read together, and the heads that are not known yet.
local function readPage(page)
  local byBucket, texts, jobs = {}, {}, {}
  local ids, jobOf, bucketAt = {}, {}, {}
  for index = 1, #page, stride do
    local id, job = sub(page[index], 1, 16), sub(page[index], 17)
    ids[index], jobOf[index] = id, job
    local bucket = bucketOf(id)
    bucketAt[index] = bucket
    local list = byBucket[bucket]
    if not list then
      list = { ids = {}, places = {}, count = 0 }
      byBucket[bucket] = list
    end
    local place = list.count + 1
    list.count, list.ids[place], list.places[place] = place, id, index
    if known[job] == nil and pageHeads[job] == nil then
      pageHeads[job] = false
      jobs[#jobs + 1] = job
    end
  end
  for bucket, list in pairs(byBucket) do
    local found = call('HMGET', bucket, unpack(list.ids))
    for place, index in ipairs(list.places) do texts[index] = found[place] end
  end
  if #jobs > 0 then
    local found = call('HMGET', heads, unpack(jobs))
    for place, job in ipairs(jobs) do pageHeads[job] = found[place] end
  end
  return texts, ids, jobOf, bucketAt
end

-- What was taken of a page leaves the indexes together, and is written together.
local gone, goneCount, written = {}, 0, {}

local function storePage()
  if goneCount > 0 then
    callWith('ZREM', ready, gone)
    callWith('ZREM', pendingKey, gone)
    gone, goneCount = {}, 0
  end
  for bucket, list in pairs(written) do callWith('HSET', bucket, list.fields) end
  written = {}
end

-- Writes a pending occurrence as running for the owner.
local function begin(id, member, text, timeout, bucket)
  ${readFields(recordLayout, 'text', front)}
  local detailsAt = recordSize + ownerSize
  local reasonAt = detailsAt + detailsSize + cancelSize
  text = ${writeFields(recordLayout, takenFront)} .. sub(text, ${recordLayout.end.reasonSize + 1}, ${recordLayout.at.startedAt})
    .. ${writeFields(recordLayout, { startedAt: 'now' })} .. sub(text, ${recordLayout.end.startedAt + 1}, recordSize)
    .. owner .. sub(text, detailsAt + 1, reasonAt) .. sub(text, reasonAt + reasonSize + 1)
  goneCount = goneCount + 1
  gone[goneCount] = member
  noteStart(now + timeout, member)
  if cancelSize > 0 then call('HSET', cancelsKey, member, owner) end
  local list = written[bucket]
  if not list then
    list = { fields = {}, count = 0 }
    written[bucket] = list
  end
  local fields, size = list.fields, list.count
  fields[size + 1], fields[size + 2], list.count = id, text, size + 2
  return text
end

-- Makes a pending occurrence running.
local function take(h, id, job, member, text, timeout, bucket)
  if h.delayed > 0 and parseRecord(text).reason == delayed then h.delayed = h.delayed - 1 end
  h.pending, h.running = h.pending - 1, h.running + 1
  touch(job, h)
  return begin(id, member, text, timeout, bucket)
end

-- The same where nothing of its job stands in the way, without a table of the head. Otherwise it takes nothing.
local function takeOrdinary(id, job, member, text, timeout, bucket)
  local h = known[job]
  if h == nil then h = pageHeads[job] end
  if type(h) ~= 'string' then return end
  ${readFields(headLayout, 'h', conditions)}
  ${readFields(headLayout, 'h', { running: 'nRunning', pending: 'nPending' })}
  if nDelayed > 0 or pausedUntil > now or deletedAt ~= never or cancelsBelow > 0 or startLimit > 0
    or (policy ~= allow and nRunning >= maxConcurrency) then
    return
  end
  setHeadText(job, sub(h, 1, ${headLayout.at.running})
    .. ${writeFields(headLayout, { running: 'nRunning + 1', pending: 'nPending - 1' })} .. sub(h, ${headLayout.end.pending + 1}))
  return begin(id, member, text, timeout, bucket)
end

local function noteTaken(id, record)
  taken[takenCount + 1] = ${writeFields(takenLayout, { id: 'id', recordSize: '#record' })}
  taken[takenCount + 2] = record
  takenCount = takenCount + 2
end

-- The first that the start rate does not let start waits for its time; others that have become due are queued behind it.
-- That is no news to other nodes: what is due for them is less.
local function holdBack(h, id, job, r, startsAt)
  local wasDue = due
  if heldJobs[job] then
    move(now, h, id, r, queued, '')
  else
    heldJobs[job] = true
    r.dueAt = startsAt
    move(now, h, id, r, pending, heldBack)
  end
  due = wasDue
end

-- Wakes the next behind a start. Answers whether that one may start too.
local function wakeBehind(h, job)
  local id, r = firstToWake(h, job)
  if not id then return false end
  move(now, h, id, r, pending, inTime(now, h, r))
  return math.max(nextStartAt(h), r.dueAt) <= now
end

while not isDone do
  local last = offset + math.min(limit, 500)
  local page = needsOrder and call('ZRANGE', ready, offset, last, 'WITHSCORES') or call('ZRANGE', ready, offset, last)
  if #page == 0 then break end
  local texts, ids, jobOf, bucketAt = readPage(page)
  for index = 1, #page, stride do
    local member, order = page[index], needsOrder and tonumber(page[index + 1]) or 0
    local id, job = ids[index], jobOf[index]
    if hasExceptions and isExcepted(job) then
      offset = offset + 1
    else
      local text = texts[index]
      ${readFields(recordLayout, 'text', { dueAt: 'dueAt', timeout: 'timeout' })}
      local mayTake = isPeek == 0 and count < limit and order < lastAt and dueAt <= now
      local record = mayTake and takeOrdinary(id, job, member, text, timeout, bucketAt[index])
      local h = not record and headOfPage(job)
      local from = h and math.max(dueAt, h.pausedUntil)
      if record then
        count = count + 1
        noteTaken(id, record)
      elseif from > now then
        -- Another node's clock is ahead: for that one it was due.
        if from < nextDueAt then nextDueAt = from end
        offset = offset + 1
      else
        local isLeft = h.deletedAt ~= never
        if h.cancelsBelow > 0 and isSuperseded(h, parseRecord(text)) then
          -- Others of the page may be canceled with it, and what is woken instead may come before all that was seen.
          left = left + #cancelSuperseded(now, h, job, ${canceledInPassing}) / ${addressLayout.size}
          if left >= ${canceledAtOnce} then more, isDone = true, true end
          if wakeFirst(now, h, job) ~= '' then
            offset = 0
            if isPeek == 1 then seen, claimedJobs, delayedSeen, count = {}, {}, {}, 0 end
          end
          break
        end
        -- Those that a look has counted as taken are pending still.
        local seenOf = claimedJobs[job] or 0
        local isBlocked = isLeft or (h.policy ~= allow and (h.running + seenOf >= h.maxConcurrency
          or (h.delayed > 0 and activeCount(h) + (delayedSeen[job] or 0) >= h.maxConcurrency and parseRecord(text).reason == delayed)))
        -- A look counts what it has counted as taken as started now.
        local startsAt = not isBlocked and h.startLimit > 0 and nextStartAt(h, seenOf) or always
        local isHeld = startsAt > now
        if h.startLimit > 0 and h.queued > 0 then wakes = true end
        -- Up to a given place, blocked ones are passed over whatever the limit.
        local isLast = order > lastAt or (order == lastAt and isBefore(lastId, id))
          or (count == limit and not ((isBlocked or isHeld) and lastAt ~= never))
        if isPeek == 1 then
          seen[#seen + 1] = ${writeFields(seenLayout, { order: 'order', id: 'id', isBlocked: '(isBlocked or isHeld) and 1 or 0' })}
          offset = offset + 1
        end
        if isLast then
          more, isDone = true, true
          break
        end
        if isPeek == 1 then
          if not isBlocked and not isHeld then
            count = count + 1
            claimedJobs[job] = seenOf + 1
            if h.delayed > 0 and parseRecord(text).reason == delayed then
              delayedSeen[job] = (delayedSeen[job] or 0) + 1
            end
          end
        elseif isLeft then
          finish(now, h, id, parseRecord(text), canceled, '=deleted')
          left = left + 1
          if left >= ${canceledAtOnce} then
            more, isDone = true, true
            break
          end
        elseif isBlocked then
          move(now, h, id, parseRecord(text), queued, '')
        elseif isHeld then
          holdBack(h, id, job, parseRecord(text), startsAt)
        else
          count = count + 1
          local record = take(h, id, job, member, text, timeout, bucketAt[index])
          noteTaken(id, record)
          if h.startLimit > 0 then
            countStart(now, h)
            if wakeBehind(h, job) then
              -- It may come before the rest of the page.
              offset = 0
              break
            end
          end
        end
      end
    end
  end
  storePage()
end

local from = 0
while true do
  local page = call('ZRANGE', future, from, from + 99, 'WITHSCORES')
  if #page == 0 then break end
  local found = false
  for index = 1, #page, 2 do
    if not hasExceptions or not isExcepted(sub(page[index], 17)) then
      local from = tonumber(page[index + 1])
      if from < nextDueAt then nextDueAt = from end
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

if takenCount > 0 then call('SET', claimedKey, claimId, 'EX', 86400) end
store()
tell(channel, sender)
return { 'done', ${writeFields(claimedLayout, { more: '(more or isLeftover) and 1 or 0', wakes: 'wakes and 1 or 0', nextDueAt: 'nextDueAt' })}, table.concat(notices), table.concat(seen), table.concat(taken) }
`
