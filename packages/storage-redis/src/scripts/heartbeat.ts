import { checkRights, type Script, script } from '../script.ts'
import { readFields } from '../layout.ts'
import { nodeLayout } from '../layouts.ts'
import { prelude } from './prelude.ts'

/**
 * Stores and removes node records, and answers with all records. A stored record begins with its counter.
 *
 * The server also runs the script when memory is short. Otherwise other nodes would miss the heartbeats and declare
 * this node dead.
 *
 * `ARGV[6]` is the number of records to remove. The following arguments are the name and the counter of each of these
 * records. The last arguments are the names of the nodes whose profiles the caller requests.
 */
export const heartbeatScript: Script = script(`#!lua flags=allow-oom
${prelude}${checkRights}
local nodesKey, profilesKey = shard .. 'nodes', shard .. 'profiles'
local own, record, profile, channel, sender = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local removals = tonumber(ARGV[6])

if own ~= '' or removals > 0 then
  local missing = missingRight(channel ~= '' and channel or nil)
  if missing then return missing end
end

local function counterOf(text)
  ${readFields(nodeLayout, 'text', { counter: 'counter' })}
  return counter
end

local at = 7
for _ = 1, removals do
  local name, seen = ARGV[at], ARGV[at + 1]
  at = at + 2
  local stored = call('HGET', nodesKey, name)
  if stored and counterOf(stored) == counterOf(seen) then
    call('HDEL', nodesKey, name)
    call('HDEL', profilesKey, name)
  end
end

if own ~= '' then
  local stored = call('HGET', nodesKey, own)
  if not stored or counterOf(record) > counterOf(stored) then
    call('HSET', nodesKey, own, record)
    if profile ~= '' then call('HSET', profilesKey, own, profile) end
    if channel ~= '' then call('PUBLISH', channel, 'nodes ' .. sender) end
  end
end

local profiles = {}
for index = at, #ARGV do profiles[#profiles + 1] = call('HGET', profilesKey, ARGV[index]) or '' end
return { call('HGETALL', nodesKey), profiles }
`)
