import { JobistemerError } from '@jobistemer/core'
import { type FailureMeaning, failureOf, partialAnswers, storageFailure } from '@jobistemer/core/storage'

interface Reason {
  readonly Code?: string
  readonly Message?: string
}

function nameOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'name' in error ? String(error.name) : ''
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Returns the reasons for which DynamoDB rejected the items of a transaction; empty for other errors. */
function reasonsOf(error: unknown): readonly string[] {
  if (nameOf(error) !== 'TransactionCanceledException') return []
  const { CancellationReasons: reasons = [] } = error as { readonly CancellationReasons?: readonly Reason[] }
  return reasons.map(({ Code: code }) => code ?? 'None').filter((code) => code !== 'None')
}

const contentions = ['ConditionalCheckFailed', 'TransactionConflict']

/**
 * Returns whether the write was in conflict: a condition failed, or another transaction used the same item. The step must
 * then read the data again, and decide again what changes.
 */
export function isContention(error: unknown): boolean {
  const name = nameOf(error)
  if (name === 'ConditionalCheckFailedException' || name === 'TransactionConflictException') return true
  const reasons = reasonsOf(error)
  return reasons.length > 0 && reasons.every((reason) => contentions.includes(reason))
}

const overloads =
  /^(ProvisionedThroughputExceeded|Throttling|ThrottlingError|RequestLimitExceeded|InternalServerError|InternalFailure|ServiceUnavailable|TransactionInProgress|Timeout|TimeoutError|AbortError|RequestTimeout|LimitExceeded|ReplicatedWriteConflict)(Exception)?$/

const networkCodes =
  /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EAI_AGAIN|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET)/

/** Returns whether DynamoDB is overloaded or unreachable, so that a retry may help. */
export function isOverload(error: unknown): boolean {
  if (overloads.test(nameOf(error)) || isUnreachable(error)) return true
  const reasons = reasonsOf(error)
  if (reasons.some((reason) => overloads.test(reason))) return true
  const { $metadata: metadata } = error as { readonly $metadata?: { readonly httpStatusCode?: number } }
  return (metadata?.httpStatusCode ?? 0) >= 500
}

function isUnreachable(error: unknown): boolean {
  for (let cause = error; typeof cause === 'object' && cause !== null; cause = (cause as Error).cause) {
    if ('code' in cause && networkCodes.test(String(cause.code))) return true
  }
  return /socket hang up/.test(messageOf(error))
}

/** Returns whether the table does not exist, or DynamoDB does not know the table yet. */
export function isAbsent(error: unknown): boolean {
  return absent.test(nameOf(error))
}

const absent = /^ResourceNotFoundException$/

/** Returns whether the credentials do not permit the request. */
export function isDenied(error: unknown): boolean {
  return denied.test(nameOf(error))
}

const denied = /^(AccessDeniedException|AccessDenied|NotAuthorized.*)$/

type Meaning = FailureMeaning & { readonly pattern: RegExp }

const meanings: readonly Meaning[] = [
  {
    pattern: absent,
    code: 'STORAGE_UNREADABLE',
    message: 'There is no such table in this account and region',
    remedy: "Create it with createTable() or its CloudFormation template, or correct tableName or the client's region.",
  },
  {
    pattern: denied,
    code: 'STORAGE_UNREADABLE',
    message: 'The credentials do not allow this',
    remedy: 'Give them the statement that iamPolicy() prints.',
  },
  {
    pattern:
      /^(UnrecognizedClientException|InvalidSignatureException|IncompleteSignature.*|MissingAuthenticationToken.*|InvalidClientTokenId)$/,
    code: 'STORAGE_UNREADABLE',
    message: 'DynamoDB does not accept the credentials of the client',
    remedy: 'Check the credentials, the region and the clock of this machine.',
  },
  {
    // The credentials of a role expire, and the client's credential provider renews them. So a later call may succeed.
    pattern: /^(ExpiredToken.*|ExpiredCredentials.*|CredentialsProviderError)$/,
    code: 'STORAGE_FAILED',
    message: 'The client has no valid credentials at present',
    remedy: 'Give the client credentials, or a provider that renews them.',
  },
  {
    pattern: /^ItemCollectionSizeLimitExceededException$/,
    code: 'STORAGE_FOREIGN',
    message: 'The table has a local secondary index',
    remedy: 'Give Jobistemer a table of its own, made with createTable().',
  },
]

const otherFailure: FailureMeaning = {
  code: 'STORAGE_FAILED',
  message: 'DynamoDB failed',
  remedy: 'The cause says what happened. The call can be repeated.',
}

