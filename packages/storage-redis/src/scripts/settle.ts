import { checkRights, type Script, script } from '../script.ts'
import { allFields, fieldsBetween, readFields, writeFields } from '../layout.ts'
import { absentState, headLayout, layouts, recordLayout, settleChanges } from '../layouts.ts'
import { batch, frequentInBatches, prelude } from './prelude.ts'

/** The fields of a record that a settle changes, as locals of the script. */
const front = fieldsBetween(recordLayout, ['state', 'reasonSize'], {
  ...{ token: 'itsToken', sequence: 'itsSequence', reasonSize: 'itsReasonSize' },
})

const finished = { ...front, state: 'finalState', sequence: 'sequence', finishedAt: 'now', reasonSize: 'reasonSize' }

/** The fields of a job's head that may prevent an ordinary start, and the counts of its occurrences. */
const conditions = fieldsBetween(headLayout, ['active', 'maxConcurrency'], {
  ...{ running: 'nRunning', pending: 'nPending', queued: 'nQueued' },
})

/**
 * Settles running occurrences for their owners. The server also runs the script when memory is short, because runs must
 * be able to end.
 */
export const settleScript: Script = script(`#!lua flags=allow-oom
-- frequent: ${frequentInBatches} textOf asStarted answer takeOrdinary stopRunning replaceText settle
${prelude}${checkRights}
local request, items, channel, sender, addresses, spans = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local now = read('<d', request)
local missing = missingRight(channel)
if missing then return missing end
${batch}

-- Returns whether an earlier call made the same change to an occurrence that has ended or was handed back.
local function wasAccepted(state, change, finalState)
  if change == ${settleChanges.finish} then return state == finalState end
  return change == ${settleChanges.release} and (state <= running or state == canceled)
end

local function release(h, id, r, sequence, dueAt, reason, runs)
  r.sequence, r.runs = sequence, runs
  if h.deletedAt ~= never then
    finish(now, h, id, r, canceled, '=deleted')
  else
    leave(h, id, r)
    r.state, r.dueAt, r.reason = pending, dueAt, reason
    enter(now, h, id, r)
    replace(id, r)
  end
end

-- Starts the next queued occurrence of the job for this owner, if it may start now. Then wakes the occurrence after it.
-- If the next occurrence may not start now, only wakes it, like \`wakeNext\`.
--
-- Returns the id and time of the woken occurrence; '' if none woke. After a start, also returns the id and record of
-- the started occurrence.
local function takeNext(h, job, owner)
  if h.queued == 0 or h.deletedAt ~= never then return '' end
  passSuperseded(now, h, job)
  local id, r = firstToWake(h, job)
  if not id then return '' end
  if math.max(r.dueAt, h.pausedUntil) > now or not mayStart(now, h) then return wakeFirst(now, h, job) end
  r.token, r.sequence, r.owner, r.startedAt = r.token + 1, 0, owner, now
  move(now, h, id, r, running, '')
  countStart(now, h)
  return wakeOne(now, h, job), id .. printRecord(r)
end

-- Starts the next queued occurrence of the job for this owner, by a quick check of the job's head. Returns the id and record of
-- the started occurrence. Returns nil if \`takeNext\` must decide. After the start, no place of the job is free, so no
-- occurrence wakes.
local function takeOrdinary(job, owner)
  ${readFields(headLayout, 'known[job]', conditions)}
  if active ~= none or nPending > 0 or nRunning + 1 ~= maxConcurrency or cancelsBelow > 0 or startLimit > 0
    or pausedUntil > now or deletedAt ~= never then
    return nil
  end
  local id = call('ZRANGE', queueOf .. job, 0, 0)[1]
  local text = textOf(id)
  if not text then return nil end
  ${readFields(recordLayout, 'text', { dueAt: 'dueAt', timeout: 'timeout' })}
  local record, cancelSize = asStarted(text, owner, now)
  if dueAt > now or cancelSize > 0 then return nil end
  call('ZREM', queueOf .. job, id)
  call('ZREM', queuedKey, id .. job)
  if nQueued == 1 then call('SREM', waitingKey, job) end
  append(started, now + timeout, id .. job)
  put(id, record)
  setHeadText(job, ${writeFields(headLayout, { active: 'id', running: 'nRunning + 1', pending: '0', queued: 'nQueued - 1' })}
    .. sub(known[job], ${headLayout.end.queued + 1}))
  return id .. record
end

-- Removes a running occurrence from its job's head. Returns the number of queued occurrences of that job.
local function stopRunning(index)
  local id, job = ids[index], jobs[index]
  local text = headTexts[index] or headTextOf(job)
  ${readFields(headLayout, 'text', { active: 'active', running: 'nRunning', queued: 'nQueued' })}
  if active == id then active = none else call('ZREM', liveOf .. job, id) end
  text = ${writeFields(headLayout, { active: 'active', running: 'nRunning - 1' })}
    .. sub(text, ${headLayout.end.running + 1})
  -- If the job has queued occurrences, later code of this settle reads the head. So this code writes the head at once.
  -- Heads of jobs without queued occurrences are written at the end of the batch, by one command.
  if isBulk and nQueued == 0 then append(headFields, job, text) else setHeadText(job, text) end
  return nQueued
end

local function replaceText(id, text)
  if not isBulk then return put(id, text) end
  local size = #recordFields
  recordFields[size + 1], recordFields[size + 2] = id, text
end

local at = 1
local function settle(index, text)
  local id, job = ids[index], jobs[index]
  ${readFields(layouts.settleItem, 'items', allFields(layouts.settleItem), { place: 'at', next: 'first' })}
  local takerAt = first + reasonSize + runsSize
  local speakerAt = takerAt + takerSize
  at = speakerAt + speakerSize
  if not text then return answer('l', ${writeFields(layouts.state, { state: `${absentState}`, token: '0' })}) end
  ${readFields(recordLayout, 'text', front)}
  local kept = recordSize + ownerSize + detailsSize + cancelSize
  local isApplied = state == running and sequence > itsSequence
  if itsToken ~= token or sequence < itsSequence
    or (speakerSize > 0 and sub(items, speakerAt, at - 1) ~= sub(text, recordSize + 1, recordSize + ownerSize))
    or (state ~= running and (sequence ~= itsSequence or not wasAccepted(state, change, finalState))) then
    return answer('l', ${writeFields(layouts.state, { state: 'state', token: 'itsToken' })})
  end
  local woken, taken = '', nil
  if isApplied and change == ${settleChanges.progress} then
    -- A settle of progress keeps the reason of the occurrence and replaces its task runs.
    replaceText(id, ${writeFields(recordLayout, { ...front, sequence: 'sequence' })}
      .. sub(text, ${recordLayout.end.reasonSize + 1}, kept + itsReasonSize) .. sub(items, first + reasonSize, takerAt - 1))
  elseif isApplied and change == ${settleChanges.finish} then
    replaceText(id, ${writeFields(recordLayout, finished)}
      .. sub(text, ${recordLayout.end.reasonSize + 1}, kept) .. sub(items, first, takerAt - 1))
    local address = sub(addresses, index * 32 - 31, index * 32)
    if cancelSize > 0 then call('HDEL', cancelsKey, address) end
    stopped[#stopped + 1] = address
    if isFailure[finalState] then noteFailure(now, id, job) end
    if stopRunning(index) > 0 then
      if takerSize > 0 then
        local owner = sub(items, takerAt, speakerAt - 1)
        taken = takeOrdinary(job, owner)
        if not taken then woken, taken = takeNext(headOf(job), job, owner) end
      else
        woken = wakeNext(now, headOf(job), job)
      end
    end
  elseif isApplied then
    local reason = sub(items, first, first + reasonSize - 1)
    release(headOf(job), id, parseRecord(text), sequence, dueAt, reason, sub(items, first + reasonSize, takerAt - 1))
  end
  local isRepeated = takerSize > 0 and not isApplied and change == ${settleChanges.finish}
  if woken == '' and cancelSize == 0 and not taken and not isRepeated then return append(letters, 'k') end
  local cancel = sub(text, kept - cancelSize + 1, kept)
  if taken then
    answer('t', taken, cancel, woken)
  elseif isRepeated then
    answer('r', cancel)
  else
    answer('o', woken, cancel)
  end
end

forEachSpan(spans, ids, true, function(from, to, texts)
  for index = from, to do
    if texts then settle(index, texts[index - from + 1]) else settle(index, textOf(ids[index])) end
  end
end)

store(channel, sender)
return { table.concat(letters), details }
`)
