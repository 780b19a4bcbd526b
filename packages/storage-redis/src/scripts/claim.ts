import { checkRights, type Script, script } from '../script.ts'
import { allFields, fieldsBetween, readFields, writeFields } from '../layout.ts'
import { headLayout, layouts, placeKinds, recordLayout } from '../layouts.ts'
import { notice, prelude } from './prelude.ts'

/** Maximum number of delayed occurrences that a call moves into the set of claimable occurrences. */
const promotedAtOnce = 2000

/**
 * Maximum number of waiting occurrences that a call cancels, because their jobs were deleted or replaced. The same limit
 * applies to the due occurrences that a call makes queued or holds back.
 */
const movedAtOnce = 500

/** Approximate number of jobs in which one call searches for superseded occurrences. */
const sweptAtOnce = 200

/**
 * A claim passes over an occurrence in two cases: this node has no handler for the occurrence, or the occurrence is not due by
 * this node's clock. Each occurrence that a call passes over has a cost. When the total cost reaches this number, the call
 * ends.
 */
const passedAtOnce = 1000

/**
 * If this node has no handler for a job, a claim may move the job's pending occurrences into separate sets. Later claims of
 * this node then need not pass over these occurrences. A claim does so only if the job has at least this number of pending
 * occurrences.
 */
const fewestApart = 16
/** Maximum number of jobs with separate sets of pending occurrences. */
const mostApart = 100

/**
 * Number of a job's first active occurrences that a claim reads. Among these, the claim searches for an occurrence that the
 * start rate already holds back.
 */
const fewestLooked = 8

/** Number of occurrences that a claim reads at once while it passes over occurrences without a handler on this node. */
const pageSize = 100

/** Returns Lua that describes the last occurrence that the claim has passed over, so that the next call continues after it. */
const placeOf = (kind: 'ready' | 'future') =>
  writeFields(layouts.place, { kind: `${placeKinds[kind]}`, order: 'order', id: 'sub(member, 1, 16)', job: 'job' })

/** The fields of a job's head that may prevent a start, and the counts of its occurrences. */
const conditions = fieldsBetween(headLayout, ['running', 'maxConcurrency'], {
  ...{ running: 'nRunning', pending: 'nPending', queued: '_', delayed: 'nDelayed' },
})

/**
 * Claims due pending occurrences of one shard. In the mode `peek`, the script claims nothing and returns the
 * occurrences that it would claim. Claims over several shards use this mode first.
 *
 * The server also runs the script when memory is short, because waiting occurrences must be able to run and end.
 *
 * Other clients of the server wait while the script runs. So the work of one call is limited, however long the backlog
 * is. The caller calls the script again until the claim is complete. Answers:
 * - `swept`: in a claim with `sweep`, the call has checked about 200 jobs, and has repaired jobs where necessary. It
 *   has claimed nothing. The answer has the cursor for the remaining jobs.
 * - `again`: the call has only moved waiting occurrences between the sets of the shard. It has claimed nothing.
 * - `done`: the answer has the claimed occurrences or, in the mode `peek`, the candidates. If the call has passed over
 *   many occurrences, the answer also names the last one. The next call continues after it.
 * - `repeated`: an earlier delivery of the same command may have claimed occurrences. This call has claimed nothing.
 *
 * Each claim of a node would have to pass over occurrences without a handler on this node. So the script moves these
 * occurrences into two sets of their job:
 * - `r:` for due occurrences;
 * - `d:` for occurrences that are not due yet.
 *
 * New occurrences enter the common sets. A claim of a node with the handler reads the sets of the job together with the
 * common sets. It takes the occurrences of all these sets in the order of waiting occurrences.
 */
