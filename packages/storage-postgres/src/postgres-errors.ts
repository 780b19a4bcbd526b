import { JobistemerError } from '@jobistemer/core'
import { type FailureMeaning, failureOf, partialAnswers, storageFailure } from '@jobistemer/core/storage'

/** The members through which an error, or its metadata, refers to its cause. */
interface Linked {
  readonly code?: unknown
  readonly message?: unknown
  readonly cause?: unknown
  /**
   * Metadata of a Prisma error. Before Prisma 7, they contain the SQLSTATE. From Prisma 7 on, they contain the driver's
   * error.
   */
  readonly meta?: Linked & { readonly driverAdapterError?: unknown }
  /** The SQLSTATE in the cause of an error of a Prisma driver. */
  readonly originalCode?: unknown
}

/** Maximum number of causes to follow, because causes may form a circle. */
const mostLinks = 8

/** Returns the error and its causes, because database tools wrap the driver's error. */
function chainOf(error: unknown): readonly Linked[] {
  const chain: Linked[] = []
  let next = error
  while (typeof next === 'object' && next !== null && chain.length < mostLinks) {
    const link: Linked = next
    chain.push(link, ...(typeof link.meta === 'object' && link.meta !== null ? [link.meta] : []))
    next = link.meta?.driverAdapterError ?? link.cause
  }
  return chain
}

/**
 * Pattern of Prisma's own error codes. They have the form of an SQLSTATE, so `codeOf` must exclude them. PostgreSQL's
 * codes of class `P0` do not match.
 */
const prismaCode = /^P[1-9]\d{3}$/

/** Prisma's code for the SQLSTATEs `40001` and `40P01`. */
const prismaConflict = 'P2034'

/** Returns the SQLSTATE of a PostgreSQL error, or the code of a Node.js error; an empty text for other errors. */
function codeOf(error: unknown): string {
  const codes = chainOf(error)
    .flatMap(({ code, originalCode }) => [code, originalCode])
    .filter((code) => typeof code === 'string')
  const found = codes.find((code) => !prismaCode.test(code))
  return found ?? (codes.includes(prismaConflict) ? '40001' : '')
}

/**
 * Returns whether the error has an SQLSTATE. Such an error comes from the server, so the outcome of the statement is
 * known.
 */
export function hasState(error: unknown): boolean {
  const code = codeOf(error)
  return /^[0-9A-Z]{5}$/.test(code) && code !== 'EPIPE'
}

function messageOf(error: unknown): string {
  // If a host has several addresses and all attempts to connect fail, Node.js reports one error without a message. This error
  // contains the errors of all addresses.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join(', ')
  const message = (error as Linked | null | undefined)?.message
  return typeof message === 'string' ? message : String(error)
}

/**
 * Returns whether the transaction conflicted with another transaction. The failed transaction has stored nothing and
 * must be repeated.
 */
export function isContention(error: unknown): boolean {
  // serialization_failure, deadlock_detected and unique_violation. unique_violation means: after the step's read,
  // another transaction has inserted the row.
  return ['40001', '40P01', '23505'].includes(codeOf(error))
}

/** Returns whether another transaction held a lock for longer than the statement may wait. */
export function isHeld(error: unknown): boolean {
  // SQLSTATE 55P03 means lock_not_available.
  return codeOf(error) === '55P03'
}

/**
 * Returns whether another connection may accept the statement:
 * - The server takes no writes, because it is a standby or its transactions are read-only by default.
 * - The server is a standby, and transactions are serializable by default, so it also rejects reads.
 * - An earlier user of the connection left a failed transaction open.
 */
export function isWrongConnection(error: unknown): boolean {
  // SQLSTATEs of read_only_sql_transaction, feature_not_supported and in_failed_sql_transaction.
  return ['25006', '0A000', '25P02'].includes(codeOf(error))
}

/** Returns whether the pooler chose a connection on which the statement's name is unknown or already used. */
export function isNameUnknown(error: unknown): boolean {
  // SQLSTATEs of invalid_sql_statement_name and duplicate_prepared_statement.
  return ['26000', '42P05'].includes(codeOf(error))
}