/** Converts an error of the DynamoDB client to an error for the user, with the client's error as its cause. */
export function storageError(error: unknown, tableName: string): JobistemerError {
  if (JobistemerError.isInstance(error)) return error
  const name = nameOf(error)
  const detail = `${name || 'no name'}: ${messageOf(error)}`
  const isForeign = /^ValidationE.*(schema|index|key element|on the keys|key condition|mismatch for key)/is.test(detail)
  const known = isForeign ? foreign : /Region is missing/.test(detail) ? noRegion : undefined
  const meaning = known ?? meanings.find(({ pattern }) => pattern.test(name)) ?? otherFailure
  return failureOf(meaning, detail, { field: 'tableName', value: tableName, cause: error })
}

const noRegion: FailureMeaning = {
  code: 'STORAGE_UNREADABLE',
  message: 'The client has no region',
  remedy: "Set the region in the client's options, in AWS_REGION or in the shared config file.",
}

const foreign: FailureMeaning = {
  code: 'STORAGE_FOREIGN',
  message: "The table has other keys or indexes than Jobistemer's",
  remedy: 'Give Jobistemer a table of its own, made with createTable() or its CloudFormation template.',
}

const noRights: FailureMeaning = {
  code: 'STORAGE_UNREADABLE',
  message: 'The credentials do not allow to make the table',
  remedy:
    'Give them dynamodb:CreateTable beside the statement that iamPolicy() prints, or make the table by its CloudFormation template.',
}

/** The error for a missing table that these credentials cannot create. */
export function noRightsError(tableName: string, cause: unknown): JobistemerError {
  const detail = `${nameOf(cause)}: ${messageOf(cause)}`
  return failureOf(noRights, detail, { field: 'tableName', value: tableName, cause })
}

/**
 * Returns the error for a request without success within its time limit, because DynamoDB was overloaded or unreachable.
 * `limit`: the option that allows more time.
 */
export function busyError(
  tableName: string,
  operation: string,
  cause: unknown,
  limit: 'retryTimeout' | 'timeout' = 'retryTimeout',
): JobistemerError {
  const name = nameOf(cause)
  const why = cause === null ? 'parts of the request were put off' : `${name}: ${messageOf(cause)}`
  const isAway = isUnreachable(cause)
  const code = isAway ? 'STORAGE_UNREACHABLE' : 'STORAGE_BUSY'
  const message = `DynamoDB ${isAway ? 'cannot be reached' : 'is overloaded'} (${operation}, ${why}): ${tableName}.`
  const remedy = `Check the network, the region and the capacity of the table, or raise ${limit}. The call can be repeated.`
  return storageFailure(code, ['tableName', tableName], message, remedy, cause ?? undefined)
}

export function noDate(tableName: string, date: string | undefined): JobistemerError {
  const message = `An answer of DynamoDB has no date (${date}): ${tableName}.`
  const remedy = 'Let proxies on the way, and middleware of the client, leave the header Date as it is.'
  return storageFailure('STORAGE_FAILED', ['client', date], message, remedy)
}

export function closedError(tableName: string): JobistemerError {
  const message = `The DynamoDB storage is closed: ${tableName}.`
  const remedy = 'Shut the scheduler down before closing its storage, or open another one with dynamodbStorage().'
  return storageFailure('STORAGE_CLOSED', ['tableName', tableName], message, remedy)
}

export function contentionError(tableName: string, what: string, tries: number): JobistemerError {
  const message = `Other nodes came between ${tries} times in a row while a step was decided (${what}): ${tableName}.`
  const remedy = 'Spread the work over more jobs: a job takes some hundred steps a second. The call can be repeated.'
  const error = storageFailure('STORAGE_BUSY', ['tableName', tableName], message, remedy)
  // Only this job is contended. The call can change other jobs meanwhile.
  partialAnswers.set(error, [])
  return error
}

/**
 * Returns the error of a step that waited for a failed step on the same job; `null` if the next step need not fail. Each step
 * gets its own error, because {@link partialAnswers} has the answers of one call for each error.
 */
export function followingError(error: unknown): JobistemerError | null {
  if (!JobistemerError.isInstance(error) || !/^STORAGE_(BUSY|UNREACHABLE)$/.test(error.code)) return null
  const { code, field = '', value, remedy = '', cause = error } = error
  const failure = storageFailure(code, [field, value], 'An earlier step on the same job failed.', remedy, cause)
  if (partialAnswers.has(error)) partialAnswers.set(failure, [])
  return failure
}
