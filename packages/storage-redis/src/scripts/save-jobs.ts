import { checkRights } from './check-rights.ts'
import { jobKeys } from './job-keys.ts'
import { allFields, readFields, writeFields } from '../layout.ts'
import { jobChanges } from '../record-codes.ts'
import { jobChangeLayout } from '../request-layouts.ts'
import { headLayout, versionLayout } from '../stored-layouts.ts'
import { prelude } from './prelude.ts'

const newHead = writeFields(headLayout, {
  active: 'active',
  running: 'counts[1]',
  pending: 'counts[2]',
  queued: 'counts[3]',
  uses: '0',
  watermark: 'watermark',
  nextAt: 'nextAt',
  delayed: 'counts[4]',
  version: 'number',
  pausedUntil: 'always',
  policy: 'policy',
  floor: 'floor',
  taken: 'taken',
  deletedAt: 'never',
  cancelsBelow: '0',
  startLimit: 'startLimit',
  maxQueued: 'maxQueued',
  maxConcurrency: 'maxConcurrency',
  startInterval: 'startInterval',
  startCount: '0',
})

/** Creates, replaces, pauses and deletes jobs. */
export const saveJobsScript: string = `#!lua
${prelude}${checkRights}${jobKeys}
local request, changes, channel, sender = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local now, longestLineage, cancelLimit = read('<dI4I4', request)
local answers = {}

local missing = missingRight(channel)
if missing then return missing end

local function answer(letter, job, h, gone)
  if letter == 's' or letter == 'm' then jobsChanged = true end
  answers[#answers + 1] = { letter, gone or '', unpack(h and printJob(job, h) or {}) }
end

-- A version is stored with its time and the size of its fingerprint in front, which is compared.
local function fingerprintOf(version)
  ${readFields(versionLayout, 'version', { fingerprintSize: 'size' }, { next: 'at' })}
  return sub(version, at, at + size - 1)
end

local function presentVersion(job, h)
  return call('HGET', versionsOf .. job, versionField(h.version))
end

-- The fingerprint of the version that goes, and those before it: each behind its size, newest first.
local function nextLineage(job, h)
  local fingerprint = fingerprintOf(presentVersion(job, h))
  local lineage = write('<I4', #fingerprint) .. fingerprint .. call('HGET', jobOf .. job, 'lineage')
  local at, count = 1, 0
  while at <= #lineage and count < longestLineage do
    local size
    size, at = read('<I4', lineage, at)
    at = at + size
    count = count + 1
  end
  return sub(lineage, 1, at - 1)
end

local function saveContent(job, content, owner, version, number)
  call('HSET', jobOf .. job, 'content', content, 'owner', owner)
  call('HSET', versionsOf .. job, versionField(number), write('<d', now) .. version)
end

-- A new version begins with no occurrence of its own; how many refer to the one before is kept beside the head.
local function countAnew(job, h)
  call('HSET', usesOf .. job, versionField(h.version), h.uses)
  h.uses = 0
end

local function noteChange(job, h, createdAt)
  setTimes(job, createdAt, now)
  call('ZADD', changedKey, now, job)
  touch(job, h)
end

local function create(job, h, nextAt, policy, maxQueued, maxConcurrency, content, owner, version, handler, startLimit, startInterval)
  if h and h.deletedAt == never then return answer('e', job, h) end
  if h then
    -- What the deleted job has left must not become work of the new one.
    cancelWaiting(now, h, job, '=deleted', cancelLimit)
    if h.pending + h.queued > 0 then return answer('c', job, h) end
  end
  local watermark, floor, taken, number, lineage = now, always, always, 1, ''
  local counts = { 0, 0, 0, 0 }
  local active = none
  if h then
    local decided = math.max(h.watermark, h.floor)
    if nextAt ~= never and nextAt <= decided then return answer('c', job, h) end
    watermark, floor, taken, number = math.max(decided, now), h.floor, h.taken, h.version + 1
    lineage = nextLineage(job, h)
    countAnew(job, h)
    counts, active = { h.running, h.pending, h.queued, h.delayed }, h.active
  end
  local made = parseHead(${newHead} .. handler)
  if h and h.startCount > 0 and startLimit > 0 then
    local kept = math.min(h.startCount, startLimit)
    local first = headSize + (h.startCount - kept) * 8
    keepStarts(made, 0, sub(h.text, first + 1, first + kept * 8))
  end
  -- A job that is new, or was deleted, is not in the index.
  made.indexedAt = never
  known[job] = made
  if h and h.isChanged then made.isChanged = true end
  saveContent(job, content, owner, version, number)
  call('HSET', jobOf .. job, 'lineage', lineage, 'paused', '')
  call('ZADD', jobsKey, 0, job)
  noteChange(job, made, now)
  answer('s', job, made)
end

local function cancelReplaced(job, h)
  local gone = cancelSuperseded(now, h, job, cancelLimit)
  wakeFirst(now, h, job)
  answer(h.cancelsBelow > 0 and 'm' or 's', job, h, gone)
end

-- Whether a version that the job has had is this one.
local function isVersion(job, number, version)
  local stored = call('HGET', versionsOf .. job, versionField(number))
  return stored and fingerprintOf(stored) == fingerprintOf(write('<d', 0) .. version)
end

local function replaceJob(job, h, nextAt, policy, maxQueued, maxConcurrency, content, owner, version, handler, change)
  local made = change.expected + 1
  if change.cancels and h.cancelsBelow == made and isVersion(job, made, version) then return cancelReplaced(job, h) end
  if h.version == made and isVersion(job, made, version) then return answer('u', job, h) end
  if h.version ~= change.expected or h.watermark ~= change.watermark then return answer('c', job, h) end
  if nextAt ~= never and nextAt <= h.floor then return answer('c', job, h) end
  if change.setBackTo ~= never then
    local isBack = change.setBackTo < h.watermark
    local isOpen = nextAt == never or nextAt > change.setBackTo
    if not (isBack and isOpen) then return answer('c', job, h) end
    -- Slots up to where it was may have records.
    h.taken = math.max(h.taken, h.watermark)
    h.watermark = change.setBackTo
  end
  call('HSET', jobOf .. job, 'lineage', nextLineage(job, h))
  countAnew(job, h)
  local addsPlaces = maxConcurrency > h.maxConcurrency
  h.version, h.nextAt, h.policy, h.maxQueued = h.version + 1, nextAt, policy, maxQueued
  h.maxConcurrency = maxConcurrency
  h.text = sub(h.text, 1, headSize + h.startCount * 8) .. handler
  local hadRate = h.startLimit > 0
  local isOtherRate = h.startLimit ~= change.startLimit or h.startInterval ~= change.startInterval
  h.startLimit, h.startInterval = change.startLimit, change.startInterval
  keepStarts(h, math.min(h.startCount, h.startLimit), '')
  saveContent(job, content, owner, version, h.version)
  noteChange(job, h, (timesOf(job)))
  if isOtherRate and hadRate then offerAnew(now, h, job, true) end
  if change.cancels then
    h.cancelsBelow = h.version
    return cancelReplaced(job, h)
  end
  -- What is still to be canceled must not be woken: the rest is when that is done.
  if h.cancelsBelow == 0 then
    if policy == allow then wakeAll(now, h, job) elseif addsPlaces or isOtherRate then wakeFirst(now, h, job) end
  end
  answer('s', job, h)
end

local function setPause(job, h, paused, pausedUntil)
  h.pausedUntil = pausedUntil
  offerAnew(now, h, job, false)
  call('HSET', jobOf .. job, 'paused', paused)
end

-- The pause that holds longer wins, and only one that holds now can be lifted.
local function pause(job, h, paused, pausedUntil)
  if paused == '' and now >= h.pausedUntil then return answer('u', job, h) end
  if paused ~= '' and pausedUntil <= h.pausedUntil then return answer('u', job, h) end
  setPause(job, h, paused, pausedUntil)
  noteChange(job, h, (timesOf(job)))
  answer('s', job, h)
end

local function delete(job, h, expected)
  if expected ~= 0 and h.version ~= expected then return answer('c', job, h) end
  local gone = cancelWaiting(now, h, job, '=deleted', cancelLimit)
  local isLeft = h.pending + h.queued > 0
  if h.deletedAt == never then
    -- Claims find what is left of it only where it is not paused.
    if isLeft and h.pausedUntil ~= always then setPause(job, h, '', always) end
    if h.cancelsBelow > 0 then endSearch(h, job) end
    h.nextAt, h.deletedAt = never, now
    noteChange(job, h, (timesOf(job)))
  end
  answer(isLeft and 'm' or 's', job, h, gone)
end

local at = 1
local function nextPart(size)
  at = at + size
  return sub(changes, at - size, at - 1)
end

while at <= #changes do
  ${readFields(jobChangeLayout, 'changes', allFields(jobChangeLayout), { place: 'at', next: 'first' })}
  at = first
  local content, owner = nextPart(contentSize), nextPart(ownerSize)
  local version, handler = nextPart(versionSize), nextPart(handlerSize)
  local h = headOf(job)
  if kind == ${jobChanges.create} then
    create(job, h, nextAt, policy, maxQueued, maxConcurrency, content, owner, version, handler, startLimit, startInterval)
  elseif not h or (h.deletedAt ~= never and (kind ~= ${jobChanges.delete} or h.pending + h.queued == 0)) then
    answers[#answers + 1] = { 'a' }
  elseif kind == ${jobChanges.replace} then
    replaceJob(job, h, nextAt, policy, maxQueued, maxConcurrency, content, owner, version, handler,
      { startLimit = startLimit, startInterval = startInterval, expected = expected, watermark = watermark, setBackTo = setBackTo, cancels = cancels == 1 })
  elseif kind == ${jobChanges.pause} then
    pause(job, h, content, nextAt)
  else
    delete(job, h, expected)
  end
end

store()
tell(channel, sender)
return answers
`