/** Returns whether a statement failed because no transaction was open. */
export function isNoTransaction(error: unknown): boolean {
  // SQLSTATE 25P01 means no_active_sql_transaction. Some tools state this code only in the error's message.
  return codeOf(error) === '25P01' || chainOf(error).some((one) => messageOf(one).includes('25P01'))
}

/** Returns whether the table or function does not exist, because the schema was dropped. */
export function isSchemaGone(error: unknown): boolean {
  // SQLSTATEs of undefined_table, undefined_function and invalid_schema_name.
  return ['42P01', '42883', '3F000'].includes(codeOf(error))
}

const brokenCodes =
  /^(08...|57P0[1-5]|25P0[34]|ECONN(RESET|REFUSED|ABORTED)|EPIPE|ETIMEDOUT|ENOTFOUND|ENOENT|EAI_AGAIN|EHOST.*|ENET.*)$/
const brokenMessages =
  /connection (was )?(terminated|ended|closed|error)|client has encountered a connection error|not queryable|connection is closed|server closed|timeout exceeded when trying to connect|server login has been failing|client_login_timeout|query_wait_timeout|pooler|query read timeout/i

/** Returns whether the server is unreachable, the connection broke, or the driver gave up waiting for the answer. */
export function isBroken(error: unknown): boolean {
  if (brokenCodes.test(codeOf(error))) return true
  return !hasState(error) && chainOf(error).some((one) => brokenMessages.test(messageOf(one)))
}

type Meaning = FailureMeaning & { readonly pattern: RegExp }

const repeatable = 'It may be over by itself: the call can be repeated.'

const heldRemedy =
  'pg_blocking_pids() shows whose transaction it is. Parts of the call may have taken effect, and it can be repeated.'

const meanings: readonly Meaning[] = [
  {
    // SQLSTATEs of PostgreSQL, messages of `pg` without a code, and codes of Node.js for certificates.
    pattern: /^(28...$|SASL: |The server does not support SSL|(ERR_TLS_)?CERT_|UNABLE_TO_(GET|VERIFY)_)|_SIGNED_CERT/,
    code: 'STORAGE_UNREADABLE',
    message: 'The login to PostgreSQL fails because of the user, the password or the certificate',
    remedy:
      'Correct user, password and SSL in the url or in the options of the pool, and check pg_hba.conf of the server.',
  },
  {
    pattern: /^3D000$/,
    code: 'STORAGE_UNREADABLE',
    message: 'There is no such database',
    remedy: 'Create it with the encoding UTF8, or correct its name.',
  },
  {
    pattern: /^42501$/,
    code: 'STORAGE_UNREADABLE',
    message: 'The user may not do what the storage needs',
    remedy: 'Give it the rights that docs/guide.md of this package lists.',
  },
  {
    pattern: /^25006$/,
    code: 'STORAGE_BUSY',
    message: 'The server takes no writes: it is a standby, or its transactions are read-only',
    remedy: `${repeatable} Lead the pool to the primary.`,
  },
  {
    pattern: /^53100$/,
    code: 'STORAGE_FULL',
    message: 'The disk of the server is full. Nothing of the call was stored',
    remedy: 'Make room. prune() removes old history, and vacuum lets its place be used again.',
  },
  {
    pattern: /^53300$/,
    code: 'STORAGE_BUSY',
    message: 'The server has no connection left',
    remedy: `${repeatable} Make pools smaller, raise max_connections, or put a pooler between.`,
  },
  {
    pattern: /^53...$/,
    code: 'STORAGE_BUSY',
    message: 'The server has not enough of something',
    remedy: `${repeatable} Nothing of it was stored.`,
  },
  {
    pattern: /^57014$/,
    code: 'STORAGE_BUSY',
    message: 'The server ended the statement: it took longer than statement_timeout, or an operator canceled it',
    remedy: 'The statement stored nothing, and the call can be repeated. Raise the limit, or find out what delays it.',
  },
  {
    pattern: /^55P03$/,
    code: 'STORAGE_BUSY',
    message: 'Another transaction holds what the call has to lock',
    remedy: heldRemedy,
  },
  {
    pattern: /^(40001|40P01|23505)$/,
    code: 'STORAGE_BUSY',
    message: 'Others came between many times in a row',
    remedy: 'Nothing of the call was stored, and it can be repeated.',
  },
  {
    pattern: /^(42P01|42883|3F000)$/,
    code: 'STORAGE_BUSY',
    message: 'The tables are gone: the schema was dropped, or is being restored',
    remedy: 'Stop all nodes before a schema is dropped or restored. The next call looks for it anew.',
  },
]

