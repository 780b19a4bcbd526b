import { JobistemerError } from '@jobistemer/core'
import { type FailureMeaning, failureOf, storageFailure } from '@jobistemer/core/storage'
import { clusterPlace } from './client.ts'
import { withoutArguments } from './secrets.ts'

type Meaning = FailureMeaning & { readonly pattern: RegExp }

const repeatable = 'It may be over by itself: the call can be repeated.'

const meanings: readonly Meaning[] = [
  {
    pattern: /^(WRONGPASS|NOAUTH|ERR (AUTH|invalid password|Client sent AUTH))/,
    code: 'STORAGE_UNREADABLE',
    message: 'Redis refuses the user name or the password',
    remedy: 'Put the right ones in the url (redis://user:password@host:port), or in the options of the client.',
  },
  {
    pattern: /^(NOPERM|ERR ACL failure)/,
    code: 'STORAGE_UNREADABLE',
    message: 'The user of Redis may not do what the storage needs',
    remedy: 'Give it the rights that docs/guide.md of this package lists.',
  },
  {
    // The error of a command in a script ends with `script:` and the script's digest.
    pattern: /^ERR (DB index|SELECT is not|value is (not an integer or )?out of range[^:]*$|unknown command .?select)/i,
    code: 'STORAGE_UNREADABLE',
    message: 'The Redis server refuses the database number of the url or client',
    remedy: 'Give a number that is lower than the setting databases of the server, or give no number.',
  },
  {
    pattern: /^OOM/,
    code: 'STORAGE_FULL',
    message: 'Redis has reached its memory limit',
    remedy: 'Raise maxmemory, or remove old history: prune() works and running work can end meanwhile.',
  },
  {
    pattern: /^MISCONF/,
    code: 'STORAGE_FULL',
    message: 'Redis cannot write to its disk, and takes no more',
    remedy: 'Look into its log: mostly the disk is full, or its directory may not be written.',
  },
  {
    pattern: /^SPREAD /,
    code: 'STORAGE_BUSY',
    message: 'Redis has lost the data of this prefix, and they have been begun anew',
    remedy: 'The call has done nothing, and can be repeated.',
  },
  {
    pattern: /^WRONGTYPE/,
    code: 'STORAGE_FOREIGN',
    message: 'Keys with this prefix hold something else',
    remedy: 'Give a prefix that no other application uses.',
  },
  {
    pattern: /^(READONLY|UNBLOCKED)/,
    code: 'STORAGE_BUSY',
    message: 'The Redis server has become a replica, which takes no writes',
    remedy: `${repeatable} The client has to reach the new primary: by Sentinel, Cluster, or the name of its host.`,
  },
  {
    pattern: /^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|MOVED|ASK)/,
    code: 'STORAGE_BUSY',
    message: 'Redis cannot answer now',
    remedy: repeatable,
  },
]

/** The meaning of `MOVED` for a client of a single server. */
const oneNode: FailureMeaning = {
  code: 'STORAGE_UNREADABLE',
  message: 'The server is one node of a Redis Cluster, and another node has the keys',
  remedy: 'Pass a Cluster of ioredis as client.',
}

const unreachable =
  /max retries per request|connection is closed|aborted due to connection close|isn't writeable|ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|EHOST|ENET|ETIMEDOUT|Failed to refresh slots|timed out|Too many Cluster redirections|None of startup nodes/i

/**
 * Returns whether the server or a script has answered with an error code.
 * - `SPREAD`: the stored number of shards of a shard is missing or differs, because the server lost its data.
 * - `NOSCRIPT`: the server does not have the script in its cache.
 * - `MOVED`: another node of the Redis Cluster has the keys.
 */
export function isReply(error: unknown, code: 'SPREAD' | 'NOSCRIPT' | 'MOVED'): boolean {
  return error instanceof Error && error.message.startsWith(`${code} `)
}

/**
 * Converts an error of Redis to an error of the storage, with the original error as its cause.
 *
 * @param place the server's address, without secrets.
 * @param connection the last error of the connection, which explains why a command got no answer.
 */
