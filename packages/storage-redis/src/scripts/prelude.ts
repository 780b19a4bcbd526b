import { codec1, failedStates, priorityStepMs, startRateReason, wokenAtOnce } from '@jobistemer/core/storage'
import { allFields, fieldsBetween, readFields, tableFields, writeFields } from '../layout.ts'
import { always, never } from '../numbers.ts'
import { layouts } from '../request-layouts.ts'
import { storedForm } from '../stored-form.ts'
import { headLayout, recordLayout, rescueStep } from '../stored-layouts.ts'

const { kindCodes, policyCodes, recoveredBit, stateCodes } = codec1

/** Maximum number of superseded slots that a step on one occurrence cancels. */
const canceledInPassing = 50

/** Maximum number of superseded slots that a script cancels, over all of its steps. */
const canceledInPassingByScript = 1000

/** Maximum number of occurrences that a step reads to find superseded slots, per job and script. */
const lookedAtInPassing = 100

/** Maximum number of occurrences that a call reads of a job. The next call continues after them. */
export const lookedAtOnce = 2000

/** Maximum number of a job's waiting occurrences that a script moves to another index or state. Claims move the rest. */
const movedAtOnce = 500

/** Ids that a scan of occurrences reads per command. */
const idsAtOnce = 100

/** Lua for the id and the time of an occurrence in an answer. */
const address = writeFields(layouts.address, { id: 'id', scheduledAt: 'r.scheduledAt' })

const printedRecord = writeFields(recordLayout, {
  ...allFields(recordLayout, 'r.'),
  ownerSize: '#r.owner',
  detailsSize: '#r.details',
  cancelSize: '#r.cancel',
  reasonSize: '#r.reason',
})

/** A call that moves this many jobs in the index of next instants only notes them. `listDueJobs` applies the notes. */
const manyMoves = 8

/** Maximum number of notes. A call that adds a further note applies some of the notes to the index. */
const mostNotes = 256

/** Notes whose jobs one script moves at once. */
const catchUpAtOnce = 8

/**
 * The common beginning of every script.
 *
 * Keys. `KEYS[1]` is the hash of the job heads of one shard, `{prefix:0}:heads`. The script computes all other keys from it,
 * because the needed keys are only known while it runs. They carry the same hash tag, so they lie in the same slot of a Redis
 * Cluster. Redis allows that for keys of the same slot, and BullMQ has relied on it for years.
 *
 * Numbers. Instants and counts travel as packed doubles and never as text: Lua prints what is beyond 10^14 in a form
 * that loses digits, and parsing text costs more than all else here.
 *
 * Texts. Definitions, details, task runs, reasons and the like are JSON that no script ever looks into.
 *
 * Form. A storage checks the form of the data when it opens. If a newer version migrates the data while the storage is open,
 * the next call fails with an error that says so, see `stored-form.ts`.
 *
 * Spread. The last argument is the number of shards that the caller assumes. A server that has lost its data has no such
 * number, or another one: then the call does nothing.
 *
 * Layouts. Heads and records are read and written by the layouts of `stored-layouts.ts`, requests and answers by those
 * of `request-layouts.ts`.
 */
