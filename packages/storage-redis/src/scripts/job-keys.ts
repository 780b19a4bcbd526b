/** What scripts that read or write whole jobs need beyond the prelude. */
export const jobKeys: string = `
local jobsKey, changedKey = shard .. 'jobs', shard .. 'changed'
local jobOf, versionsOf, usesOf = shard .. 'j:', shard .. 'v:', shard .. 'u:'

local function versionField(version)
  return write('<I4', version)
end

-- A job as it is answered: head, content, lineage, pause, times and version, as they are stored.
local function printJob(job, h)
  local parts = call('HMGET', jobOf .. job, 'content', 'lineage', 'paused', 'times')
  return {
    job, h.isChanged and printHead(h) or h.text, parts[1], parts[2], parts[3], parts[4],
    call('HGET', versionsOf .. job, versionField(h.version)),
  }
end
`
