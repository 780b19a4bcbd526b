import {
  CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  QueryCommand,
  type TableDescription,
} from '@aws-sdk/client-dynamodb'
import { type DurationInput, type JobistemerError, systemClock, toDurationMs } from '@jobistemer/core'
import { text } from './attributes.ts'
import {
  busyError,
  foreignTable,
  isAbsent,
  isDenied,
  isOverload,
  noRightsError,
  storageError,
} from './dynamodb-errors.ts'
import { readClient, readObject, readTableName } from './options.ts'
import { Pauses, pause } from './pauses.ts'
import { failedIndex, liveIndex, tableDefinition } from './table-definition.ts'

/** What {@link createTable} takes. */
export interface CreateTableOptions {
  /** It stays the caller's. */
  readonly client: Pick<DynamoDBClient, 'send'>
  /** The table to make. */
  readonly tableName: string
  /** How long to wait until the table can be used, with all requests and their repetitions. Default 2 minutes. */
  readonly timeout?: DurationInput
}

const lookEveryMs = 500
/** What one request may take, as long as so much is left of the whole time. */
const requestMs = 10_000
/** So much a request has at least. */
const leastRequestMs = 1000

/**
 * Makes the table, if there is none of that name, and waits until it can be used. For development and tests; in
 * production a table is better made by {@link cloudFormationTemplate} or the like. Where the table is there, the rights of
 * a node are enough.
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`; `STORAGE_FOREIGN` when there is one
 *   with other keys; `STORAGE_UNREADABLE`; `STORAGE_BUSY` when it cannot be used within `timeout`; `STORAGE_FAILED`
 */
export async function createTable(options: CreateTableOptions): Promise<void> {
  readObject(options, 'createTable', ['client', 'tableName', 'timeout'])
  const { timeout = 120_000 } = options
  const calls = new TableCalls({
    client: readClient(options.client),
    tableName: readTableName(options.tableName),
    timeoutMs: toDurationMs(timeout, 'timeout'),
  })
  for (let isFirst = true; ; isFirst = false) {
    const found = await calls.look()
    if (found === 'ready') return
    // DynamoDB may say for a while that there is no such table, and yet that there is one already.
    const mayCreate = found === 'absent' && isFirst
    if (calls.leftMs <= 0 && !mayCreate) {
      throw calls.busy('DescribeTable', new Error(`the table is not ready: ${found}`))
    }
    if (found === 'absent') await calls.create()
    await pause(Math.min(lookEveryMs, Math.max(calls.leftMs, 0)))
  }
}

/** What was found of a table; one that is not ready by its status. */
type Found = 'ready' | 'absent' | `status ${string}`

/** Requests about a table, repeated within a limit of time for all of them. */
class TableCalls {
  readonly #client: Pick<DynamoDBClient, 'send'>
  readonly #tableName: string
  readonly #endsAt: number

  constructor(options: {
    readonly client: Pick<DynamoDBClient, 'send'>
    readonly tableName: string
    readonly timeoutMs: number
  }) {
    this.#client = options.client
    this.#tableName = options.tableName
    this.#endsAt = systemClock.monotonic() + options.timeoutMs
  }

  get leftMs(): number {
    return this.#endsAt - systemClock.monotonic()
  }

  /** @throws JobistemerError `STORAGE_FOREIGN` when the table's keys or indexes are others */
  async look(): Promise<Found> {
    const input = { TableName: this.#tableName }
    try {
      const { Table: table } = await this.#send('DescribeTable', (options) =>
        this.#client.send(new DescribeTableCommand(input), options),
      )
      if (table === undefined) return 'absent'
      assertOwnSchema(table, this.#tableName)
      const { TableStatus: status, GlobalSecondaryIndexes: indexes = [] } = table
      const statuses = [status, ...indexes.map(({ IndexStatus }) => IndexStatus)]
      return statuses.every((one) => one === 'ACTIVE') ? 'ready' : `status ${statuses.join(', ')}`
    } catch (error) {
      if (isAbsent(error)) return 'absent'
      if (isDenied(error)) return await this.#lookInto()
      throw storageError(error, this.#tableName)
    }
  }

  /** Looks whether the table answers a node: what a node may do is enough for that. */
  async #lookInto(): Promise<Found> {
    try {
      for (const [index, partition] of indexPartitions) {
        const input = {
          TableName: this.#tableName,
          IndexName: index,
          KeyConditionExpression: `${partition} = :partition`,
          ExpressionAttributeValues: { ':partition': text('none') },
          Limit: 1,
        }
        await this.#send('Query', (options) => this.#client.send(new QueryCommand(input), options))
      }
      return 'ready'
    } catch (error) {
      if (isAbsent(error)) return 'absent'
      throw isDenied(error) ? noRightsError(this.#tableName, error) : storageError(error, this.#tableName)
    }
  }

  async create(): Promise<void> {
    const input = tableDefinition({ tableName: this.#tableName })
    try {
      await this.#send('CreateTable', (options) => this.#client.send(new CreateTableCommand(input), options))
    } catch (error) {
      if (isDenied(error)) throw noRightsError(this.#tableName, error)
      // Another process was first, or the answer of an earlier try got lost. Both leave the wanted table.
      if ((error as Error).name !== 'ResourceInUseException') throw storageError(error, this.#tableName)
    }
  }

  busy(operation: string, cause: unknown): JobistemerError {
    return busyError(this.#tableName, operation, cause, 'timeout')
  }

  /** @throws JobistemerError `STORAGE_BUSY`; other failures as they are */
  async #send<T>(
    operation: string,
    request: (options: { readonly abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const pauses = new Pauses({ retryTimeoutMs: Math.max(this.leftMs, 0) })
    for (;;) {
      const limitMs = Math.min(requestMs, Math.max(this.leftMs, leastRequestMs))
      try {
        return await request({ abortSignal: AbortSignal.timeout(Math.ceil(limitMs)) })
      } catch (error) {
        if (!isOverload(error)) throw error
        if (this.leftMs <= 0 || !(await pauses.next())) throw this.busy(operation, error)
      }
    }
  }
}

const indexPartitions = [
  [liveIndex, 'lp'],
  [failedIndex, 'fp'],
] as const

/** @throws JobistemerError `STORAGE_FOREIGN` when the table's keys or indexes are others */
function assertOwnSchema(table: TableDescription, tableName: string): void {
  const wanted = tableDefinition({ tableName })
  const found = keysOf(table.KeySchema, table.AttributeDefinitions)
  if (found !== keysOf(wanted.KeySchema, wanted.AttributeDefinitions)) throw foreignTable(tableName, `keys ${found}`)
  for (const { IndexName: name, KeySchema: keys } of wanted.GlobalSecondaryIndexes ?? []) {
    const index = table.GlobalSecondaryIndexes?.find(({ IndexName: other }) => other === name)
    const its = keysOf(index?.KeySchema, table.AttributeDefinitions)
    if (its !== keysOf(keys, wanted.AttributeDefinitions))
      throw foreignTable(tableName, `index ${name}: ${its || 'none'}`)
  }
}

function keysOf(schema: TableDescription['KeySchema'], attributes: TableDescription['AttributeDefinitions']): string {
  const typeOf = (name: string | undefined) =>
    attributes?.find(({ AttributeName: other }) => other === name)?.AttributeType ?? '?'
  return (schema ?? [])
    .map(({ AttributeName: name, KeyType: key }) => `${name} ${key} ${typeOf(name)}`)
    .sort()
    .join(', ')
}