export const claimScript: Script = script(`#!lua flags=allow-oom
${prelude}${checkRights}
local channel, sender, owner, claimedKey = ARGV[2], ARGV[3], ARGV[4], KEYS[2]
local place, cursor = ARGV[5], ARGV[6]
${readFields(layouts.claim, 'ARGV[1]', allFields(layouts.claim))}
local hasExceptions, except = #ARGV >= 7, {}
for index = 7, #ARGV do except[ARGV[index]] = true end

local missing = missingRight(channel)
if missing then return missing end

-- This check finds a command that must claim nothing. There are two cases:
-- - The connection broke before the answer, so the client sends the command a second time. No client knows what the first
--   delivery claimed, so the caller must receive \`repeated\`.
-- - An abandoned connection delivers the command late. The owner has already asked the server for the command's effect.
if tonumber(call('GET', claimedKey) or -1) >= number then return { 'repeated' } end

if moveOn(now) then
  store(channel, sender)
  return { 'again' }
end

if sweep == 1 then
  local found = call('SSCAN', waitingKey, cursor, 'COUNT', ${sweptAtOnce})
  cursor = found[1]
  local isLeftover, open = false, ${movedAtOnce}
  for _, job in ipairs(found[2]) do
    local h = headOf(job)
    local gone = ''
    if h and h.deletedAt ~= never then
      if open > 0 then gone = cancelWaiting(now, h, job, '=deleted', open) end
      isLeftover = isLeftover or h.pending + h.queued > 0
    elseif h then
      -- Usually the end of an active occurrence wakes the next queued occurrence. There are two exceptions: a job without an
      -- active occurrence, and a job whose superseded occurrences may have prevented the wake. So a sweep wakes queued
      -- occurrences only for these two kinds of jobs.
      local mayWake = h.cancelsBelow > 0 or activeCount(h) == 0
      if open > 0 then gone = cancelSuperseded(now, h, job, open) end
      if mayWake then wakeFirst(now, h, job) end
      isLeftover = isLeftover or h.cancelsBelow > 0
    end
    open = math.max(0, open - #gone / ${layouts.address.size})
  end
  if #found[2] > 0 or cursor ~= '0' then
    store(channel, sender)
    return { 'swept', cursor == '0' and '' or cursor, isLeftover and 'left' or '' }
  end
end

-- The heads of the jobs of a page, as unparsed texts. A claim parses a head only when it needs the head as a table, which is
-- rare.
local pageHeads = {}

local function readHeads(jobs)
  local wanted = {}
  for _, job in ipairs(jobs) do
    if known[job] == nil and pageHeads[job] == nil then
      pageHeads[job] = false
      append(wanted, job)
    end
  end
  if #wanted == 0 then return end
  for index, text in ipairs(call('HMGET', heads, unpack(wanted))) do pageHeads[wanted[index]] = text end
end

local function headOfPage(job)
  local text = pageHeads[job]
  if known[job] == nil and text then known[job] = parseHead(text) end
  return headOf(job)
end

local skips = {}
local function isExcepted(job)
  if skips[job] == nil then
    local h = headOfPage(job)
    local key = h and handlerOf(h)
    skips[job] = except[key == '' and job or key] or false
  end
  return skips[job]
end

-- \`goesApart(job)\`: whether the claim moves occurrences that it passes over into separate sets of their job.
-- \`sources\`: the sets from which this node may claim, each with the offset up to which it was read.
local goesApart
local sources = { { key = ready, later = future, offset = 0 } }
-- \`futureFrom\`: the offset that earlier calls have reached in the set of delayed occurrences. \`isDone\`: whether
-- earlier calls have read all ready occurrences.
local futureFrom, isDone = 0, false
do
  local apart, isApart = call('SMEMBERS', apartKey), {}
  local apartCount = #apart
  for _, job in ipairs(apart) do isApart[job] = true end
  if hasExceptions and apartCount > 0 then readHeads(apart) end
  for _, job in ipairs(apart) do
    if not hasExceptions or not isExcepted(job) then
      sources[#sources + 1] = { key = readyOf .. job, later = futureOf .. job, offset = 0, job = job }
    elseif #apart >= ${mostApart} and call('EXISTS', readyOf .. job, futureOf .. job) == 0 then
      -- The separate sets of this job are empty, so this call removes the job from the list of such jobs. A claim of a node
      -- that can run the job would also do this, but perhaps no such node lives.
      call('SREM', apartKey, job)
      isApart[job] = nil
      apartCount = apartCount - 1
    end
  end

  goesApart = hasExceptions and function(job)
    if isApart[job] == nil then
      local isMany = headOfPage(job).pending >= ${fewestApart} and apartCount < ${mostApart}
      isApart[job] = isMany
      if isMany then
        apartCount = apartCount + 1
        call('SADD', apartKey, job)
      end
    end
    return isApart[job]
  end

  if place ~= '' then
    ${readFields(layouts.place, 'place', { kind: 'kind', order: 'order', id: 'id', job: 'job' })}
    isDone = kind == ${placeKinds.future}
    if isDone then
      futureFrom = rankBehind(future, order, id .. job)
    else
      for _, source in ipairs(sources) do source.offset = rankBehind(source.key, order, id .. job) end
    end
  end

  local promotedCount = 0
  for _, source in ipairs(sources) do
    local promoted = promotedCount < ${promotedAtOnce} and place == ''
      and call('ZRANGEBYSCORE', source.later, '-inf', now, 'LIMIT', 0, ${promotedAtOnce} - promotedCount) or {}
    if #promoted > 0 then
      local scored = {}
      for _, member in ipairs(promoted) do
        append(scored, call('ZSCORE', pendingKey, member), member)
      end
      callWith('ZADD', source.key, scored)
      callWith('ZREM', source.later, promoted)
      promotedCount = promotedCount + #promoted
    end
  end
  if promotedCount == ${promotedAtOnce} then
    store(channel, sender)
    return { 'again' }
  end
end

local function fromStart()
  for _, source in ipairs(sources) do source.offset = 0 end
end

local taken, seen, more, nextDueAt = {}, {}, false, never
-- \`stopped\`: whether this call reached its limits. \`left\`: number of occurrences that the call has queued, delayed
-- or canceled. \`passed\`: total cost of the passed-over occurrences. \`seenBlocked\`: in the mode peek, number of
-- found occurrences that may not start now.
local stopped, left, passed, seenBlocked = false, 0, 0, 0
-- Used only in the mode peek, in which the call claims nothing. For each job, \`claimedJobs\` is the number of occurrences that
-- a claim would take. \`delayedSeen\` is the number of these that were requested for a later instant.
local claimedJobs, delayedSeen = {}, {}
local count = 0
place = ''
-- \`heldJobs\`: jobs with a held-back occurrence. \`wakes\`: whether a start in this call may wake another occurrence.
local heldJobs, wakes = {}, false

-- Passed-over occurrences to be moved from a common set into the separate sets of their jobs. \`aside\`: their scores
-- and members, by job. \`asideGone\`: their members, to be removed from the common set.
local aside, asideGone = {}, {}

local function setAside(job, member, score)
  append(listOf(aside, job), score, member)
  append(asideGone, member)
end

local function storeAside(common, ofJob)
  for job, list in pairs(aside) do callWith('ZADD', ofJob .. job, list) end
  callWith('ZREM', common, asideGone)
  aside, asideGone = {}, {}
end

-- Finds the next due instant of the occurrences that this node can run. In the set that all jobs share, passes over occurrences
-- without a handler on this node. The separate sets from which this node claims contain no such occurrences.
local function findDue(source, most)
  while place == '' do
    local from = most > 1 and futureFrom or 0
    local page = call('ZRANGE', source.later, from, from + most - 1, 'WITHSCORES')
    if #page == 0 then return end
    local jobs = {}
    for at = 1, #page, 2 do jobs[#jobs + 1] = sub(page[at], 17) end
    if hasExceptions then readHeads(jobs) end
    for at, job in ipairs(jobs) do
      local member, score = page[at * 2 - 1], page[at * 2]
      local order = tonumber(score)
      if not hasExceptions or not isExcepted(job) then
        nextDueAt = math.min(nextDueAt, order)
        return storeAside(future, futureOf)
      end
      if goesApart(job) then setAside(job, member, score) else futureFrom = futureFrom + 1 end
      passed = passed + 1
      if passed >= ${passedAtOnce} then
        place = ${placeOf('future')}
        break
      end
    end
    storeAside(future, futureOf)
  end
end

-- Returns the cancel requests for running occurrences of this owner.
local function readNotices()
  local notices = {}
  local asked = call('HGETALL', cancelsKey)
  for index = 1, #asked, 2 do
    if asked[index + 1] == owner then
      local id, job = sub(asked[index], 1, 16), sub(asked[index], 17)
      local r = recordOf(id)
      notices[#notices + 1] = id .. job .. ${notice} .. r.cancel
    end
  end
  return table.concat(notices)
end

-- Stores the claim and returns the script's answer.
local function answer()
  for index, source in ipairs(sources) do findDue(source, hasExceptions and index == 1 and ${pageSize} or 1) end
  if #taken > 0 or fences == 1 then call('SET', claimedKey, number, 'EX', 86400) end
  store(channel, sender)
  return { 'done', ${writeFields(layouts.claimed, { more: 'more and 1 or 0', stopped: 'stopped and 1 or 0', wakes: 'wakes and 1 or 0', nextDueAt: 'nextDueAt' })}, readNotices(), table.concat(seen), table.concat(taken), place }
end

-- Whether this call needs the order of occurrences. It needs the order in the mode peek, and if it reads several sets. It also
-- needs the order if the caller gives a last occurrence (lastAt) or handler keys to leave out.
local needsOrder = isPeek == 1 or lastAt ~= never or hasExceptions or #sources > 1
local stride = needsOrder and 2 or 1

-- Merges the next members of several sets into one order. Returns each member with its set.
local mergePage = #sources > 1 and function(size)
  local page, places, count = {}, {}, 0
  local parts = {}
  local most = math.max(8, math.ceil(2 * size / #sources))
  for _, source in ipairs(sources) do
    local found = call('ZRANGE', source.key, source.offset, source.offset + most - 1, 'WITHSCORES')
    if #found > 0 then
      parts[#parts + 1] = { found = found, at = 1, order = tonumber(found[2]), source = source }
    elseif source.offset == 0 and source.job and call('ZCARD', source.later) == 0 then
      call('SREM', apartKey, source.job)
    end
  end
  while #parts > 0 and count < size do
    local first = 1
    for index = 2, #parts do
      local part, best = parts[index], parts[first]
      if part.order < best.order or (part.order == best.order and isBefore(part.found[part.at], best.found[best.at])) then
        first = index
      end
    end
    local part = parts[first]
    page[count * 2 + 1], page[count * 2 + 2] = part.found[part.at], part.found[part.at + 1]
    places[count * 2 + 1] = part.source
    count = count + 1
    part.at = part.at + 2
    if part.at <= #part.found then
      part.order = tonumber(part.found[part.at + 1])
    elseif #part.found == most * 2 then
      -- The script has read all members that it fetched from this set. The next member of the set could come first, so the
      -- merge must stop here.
      break
    else
      table.remove(parts, first)
    end
  end
  return page, places
end

local function nextPage(size)
  if #sources > 1 then return mergePage(size) end
  local from = sources[1].offset
  local last = from + size - 1
  return needsOrder and call('ZRANGE', ready, from, last, 'WITHSCORES') or call('ZRANGE', ready, from, last), {}
end

-- Many claims find nothing. Such a claim stays cheap, because the script returns here, before it creates further
-- functions.
local size = math.min(limit, 500) + 1
local page, sourceAt = {}, {}
if not isDone then page, sourceAt = nextPage(size) end
if #page == 0 then return answer() end

-- Reads the records of a page, and the heads that this script has not read. For occurrences without a handler on this node,
-- reads only the heads.
local function readPage(page)
  local byBucket, placesOf, texts, jobs = {}, {}, {}, {}
  local ids, jobOf, bucketAt = {}, {}, {}
  for index = 1, #page, stride do
    local job = sub(page[index], 17)
    jobOf[index] = job
    if known[job] == nil and pageHeads[job] == nil then jobs[#jobs + 1] = job end
  end
  if #jobs > 0 then readHeads(jobs) end
  for index = 1, #page, stride do
    if not hasExceptions or not isExcepted(jobOf[index]) then
      local id = sub(page[index], 1, 16)
      ids[index] = id
      local bucket = bucketOf(id)
      bucketAt[index] = bucket
      append(listOf(byBucket, bucket), id)
      append(listOf(placesOf, bucket), index)
    end
  end
  for bucket, list in pairs(byBucket) do
    local found = call('HMGET', bucket, unpack(list))
    for place, index in ipairs(placesOf[bucket]) do texts[index] = found[place] end
  end
  return texts, ids, jobOf, bucketAt
end

-- Members to remove from the indexes, by set, and records to write, for all claimed occurrences of a page.
local gone, goneOf, written = {}, {}, {}

local function storePage()
  if #sources == 1 then callWith('ZREM', ready, gone) end
  for source, members in pairs(goneOf) do callWith('ZREM', source.key, members) end
  callWith('ZREM', pendingKey, gone)
  storeAside(ready, readyOf)
  for bucket, fields in pairs(written) do callWith('HSET', bucket, fields) end
  gone, goneOf, written = {}, {}, {}
end

-- Writes a pending occurrence as running under this owner.
local function begin(id, member, text, timeout, bucket)
  local text, cancelSize = asStarted(text, owner, now)
  append(gone, member)
  append(started, now + timeout, member)
  if cancelSize > 0 then call('HSET', cancelsKey, member, owner) end
  append(listOf(written, bucket), id, text)
  return text
end

-- Claims an occurrence without parsing its job's head. Returns nil if the head may prevent the start.
local function takeOrdinary(id, job, member, text, timeout, bucket)
  local h = known[job]
  if h == nil then h = pageHeads[job] end
  if type(h) ~= 'string' then return end
  ${readFields(headLayout, 'h', conditions)}
  if nDelayed > 0 or pausedUntil > now or deletedAt ~= never or cancelsBelow > 0 or startLimit > 0
    or (policy ~= allow and nRunning >= maxConcurrency) then
    return
  end
  setHeadText(job, sub(h, 1, ${headLayout.at.running})
    .. ${writeFields(headLayout, { running: 'nRunning + 1', pending: 'nPending - 1' })} .. sub(h, ${headLayout.end.pending + 1}))
  return begin(id, member, text, timeout, bucket)
end

-- Adds a claimed record to the answer. \`source\`: the set of the record, if the claim reads several sets.
local function noteTaken(id, record, member, source)
  if source then append(listOf(goneOf, source), member) end
  append(taken, ${writeFields(layouts.taken, { id: 'id', recordSize: '#record' })}, record)
end

-- Handles an occurrence that may not start now because of the start rate. If the job has no earlier held-back occurrence, the
-- occurrence stays pending, and is held back until \`startsAt\`. Otherwise the occurrence becomes queued. Sends no wake-up,
-- because no node can start the occurrence now.
local function holdBack(h, id, job, r, startsAt)
  local wasDue = due
  if not heldJobs[job] then
    -- An earlier call may have held back an occurrence of the job that comes before this occurrence. This occurrence must then
    -- be queued. A held-back occurrence is pending, so this code searches the job's first active occurrences.
    local order = orderAt(r.scheduledAt, r.standing)
    for _, other in ipairs(activeOf(h, job, ${fewestLooked})) do
      local it = recordOf(other)
      if other ~= id and it.state == pending and it.reason == heldBack and it.dueAt > now then
        local itsOrder = orderAt(it.scheduledAt, it.standing)
        if itsOrder < order or (itsOrder == order and isBefore(other, id)) then heldJobs[job] = true end
      end
    end
  end
  if heldJobs[job] then
    move(now, h, id, r, queued, '')
  else
    heldJobs[job] = true
    r.dueAt = startsAt
    move(now, h, id, r, pending, heldBack)
  end
  due = wasDue
end

-- Passes over an occurrence, and adds its cost to the total cost of the call. Returns true if the call has reached its
-- cost limit and must end.
local function passOver(source, member, order, cost)
  passed = passed + cost
  if passed < ${passedAtOnce} then return false end
  isDone = true
  order = order or tonumber(call('ZSCORE', source.key, member))
  local job = sub(member, 17)
  place = ${placeOf('ready')}
  return true
end

-- Claims the occurrences of a page that this node may claim. Stops when the call reaches its limits, or when it has woken an
-- occurrence that precedes the remaining occurrences of the page.
local function takeFrom(page, sourceAt)
  local texts, ids, jobOf, bucketAt = readPage(page)
  for index = 1, #page, stride do
    local member, order = page[index], needsOrder and tonumber(page[index + 1]) or 0
    local id, job = ids[index], jobOf[index]
    local source = sourceAt[index] or sources[1]
    if not id then
      if goesApart(job) then setAside(job, member, page[index + 1]) else source.offset = source.offset + 1 end
      if passOver(source, member, order, 1) then break end
    elseif not (texts[index] and (known[job] or pageHeads[job])) then
      local isEnd = passOver(source, member, needsOrder and order, 4)
      -- \`drop\` reads records, so the records of the claimed occurrences must be stored.
      storePage()
      drop(headOfPage(job), job, id, pending)
      if isEnd then break end
    else
      local text = texts[index]
      ${readFields(recordLayout, 'text', { dueAt: 'dueAt', timeout: 'timeout' })}
      local mayTake = isPeek == 0 and count < limit and order < lastAt and dueAt <= now
      local record = mayTake and takeOrdinary(id, job, member, text, timeout, bucketAt[index])
      local h = not record and headOfPage(job)
      local from = h and math.max(dueAt, h.pausedUntil)
      if record then
        count = count + 1
        noteTaken(id, record, member, sourceAt[index])
      elseif from > now then
        -- By this node's clock, the occurrence is not due yet. Another node, whose clock is ahead, has already moved the
        -- occurrence into this set.
        if from < nextDueAt then nextDueAt = from end
        source.offset = source.offset + 1
        -- Passing over this occurrence costs 4 instead of 1, because the script has already read its record.
        if passOver(source, member, needsOrder and order, 4) then break end
      else
        local isLeft = h.deletedAt ~= never
        if h.cancelsBelow > 0 and isSuperseded(h, parseRecord(text)) then
          -- Cancels all superseded occurrences of the job that are on this page, and then wakes queued occurrences. A woken
          -- occurrence may come before all occurrences that the scan has read. So if an occurrence woke, the scan begins again.
          for at = index, #page, stride do
            local r = jobOf[at] == job and texts[at] and parseRecord(texts[at])
            if r and isSuperseded(h, r) then
              finish(now, h, ids[at], r, canceled, '=updated')
              left = left + 1
            end
          end
          passSuperseded(now, h, job)
          if left >= ${movedAtOnce} then stopped, isDone = true, true end
          if wakeFirst(now, h, job) ~= '' then
            fromStart()
            if isPeek == 1 then seen, claimedJobs, delayedSeen, count, seenBlocked = {}, {}, {}, 0, 0 end
          end
          break
        end
        -- In the mode peek, the call claims nothing, and only counts the occurrences that a claim would take. \`seenOf\` is the
        -- number of those counted so far for this job. The counts in the head do not include these occurrences.
        local seenOf = claimedJobs[job] or 0
        local isBlocked = isLeft or (h.policy ~= allow and (h.running + seenOf >= h.maxConcurrency
          or (h.delayed > 0 and activeCount(h) + (delayedSeen[job] or 0) >= h.maxConcurrency and parseRecord(text).reason == delayed)))
        -- The instant from which the start rate allows this occurrence to start. In the mode peek, the computation assumes that
        -- all occurrences that this call has counted as claimed start now.
        local startsAt = not isBlocked and h.startLimit > 0 and nextStartAt(h, seenOf) or always
        local isHeld = startsAt > now
        if h.startLimit > 0 and h.queued > 0 then wakes = true end
        -- Whether the call ends here. There are two reasons:
        -- - The occurrence comes after the caller's last occurrence (lastAt, lastId).
        -- - The limit is reached. If the caller has given a last occurrence, an occurrence that may not start does not count
        --   towards the limit.
        local isLast = order > lastAt or (order == lastAt and isBefore(lastId, id))
          or (count == limit and not ((isBlocked or isHeld) and lastAt ~= never))
        if isPeek == 1 then
          seen[#seen + 1] = ${writeFields(layouts.seen, { order: 'order', id: 'id', isBlocked: '(isBlocked or isHeld) and 1 or 0' })}
          source.offset = source.offset + 1
        end
        if isLast then
          more, isDone = true, true
          break
        end
        if isPeek == 1 then
          if isBlocked or isHeld then
            seenBlocked = seenBlocked + 1
            if seenBlocked >= ${movedAtOnce} then
              stopped, isDone = true, true
              break
            end
          else
            count = count + 1
            claimedJobs[job] = seenOf + 1
            if h.delayed > 0 and parseRecord(text).reason == delayed then
              delayedSeen[job] = (delayedSeen[job] or 0) + 1
            end
          end
        elseif isBlocked or isHeld then
          local r = parseRecord(text)
          if isLeft then
            finish(now, h, id, r, canceled, '=deleted')
          elseif isBlocked then
            move(now, h, id, r, queued, '')
          else
            holdBack(h, id, job, r, startsAt)
          end
          left = left + 1
          if left >= ${movedAtOnce} then
            stopped, isDone = true, true
            break
          end
        else
          count = count + 1
          if h.delayed > 0 and parseRecord(text).reason == delayed then h.delayed = h.delayed - 1 end
          h.pending, h.running = h.pending - 1, h.running + 1
          touch(job, h)
          noteTaken(id, begin(id, member, text, timeout, bucketAt[index]), member, sourceAt[index])
          if h.startLimit > 0 then
            countStart(now, h)
            local _, woken = wakeOne(now, h, job)
            if woken and math.max(nextStartAt(h), woken.dueAt) <= now then
              -- The woken occurrence may precede the remaining occurrences of the page, so the scan begins again.
              fromStart()
              break
            end
          end
        end
      end
    end
  end
end

repeat
  takeFrom(page, sourceAt)
  storePage()
  size = math.max(size, ${pageSize})
  if not isDone then page, sourceAt = nextPage(size) end
until isDone or #page == 0

return answer()
`)
