import { checkRights, type Script, script } from '../script.ts'
import { codec1 } from '@jobistemer/core/storage'
import { allFields, fieldsBetween, readFields, writeFields } from '../layout.ts'
import { headLayout, itemKinds, keyScopes, layouts, recordLayout } from '../layouts.ts'
import { batch, frequentInBatches, notice, prelude } from './prelude.ts'

const { kindCodes, policyCodes, recoveredBit } = codec1

/** Maximum number of waiting occurrences that a call cancels to make room for a new occurrence. */
const displacedAtOnce = 500

/**
 * If a job has superseded occurrences, a create call reads at most this many waiting occurrences of the job to find the
 * occurrences that the new one displaces.
 */
const displacedInPassing = 1000

/** The fields of a job's head that the script reads to create an ordinary slot. */
const headFields = fieldsBetween(headLayout, ['active', 'startLimit'], {
  ...{ running: 'nRunning', pending: 'nPending', queued: 'nQueued', delayed: 'nDelayed' },
  ...{ nextAt: 'itsNextAt', version: 'itsVersion' },
})

/** Lua that prints the first fields of a job's head after a slot has started. */
const headAfterStart = writeFields(
  headLayout,
  fieldsBetween(headLayout, ['active', 'nextAt'], {
    ...{ running: 'nRunning + 1', pending: 'nPending', queued: 'nQueued', uses: 'uses + 1', watermark: 'scheduledAt' },
  }),
)

const existsOf = (record: string) => {
  const ofJob = { watermark: 'h.watermark', nextAt: 'h.nextAt' }
  return writeFields(layouts.exists, { state: `${record}.state`, token: `${record}.token`, ...ofJob })
}

/**
 * Creates occurrences. Each item contains the record for an immediate start; for any other state the script changes the record.
 * Answers with one letter for each item, and with details for all items that did not simply start. If an item displaces too
 * many occurrences for one call, the caller must send this item and the later items of its job again.
 */
