import { type Script, script } from '../script.ts'
import { allFields, readFields } from '../layout.ts'
import { layouts } from '../request-layouts.ts'
import { jobKeys } from './job-keys.ts'
import { timesLayout } from '../stored-layouts.ts'
import { prelude } from './prelude.ts'

/** Maximum number of jobs that a call reads. */
const scanLimit = 1000

/**
 * Reads jobs of one shard in the order of their ids. Answers the id up to which it has read; an empty text at the end.
 * If few jobs have changed since `since`, reads them from the index of changes.
 */
export const listJobsScript: Script = script(`#!lua flags=no-writes
${prelude}${jobKeys}
${readFields(layouts.listJobs, 'ARGV[1]', allFields(layouts.listJobs))}
local after, owner = ARGV[2], ARGV[3]
local found = {}

local changedOnes = nil
if since > always then
  changedOnes = call('ZRANGEBYSCORE', changedKey, since, '+inf', 'LIMIT', 0, ${scanLimit})
  if #changedOnes == ${scanLimit} then changedOnes = nil else table.sort(changedOnes, isBefore) end
end

local jobs = changedOnes
  or call('ZRANGEBYLEX', jobsKey, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, ${scanLimit})
local position = ''
for index, job in ipairs(jobs) do
  if isBefore(after, job) then
    local h = headOf(job)
    local isWanted = h and (withDeleted == 1 or h.deletedAt == never)
    if isWanted and owner ~= '' then isWanted = call('HGET', jobOf .. job, 'owner') == owner end
    if isWanted and since > always then
      ${readFields(timesLayout, "call('HGET', jobOf .. job, 'times')", { changedAt: 'changedAt' })}
      isWanted = changedAt >= since
    end
    if isWanted then
      if #found == limit then return { position, found } end
      found[#found + 1] = printJob(job, h)
    end
    position = job
  end
end
local isEnd = changedOnes ~= nil or #jobs < ${scanLimit}
return { isEnd and '' or position, found }
`)
