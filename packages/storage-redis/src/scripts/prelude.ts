import { codec1, failedStates, priorityStepMs, startRateReason, wokenAtOnce } from '@jobistemer/core/storage'
import { allFields, always, fieldsBetween, never, readFields, tableFields, writeFields } from '../layout.ts'
import { headLayout, layouts, recordLayout, rescueStep } from '../layouts.ts'
import { restBegins } from '../script.ts'

const { kindCodes, policyCodes, recoveredBit, stateCodes } = codec1

/** Maximum number of superseded slots that a step on one occurrence cancels. */
const canceledInPassing = 50

/** Maximum number of superseded slots that a script cancels, over all of its steps. */
const canceledInPassingByScript = 1000

/** Maximum number of a job's occurrences that a script searches for superseded slots. */
const lookedAtInPassing = 100

/** Maximum number of occurrences of one job that a call reads. The next call continues after these occurrences. */
export const lookedAtOnce = 2000

/**
 * Maximum number of a job's waiting occurrences that a script moves to another index or state. Later claims move the
 * rest.
 */
const movedAtOnce = 500

/** Number of ids that a scan of occurrences reads with one command. */
const idsAtOnce = 100

const noticeFields = { scheduledAt: 'r.scheduledAt', token: 'r.token', cancelSize: '#r.cancel' }

/** Lua for a cancel notice, without the ids before it and the text of the cancel request after it. */
export const notice: string = writeFields(layouts.notice, noticeFields)

/** Lua for the id and the time of an occurrence in an answer. */
const address = writeFields(layouts.address, { id: 'id', scheduledAt: 'r.scheduledAt' })

/**
 * The front fields of a record: its first fields, from the state to the size of the reason. A start changes these fields and
 * the start instant. It removes the reason.
 */
const front = fieldsBetween(recordLayout, ['state', 'reasonSize'])
const startedFront = {
  ...front,
  ...{ state: `${stateCodes.running}`, token: 'token + 1', sequence: '0', ownerSize: '#owner', reasonSize: '0' },
}

const printedRecord = writeFields(recordLayout, {
  ...allFields(recordLayout, 'r.'),
  ownerSize: '#r.owner',
  detailsSize: '#r.details',
  cancelSize: '#r.cancel',
  reasonSize: '#r.reason',
})

/**
 * If a call moves fewer jobs than this to their next instants, it updates the index of next instants. Otherwise it only
 * notes the moves, and `listDueJobs` later applies the notes to the index.
 */
const manyMoves = 8

/**
 * Number of stored notes about new next instants (see `moved`). If more notes are stored, each call also applies some of
 * them to the index of next instants.
 */
const mostNotes = 256

/** Number of notes about new next instants (see `moved`) that a script applies to the index at once. */
const catchUpAtOnce = 8

/**
 * The common beginning of every script.
 * - `KEYS[1]` is the hash of the job heads of one shard, `{prefix:0}:heads`. The script computes all other keys from
 *   this key. All keys have the same hash tag, so they belong to the same hash slot of a Redis Cluster.
 * - Instants and counts are packed doubles and not texts. The reasons: Lua prints numbers beyond 10^14 inexactly, and
 *   parsing takes long.
 * - Definitions, details, task runs, reasons and similar texts are JSON that no script parses.
 * - The last argument is the number of shards that the caller assumes. If the server has lost its data, the stored
 *   number is missing or differs. The call then fails without effect.
 * - A package version with another stored form replaces the stored number by another text. So storages of older
 *   versions stop.
 * - `layouts.ts` defines the layouts of heads, records, requests and answers.
 */
