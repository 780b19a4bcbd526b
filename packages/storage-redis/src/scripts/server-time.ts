/** The clock of the server that keeps the first shard: on a Redis Cluster, each node has its own. */
export const serverTimeScript: string = `#!lua flags=no-writes
return redis.call('TIME')
`
