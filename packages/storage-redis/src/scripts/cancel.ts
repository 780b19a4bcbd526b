import { codec1 } from '@jobistemer/core/storage'
import { checkRights } from './check-rights.ts'
import { allFields, readFields, writeFields } from '../layout.ts'
import { absentState } from '../record-codes.ts'
import { cancelItemLayout, reapItemLayout, stateLayout } from '../request-layouts.ts'
import { mostRescues, rescueStep } from '../stored-layouts.ts'
import { prelude } from './prelude.ts'

const { stateCodes } = codec1

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
  ${readFields(cancelItemLayout, 'items', allFields(cancelItemLayout), { place: 'at', next: 'first' })}
  local reason = sub(items, first, first + reasonSize - 1)
  at = first + reasonSize + cancelSize
  local cancel = sub(items, first + reasonSize, at - 1)
  local r = recordOf(id)
  if not r then
    answers[#answers + 1] = 'a'
  elseif r.state > running then
    answers[#answers + 1] = 'f' .. string.char(r.state)
  elseif r.state == running and isForced == 0 then
    if r.cancel == '' then
      r.cancel = cancel
      replace(id, r)
      call('HSET', cancelsKey, id .. r.job, r.owner)
      cancelNotes = true
    end
    answers[#answers + 1] = 'r' .. ${writeFields(stateLayout, { state: 'r.state', token: 'r.token' })} .. r.owner
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
  ${readFields(reapItemLayout, 'items', allFields(reapItemLayout), { place: 'at', next: 'first' })}
  local reason = sub(items, first, first + reasonSize - 1)
  local loserAt = first + reasonSize + runsSize
  at = loserAt + loserSize
  local runs = sub(items, first + reasonSize, loserAt - 1)
  local r = recordOf(id)
  if not r then
    answers[#answers + 1] = 'l' .. ${writeFields(stateLayout, { state: `${absentState}`, token: '0' })}
  elseif r.state ~= running or r.token ~= token or r.sequence ~= sequence
    or (loserSize > 0 and r.owner ~= sub(items, loserAt, at - 1)) then
    answers[#answers + 1] = 'l' .. ${writeFields(stateLayout, { state: 'r.state', token: 'r.token' })}
  else
    local h = headOf(r.job)
    r.runs = runs
    if isRetry == 0 then
      finish(now, h, id, r, ${stateCodes.failed_stale}, reason)
      answers[#answers + 1] = 'r' .. wakeNext(now, h, r.job)
    elseif h.deletedAt ~= never then
      finish(now, h, id, r, canceled, '=deleted')
      answers[#answers + 1] = 'r'
    else
      if r.standing < ${mostRescues * rescueStep} then r.standing = r.standing + ${rescueStep} end
      move(now, h, id, r, pending, reason)
      answers[#answers + 1] = 'r'
    end
  end
end

store()
tell(channel, sender)
return answers
`
