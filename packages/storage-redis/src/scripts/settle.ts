import { checkRights } from './check-rights.ts'
import { prelude } from './prelude.ts'

/**
 * What owners say of their running occurrences. It may need more memory than the server has left: what runs must be
 * able to end, so it is let through.
 */
export const settleScript: string = `#!lua flags=allow-oom
${prelude}${checkRights}
local request, items, channel, sender, addresses, spans = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local now = read('<d', request)
local isBulk = spans ~= ''
local missing = missingRight(channel)
if missing then return missing end

local ids, jobs = splitAddresses(addresses)
local headTexts = isBulk and call('HMGET', heads, unpack(jobs)) or {}
local frontForm, frontSize = '<BI4I4dI4I4I4I4', 33

local letters, count, details = {}, 0, {}

local function answer(letter, first, second)
  count = count + 1
  letters[count] = letter
  details[#details + 1] = first
  if second then details[#details + 1] = second end
end

-- Whether something that was said of an occurrence which does not run (any more) was said and accepted before.
local function isRepeated(state, change, finalState)
  if change == 1 then return state == finalState end
  return change == 2 and (state <= running or state == canceled)
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

-- Takes a running occurrence out of the head of its job. Returns how many are queued there.
local function stopRunning(index)
  local id, job = ids[index], jobs[index]
  local text = headTexts[index] or headTextOf(job)
  local active, nRunning, _, nQueued = read('<c16I4I4I4', text)
  if active == id then active = none else call('ZREM', liveOf .. job, id) end
  text = write('<c16I4', active, nRunning - 1) .. sub(text, 21)
  -- What is woken needs the head as a table.
  if isBulk and nQueued == 0 then noteHead(job, text) else setHeadText(job, text) end
  return nQueued
end

local replaceText = isBulk and noteRecord or put

local at = 1
local function settle(index, text)
  local id, job = ids[index], jobs[index]
  local token, sequence, change, finalState, dueAt, reasonSize, runsSize, first = read('<I4I4BBdI4I4', items, at)
  at = first + reasonSize + runsSize
  if not text then return answer('l', write('<BI4', 255, 0)) end
  local state, itsToken, itsSequence, finishedAt, ownerSize, detailsSize, cancelSize, itsReasonSize = read(frontForm, text)
  local kept = recordSize + ownerSize + detailsSize + cancelSize
  local isApplied = state == running and sequence > itsSequence
  if itsToken ~= token or sequence < itsSequence
    or (state ~= running and (sequence ~= itsSequence or not isRepeated(state, change, finalState))) then
    return answer('l', write('<BI4', state, itsToken))
  end
  local woken = ''
  if isApplied and change == 0 then
    -- The reason stays, the task runs are new.
    replaceText(id,
      write(frontForm, state, itsToken, sequence, finishedAt, ownerSize, detailsSize, cancelSize, itsReasonSize)
      .. sub(text, frontSize + 1, kept + itsReasonSize) .. sub(items, first + reasonSize, at - 1))
  elseif isApplied and change == 1 then
    replaceText(id, write(frontForm, finalState, itsToken, sequence, now, ownerSize, detailsSize, cancelSize, reasonSize)
      .. sub(text, frontSize + 1, kept) .. sub(items, first, at - 1))
    local address = sub(addresses, index * 32 - 31, index * 32)
    if cancelSize > 0 then call('HDEL', cancelsKey, address) end
    noteStop(address)
    if stopRunning(index) > 0 then woken = wakeNext(now, headOf(job), job) end
  elseif isApplied then
    local reason = sub(items, first, first + reasonSize - 1)
    release(headOf(job), id, parseRecord(text), sequence, dueAt, reason, sub(items, first + reasonSize, at - 1))
  end
  if woken == '' and cancelSize == 0 then
    count = count + 1
    letters[count] = 'k'
  else
    answer('o', woken, sub(text, kept - cancelSize + 1, kept))
  end
end

forEachSpan(spans, ids, true, function(from, to, texts)
  for index = from, to do
    if texts then settle(index, texts[index - from + 1]) else settle(index, textOf(ids[index])) end
  end
end)

store()
tell(channel, sender)
return { table.concat(letters), details }
`