export function storageError(error: unknown, place: string, connection: Error | null): JobistemerError {
  if (JobistemerError.isInstance(error)) return error
  withoutArguments(error)
  const text = error instanceof Error ? error.message : String(error)
  const isOneNode = isReply(error, 'MOVED') && place !== clusterPlace
  const meaning = isOneNode ? oneNode : meanings.find(({ pattern }) => pattern.test(text))
  const about = ['url', place] as const
  if (meaning !== undefined) return failureOf(meaning, text, { field: 'url', value: place, cause: error })
  if (unreachable.test(text)) {
    const reason = connection === null ? text : printConnectionError(connection)
    const known = connection === null ? undefined : meanings.find(({ pattern }) => pattern.test(connection.message))
    if (known !== undefined) return storageError(connection, place, null)
    const message = `Redis cannot be reached, or the connection broke (${reason}): ${place}.`
    const remedy = 'Check that the server runs and that host and port are right. The call can be repeated.'
    return storageFailure('STORAGE_UNREACHABLE', about, message, remedy, error)
  }
  const message = `Redis failed (${text}): ${place}.`
  return storageFailure('STORAGE_FAILED', about, message, 'The cause says what happened.', error)
}

// Returns the message of a connection error, or its code if the message is empty. Node.js combines the failed attempts
// for all addresses of a host in one error without a message.
function printConnectionError(error: Error): string {
  const { code } = error as { readonly code?: unknown }
  return error.message === '' ? String(code ?? error.name) : error.message
}

/** Returns an equal error, for a caller that needs an error object of its own. */
export function copyOfError({
  code,
  field = '',
  value,
  remedy = '',
  message,
  cause,
}: JobistemerError): JobistemerError {
  return storageFailure(code, [field, value], message.replace(` ${remedy}`, ''), remedy, cause)
}

export function timeoutError(place: string, limitMs: number, connection: Error | null): JobistemerError {
  const reason = connection === null ? '' : ` (${printConnectionError(connection)})`
  // If the client has no connection, it queues the command until the command times out. `connection` is then the last error of
  // the connection, which says why the client could not connect.
  const code = connection === null ? 'STORAGE_BUSY' : 'STORAGE_UNREACHABLE'
  const message = `Redis has not answered within ${limitMs} ms${reason}: ${place}.`
  const remedy = 'Check that the server runs and can be reached. The call may have taken effect, and can be repeated.'
  return storageFailure(code, ['commandTimeout', limitMs], message, remedy, connection ?? undefined)
}

export function closedError(place: string): JobistemerError {
  const message = `The Redis storage or its client is closed: ${place}.`
  const remedy = 'Shut the scheduler down before closing either. If the client gave up, change its retryStrategy.'
  return storageFailure('STORAGE_CLOSED', ['url', place], message, remedy)
}

export function tooFewReplicas(place: string, wanted: number, reached: number, waitedMs: number): JobistemerError {
  const message = `${reached} of at least ${wanted} replicas have acknowledged a write within ${waitedMs} ms: ${place}.`
  const remedy = 'The write is done, and the call can be repeated. Look after the replicas, or lower minReplicas.'
  return storageFailure('STORAGE_BUSY', ['minReplicas', wanted], message, remedy)
}

/**
 * Creates the error for a claim that the Redis client sent a second time after its connection broke. The caller does
 * not know which occurrences the first command claimed.
 */
export function repeatedError(): JobistemerError {
  const message = 'The answer to a claim got lost: the connection broke, and the client sent the claim once more.'
  const remedy = 'Look for what runs under this owner, and claim again: schedulers do both by themselves.'
  return storageFailure('STORAGE_BUSY', ['claim', 'repeated'], message, remedy)
}

/** Creates the error for a step that never committed, because other steps changed its job before each commit. */
export function contendedError(job: string, attempts: number): JobistemerError {
  const message = `Other writes changed job ${job} before each of ${attempts} attempts of this call to commit.`
  return storageFailure('STORAGE_BUSY', ['job', job], message, repeatable)
}

/** Returns whether the error means that a claim may have taken occurrences, which its owner must look up. */
export function isRepeated(error: unknown): boolean {
  return JobistemerError.isInstance(error) && error.field === 'claim' && error.value === 'repeated'
}

/**
 * Returns whether the cause of the error may end without the help of an operator, because the server or a shard may
 * recover.
 */
export function mayPass(error: unknown): boolean {
  if (!JobistemerError.isInstance(error) || isRepeated(error)) return false
  return ['STORAGE_BUSY', 'STORAGE_UNREACHABLE', 'STORAGE_FULL'].includes(error.code)
}
