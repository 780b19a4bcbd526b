/**
 * What scripts that write ask before they write anything. An error in the middle of a script does not take back what was
 * written before it: a user with too few rights, or whose rights are withdrawn, would leave counts and indexes behind
 * that no longer agree.
 */
export const checkRights: string = `
-- Commands of all scripts that write, by how many arguments they need behind the key.
local needed = {
  { 'DEL', 'EXISTS', 'GET', 'HGETALL', 'SMEMBERS', 'ZCARD' },
  { 'HDEL', 'HGET', 'HMGET', 'SADD', 'SET', 'SREM', 'ZREM', 'ZSCORE' },
  { 'HINCRBY', 'HSET', 'ZADD', 'ZRANGE', 'ZRANGEBYLEX', 'ZRANGEBYSCORE' },
}

local function denial(command)
  return redis.error_reply("NOPERM the user may not run '" .. command .. "', or not on these keys or this channel")
end

-- The error to answer with; nil when the user may do all that is needed.
local function missingRight(channel)
  local may = redis.acl_check_cmd
  for extra, commands in ipairs(needed) do
    for _, command in ipairs(commands) do
      if not may(command, heads, unpack({ '0', '0' }, 1, extra - 1)) then return denial(command) end
    end
  end
  if channel and not may('PUBLISH', channel, '') then return denial('PUBLISH') end
end
`