export const prelude: string = `
local call, read, write, sub = redis.call, struct.unpack, struct.pack, string.sub

local heads = KEYS[1]
local shard = sub(heads, 1, -6)

local spread = call('GET', shard .. 'shards')
if spread ~= table.remove(ARGV) then return redis.error_reply('SPREAD ' .. (spread or 'none')) end

local ready, future, pendingKey = shard .. 'ready', shard .. 'future', shard .. 'pending'
-- A claim may have to pass over many occurrences of a job. It then moves them into two separate sets of this job: ready
-- and delayed ones. Later claims that must pass over this job need not read these sets. \`readyOf\`, \`futureOf\`:
-- prefixes of the keys of these sets. \`apartKey\`: key of the set of jobs that have such sets.
local readyOf, futureOf, apartKey = shard .. 'r:', shard .. 'd:', shard .. 'apart'
local queuedKey, waitingKey = shard .. 'queued', shard .. 'waiting'
local runningKey, cancelsKey = shard .. 'running', shard .. 'cancels'
local nextKey, movedKey = shard .. 'next', shard .. 'moved'
local history, liveOf, queueOf = shard .. 'h:', shard .. 'l:', shard .. 'q:'
local failedKey, failedOf, keysOf = shard .. 'failed', shard .. 'f:', shard .. 'k:'
-- \`movesKey\` stores unfinished moves of waiting occurrences. \`searchesKey\` stores the unfinished searches for
-- superseded occurrences: for each job, the last occurrence that the search has read.
local movesKey, searchesKey = shard .. 'moves', shard .. 'searches'

local never, always = ${never}, ${always}
local none = string.rep('\\0', 16)
local pending, queued, running = ${stateCodes.pending}, ${stateCodes.queued}, ${stateCodes.running}
local canceled, skipped = ${stateCodes.canceled}, ${stateCodes.skipped}
-- The stored reason of a delayed occurrence: a pending trigger or replay that waits for its \`dueAt\`. A delayed
-- occurrence does not keep other occurrences of its job from starting.
local delayed = '=delayed'
-- The stored reason of a pending occurrence that waits because of the start rate of its job.
local heldBack = '=${startRateReason}'
local allow = ${policyCodes.allow}
local isFailure = { ${failedStates.map((state) => `[${stateCodes[state]}] = true`).join(', ')} }

-- The rest of each script is a function of its own. Lua then creates functions in less time, because the names above are no
-- local variables of the function that creates them. \`script\` adds the end of this function.
${restBegins}

-- Returns whether a text precedes another by its bytes, as in sorted sets. Lua's own comparison depends on the server's locale.
local function isBefore(left, right)
  for at = 1, math.min(#left, #right) do
    local itsLeft, itsRight = string.byte(left, at), string.byte(right, at)
    if itsLeft ~= itsRight then return itsLeft < itsRight end
  end
  return #left < #right
end

-- Which wake-ups the script publishes to other connections at its end.
local due, cancelNotes, jobsChanged = false, false, false

-- Returns the list under a key of a table of lists. Adds an empty list if the key has no list.
local function listOf(lists, key)
  local list = lists[key]
  if not list then
    list = {}
    lists[key] = list
  end
  return list
end

local function append(list, first, second)
  local size = #list
  list[size + 1] = first
  if second ~= nil then list[size + 2] = second end
end

-- Calls a command with a long list of arguments, in parts that fit on Lua's stack. Does nothing without arguments.
local function callWith(command, key, list)
  for first = 1, #list, 4000 do
    call(command, key, unpack(list, first, math.min(first + 3999, #list)))
  end
end

-- ------------------------------------------------------------------------------------------------------------- heads

local headSize = ${headLayout.size}
-- \`known\`: the heads that this script has read, by job. A head is a text, or a parsed table if a step needs the
-- table. \`changed\`: the jobs whose heads \`store\` must write.
local known, changed = {}, {}

-- Parses a head. \`indexedAt\` is the job's score in the index of next instants.
local function parseHead(text)
  ${readFields(headLayout, 'text', allFields(headLayout))}
  return { ${tableFields(headLayout)}, text = text, isChanged = false, indexedAt = nextAt }
end

local function printHead(h)
  return ${writeFields(headLayout, allFields(headLayout, 'h.'))} .. sub(h.text, headSize + 1)
end

-- Returns the handler key of a job; an empty text if the key is the job's id.
local function handlerOf(h)
  return sub(h.text, headSize + h.startCount * 8 + 1)
end

-- Returns the instant from which the start rate allows the job's next start. \`more\`: number of other occurrences
-- whose starts the result counts as well, although they have not started yet.
local function nextStartAt(h, more)
  local index = h.startCount + (more or 0) - h.startLimit
  if h.startLimit == 0 or index < 0 then return always end
  return index < h.startCount and read('<d', h.text, headSize + index * 8 + 1) + h.startInterval or never
end

-- Keeps the last \`kept\` start instants of a job, and appends the added ones.
local function keepStarts(h, kept, added)
  local handler = handlerOf(h)
  local from = headSize + (h.startCount - kept) * 8
  h.text = sub(h.text, 1, headSize) .. sub(h.text, from + 1, from + kept * 8) .. added .. handler
  h.startCount = kept + #added / 8
end

-- Stores a start for the start rate of its job. Must be called at every start.
local function countStart(now, h)
  if h.startLimit > 0 then keepStarts(h, math.min(h.startCount, h.startLimit - 1), write('<d', now)) end
end

-- Returns whether the start rate of the job lets one more occurrence start now. Under a start rate, no occurrence
-- starts while other occurrences are pending. Delayed occurrences do not count as pending here.
local function mayStart(now, h)
  return h.startLimit == 0 or (h.pending == h.delayed and nextStartAt(h) <= now)
end

-- Returns the reason of a record that becomes pending: \`heldBack\` if the start rate delays it, else ''. Sets \`dueAt\` of a
-- held-back record to the next allowed start.
local function inTime(now, h, r)
  local from = nextStartAt(h)
  if from <= now or from <= r.dueAt then return '' end
  r.dueAt = from
  return heldBack
end

-- Returns the parsed head of a job; false if the job does not exist.
local function headOf(job)
  local h = known[job]
  if type(h) == 'table' then return h end
  local isChanged = type(h) == 'string'
  local text = h or call('HGET', heads, job)
  h = text and parseHead(text)
  if h then h.isChanged = isChanged end
  known[job] = h
  return h
end

-- Returns the text of a job's head, for steps that need no parsed table.
local function headTextOf(job)
  local h = known[job]
  if h == nil then return call('HGET', heads, job) end
  return type(h) == 'table' and printHead(h) or h
end

-- Replaces the text of a job's head.
local function setHeadText(job, text)
  local h = known[job]
  if h == nil or (type(h) == 'table' and not h.isChanged) then append(changed, job) end
  known[job] = text
end

-- New next instants by job. The script writes these to the index of next instants.
local nextAts = {}

-- Jobs that ordinary slots have moved to their next instants.
--
-- An update of the index of next instants at each slot would make each slot an eighth more expensive. So a script that
-- moves many jobs does not update the index. It stores all these jobs as one note. A search for due jobs first applies
-- the notes to the index.
local moved, movedTo = {}, {}

local function nextAtOf(text)
  ${readFields(headLayout, 'text', { nextAt: 'nextAt' })}
  return nextAt
end

local function touch(job, h)
  if not h.isChanged then append(changed, job) end
  h.isChanged = true
end

-- ----------------------------------------------------------------------------------------------------------- records

local recordSize = ${recordLayout.size}

local function parseRecord(text)
  ${readFields(recordLayout, 'text', allFields(recordLayout))}
  local details = recordSize + ownerSize
  local cancel = details + detailsSize
  local reason = cancel + cancelSize
  local runs = reason + reasonSize
  return {
    ${tableFields(recordLayout)},
    owner = sub(text, recordSize + 1, details), details = sub(text, details + 1, cancel),
    cancel = sub(text, cancel + 1, reason), reason = sub(text, reason + 1, runs), runs = sub(text, runs + 1),
  }
end

local function printRecord(r)
  return ${printedRecord} .. r.owner .. r.details .. r.cancel .. r.reason .. r.runs
end

-- Returns the stored text of a waiting occurrence as running under an owner. Also returns the size of its cancel request.
local function asStarted(text, owner, now)
  ${readFields(recordLayout, 'text', front)}
  local detailsAt = recordSize + ownerSize
  local reasonAt = detailsAt + detailsSize + cancelSize
  return ${writeFields(recordLayout, startedFront)} .. sub(text, ${recordLayout.end.reasonSize + 1}, ${recordLayout.at.startedAt})
    .. ${writeFields(recordLayout, { startedAt: 'now' })} .. sub(text, ${recordLayout.end.startedAt + 1}, recordSize)
    .. owner .. sub(text, detailsAt + 1, reasonAt) .. sub(text, reasonAt + reasonSize + 1), cancelSize
end

-- Records are stored in 16 Redis hashes, by the first hexadecimal digit of the id. So a batch needs few commands, and
-- no hash holds the whole history.
local buckets = {}

local function bucketOf(id)
  local byte = string.byte(id)
  local key = buckets[byte]
  if not key then
    key = shard .. 'o:' .. string.format('%x', math.floor(byte / 16))
    buckets[byte] = key
  end
  return key
end

-- Returns the stored text of a record; false if the record does not exist.
local function textOf(id)
  return call('HGET', bucketOf(id), id)
end

local function recordOf(id)
  local text = textOf(id)
  return text and parseRecord(text)
end

-- Returns the stored text of a record without its end, which holds the task runs.
local function withoutRuns(text)
  ${readFields(recordLayout, 'text', fieldsBetween(recordLayout, ['ownerSize', 'reasonSize']))}
  return sub(text, 1, recordSize + ownerSize + detailsSize + cancelSize + reasonSize)
end

local function put(id, text)
  call('HSET', bucketOf(id), id, text)
end

local function replace(id, r)
  put(id, printRecord(r))
end

-- ------------------------------------------------------------------------------------------------------------- ends

-- Failed occurrences of this script call, which one command adds to the shard's set of failures.
local failed = {}

local function noteFailure(now, id, job)
  append(failed, now, id .. job)
  call('ZADD', failedOf .. job, now, id)
end

-- ----------------------------------------------------------------------------------------------------- live occurrences

-- Members to add to and remove from the index of running occurrences. One command writes each list, because runs change often.
local started, stopped = {}, {}

-- Adds a pending or running occurrence to its job's active ones. The head stores one of them, and a set stores the other ones.
local function enterActive(h, job, id, order)
  if h.active == none then h.active = id else call('ZADD', liveOf .. job, order, id) end
end

local function leaveActive(h, job, id)
  if h.active == id then h.active = none else call('ZREM', liveOf .. job, id) end
end

-- Returns the order of a waiting occurrence, like core's \`orderAt\`.
local function orderAt(scheduledAt, standing)
  local priority = standing % ${rescueStep}
  if priority >= ${rescueStep / 2} then priority = priority - ${rescueStep} end
  return scheduledAt - priority * ${priorityStepMs}
end

-- Adds a pending occurrence to an index for claims: to \`ready\` if the occurrence is due and its job is not paused, otherwise
-- to \`future\`. During a pause without an end, adds it to neither index.
local function offer(now, h, id, r)
  local from = math.max(r.dueAt, h.pausedUntil)
  if from == never then return end
  if from <= now then
    call('ZADD', ready, orderAt(r.scheduledAt, r.standing), id .. r.job)
  else
    call('ZADD', future, from, id .. r.job)
  end
  due = true
end

local function withdraw(id, r)
  local member = id .. r.job
  for _, key in ipairs({ ready, future, readyOf .. r.job, futureOf .. r.job }) do
    if call('ZREM', key, member) > 0 then return end
  end
end

-- Adds an occurrence to the indexes and counts of its state.
local function enter(now, h, id, r)
  touch(r.job, h)
  if r.state == pending then
    h.pending = h.pending + 1
    if r.reason == delayed then h.delayed = h.delayed + 1 end
    call('ZADD', pendingKey, orderAt(r.scheduledAt, r.standing), id .. r.job)
    offer(now, h, id, r)
  elseif r.state == queued then
    h.queued = h.queued + 1
    local order = orderAt(r.scheduledAt, r.standing)
    call('ZADD', queueOf .. r.job, order, id)
    call('ZADD', queuedKey, order, id .. r.job)
    if h.queued == 1 then call('SADD', waitingKey, r.job) end
  elseif r.state == running then
    h.running = h.running + 1
    append(started, r.startedAt + r.timeout, id .. r.job)
    if r.cancel ~= '' then call('HSET', cancelsKey, id .. r.job, r.owner) end
  end
end

local function leave(h, id, r)
  touch(r.job, h)
  if r.state == pending then
    h.pending = h.pending - 1
    if r.reason == delayed then h.delayed = h.delayed - 1 end
    call('ZREM', pendingKey, id .. r.job)
    withdraw(id, r)
  elseif r.state == queued then
    h.queued = h.queued - 1
    call('ZREM', queueOf .. r.job, id)
    call('ZREM', queuedKey, id .. r.job)
    if h.queued == 0 then call('SREM', waitingKey, r.job) end
  elseif r.state == running then
    h.running = h.running - 1
    append(stopped, id .. r.job)
    if r.cancel ~= '' then call('HDEL', cancelsKey, id .. r.job) end
  end
end

-- Moves an occurrence to another live state, and updates the job's active occurrences.
local function move(now, h, id, r, state, reason)
  local wasActive, isActive = r.state ~= queued, state ~= queued
  leave(h, id, r)
  if wasActive and not isActive then leaveActive(h, r.job, id) end
  if isActive and not wasActive then enterActive(h, r.job, id, orderAt(r.scheduledAt, r.standing)) end
  r.state, r.reason = state, reason
  enter(now, h, id, r)
  replace(id, r)
end

-- Ends a live occurrence.
local function finish(now, h, id, r, state, reason)
  leave(h, id, r)
  if r.state ~= queued then leaveActive(h, r.job, id) end
  r.state, r.reason, r.finishedAt = state, reason, now
  if isFailure[state] then noteFailure(now, id, r.job) end
  replace(id, r)
end

-- Returns the ids of the job's pending and running occurrences. \`limit\`: maximum number of ids that are read from the
-- set; the id in the head is added to them. Without a limit, returns all ids.
local function activeOf(h, job, limit)
  if h.active == none and h.pending + h.running == 0 then return {} end
  local ids = call('ZRANGE', liveOf .. job, 0, limit and limit - 1 or -1)
  if h.active ~= none then ids[#ids + 1] = h.active end
  return ids
end

-- Removes a waiting occurrence whose record or job is missing, for example because the server has evicted a key.
local function drop(h, job, id, state)
  local r = { job = job, state = state }
  if not h then
    call('ZREM', pendingKey, id .. job)
    return withdraw(id, r)
  end
  -- Only a record says whether its pending occurrence is delayed. So if the job has delayed occurrences, all occurrences
  -- without a record count as delayed from now on. The existing records give the number of the other ones.
  if state == pending and h.delayed > 0 then
    r.reason = delayed
    if not h.isRecounted then
      h.delayed, h.isRecounted = h.pending, true
      for _, other in ipairs(activeOf(h, job)) do
        local its = recordOf(other)
        if its and its.state == pending and its.reason ~= delayed then h.delayed = h.delayed - 1 end
      end
    end
  end
  leave(h, id, r)
  leaveActive(h, job, id)
  call('ZREM', history .. job, id)
end

-- Returns whether a waiting occurrence is superseded: an update of the job has still to cancel this occurrence.
local function isSuperseded(h, r)
  return r.version < h.cancelsBelow and r.token == 0 and r.kind % ${recoveredBit} == ${kindCodes.slot}
end

-- Returns the number of occurrences that hold a place of the job: the running ones, and the pending ones that are not
-- delayed.
local function activeCount(h)
  return h.pending - h.delayed + h.running
end

-- Returns the id and record of the job's next queued occurrence if this occurrence may wake. Returns nil in four cases:
-- no occurrence is queued, no place of the job is free, the occurrence is superseded, or the job is deleted. Drops
-- occurrences without a record.
local function firstToWake(h, job)
  if h.queued == 0 or activeCount(h) >= h.maxConcurrency or h.deletedAt ~= never then return nil end
  local id = call('ZRANGE', queueOf .. job, 0, 0)[1]
  local r = recordOf(id)
  if not r then
    drop(h, job, id, queued)
    return firstToWake(h, job)
  end
  if isSuperseded(h, r) then return nil end
  return id, r
end

-- Wakes the next queued occurrence of a job. Returns two values: its id and time as one text, and its record. Returns
-- only '' if no occurrence can wake.
local function wakeOne(now, h, job)
  local id, r = firstToWake(h, job)
  if not id then return '' end
  move(now, h, id, r, pending, inTime(now, h, r))
  return ${address}, r
end

-- Wakes the next queued occurrence, and a limited number of further ones while places of the job are free. Returns the
-- id and the time of the first woken occurrence; '' if no occurrence woke.
local function wakeFirst(now, h, job)
  local first = wakeOne(now, h, job)
  -- Under a start rate, each start wakes one further occurrence, so this function wakes only the first.
  for _ = 2, first ~= '' and h.startLimit == 0 and ${wokenAtOnce} or 0 do wakeOne(now, h, job) end
  return first
end

-- Returns the rank, from 0 on, of the first member of a sorted set that is behind a position. A score and an id give
-- the position. The set need not contain this id, and the id may have another score in the set.
local function rankBehind(key, score, id)
  local present = call('ZSCORE', key, id)
  local isElsewhere = not present or tonumber(present) ~= score
  if isElsewhere then call('ZADD', key, score, id) end
  local rank = call('ZRANK', key, id)
  if not isElsewhere then return rank + 1 end
  if not present then
    call('ZREM', key, id)
    return rank
  end
  call('ZADD', key, present, id)
  return tonumber(present) < score and rank + 1 or rank
end

-- Calls \`step\` with each active occurrence of the job in order. If \`lastPart\` is 2, then also calls it with each
-- queued one.
--
-- - \`place\`: the occurrence after which the walk begins, as its part (1: active, 2: queued), its score and its id.
-- - \`most\`: about the maximum number of occurrences to read.
--
-- Stops earlier if \`step\` returns true. Returns the part, score and id of the last occurrence that was read. Returns
-- nil if no occurrence is left.
local function forEachLive(h, job, most, lastPart, place, step)
  local part, score, id = 1, nil, nil
  if place then part, score, id = place.part, place.score, place.id end
  local first = part == 1 and h.active ~= none and recordOf(h.active)
  local firstId, firstOrder = h.active, first and orderAt(first.scheduledAt, first.standing)
  if first and id and (firstOrder < score or (firstOrder == score and not isBefore(id, firstId))) then first = false end
  local looked = 0
  while part <= lastPart do
    local key = part == 1 and liveOf .. job or queueOf .. job
    local rank = id and rankBehind(key, score, id) or 0
    local size, page
    repeat
      if looked >= most then return { part = part, score = score, id = id } end
      size = math.min(${idsAtOnce}, most - looked)
      page = call('ZRANGE', key, rank, rank + size - 1, 'WITHSCORES')
      for index = 1, #page, 2 do
        local nextId, order = page[index], tonumber(page[index + 1])
        if first and (firstOrder < order or (firstOrder == order and isBefore(firstId, nextId))) then
          if step(firstId, first) then return { part = part, score = score, id = id } end
          first, score, id = false, firstOrder, firstId
        end
        if step(nextId, recordOf(nextId)) then return { part = part, score = score, id = id } end
        score, id = order, nextId
      end
      rank = rank + #page / 2
      looked = looked + #page / 2
    until #page < size * 2
    if first then
      if step(firstId, first) then return { part = part, score = score, id = id } end
      first = false
    end
    part, score, id = part + 1, nil, nil
  end
end

-- Wakes queued occurrences of a job whose policy is \`allow\`, in order and up to a limit. Returns whether queued
-- occurrences are left.
local function wakeMany(now, h, job)
  for _, id in ipairs(call('ZRANGE', queueOf .. job, 0, ${movedAtOnce} - 1)) do
    move(now, h, id, recordOf(id), pending, '')
  end
  return h.queued > 0
end

-- Makes the queued occurrences of a job pending, up to a limit. If the queue is longer, the next claims make the
-- remaining ones pending before they claim.
local function wakeAll(now, h, job)
  if h.queued > 0 and wakeMany(now, h, job) then call('HSET', movesKey, 'w' .. job, '') end
end

-- Moves pending occurrences of the job to the index \`ready\` or \`future\`. Their due times and the job's pause decide
-- the index. With \`letsGo\`, also computes the next start of held-back occurrences anew, because the start rate has
-- changed.
--
-- Begins after the occurrence \`place\`, and reads a limited number of occurrences. Returns the last occurrence that it
-- has read, after which the next call continues. Returns nil if no occurrence is left.
local function offerMany(now, h, job, letsGo, place)
  return forEachLive(h, job, ${movedAtOnce}, 1, place, function(id, r)
    if r.state ~= pending then return false end
    if letsGo and r.reason == heldBack then
      r.dueAt = math.min(r.dueAt, now)
      move(now, h, id, r, pending, inTime(now, h, r))
    else
      withdraw(id, r)
      offer(now, h, id, r)
    end
    return false
  end)
end

-- Returns the text with which the next claims continue offerMany after \`place\`.
local function printOffer(letsGo, place)
  return write('<Bd', letsGo and 1 or 0, place.score or always) .. (place.id or '')
end

local function parseOffer(text)
  local letsGo, score, at = read('<Bd', text)
  local id = #text >= at and sub(text, at) or nil
  return letsGo == 1, { part = 1, score = score, id = id }
end

-- Adds all pending occurrences of a job to the indexes of claims again. If the job has too many of them for one call,
-- the next claims add the rest before they search the indexes.
local function offerAnew(now, h, job, letsGo)
  if h.pending == 0 then return end
  local left = call('HGET', movesKey, 'o' .. job)
  if left and parseOffer(left) then letsGo = true end
  local place = offerMany(now, h, job, letsGo, nil)
  if place then
    call('HSET', movesKey, 'o' .. job, printOffer(letsGo, place))
  elseif left then
    call('HDEL', movesKey, 'o' .. job)
  end
end

-- Continues the moves between indexes that a change of one job began and did not finish. Returns whether any job has
-- moves left.
local function moveOn(now)
  local moves = call('HGETALL', movesKey)
  if #moves == 0 then return false end
  local job = sub(moves[1], 2)
  local h = headOf(job)
  -- The earlier step that began these moves has already sent the wake-up \`due\`, so this function sends none.
  local wasDue, isLeft = due, false
  if h and sub(moves[1], 1, 1) == 'w' then
    -- Queued occurrences wake only under the policy \`allow\`. The policy may have changed since these moves began. If
    -- superseded occurrences are left, no occurrence wakes here. The step that cancels the last of them wakes all
    -- queued ones.
    isLeft = h.policy == allow and h.cancelsBelow == 0 and h.deletedAt == never and wakeMany(now, h, job)
  elseif h then
    local letsGo, place = parseOffer(moves[2])
    place = offerMany(now, h, job, letsGo, place)
    if place then
      isLeft = true
      call('HSET', movesKey, moves[1], printOffer(letsGo, place))
    end
  end
  if not isLeft then call('HDEL', movesKey, moves[1]) end
  due = wasDue
  return isLeft or #moves > 2
end

-- Cancels the given occurrences. Returns their ids and times.
local function cancelEach(now, h, ids, records, reason)
  local gone = {}
  for index, id in ipairs(ids) do
    local r = records[index]
    finish(now, h, id, r, canceled, reason)
    gone[index] = ${address}
  end
  return table.concat(gone)
end

-- Cancels the job's waiting occurrences up to a limit. Returns their ids and times.
local function cancelWaiting(now, h, job, reason, limit)
  local ids, records = {}, {}
  if h.pending + h.queued == 0 then return '' end
  forEachLive(h, job, never, 2, nil, function(id, r)
    if r.state ~= running then ids[#ids + 1], records[#ids + 1] = id, r end
    return #ids == limit
  end)
  return cancelEach(now, h, ids, records, reason)
end

-- Parses the text that printPlace made of the last occurrence that a search for superseded occurrences has read. No
-- superseded occurrence is left before this occurrence. Steps create no superseded occurrence there, because the update
-- does not cancel the version of new records. Returns nil without a text, or if the text belongs to another update.
local function parsePlace(h, text)
  if not text or text == '' then return nil end
  local cancelsBelow, part, score, at = read('<I4Bd', text)
  if cancelsBelow ~= h.cancelsBelow then return nil end
  if #text < at then return { part = part } end
  return { part = part, score = score, id = sub(text, at) }
end

local function printPlace(h, place)
  return write('<I4Bd', h.cancelsBelow, place.part, place.score or always) .. (place.id or '')
end

-- Returns the job's first queued occurrences, and leaves out superseded slots of versions below \`cancelsBelow\`. If
-- \`cancelsBelow\` is 0, no slot is superseded. Reads a limited number of occurrences.
local function firstQueued(h, job, count, cancelsBelow)
  if cancelsBelow == 0 then return call('ZRANGE', queueOf .. job, 0, count - 1) end
  local ids, before = {}, h.cancelsBelow
  h.cancelsBelow = cancelsBelow
  forEachLive(h, job, ${lookedAtOnce}, 2, { part = 2 }, function(id, r)
    if not isSuperseded(h, r) then ids[#ids + 1] = id end
    return #ids == count
  end)
  h.cancelsBelow = before
  return ids
end

-- Finds up to \`count\` superseded occurrences of versions below \`cancelsBelow\`, pending ones first. Reads about \`most\`
-- occurrences. Returns the text with which the next call continues; '' if the search has ended.
local function findSuperseded(h, job, cancelsBelow, count, most, from, take)
  -- Whether to read and store the position at which a search ended. This is right only if the head already contains the
  -- update. Otherwise steps may still create occurrences of the old version before this position.
  local keepsPlace = h.cancelsBelow == cancelsBelow
  h.cancelsBelow = cancelsBelow
  local goesOn, found, kept = from ~= '', 0, nil
  -- Whether the search has found no superseded occurrence so far. The first letter of \`from\`, the text with which a
  -- caller continues the search, is \`k\` in this case.
  local areKept = not goesOn or sub(from, 1, 1) == 'k'
  local place = parsePlace(h, goesOn and sub(from, 2) or keepsPlace and call('HGET', searchesKey, job))
  place = forEachLive(h, job, most, 2, place, function(id, r)
    if found == count then return true end
    if r.state ~= running and isSuperseded(h, r) then
      take(id, r)
      found, areKept = found + 1, false
    elseif areKept then
      kept = { part = r.state == queued and 2 or 1, score = orderAt(r.scheduledAt, r.standing), id = id }
    end
    return false
  end)
  if keepsPlace and kept then call('HSET', searchesKey, job, printPlace(h, kept)) end
  return place and found < count and (areKept and 'k' or 'f') .. printPlace(h, place) or '', found
end

-- Cancels up to \`limit\` superseded occurrences, pending ones first. Sets \`cancelsBelow\` of the head to 0 if none is left.
-- Reads about \`most\` occurrences. Returns the ids and times.
local function cancelSuperseded(now, h, job, limit, most)
  if h.cancelsBelow == 0 then return '' end
  local ids, records = {}, {}
  -- Searches for one more than the limit, to learn whether superseded occurrences are left.
  local place, found = findSuperseded(h, job, h.cancelsBelow, limit + 1, most or math.max(limit, ${lookedAtOnce}), '',
    function(id, r)
      if #ids < limit then ids[#ids + 1], records[#ids + 1] = id, r end
    end)
  local gone = cancelEach(now, h, ids, records, '=updated')
  if place == '' and found <= limit then
    h.cancelsBelow = 0
    touch(job, h)
    call('HDEL', searchesKey, job)
    if h.policy == allow then wakeAll(now, h, job) end
  end
  return gone
end

-- \`canceledCount\`: number of superseded occurrences that this script has canceled in passing, while its steps did
-- other work. \`searched\`: the jobs in which the script has searched for superseded occurrences.
local canceledCount, searched = 0, {}

-- Cancels a few superseded occurrences of a job. First continues the last search from where it ended, and then searches
-- the front of the queue.
local function passSuperseded(now, h, job)
  if h.cancelsBelow == 0 then return end
  local most = math.min(${canceledInPassing}, ${canceledInPassingByScript} - canceledCount)
  if most > 0 and not searched[job] then
    searched[job] = true
    local count = #cancelSuperseded(now, h, job, most, ${lookedAtInPassing}) / ${layouts.address.size}
    canceledCount, most = canceledCount + count, most - count
  end
  for _ = 1, most do
    local id = h.cancelsBelow > 0 and h.queued > 0 and call('ZRANGE', queueOf .. job, 0, 0)[1]
    local r = id and recordOf(id)
    if not r or not isSuperseded(h, r) then return end
    finish(now, h, id, r, canceled, '=updated')
    canceledCount = canceledCount + 1
  end
end

-- Cancels some superseded occurrences at the front of the queue, and then wakes like \`wakeFirst\`.
local function wakeNext(now, h, job)
  if h.queued == 0 or h.deletedAt ~= never then return '' end
  passSuperseded(now, h, job)
  return wakeFirst(now, h, job)
end

-- ----------------------------------------------------------------------------------------------------------- batches

-- Heads and records that the steps of a batch have changed. The batch writes them together, by few commands. If a job
-- has several items, each step instead writes its changes at once, and the next step reads them.
local headFields, recordFields = {}, {}

-- Calls a step for each range of items whose records are in the same Redis hash. If a job has several items, calls the
-- step once for the whole batch. With \`reads\` the step also receives the stored texts of the records.
local function forEachSpan(spans, ids, reads, step)
  if spans == '' then return step(1, #ids, nil) end
  local first = 1
  for at = 1, #spans, 4 do
    local last = first + read('<I4', spans, at) - 1
    local bucket = bucketOf(ids[first])
    step(first, last, reads and call('HMGET', bucket, unpack(ids, first, last)))
    callWith('HSET', bucket, recordFields)
    recordFields = {}
    first = last + 1
  end
  callWith('HSET', heads, headFields)
end

-- Moves jobs to their next instants in the index, and removes jobs without a next instant from the index.
local function storeNexts()
  local placed, gone = {}, {}
  for job, nextAt in pairs(nextAts) do
    if nextAt == never then append(gone, job) else append(placed, nextAt, job) end
  end
  callWith('ZADD', nextKey, placed)
  callWith('ZREM', nextKey, gone)
  nextAts = {}
end

-- Applies some noted changes of next instants (see \`moved\`) to the index of next instants. Returns whether notes are
-- left.
local function catchUp()
  local jobs = {}
  for _, noted in ipairs(call('ZRANGE', movedKey, 0, ${catchUpAtOnce} - 1)) do
    for at = 1, #noted, 16 do jobs[#jobs + 1] = sub(noted, at, at + 15) end
    call('ZREM', movedKey, noted)
  end
  for first = 1, #jobs, 4000 do
    local texts = call('HMGET', heads, unpack(jobs, first, math.min(first + 3999, #jobs)))
    for index, text in ipairs(texts) do
      nextAts[jobs[first + index - 1]] = text and nextAtOf(text) or never
    end
  end
  storeNexts()
  return call('ZCARD', movedKey) > 0
end


-- Writes the collected changes and publishes the wake-ups. Each script calls this function once, after all decisions.
local function store(channel, sender)
  callWith('ZADD', runningKey, started)
  callWith('ZREM', runningKey, stopped)
  callWith('ZADD', failedKey, failed)
  local isMany = #moved >= ${manyMoves}
  for index = 1, isMany and 0 or #moved do nextAts[moved[index]] = movedTo[index] end
  local fields = {}
  for index, job in ipairs(changed) do
    local h = known[job]
    local isTable = type(h) == 'table'
    fields[index * 2 - 1], fields[index * 2] = job, isTable and printHead(h) or h
    if isTable and h.nextAt ~= h.indexedAt then nextAts[job] = h.nextAt end
  end
  callWith('HSET', heads, fields)
  storeNexts()
  if isMany then
    call('ZADD', movedKey, 0, table.concat(moved))
    if call('ZCARD', movedKey) > ${mostNotes} then catchUp() end
  end
  if due then call('PUBLISH', channel, 'due ' .. sender) end
  if cancelNotes then call('PUBLISH', channel, 'cancel ' .. sender) end
  if jobsChanged then call('PUBLISH', channel, 'jobs ' .. sender) end
end
`

/** The functions that ordinary calls of scripts for batches use, see `script`. */
export const frequentInBatches =
  'append callWith headTextOf setHeadText bucketOf put forEachSpan storeNexts store missingRight'

/**
 * The common beginning of scripts for batches: the ids and jobs of the items, the heads of these jobs, and the answers.
 * An answer is a letter, followed by its details.
 */
export const batch: string = `
local ids, jobs, letters, details = {}, {}, {}, {}
for index = 1, #addresses / 32 do
  ids[index], jobs[index] = read('<c16c16', addresses, index * 32 - 31)
end
local isBulk = spans ~= ''
local headTexts = isBulk and call('HMGET', heads, unpack(jobs)) or {}

local function answer(letter, ...)
  append(letters, letter)
  for index = 1, select('#', ...) do append(details, (select(index, ...))) end
end
`
