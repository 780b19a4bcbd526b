import { type Script, script } from '../script.ts'

/** Reads the clock of the server with the first shard. On a Redis Cluster, each node has its own clock. */
export const serverTimeScript: Script = script(`#!lua flags=no-writes
return redis.call('TIME')
`)

/**
 * Stores the number of shards on a shard, if it is not stored. Every script checks this number, because on a Cluster
 * the namespace may lie on another server. A server that loses the shard's data also loses the number.
 */
export const markShardScript: string = `#!lua flags=allow-oom
local key = string.sub(KEYS[1], 1, -6) .. 'shards'
if not redis.call('GET', key) then redis.call('SET', key, ARGV[1]) end
`

/**
 * Writes an empty key before `WAIT`. `WAIT` only covers the last write of its own connection. Without this write,
 * `WAIT` would return at once after a repeated call that writes nothing.
 */
export const markWriteScript: string = "#!lua flags=allow-oom\nredis.call('SET', KEYS[1], '')\n"
