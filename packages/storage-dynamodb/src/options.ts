import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { type DurationInput, toDurationMs } from '@jobistemer/core'
import { invalidOption, readOptionNames } from '@jobistemer/core/storage'

/** Options of {@link dynamodbStorage}: the client, the table, and limits. */
export interface DynamoDBStorageOptions {
  /** A client of `@aws-sdk/client-dynamodb` version 3. `close()` of the storage does not close the client. */
  readonly client: Pick<DynamoDBClient, 'send'>
  /** Name or ARN of the table that {@link createTable} or the CloudFormation template has created. */
  readonly tableName: string
  /**
   * Prefix of all keys of this storage. Storages with different prefixes share a table, but no data. 1 to 64 letters,
   * digits, `.`, `-` and `_`. Default `jobistemer`.
   */
  readonly prefix?: string
  /** Time limit of one request, after which the storage sends the request again. Default 10 s. */
  readonly requestTimeout?: DurationInput
  /**
   * How long the storage retries a request while DynamoDB throttles the request or is unreachable. Only the pauses between
   * the tries count. When the sum of the pauses reaches this time, the call fails with `STORAGE_BUSY`. While DynamoDB accepts
   * other writes, a request that delays other jobs is retried for at most 2 s. Default 20 s.
   */
  readonly retryTimeout?: DurationInput
}

/** The options after validation, with defaults filled in. */
export interface ReadOptions {
  readonly client: Pick<DynamoDBClient, 'send'>
  readonly tableName: string
  readonly prefix: string
  readonly requestTimeoutMs: number
  readonly retryTimeoutMs: number
}

/** The longest delay of a Node.js timer. A timer with a longer delay fires at once. */
const longestTimerMs = 2 ** 31 - 1

const optionNames = ['client', 'tableName', 'prefix', 'requestTimeout', 'retryTimeout']

/**
 * Validates the options and fills in the defaults.
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`
 */
export function readOptions(options: DynamoDBStorageOptions): ReadOptions {
  readOptionNames(options, { opener: 'dynamodbStorage', known: optionNames, example: '{ client, tableName }' })
  const { prefix = 'jobistemer', requestTimeout = 10_000, retryTimeout = 20_000 } = options
  if (typeof prefix !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(prefix)) {
    throw invalidOption(
      'prefix',
      prefix,
      'prefix is not 1 to 64 letters, digits, ".", "-" and "_"',
      'Choose another one.',
    )
  }
  return {
    client: readClient(options.client),
    tableName: readTableName(options.tableName),
    prefix,
    requestTimeoutMs: Math.min(toDurationMs(requestTimeout, 'requestTimeout', { min: 1 }), longestTimerMs),
    retryTimeoutMs: toDurationMs(retryTimeout, 'retryTimeout'),
  }
}

/** @throws JobistemerError `INVALID_ARGUMENT` */
export function readClient(client: DynamoDBStorageOptions['client']): DynamoDBStorageOptions['client'] {
  if (typeof client === 'object' && client !== null && typeof client.send === 'function') return client
  const remedy = 'Give a DynamoDBClient of @aws-sdk/client-dynamodb.'
  throw invalidOption('client', client, 'client is not one of @aws-sdk/client-dynamodb', remedy)
}

/** @throws JobistemerError `INVALID_ARGUMENT` */
export function readTableName(tableName: unknown): string {
  const isName = typeof tableName === 'string' && /^(arn:[^ ]+:table\/)?[A-Za-z0-9._-]{3,255}$/.test(tableName)
  if (isName) return tableName
  throw invalidOption(
    'tableName',
    tableName,
    'tableName is not the name of a table',
    'A name has 3 to 255 letters, digits, ".", "-" and "_"; the ARN of a table is one, too.',
  )
}

/**
 * Checks that a table name is a plain name, and returns it.
 *
 * @throws JobistemerError `INVALID_ARGUMENT`, also for an ARN
 */
export function readPlainName(tableName: unknown): string {
  const name = readTableName(tableName)
  if (!name.includes(':')) return name
  throw invalidOption('tableName', name, 'tableName is an ARN', 'Give the name alone: what follows "table/".')
}

/** @throws JobistemerError `INVALID_ARGUMENT` */
export function readTableArn(tableArn: unknown): string {
  const isArn = typeof tableArn === 'string' && /^arn:[^:\s]+:dynamodb:[^:\s]*:[^:\s]*:table\/[^/:\s]+$/.test(tableArn)
  if (isArn) return tableArn
  const remedy = 'An ARN is like arn:aws:dynamodb:eu-central-1:123456789012:table/jobs.'
  throw invalidOption('tableArn', tableArn, 'tableArn is not the ARN of a table', remedy)
}
