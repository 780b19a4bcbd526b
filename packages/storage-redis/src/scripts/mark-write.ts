/**
 * Writes one empty key. WAIT only covers the last write of its own connection. A repeated call that finds everything done has
 * written nothing, and WAIT would return at once.
 */
export const markWriteScript: string = `#!lua flags=allow-oom
redis.call('SET', KEYS[1], '')
`
