import { writeFields } from '../layout.ts'
import { countsLayout } from '../request-layouts.ts'
import { bareRecord } from './bare-record.ts'
import { jobKeys } from './job-keys.ts'
import { prelude } from './prelude.ts'

const countsOfJob = writeFields(countsLayout, { pending: 'h.pending', queued: 'h.queued', running: 'h.running' })

// Each of these sets holds all of one state and nothing else, and knows its size.
const countsOfShard = writeFields(countsLayout, {
  pending: "call('ZCARD', pendingKey)",
  queued: "call('ZCARD', queuedKey)",
  running: "call('ZCARD', runningKey)",
})

/**
 * Reads jobs, versions and occurrences by their ids, and how many of a job or of the shard live; an empty answer stands
 * for what does not exist.
 */
export const getScript: string = `#!lua flags=no-writes
${prelude}${jobKeys}${bareRecord}
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
for at = 1, #ARGV[6], 16 do
  local h = headOf(sub(ARGV[6], at, at + 15))
  local text = h and h.last ~= none and textOf(h.last)
  latest[#latest + 1] = text and h.last .. withoutRuns(text) or ''
end
return { jobs, versions, occurrences, counts, ARGV[5] == '1' and ${countsOfShard} or '', latest }
`
