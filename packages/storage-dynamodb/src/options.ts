import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { type DurationInput, JobistemerError, printValue, toDurationMs } from '@jobistemer/core'

/** How {@link dynamodbStorage} reaches its data. */
export interface DynamoDBStorageOptions {
  /** A client of `@aws-sdk/client-dynamodb` version 3. It stays the caller's: `close()` leaves it as it is. */
  readonly client: Pick<DynamoDBClient, 'send'>
  /** The table, as {@link createTable} or its CloudFormation template makes it; a name or an ARN. */
  readonly tableName: string
  /**
   * Begins the keys of everything that this storage keeps: storages with different prefixes share a table and never see
   * each other. 1 to 64 letters, digits, `.`, `-` and `_`. Default `jobistemer`.
   */
  readonly prefix?: string
  /** How long one request may take before it counts as failed and is sent again. Default 10 s. */
  readonly requestTimeout?: DurationInput
  /**
   * How long a request is repeated while DynamoDB throttles or cannot be reached, in sum of the pauses between the tries,
   * before the call fails with `STORAGE_BUSY`. Default 20 s.
   */
  readonly retryTimeout?: DurationInput
}

/** Options with their defaults. */
export interface ReadOptions {
  readonly client: Pick<DynamoDBClient, 'send'>
  readonly tableName: string
  readonly prefix: string
  readonly requestTimeoutMs: number
  readonly retryTimeoutMs: number
}

/** A timer with a longer delay fires at once. */
const longestTimerMs = 2 ** 31 - 1

const optionNames = ['client', 'tableName', 'prefix', 'requestTimeout', 'retryTimeout']

/**
 * Checks options and fills in what is left out.
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`
 */
export function readOptions(options: DynamoDBStorageOptions): ReadOptions {
  readObject(options, 'dynamodbStorage', optionNames)
  const { prefix = 'jobistemer', requestTimeout = 10_000, retryTimeout = 20_000 } = options
  if (typeof prefix !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(prefix)) {
    throw invalid('prefix', prefix, 'prefix is not 1 to 64 letters, digits, ".", "-" and "_"', 'Choose another one.')
  }
  return {
    client: readClient(options.client),
    tableName: readTableName(options.tableName),
    prefix,
    requestTimeoutMs: Math.min(toDurationMs(requestTimeout, 'requestTimeout', { min: 1 }), longestTimerMs),
    retryTimeoutMs: toDurationMs(retryTimeout, 'retryTimeout'),
  }
}

/** Checks that options are an object with none but the known ones. @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION` */
export function readObject(
  options: object,
  opener: string,
  known: readonly string[],
  example = '{ client, tableName }',
): void {
  // A list, a Map or a Date has no options either, and would pass for an object that leaves all of them out.
  if (Object.prototype.toString.call(options) !== '[object Object]') {
    const remedy = `Write ${opener}(${example}).`
    throw invalid('options', options, `${opener} needs an object of options`, remedy)
  }
  for (const [name, value] of Object.entries(options)) {
    if (known.includes(name)) continue
    throw new JobistemerError('UNKNOWN_OPTION', {
      message: `${opener} has no option ${printValue(name)}.`,
      field: name,
      value,
      remedy: `The options are ${known.join(', ')}.`,
    })
  }
}

/** @throws JobistemerError `INVALID_ARGUMENT` */
export function readClient(client: DynamoDBStorageOptions['client']): DynamoDBStorageOptions['client'] {
  if (typeof client === 'object' && client !== null && typeof client.send === 'function') return client
  const remedy = 'Give a DynamoDBClient of @aws-sdk/client-dynamodb.'
  throw invalid('client', client, 'client is not one of @aws-sdk/client-dynamodb', remedy)
}

/** @throws JobistemerError `INVALID_ARGUMENT` */
export function readTableName(tableName: unknown): string {
  const isName = typeof tableName === 'string' && /^(arn:[^ ]+:table\/)?[A-Za-z0-9._-]{3,255}$/.test(tableName)
  if (isName) return tableName
  throw invalid(
    'tableName',
    tableName,
    'tableName is not the name of a table',
    'A name has 3 to 255 letters, digits, ".", "-" and "_"; the ARN of a table is one, too.',
  )
}

/** @throws JobistemerError `INVALID_ARGUMENT` also for an ARN */
export function readPlainName(tableName: unknown): string {
  const name = readTableName(tableName)
  if (!name.includes(':')) return name
  throw invalid('tableName', name, 'tableName is an ARN', 'Give the name alone: what follows "table/".')
}

/** @throws JobistemerError `INVALID_ARGUMENT` */
export function readTableArn(tableArn: unknown): string {
  const isArn = typeof tableArn === 'string' && /^arn:[^:\s]+:dynamodb:[^:\s]*:[^:\s]*:table\/[^/:\s]+$/.test(tableArn)
  if (isArn) return tableArn
  const remedy = 'An ARN is like arn:aws:dynamodb:eu-central-1:123456789012:table/jobs.'
  throw invalid('tableArn', tableArn, 'tableArn is not the ARN of a table', remedy)
}

function invalid(field: string, value: unknown, problem: string, remedy: string): JobistemerError {
  const message = `${problem}: ${printValue(value)}.`
  return new JobistemerError('INVALID_ARGUMENT', { message, field, value, remedy })
}
