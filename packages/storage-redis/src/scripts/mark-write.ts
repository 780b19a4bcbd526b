/**
 * Writes next to nothing. WAIT is about the last write of its own connection: a call that finds all done by an earlier
 * connection has written nothing, and would be told at once that the replicas have it all.
 */
export const markWriteScript: string = `#!lua flags=allow-oom
redis.call('SET', KEYS[1], '')
`
