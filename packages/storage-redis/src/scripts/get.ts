import { jobKeys } from './job-keys.ts'
import { prelude } from './prelude.ts'

/** Reads jobs, versions and occurrences by their ids; an empty answer stands for what does not exist. */
export const getScript: string = `#!lua flags=no-writes
${prelude}${jobKeys}
local jobs, versions, occurrences = {}, {}, {}
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
return { jobs, versions, occurrences }
`
