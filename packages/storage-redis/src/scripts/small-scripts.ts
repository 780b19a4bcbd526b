import { type Script, script } from '../script.ts'

/** The clock of the server that keeps the first shard: on a Redis Cluster, each node has its own. */
export const serverTimeScript: Script = script(`#!lua flags=no-writes
return redis.call('TIME')
`)

/**
 * Says on a shard over how many the jobs are spread, where that is not said. Every script looks at it: the namespace
 * itself may lie on another server of a Cluster. It is lost together with the data of the shard.
 */
export const markShardScript: string = `#!lua flags=allow-oom
local key = string.sub(KEYS[1], 1, -6) .. 'shards'
if not redis.call('GET', key) then redis.call('SET', key, ARGV[1]) end
`

/**
 * Writes one empty key. WAIT only covers the last write of its own connection. A repeated call that finds everything done has
 * written nothing, and WAIT would return at once.
 */
export const markWriteScript: string = "#!lua flags=allow-oom\nredis.call('SET', KEYS[1], '')\n"