export const createScript: Script = script(`#!lua
-- frequent: ${frequentInBatches} startSlot storeRequested
${prelude}${checkRights}
local request, items = ARGV[1], ARGV[2]
local channel, sender, displacedRequest, addresses, spans = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local skippedIds, reusableKeys = ARGV[8], ARGV[9]
${readFields(layouts.createRequest, 'request', allFields(layouts.createRequest))}

local missing = missingRight(channel)
if missing then return missing end
${batch}
-- Returns the reusable key of an item and the code of its scope; nothing for an item without a key.
local function keyOf(index)
  local scope = string.byte(reusableKeys, index * 17)
  if scope and scope > 0 then return sub(reusableKeys, index * 17 - 16, index * 17 - 1), scope end
end

-- Returns the record and the id of the occurrence that blocks the key of an item; nil if the key is free.
local function blockingKey(index, job)
  local key, scope = keyOf(index)
  if not key then return nil end
  for _, id in ipairs({ call('HGET', keysOf .. job, 'k' .. key) or key, key }) do
    local r = recordOf(id)
    if r and r.job == job and r.state <= running and (scope == ${keyScopes.live} or r.token == 0) then return r, id end
  end
end

-- Adds a new occurrence: its record, its index entries and the counts of its job.
local function add(h, id, r, text)
  h.uses = h.uses + 1
  if r.scheduledAt > h.watermark and r.kind % ${recoveredBit} == ${kindCodes.slot} and r.scheduledAt > h.taken then h.taken = r.scheduledAt end
  touch(r.job, h)
  put(id, text)
  call('ZADD', history .. r.job, r.scheduledAt, id)
  if r.state <= running then
    if r.state ~= queued then enterActive(h, r.job, id, orderAt(r.scheduledAt, r.standing)) end
    enter(now, h, id, r)
  end
end

local function askAllToCancel(h, job)
  local notices = {}
  -- A job may have many delayed occurrences. The running ones precede these, so this walk ends early.
  forEachLive(h, job, never, 1, nil, function(id, r)
    if r.state == running then
      if r.cancel == '' then
        r.cancel = displacedRequest
        replace(id, r)
        call('HSET', cancelsKey, id .. job, r.owner)
        cancelNotes = true
      end
      notices[#notices + 1] = id .. ${notice} .. r.cancel
    end
    return #notices == h.running
  end)
  return table.concat(notices)
end

-- Cancels a limited number of superseded occurrences of a job and wakes the next queued occurrence. So superseded
-- occurrences do not delay the new occurrence. Returns whether superseded occurrences are left.
local function passLeft(h, job)
  if h.cancelsBelow == 0 or h.policy == allow then return false end
  passSuperseded(now, h, job)
  wakeFirst(now, h, job)
  return h.cancelsBelow > 0
end

-- Cancels waiting occurrences, except delayed and superseded ones. While the job has superseded occurrences, the
-- function reads only a limited number of occurrences. Returns the canceled occurrences, and whether waiting
-- occurrences remain.
local function displace(h, job, isPassing)
  local ids, records, count = {}, {}, 0
  if isPassing then
    forEachLive(h, job, never, 2, nil, function(id, r)
      if r.state == running then return false end
      if count == ${displacedInPassing} then return true end
      count = count + 1
      if not isSuperseded(h, r) and r.reason ~= delayed then ids[#ids + 1], records[#ids + 1] = id, r end
      return false
    end)
    return cancelEach(now, h, ids, records, '=displaced'), false
  end
  -- Cancels queued occurrences before pending ones. So if queued occurrences are left, all pending occurrences are left, too.
  -- While an occurrence is active, a new occurrence cannot overtake the queued ones.
  for _, id in ipairs(call('ZRANGE', queueOf .. job, 0, ${displacedAtOnce} - 1)) do
    ids[#ids + 1], records[#ids + 1] = id, recordOf(id)
  end
  local most = math.min(${displacedAtOnce}, #ids + h.pending - h.delayed)
  if #ids < most then
    forEachLive(h, job, never, 1, nil, function(id, r)
      if r.state == pending and r.reason ~= delayed then ids[#ids + 1], records[#ids + 1] = id, r end
      return #ids == most
    end)
  end
  local displaced = cancelEach(now, h, ids, records, '=displaced')
  return displaced, h.pending - h.delayed + h.queued > 0
end

-- Code for a request that is not created because the queue of its job is full.
local refused = -1

-- Jobs with an item that displaces more occurrences than this call can cancel. Further calls create this item and the
-- later items of the same job.
local crowded, hasCrowded = {}, false

-- Decides the state and reason of a new slot, trigger or replay. Also decides whether the item displaces (cancels)
-- waiting occurrences, and whether it cancels running ones.
-- - \`isPassing\`: superseded occurrences are left, and the counts of waiting occurrences include them. If the overlap
--   policy would skip or refuse the item because of these counts, the item becomes queued instead.
-- - \`goesOn\`: an earlier call has canceled some of the occurrences that the item displaces, but not all. So the item
--   skips the check for a free place: it displaces the rest even if a place is free now.
local function decide(h, kind, scheduledAt, isStartable, isForLater, isPassing, goesOn)
  if scheduledAt < h.pausedUntil and kind == ${itemKinds.slot} then return skipped, '=paused' end
  if isForLater then return pending, delayed end
  local free = isStartable and now >= h.pausedUntil and running or pending
  local active = activeCount(h)
  -- Under the policy \`allow\`, each occurrence may start. Under other policies, queued occurrences have precedence over a new
  -- occurrence. So while an occurrence is active, a new one needs a free place, and starts only if none is queued.
  if h.policy == allow then return free, '' end
  if not goesOn and (active == 0 or (active < h.maxConcurrency and h.queued == 0)) then return free, '' end
  if h.policy == ${policyCodes.skip} then
    if isPassing and h.running == 0 then return queued, '' end
    return skipped, '=overlap'
  end
  if h.policy == ${policyCodes.queue} then
    if h.queued < h.maxQueued or isPassing then return queued, '' end
    return kind == ${itemKinds.slot} and skipped or refused, '=queue_full'
  end
  return h.running >= h.maxConcurrency and queued or free, '', true, h.policy == ${policyCodes.cancel_running} and h.running > 0
end

local function createDue(h, kind, index, job, scheduledAt, nextAt, isStartable, goesOn, text)
  local id = ids[index]
  local isPassing = passLeft(h, job)
  local r = parseRecord(text)
  local isForLater = kind ~= ${itemKinds.slot} and r.dueAt > now
  local starts = isStartable and mayStart(now, h)
  local state, reason, displaces, cancels = decide(h, kind, scheduledAt, starts, isForLater, isPassing, goesOn)
  if state == refused then return answer('f', write('<d', h.maxQueued)) end
  local displaced, isLeft = '', false
  if displaces then displaced, isLeft = displace(h, job, isPassing) end
  if isLeft then
    crowded[job], hasCrowded = true, true
    return answer('m', displaced)
  end
  local notices = cancels and askAllToCancel(h, job) or ''
  if state ~= running then
    r.state, r.token, r.owner, r.startedAt, r.runs, r.reason = state, 0, '', never, '', reason
    if state == pending and reason == '' then r.reason = inTime(now, h, r) end
    if state == skipped then
      r.finishedAt = now
      local other = sub(skippedIds, index * 16 - 15, index * 16)
      if other ~= '' and other ~= none then id = other end
    end
    text = printRecord(r)
  end
  -- An earlier call may have skipped this request, and the answer to that call may have got lost. The record then already
  -- exists.
  if id == ids[index] or not recordOf(id) then add(h, id, r, text) end
  local key = keyOf(index)
  if key and state ~= skipped then call('HSET', keysOf .. job, 'k' .. key, id, 'o' .. id, key) end
  if state == running then countStart(now, h) end
  if kind == ${itemKinds.slot} then
    h.nextAt = nextAt
    if scheduledAt > h.watermark then h.watermark = scheduledAt end
  end
  answer('c', ${writeFields(layouts.state, { state: 'r.state', token: 'r.token' })}, r.reason, displaced, notices)
end

-- Starts an ordinary slot by a quick check of its job's head, without parsing the whole head. Returns false if this check does
-- not allow the start. \`create\` then decides about the slot.
local function startSlot(index, scheduledAt, version, nextAt, deadline, record)
  local id, job = ids[index], jobs[index]
  local text = headTexts[index] or headTextOf(job)
  if not text then return false end
  ${readFields(headLayout, 'text', headFields)}
  if itsNextAt ~= scheduledAt or itsVersion ~= version or scheduledAt <= watermark or scheduledAt <= taken
    or scheduledAt <= floor or scheduledAt < pausedUntil or deletedAt ~= never or startLimit > 0
    or ((nPending - nDelayed + nRunning > 0 or cancelsBelow > 0) and policy ~= allow) then
    return false
  end
  if active == none then active = id else call('ZADD', liveOf .. job, scheduledAt, id) end
  text = ${headAfterStart} .. sub(text, ${headLayout.end.nextAt + 1})
  if isBulk then
    append(headFields, job, text)
    append(recordFields, id, record)
  else
    setHeadText(job, text)
    put(id, record)
  end
  call('ZADD', history .. job, scheduledAt, id)
  moved[#moved + 1], movedTo[#movedTo + 1] = job, nextAt
  append(started, deadline, sub(addresses, index * 32 - 31, index * 32))
  return true
end

-- Records and index entries of the requests that \`takeRequest\` has created. Calls often contain many requests of one
-- job, so the script writes all these requests together.
local requested = { records = {}, sets = {}, pending = {}, ready = {}, future = {} }
local hasRequested = false

-- Writes the requests that \`takeRequest\` has collected for earlier items of this call. The script must call this function
-- before it reads the records of these requests.
local function storeRequested()
  if not hasRequested then return end
  for bucket, fields in pairs(requested.records) do callWith('HSET', bucket, fields) end
  for key, members in pairs(requested.sets) do callWith('ZADD', key, members) end
  callWith('ZADD', pendingKey, requested.pending)
  callWith('ZADD', ready, requested.ready)
  callWith('ZADD', future, requested.future)
  requested = { records = {}, sets = {}, pending = {}, ready = {}, future = {} }
  hasRequested = false
end

-- The ids of those items of this call that already have a record. The script finds these ids with one command for each Redis
-- hash.
local taken = {}
local function readPresent()
  local byBucket = {}
  for index = 1, #ids do
    append(listOf(byBucket, bucketOf(ids[index])), ids[index])
  end
  for bucket, list in pairs(byBucket) do
    for first = 1, #list, 4000 do
      local last = math.min(first + 3999, #list)
      for place, text in ipairs(call('HMGET', bucket, unpack(list, first, last))) do
        if text then taken[list[first + place - 1]] = true end
      end
    end
  end
end

-- Creates an ordinary request that starts at once, or waits for a node or for the end of a pause. Returns its answer
-- letter; false if \`create\` must handle the request.
local function takeRequest(index, isStartable, scheduledAt, version, deadline, text)
  local id, job = ids[index], jobs[index]
  if taken[id] then return false end
  if known[job] == nil and headTexts[index] then known[job] = parseHead(headTexts[index]) end
  local h = headOf(job)
  if not h or h.deletedAt ~= never or version ~= h.version or scheduledAt <= h.floor or h.cancelsBelow > 0
    or h.startLimit > 0 or (h.policy ~= allow and activeCount(h) > 0)
    or (isStartable and now < h.pausedUntil) then
    return false
  end
  ${readFields(recordLayout, 'text', { dueAt: 'dueAt', standing: 'standing' })}
  if dueAt > now then return false end
  local order = orderAt(scheduledAt, standing)
  taken[id], hasRequested = true, true
  h.uses = h.uses + 1
  touch(job, h)
  append(listOf(requested.records, bucketOf(id)), id, text)
  append(listOf(requested.sets, history .. job), scheduledAt, id)
  if h.active == none then h.active = id else append(listOf(requested.sets, liveOf .. job), order, id) end
  local member = sub(addresses, index * 32 - 31, index * 32)
  if isStartable then
    h.running = h.running + 1
    append(started, deadline, member)
    return 'r'
  end
  h.pending = h.pending + 1
  append(requested.pending, order, member)
  if now >= h.pausedUntil then
    append(requested.ready, order, member)
  elseif h.pausedUntil < never then
    append(requested.future, h.pausedUntil, member)
  end
  if h.pausedUntil < never then due = true end
  return 'w'
end

local function create(kind, isStartable, goesOn, index, scheduledAt, version, nextAt, text)
  storeRequested()
  local id, job = ids[index], jobs[index]
  taken[id] = true
  local h = headOf(job)
  -- Reads the record with the item's id, but only if such a record may exist:
  -- - The id of a slot contains the slot's time. So a slot after the watermark can only have a record if the slot is not later
  --   than \`taken\`.
  -- - A repeated request may have another time than the record of the first request. So for a request, the script always looks
  --   for the record.
  local present = false
  if h and (kind ~= ${itemKinds.slot} or scheduledAt <= h.watermark or scheduledAt <= h.taken) then
    present = recordOf(id)
  end
  if present then
    if kind == ${itemKinds.slot} and h.nextAt == scheduledAt and h.version == version and h.deletedAt == never then
      h.nextAt = nextAt
      if scheduledAt > h.watermark then h.watermark = scheduledAt end
      touch(job, h)
    end
    answer('e', ${existsOf('present')}, present.owner)
  elseif not h or h.deletedAt ~= never then
    answer('a')
  elseif scheduledAt <= h.floor then
    answer('p', write('<d', h.floor))
  elseif version ~= h.version then
    answer('v', write('<I4', h.version))
  elseif kind == ${itemKinds.slot} and h.nextAt ~= scheduledAt then
    answer('o', ${writeFields(layouts.schedule, { watermark: 'h.watermark', nextAt: 'h.nextAt' })})
  else
    local blocking, other = blockingKey(index, job)
    if blocking then return answer('k', ${existsOf('blocking')}, blocking.owner, other) end
    createDue(h, kind, index, job, scheduledAt, nextAt, isStartable, goesOn, text)
  end
end

if hasRequests == 1 then readPresent() end
local at = 1
forEachSpan(spans, ids, false, function(from, to)
  for index = from, to do
    ${readFields(layouts.createItem, 'items', { ...allFields(layouts.createItem), expected: 'nextAt' }, { place: 'at', next: 'first' })}
    at = first + recordSize
    local text = sub(items, first, at - 1)
    if hasCrowded and crowded[jobs[index]] then
      answer('n')
    elseif kind == ${itemKinds.slot} and isStartable == 1 and goesOn == 0 and startSlot(index, scheduledAt, version, nextAt, deadline, text) then
      letters[#letters + 1] = 'r'
    else
      local letter = goesOn == 0 and kind ~= ${itemKinds.slot} and not keyOf(index) and takeRequest(index, isStartable == 1, scheduledAt, version, deadline, text)
      if letter then
        letters[#letters + 1] = letter
      else
        create(kind, isStartable == 1, goesOn == 1, index, scheduledAt, version, nextAt, text)
      end
    end
  end
end)

storeRequested()
store(channel, sender)
return { table.concat(letters), details }
`)