export const prelude: string = `
local call, read, write, sub = redis.call, struct.unpack, struct.pack, string.sub

local heads = KEYS[1]
local shard = sub(heads, 1, -6)

local form = call('GET', shard .. 'form')
if form and form ~= '${storedForm.version}' then return redis.error_reply('FORM ' .. form) end

local spread = call('GET', shard .. 'shards')
if spread ~= table.remove(ARGV) then return redis.error_reply('SPREAD ' .. (spread or 'none')) end

local ready, future, pendingKey = shard .. 'ready', shard .. 'future', shard .. 'pending'
-- What claims have set apart of these, by job, and of which jobs.
local readyOf, futureOf, apartKey = shard .. 'r:', shard .. 'd:', shard .. 'apart'
local queuedKey, waitingKey = shard .. 'queued', shard .. 'waiting'
local runningKey, cancelsKey = shard .. 'running', shard .. 'cancels'
local nextKey, movedKey = shard .. 'next', shard .. 'moved'
local history, liveOf, queueOf = shard .. 'h:', shard .. 'l:', shard .. 'q:'
local failedKey, failedOf, keysOf = shard .. 'failed', shard .. 'f:', shard .. 'k:'
-- The remaining moves of jobs with many waiting occurrences, and how far the search for superseded ones has come.
local movesKey, searchesKey = shard .. 'moves', shard .. 'searches'

local never, always = ${never}, ${always}
local none = string.rep('\\0', 16)
local pending, queued, running = ${stateCodes.pending}, ${stateCodes.queued}, ${stateCodes.running}
local canceled, skipped = ${stateCodes.canceled}, ${stateCodes.skipped}
-- The reason of a delayed occurrence: it keeps no other one of its job from starting.
local delayed = '=delayed'
-- The reason of an occurrence that the start rate of its job holds back.
local heldBack = '=${startRateReason}'
local allow = ${policyCodes.allow}
local isFailure = { ${failedStates.map((state) => `[${stateCodes[state]}] = true`).join(', ')} }

-- Whether a text comes before another by its bytes, as in sorted sets. Lua itself compares by the locale of the server.
local function isBefore(left, right)
  for at = 1, math.min(#left, #right) do
    local itsLeft, itsRight = string.byte(left, at), string.byte(right, at)
    if itsLeft ~= itsRight then return itsLeft < itsRight end
  end
  return #left < #right
end

-- The wake-ups that the script sends to other connections at its end.
local due, cancelNotes, jobsChanged = false, false, false

-- The list of a key in a table of lists.
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

-- A command with a long list of arguments, in parts that fit on Lua's stack. Without arguments it does nothing.
local function callWith(command, key, list)
  for first = 1, #list, 4000 do
    call(command, key, unpack(list, first, math.min(first + 3999, #list)))
  end
end

-- ------------------------------------------------------------------------------------------------------------- heads

local headSize = ${headLayout.size}
-- Heads by job: as a table, or as a text if no step needed more.
local known, changed = {}, {}

-- \`indexedAt\`: the instant at which the job lies in the index of next instants.
local function parseHead(text)
  ${readFields(headLayout, 'text', allFields(headLayout))}
  return { ${tableFields(headLayout)}, text = text, isChanged = false, indexedAt = nextAt }
end

local function printHead(h)
  return ${writeFields(headLayout, allFields(headLayout, 'h.'))} .. sub(h.text, headSize + 1)
end

-- What a node must have to run the job; empty where that is its id.
local function handlerOf(h)
  return sub(h.text, headSize + h.startCount * 8 + 1)
end

-- When one of the last starts was, from 0 on.
local function startAt(h, index)
  return (read('<d', h.text, headSize + index * 8 + 1))
end

-- The instant from which on the start rate allows the next start of the job, if \`more\` other ones start now.
local function nextStartAt(h, more)
  local index = h.startCount + (more or 0) - h.startLimit
  if h.startLimit == 0 or index < 0 then return always end
  return index < h.startCount and startAt(h, index) + h.startInterval or never
end

-- Keeps the last \`kept\` starts, and adds others behind them.
local function keepStarts(h, kept, added)
  local handler = handlerOf(h)
  local from = headSize + (h.startCount - kept) * 8
  h.text = sub(h.text, 1, headSize) .. sub(h.text, from + 1, from + kept * 8) .. added .. handler
  h.startCount = kept + #added / 8
end

-- To be called with each start.
local function countStart(now, h)
  if h.startLimit > 0 then keepStarts(h, math.min(h.startCount, h.startLimit - 1), write('<d', now)) end
end

-- Whether a new occurrence, or one that an end takes, may start. Under a start rate, pending ones start first.
local function mayStart(now, h)
  return h.startLimit == 0 or (h.pending == h.delayed and nextStartAt(h) <= now)
end

-- The reason of a record that becomes pending; it waits where the start rate allows no start yet.
local function inTime(now, h, r)
  local from = nextStartAt(h)
  if from <= now or from <= r.dueAt then return '' end
  r.dueAt = from
  return heldBack
end

-- The head of a job; false if the job does not exist.
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

-- The text of a head, for steps that need no table of it.
local function headTextOf(job)
  local h = known[job]
  if h == nil then return call('HGET', heads, job) end
  return type(h) == 'table' and printHead(h) or h
end

-- Puts a text in the place of a head that was taken as a text.
local function setHeadText(job, text)
  local h = known[job]
  if h == nil or (type(h) == 'table' and not h.isChanged) then append(changed, job) end
  known[job] = text
end

-- The next instants of jobs that are to go into their index at once.
local nextAts = {}

-- Jobs that ordinary slots have moved. Moving them in the index would make such a slot cost the server an eighth more. So
-- one member of a set notes many of them together, and a search for due jobs moves them first.
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

-- Records lie in 16 hashes by the first digit of their ids. With so few hashes a batch takes few commands, and none of the
-- hashes holds the whole history.
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

-- The text of a record; false if it does not exist.
local function textOf(id)
  return call('HGET', bucketOf(id), id)
end

local function recordOf(id)
  local text = textOf(id)
  return text and parseRecord(text)
end

-- A record without its task runs: they are its last text.
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

-- Failures go into two sets by their end: those of the shard, which are gathered, and those of the job.
local failed = {}

local function noteFailure(now, id, job)
  append(failed, now, id .. job)
  call('ZADD', failedOf .. job, now, id)
end

-- ----------------------------------------------------------------------------------------------------- live occurrences

-- Running ones come and go in great numbers: they are gathered, and go into their index in one command.
local started, stopped = {}, {}

-- Pending and running occurrences of a job: the head keeps the first one, a set keeps the rest. No reader needs the order
-- of running ones.
local function enterActive(h, job, id, order)
  if h.active == none then h.active = id else call('ZADD', liveOf .. job, order, id) end
end

local function leaveActive(h, job, id)
  if h.active == id then h.active = none else call('ZREM', liveOf .. job, id) end
end

-- Where one that waits stands among others, as core's orderAt.
local function orderAt(scheduledAt, standing)
  local priority = standing % ${rescueStep}
  if priority >= ${rescueStep / 2} then priority = priority - ${rescueStep} end
  return scheduledAt - priority * ${priorityStepMs}
end

-- Lets claims see a pending occurrence once it is due and its job is not paused. During a pause without an end, it is in no
-- index of claims: the call that resumes the job offers it again.
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

-- Enters an occurrence into the indexes of its state, and counts it.
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

-- Moves an occurrence to another live state; it stays, or becomes, active unless that is queued.
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

-- Whether an occurrence, if it waits, is one that a replace has left to be canceled.
local function isSuperseded(h, r)
  return r.version < h.cancelsBelow and r.token == 0 and r.kind % ${recoveredBit} == ${kindCodes.slot}
end

-- How many occurrences keep others of the job from starting.
local function activeCount(h)
  return h.pending - h.delayed + h.running
end

-- The next queued occurrence of a job that has a place for it, unless it is to be canceled: its id and its record. What a
-- deleted job has left is never woken.
local function firstToWake(h, job)
  if h.queued == 0 or activeCount(h) >= h.maxConcurrency or h.deletedAt ~= never then return nil end
  local id = call('ZRANGE', queueOf .. job, 0, 0)[1]
  local r = recordOf(id)
  if isSuperseded(h, r) then return nil end
  return id, r
end

-- Wakes it. Returns its id and time, or '', and its record.
local function wakeOne(now, h, job)
  local id, r = firstToWake(h, job)
  if not id then return '' end
  move(now, h, id, r, pending, inTime(now, h, r))
  return ${address}, r
end

-- Wakes the first queued occurrence, and a limited number of others that have a place. Returns the id and the time of the
-- first, or ''.
local function wakeFirst(now, h, job)
  local first = wakeOne(now, h, job)
  -- Under a start rate each start wakes another one.
  for _ = 2, first ~= '' and h.startLimit == 0 and ${wokenAtOnce} or 0 do wakeOne(now, h, job) end
  return first
end

-- Returns the ids of the job's pending and running occurrences: all, or at most one more than the limit.
local function activeOf(h, job, limit)
  if h.active == none and h.pending + h.running == 0 then return {} end
  local ids = call('ZRANGE', liveOf .. job, 0, limit and limit - 1 or -1)
  if h.active ~= none then ids[#ids + 1] = h.active end
  return ids
end

-- The first rank behind a place in a sorted set: a score and a member, which may be gone or have moved meanwhile.
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

-- Calls a step with each active occurrence of the job in their order, and then with each queued one if the last part is 2,
-- until the step returns true. Reads about \`most\` of them, from behind a place on: a part, and in it a score and an id.
-- Returns nil at the end, otherwise the place of the last one.
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

-- Wakes queued ones of a job that has places for all, in their order. Answers whether others are left.
local function wakeMany(now, h, job)
  for _, id in ipairs(call('ZRANGE', queueOf .. job, 0, ${movedAtOnce} - 1)) do
    move(now, h, id, recordOf(id), pending, '')
  end
  return h.queued > 0
end

-- Makes all queued ones of a job pending: if there are many, claims wake the rest before they do anything else.
local function wakeAll(now, h, job)
  if h.queued > 0 and wakeMany(now, h, job) then call('HSET', movesKey, 'w' .. job, '') end
end

-- Puts pending occurrences of a job into the index that claims read now, from behind a place on. With \`letsGo\` also those
-- that an earlier start rate held back. Returns the place to continue from; nil when all are done.
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

-- The stored place from which the rest continues, and whether it lets go.
local function printOffer(letsGo, place)
  return write('<Bd', letsGo and 1 or 0, place.score or always) .. (place.id or '')
end

local function parseOffer(text)
  local letsGo, score, at = read('<Bd', text)
  local id = #text >= at and sub(text, at) or nil
  return letsGo == 1, { part = 1, score = score, id = id }
end

-- Offers all pending occurrences anew. If there are many, the next claims continue before they do anything else. So the
-- place of the rest until then does not matter to claims, and new entries go to their right place.
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

-- Continues the moves of one job that an earlier call has left. Returns whether moves are left.
local function moveOn(now)
  local moves = call('HGETALL', movesKey)
  if #moves == 0 then return false end
  local job = sub(moves[1], 2)
  local h = headOf(job)
  -- The call that began the moves has already sent the wake-up.
  local wasDue, isLeft = due, false
  if h and sub(moves[1], 1, 1) == 'w' then
    -- A job whose policy has changed wakes by its new policy. While a cancel by version goes on, its end wakes all.
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

-- Cancels the job's waiting occurrences, pending and queued, up to a limit. Returns ids and times.
local function cancelWaiting(now, h, job, reason, limit)
  local gone = {}
  local waiting = h.pending + h.queued
  if waiting == 0 then return '' end
  -- The active set also contains running occurrences, so the read adds their number to the limit.
  local ids = waiting > limit and activeOf(h, job, limit + h.running) or activeOf(h, job)
  local last = waiting > limit and limit - 1 or -1
  for _, id in ipairs(call('ZRANGE', queueOf .. job, 0, last)) do ids[#ids + 1] = id end
  for _, id in ipairs(ids) do
    if #gone == limit then break end
    local r = recordOf(id)
    if r.state ~= running then
      finish(now, h, id, r, canceled, reason)
      gone[#gone + 1] = ${address}
    end
  end
  return table.concat(gone)
end

-- Cancels these, and returns their ids and times.
local function cancelEach(now, h, ids, records, reason)
  local gone = {}
  for index, id in ipairs(ids) do
    local r = records[index]
    finish(now, h, id, r, canceled, reason)
    gone[index] = ${address}
  end
  return table.concat(gone)
end

-- The place from which the search for superseded occurrences continues: none lies before it. A new record has a version that
-- is kept, a record that has run is kept too, and a superseded record only moves to its end.
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

-- The ids of the first queued ones that are not superseded under a version, if it is not 0. Looks at a bounded number.
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

-- Finds up to \`count\` occurrences that are superseded under a version, pending ones first, and stores up to where it has
-- found none. Reads about \`most\`. Returns the place from which the search goes on; '' when there is no need to.
local function findSuperseded(h, job, cancelsBelow, count, most, from, take)
  -- Before its replace is stored, new ones may come to lie in front of what is searched.
  local keepsPlace = h.cancelsBelow == cancelsBelow
  h.cancelsBelow = cancelsBelow
  local goesOn, found, kept = from ~= '', 0, nil
  -- Whether all before were kept; it stands in front of a place that the caller brings.
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

-- Cancels up to \`limit\` occurrences that a replace has left, pending ones first, and notes when these were the last. Reads
-- about \`most\`, and the next search continues from there. Returns ids and times.
local function cancelSuperseded(now, h, job, limit, most)
  if h.cancelsBelow == 0 then return '' end
  local ids, records = {}, {}
  -- One more tells whether others are left.
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

-- How many this script has canceled in passing, and the jobs of which it has searched for some.
local canceledCount, searched = 0, {}

-- Cancels some of what a replace has left: those in front of the queue, so that others can be woken, and a few more.
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

-- As wakeFirst, after some of what a replace has left before it are canceled.
local function wakeNext(now, h, job)
  if h.queued == 0 or h.deletedAt ~= never then return '' end
  passSuperseded(now, h, job)
  return wakeFirst(now, h, job)
end

-- ----------------------------------------------------------------------------------------------------------- batches

-- For a batch of many jobs with one occurrence each, given by bucket, heads and records are read and written together. A step
-- does not see the changes of another one. Ordinary steps add to these lists; all other steps write directly.
local headFields, recordFields = {}, {}

-- Runs a step over a batch: once for all items of a bucket, or for the whole batch if jobs repeat. With \`reads\` the step
-- receives the stored texts of the records.
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

-- Moves jobs to their next instants in the index, and removes jobs without one.
local function storeNexts()
  local placed, gone = {}, {}
  for job, nextAt in pairs(nextAts) do
    if nextAt == never then append(gone, job) else append(placed, nextAt, job) end
  end
  callWith('ZADD', nextKey, placed)
  callWith('ZREM', nextKey, gone)
  nextAts = {}
end

-- Moves some of the jobs that lie where they were. Answers whether others are left.
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


-- Stores what was gathered, and sends the wake-ups. To be called once, when all is decided.
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

/**
 * What scripts for batches need: the ids and jobs of their items, the heads of a bulk, and answers. An answer is a letter,
 * followed by its details.
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
