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

const optionNames = ['client', 'tableName', 'prefix', 'requestTimeout', 'retryTimeout']

/**
 * Checks options and fills in what is left out.
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`
 */
export function readOptions(options: DynamoDBStorageOptions): ReadOptions {
  if (typeof options !== 'object' || options === null) {
    const remedy = 'Write dynamodbStorage({ client, tableName }).'
    throw invalid('options', options, 'dynamodbStorage needs an object of options', remedy)
  }
  for (const name of Object.keys(options)) {
    if (optionNames.includes(name)) continue
    throw new JobistemerError('UNKNOWN_OPTION', {
      message: `dynamodbStorage has no option ${printValue(name)}.`,
      field: name,
      value: (options as unknown as Record<string, unknown>)[name],
      remedy: `The options are ${optionNames.join(', ')}.`,
    })
  }
  const { client, prefix = 'jobistemer', requestTimeout = 10_000, retryTimeout = 20_000 } = options
  if (typeof client !== 'object' || client === null || typeof client.send !== 'function') {
    const remedy = 'Give a DynamoDBClient of @aws-sdk/client-dynamodb.'
    throw invalid('client', client, 'client is not one of @aws-sdk/client-dynamodb', remedy)
  }
  if (typeof prefix !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(prefix)) {
    throw invalid('prefix', prefix, 'prefix is not 1 to 64 letters, digits, ".", "-" and "_"', 'Choose another one.')
  }
  return {
    client,
    tableName: readTableName(options.tableName),
    prefix,
    requestTimeoutMs: toDurationMs(requestTimeout, 'requestTimeout', { min: 1 }),
    retryTimeoutMs: toDurationMs(retryTimeout, 'retryTimeout'),
  }
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

function invalid(field: string, value: unknown, problem: string, remedy: string): JobistemerError {
  const message = `${problem}: ${printValue(value)}.`
  return new JobistemerError('INVALID_ARGUMENT', { message, field, value, remedy })
}
