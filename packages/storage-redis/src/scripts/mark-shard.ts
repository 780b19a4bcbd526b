/**
 * Stores the number of shards on a shard that lacks it. Every script compares this mark, because the namespace's own record
 * may lie on another server of a Cluster. A server that loses the data of the shard also loses the mark.
 */
export const markShardScript: string = `#!lua flags=allow-oom
local key = string.sub(KEYS[1], 1, -6) .. 'shards'
if not redis.call('GET', key) then redis.call('SET', key, ARGV[1]) end
`
