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
 * number with the number that its caller expects. If the number is missing or differs, the server has lost the data of
 * the shard.
 *
 * The storage's settings cannot show this loss: on a Redis Cluster, another server may store the settings.
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
