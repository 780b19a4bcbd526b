import { checkRights } from './check-rights.ts'
import { prelude } from './prelude.ts'

/** Cancels occurrences, or reaps them. Like settle, it is let through when memory is short. */
const cancelAndReap: string = `#!lua flags=allow-oom
${prelude}${checkRights}
local request, items, channel, sender = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local now = read('<d', request)
local answers = {}

local missing = missingRight(channel)
if missing then return missing end
`

export const cancelScript: string = `${cancelAndReap}
local at = 1
while at <= #items do
  local id, isForced, reasonSize, cancelSize
  id, isForced, reasonSize, cancelSize, at = read('<c16BI4I4', items, at)
  local reason = sub(items, at, at + reasonSize - 1)
  local cancel = sub(items, at + reasonSize, at + reasonSize + cancelSize - 1)
  at = at + reasonSize + cancelSize
  local r = recordOf(id)
  if not r then
    answers[#answers + 1] = 'a'
  elseif r.state > running then
    answers[#answers + 1] = write('<c1B', 'f', r.state)
  elseif r.state == running and isForced == 0 then
    if r.cancel == '' then
      r.cancel = cancel
      replace(id, r)
      call('HSET', cancelsKey, id .. r.job, r.owner)
      cancelNotes = true
    end
    answers[#answers + 1] = write('<c1I4', 'r', r.token) .. r.owner
  else
    local h = headOf(r.job)
    -- Taken out of its indexes as what it was, before the request is noted.
    leave(h, id, r)
    if r.state ~= queued then leaveActive(h, r.job, id) end
    if r.cancel == '' then r.cancel = cancel end
    r.state, r.reason, r.finishedAt = canceled, reason, now
    replace(id, r)
    answers[#answers + 1] = 'c' .. wakeNext(now, h, r.job)
  end
end

store()
tell(channel, sender)
return answers
`

export const reapScript: string = `${cancelAndReap}
local at = 1
while at <= #items do
  local id, token, sequence, isRetry, reasonSize, runsSize
  id, token, sequence, isRetry, reasonSize, runsSize, at = read('<c16I4I4BI4I4', items, at)
  local reason = sub(items, at, at + reasonSize - 1)
  local runs = sub(items, at + reasonSize, at + reasonSize + runsSize - 1)
  at = at + reasonSize + runsSize
  local r = recordOf(id)
  if not r then
    answers[#answers + 1] = write('<c1BI4', 'l', 255, 0)
  elseif r.state ~= running or r.token ~= token or r.sequence ~= sequence then
    answers[#answers + 1] = write('<c1BI4', 'l', r.state, r.token)
  else
    local h = headOf(r.job)
    r.runs = runs
    if isRetry == 0 then
      finish(now, h, id, r, staleState, reason)
      answers[#answers + 1] = 'r' .. wakeNext(now, h, r.job)
    elseif h.deletedAt ~= never then
      finish(now, h, id, r, canceled, '=deleted')
      answers[#answers + 1] = 'r'
    else
      move(now, h, id, r, pending, reason)
      answers[#answers + 1] = 'r'
    end
  end
end

store()
tell(channel, sender)
return answers
`
