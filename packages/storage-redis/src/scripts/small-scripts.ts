import { type Script, script } from '../script.ts'

/**
 * Reads the clock of the server with the first shard. Each server of a Redis Cluster has its own clock, so all nodes
 * must read the clock of the same server.
 */
export const serverTimeScript: Script = script(`#!lua flags=no-writes
return redis.call('TIME')
`)

/**
 * Stores the number of shards beside the data of a shard, if the number is not stored there. Every script compares this
 * number with the expected one.
 *
 * So scripts detect that a server has lost a shard's data. On a Cluster, the storage's settings are perhaps on another
 * server, and do not show this loss.
 */
export const markShardScript: string = `#!lua flags=allow-oom
local key = string.sub(KEYS[1], 1, -6) .. 'shards'
if not redis.call('GET', key) then redis.call('SET', key, ARGV[1]) end
`

/**
 * Writes an empty key before `WAIT`. `WAIT` only covers the last write of its own connection. A repeated call may write
 * nothing. Without this write, `WAIT` would then return at once.
 */
export const markWriteScript: string = "#!lua flags=allow-oom\nredis.call('SET', KEYS[1], '')\n"