const closed: FailureMeaning = {
  code: 'STORAGE_CLOSED',
  message: 'The pool or the client of the storage is closed',
  remedy: 'Shut the scheduler down before closing its storage and its pool.',
}

const broken: FailureMeaning = {
  code: 'STORAGE_UNREACHABLE',
  message: 'PostgreSQL cannot be reached, or the connection broke',
  remedy: 'Check that the server runs, and host and port. The call may have taken effect, and can be repeated.',
}

const otherFailure: FailureMeaning = {
  code: 'STORAGE_FAILED',
  message: 'PostgreSQL failed',
  remedy: 'The cause says what happened. Nothing of the call was stored.',
}

/** How the storage reports that the server has not answered a call. It is then unknown whether the call took effect. */
const withoutAnswer: FailureMeaning = {
  ...otherFailure,
  remedy: 'The cause says what happened. The call may have taken effect, and can be repeated.',
}

function meaningOf(error: unknown, code: string): FailureMeaning {
  const known = meanings.find(({ pattern }) => pattern.test(code === '' ? messageOf(error) : code))
  if (known !== undefined) return known
  if (/after calling end on the pool|Client was closed|PGlite is clos/.test(messageOf(error))) return closed
  if (isBroken(error)) return broken
  return hasState(error) ? otherFailure : withoutAnswer
}

/**
 * Translates a failure into the error for callers, with the failure as its cause.
 * @param place the address of the data, without secrets
 */
export function storageError(error: unknown, place: string): JobistemerError {
  if (JobistemerError.isInstance(error)) return error
  const code = codeOf(error)
  const detail = code === '' ? messageOf(error) : `${code}: ${messageOf(error)}`
  const failure = failureOf(meaningOf(error, code), detail, { field: 'pool', value: place, cause: error })
  // The other transaction holds one job. The call can change other jobs meanwhile.
  if (isHeld(error)) partialAnswers.set(failure, [])
  return failure
}

export function timeoutError(place: string, limitMs: number, what: string): JobistemerError {
  const message = `${what} within ${limitMs} ms: ${place}.`
  const remedy = 'Find out what holds the server or the pool up. The call may have taken effect, and can be repeated.'
  return storageFailure('STORAGE_BUSY', ['commandTimeout', limitMs], message, remedy)
}

/** Returns the error for a lock that another transaction held until the server stopped waiting. */
export function heldError(
  cause: unknown,
  { place, limitMs, lockLimitMs }: { readonly place: string; readonly limitMs: number; readonly lockLimitMs: number },
): JobistemerError {
  const message = `Another transaction has held for ${lockLimitMs} ms what the call has to lock: ${place}.`
  const error = storageFailure('STORAGE_BUSY', ['commandTimeout', limitMs], message, heldRemedy, cause)
  partialAnswers.set(error, [])
  return error
}

export function unreadableError(place: string): JobistemerError {
  const message = `The driver does not answer as pg does by itself: UUIDs as texts, booleans, numbers: ${place}.`
  const remedy = 'Give the storage a pool of its own, without `binary: true` and without type parsers for these.'
  return storageFailure('STORAGE_UNREADABLE', ['pool', place], message, remedy)
}

export function noNullsError(place: string): JobistemerError {
  const message = `The server takes NULL in an array for a text, since array_nulls is off: ${place}.`
  const remedy = 'ALTER ROLE … SET array_nulls = on, for the user of the storage, and connect anew.'
  return storageFailure('STORAGE_UNREADABLE', ['array_nulls', 'off'], message, remedy)
}
