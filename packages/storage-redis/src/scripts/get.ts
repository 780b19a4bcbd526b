import { type Script, script } from '../script.ts'
import { readFields, writeFields } from '../layout.ts'
import { layouts } from '../request-layouts.ts'
import { recordLayout } from '../stored-layouts.ts'
import { jobKeys } from './job-keys.ts'
import { prelude } from './prelude.ts'

/** Minimum number of queued occurrences for which the search for a job's latest run skips the queue. */
const manyQueued = 100

/** Approximate maximum number of history entries that the search for a job's latest run reads. */
const mostLooked = 1000

/**
 * Number of history entries that the search reads at once. Usually one of the last entries is of an occurrence that has
 * run.
 */
const atOnce = 10

const countsOfJob = writeFields(layouts.counts, { pending: 'h.pending', queued: 'h.queued', running: 'h.running' })

// Lua for the counts of live occurrences of a shard. For each live state, a set contains exactly the occurrences of this state.
const countsOfShard = writeFields(layouts.counts, {
  pending: "call('ZCARD', pendingKey)",
  queued: "call('ZCARD', queuedKey)",
  running: "call('ZCARD', runningKey)",
})

/**
 * Reads jobs, versions and occurrences by id, counts of live occurrences, and the latest runs of jobs. A missing record
 * has an empty answer.
 */
export const getScript: Script = script(`#!lua flags=no-writes
${prelude}${jobKeys}
local jobs, versions, occurrences, counts, latest = {}, {}, {}, {}, {}
for at = 1, #ARGV[1], 16 do
  local job = sub(ARGV[1], at, at + 15)
  local h = headOf(job)
  jobs[#jobs + 1] = h and printJob(job, h) or {}
end
for at = 1, #ARGV[2], 20 do
  versions[#versions + 1] = call('HGET', versionsOf .. sub(ARGV[2], at, at + 15), sub(ARGV[2], at + 16, at + 19)) or ''
end
for at = 1, #ARGV[3], 16 do
  occurrences[#occurrences + 1] = textOf(sub(ARGV[3], at, at + 15)) or ''
end
for at = 1, #ARGV[4], 16 do
  local h = headOf(sub(ARGV[4], at, at + 15))
  counts[#counts + 1] = h and ${countsOfJob} or ''
end

-- Returns the latest ended run among \`most\` entries of the history, starting at a rank. The last entry has rank 0.
local function latestFrom(job, rank, most)
  local last = rank + most
  while rank < last do
    local ids = call('ZREVRANGE', history .. job, rank, rank + ${atOnce} - 1)
    for _, id in ipairs(ids) do
      local text = textOf(id)
      ${readFields(recordLayout, 'text', { state: 'state', token: 'token' })}
      if state > running and token > 0 then return id .. withoutRuns(text) end
    end
    if #ids < ${atOnce} then break end
    rank = rank + ${atOnce}
  end
  return nil
end

-- Returns the latest ended run of a job, by its position in the history. The last history entries may be of waiting
-- occurrences. So if more than manyQueued occurrences are queued, the function searches only the last manyQueued entries, and
-- then the entries before the first waiting occurrence. The function does not find an ended run between these two ranges,
-- which overtook waiting occurrences because of its priority.
local function latestOf(job, h)
  local rank = 0
  if h.queued > ${manyQueued} then
    local found = latestFrom(job, 0, ${manyQueued})
    if found then return found end
    local first = recordOf(call('ZRANGE', queueOf .. job, 0, 0)[1])
    local behind = call('ZCOUNT', history .. job, '(' .. string.format('%.0f', first.scheduledAt), '+inf')
    rank = math.max(behind, h.queued)
  end
  return latestFrom(job, rank, ${mostLooked}) or ''
end

for at = 1, #ARGV[6], 16 do
  local job = sub(ARGV[6], at, at + 15)
  local h = headOf(job)
  latest[#latest + 1] = h and latestOf(job, h) or ''
end
return { jobs, versions, occurrences, counts, ARGV[5] == '1' and ${countsOfShard} or '', latest }
`)
