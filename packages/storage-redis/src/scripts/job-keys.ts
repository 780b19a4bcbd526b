/** The keys and functions of scripts that read or write whole jobs, in addition to the prelude. */
export const jobKeys: string = `
local jobsKey, changedKey = shard .. 'jobs', shard .. 'changed'
local jobOf, versionsOf, usesOf = shard .. 'j:', shard .. 'v:', shard .. 'u:'

local function versionField(version)
  return write('<I4', version)
end

-- Returns the stored parts of a job: head, content, lineage, pause, times and version.
local function printJob(job, h)
  local parts = call('HMGET', jobOf .. job, 'content', 'lineage', 'paused', 'times')
  return {
    job, h.isChanged and printHead(h) or h.text, parts[1], parts[2], parts[3], parts[4],
    call('HGET', versionsOf .. job, versionField(h.version)),
  }
end
`
