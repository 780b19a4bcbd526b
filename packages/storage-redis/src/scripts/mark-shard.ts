/**
 * Says on a shard over how many the jobs are spread, where that is not said. Every script looks at it: the namespace
 * itself may lie on another server of a Cluster. It is lost together with the data of the shard.
 */
export const markShardScript: string = `#!lua flags=allow-oom
local key = string.sub(KEYS[1], 1, -6) .. 'shards'
if not redis.call('GET', key) then redis.call('SET', key, ARGV[1]) end
`
