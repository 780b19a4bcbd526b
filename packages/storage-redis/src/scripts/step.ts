import { checkRights, type Script, script } from '../script.ts'
import { codec1 } from '@jobistemer/core/storage'
import { allFields, readFields } from '../layout.ts'
import { layouts } from '../layouts.ts'
import { jobKeys } from './job-keys.ts'
import { lookedAtOnce, prelude } from './prelude.ts'

const { kindCodes, recoveredBit } = codec1

/**
 * For each step of core's ledger, reads what the step needs of its job: the head, the whole job if requested, the named
 * occurrences, and the first live ones.
 *
 * The answer for each step is the array `StepParts`, in which an empty text stands for a missing value.
 */
export const readStepsScript: Script = script(`#!lua flags=allow-oom
${prelude}${checkRights}${jobKeys}
local requests = ARGV[1]
local missing = missingRight(nil)
if missing then return missing end

local answers, at = {}, 1
while at <= #requests do
  ${readFields(layouts.stepRead, 'requests', allFields(layouts.stepRead), { place: 'at', next: 'first' })}
  local placeAt = first + named * 16
  at = placeAt + placeSize
  local h = headOf(job)
  local found, live, rest = {}, {}, ''
  local function take(id)
    local text = textOf(id)
    if text then live[#live + 1], live[#live + 2] = id, text end
  end
  for index = 1, named do found[index] = textOf(sub(requests, first + index * 16 - 16, first + index * 16 - 1)) or '' end
  if h then
    -- The set of active occurrences also contains the running ones, so the limit includes their number.
    if pendingNeeded > 0 and h.pending > 0 then
      for _, id in ipairs(activeOf(h, job, pendingNeeded + h.running)) do take(id) end
    end
    if queuedNeeded > 0 and h.queued > 0 then
      for _, id in ipairs(firstQueued(h, job, queuedNeeded, superseded > 0 and cancelsBelow or 0)) do take(id) end
    end
    if superseded > 0 then
      rest = findSuperseded(h, job, cancelsBelow, superseded, ${lookedAtOnce}, sub(requests, placeAt, at - 1), take)
    end
  end
  answers[#answers + 1] = { h and h.text or '', isWhole == 1 and h and printJob(job, h) or {}, found, live, rest }
end
return answers
`)

/**
 * Commits the changes that steps of core's ledger have decided. Commits a step only if the job's head and all its
 * records are unchanged since the step read them. Answers for each step whether it was committed.
 *
 * Exception: a step that changes only records of running occurrences did not use the head. The script commits this step
 * even if the head has changed.
 */
const commitSteps: string = `
${prelude}${checkRights}${jobKeys}
local steps, channel, sender = ARGV[1], ARGV[2], ARGV[3]
local missing = missingRight(channel)
if missing then return missing end

-- The instant of the step that is being committed.
local now = 0

local at = 1
local function nextPart(size)
  at = at + size
  return sub(steps, at - size, at - 1)
end

local function nextRecords(count)
  local records, isUnchanged = {}, true
  for index = 1, count do
    ${readFields(layouts.recordChange, 'steps', allFields(layouts.recordChange), { place: 'at', next: 'first' })}
    at = first
    records[index] = { id = id, before = nextPart(beforeSize), after = nextPart(afterSize) }
    if (textOf(id) or '') ~= records[index].before then isUnchanged = false end
  end
  return records, isUnchanged
end

local function changeRecord(h, id, before, after)
  local r, was = parseRecord(after), before ~= '' and parseRecord(before)
  local isRunning = r.state == running and was and was.state == running
  if isRunning then
    if r.cancel ~= was.cancel then
      call('HSET', cancelsKey, id .. r.job, r.owner)
      cancelNotes = true
    end
    return put(id, after)
  end
  local wasActive = was and was.state <= running and was.state ~= queued
  local isActive = r.state <= running and r.state ~= queued
  if was and was.state <= running then leave(h, id, was) end
  if wasActive and not isActive then leaveActive(h, r.job, id) end
  if isActive and not wasActive then enterActive(h, r.job, id, orderAt(r.scheduledAt, r.standing)) end
  if not was then
    h.uses = h.uses + 1
    if r.scheduledAt > h.watermark and r.kind % ${recoveredBit} == ${kindCodes.slot} then h.taken = math.max(h.taken, r.scheduledAt) end
    call('ZADD', history .. r.job, r.scheduledAt, id)
  end
  put(id, after)
  touch(r.job, h)
  enter(now, h, id, r)
  if isFailure[r.state] then noteFailure(now, id, r.job) end
end

-- Updates the indexes of a job after a change of its pause, start rate or overlap policy.
local function followHead(job, old, h)
  if old.pausedUntil ~= h.pausedUntil then offerAnew(now, h, job, false) end
  local isOtherRate = old.startLimit ~= h.startLimit or old.startInterval ~= h.startInterval
  if old.startLimit > 0 and isOtherRate then offerAnew(now, h, job, true) end
  if old.cancelsBelow ~= h.cancelsBelow then call('HDEL', searchesKey, job) end
  if h.policy == allow and h.queued > 0 and h.cancelsBelow == 0 and h.deletedAt == never then
    wakeAll(now, h, job)
  end
end

local function changeHead(job, before, after)
  local old = before ~= '' and parseHead(before)
  local h = parseHead(after)
  h.indexedAt = old and old.nextAt or never
  known[job] = h
  touch(job, h)
  if old and old.version ~= h.version then call('HSET', usesOf .. job, versionField(old.version), old.uses) end
  return h, old
end

local function saveJob(job, h, content, owner, lineage, paused, times, version)
  call('HSET', jobOf .. job, 'content', content, 'owner', owner, 'lineage', lineage, 'paused', paused, 'times', times)
  if version ~= '' then call('HSET', versionsOf .. job, versionField(h.version), version) end
  call('ZADD', jobsKey, 0, job)
  call('ZADD', changedKey, now, job)
  jobsChanged = true
end

local answers = {}
while at <= #steps do
  ${readFields(layouts.stepCommit, 'steps', { ...allFields(layouts.stepCommit), now: 'itsNow' }, { place: 'at', next: 'first' })}
  at, now = first, itsNow
  local before, after = nextPart(beforeSize), nextPart(afterSize)
  local content, owner, lineage = nextPart(contentSize), nextPart(ownerSize), nextPart(lineageSize)
  local paused, times, version = nextPart(pausedSize), nextPart(timesSize), nextPart(versionSize)
  local records, isUnchanged = nextRecords(recordCount)
  if isUnchanged and (isFree == 1 or (headTextOf(job) or '') == before) then
    local h, old = headOf(job), nil
    if after ~= '' then h, old = changeHead(job, before, after) end
    for _, record in ipairs(records) do changeRecord(h, record.id, record.before, record.after) end
    if old then followHead(job, old, h) end
    if times ~= '' then saveJob(job, h, content, owner, lineage, paused, times, version) end
    answers[#answers + 1] = 1
  else
    answers[#answers + 1] = 0
  end
end

store(channel, sender)
return answers
`

/** Commits steps on jobs. When memory is short the server rejects the script, because these steps may add occurrences. */
export const commitScript: Script = script(`#!lua${commitSteps}`)

/** Commits steps that end or cancel occurrences. The server also runs the script when memory is short. */
export const commitEndsScript: Script = script(`#!lua flags=allow-oom${commitSteps}`)
