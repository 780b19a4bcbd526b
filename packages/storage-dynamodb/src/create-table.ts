import {
  CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  type TableDescription,
} from '@aws-sdk/client-dynamodb'
import { type DurationInput, toDurationMs } from '@jobistemer/core'
import { busyError, foreignTable, storageError } from './dynamodb-errors.ts'
import { readClient, readObject, readTableName } from './options.ts'
import { pause } from './pauses.ts'
import { tableDefinition } from './table-definition.ts'

/** What {@link createTable} takes. */
export interface CreateTableOptions {
  /** It stays the caller's. */
  readonly client: Pick<DynamoDBClient, 'send'>
  /** The table to make. */
  readonly tableName: string
  /** How long to wait until the table can be used. Default 2 minutes. */
  readonly timeout?: DurationInput
}

const lookEveryMs = 500

/**
 * Makes the table, if there is none of that name, and waits until it can be used. For development and tests; in
 * production a table is better made by {@link cloudFormationTemplate} or the like.
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`; `STORAGE_FOREIGN` when there is one with other keys; `STORAGE_UNREADABLE`, `STORAGE_BUSY`,
 *   `STORAGE_FAILED`
 */
export async function createTable(options: CreateTableOptions): Promise<void> {
  readObject(options, 'createTable', ['client', 'tableName', 'timeout'])
  const { timeout = 120_000 } = options
  const client = readClient(options.client)
  const tableName = readTableName(options.tableName)
  const timeoutMs = toDurationMs(timeout, 'timeout')
  try {
    await client.send(new CreateTableCommand(tableDefinition({ tableName })))
  } catch (error) {
    // Somebody else was first, which is as good.
    if ((error as Error).name !== 'ResourceInUseException') throw storageError(error, tableName)
  }
  for (let waitedMs = 0; ; waitedMs += lookEveryMs) {
    const table = await describe(client, tableName)
    const indexes = table?.GlobalSecondaryIndexes ?? []
    const isReady = table?.TableStatus === 'ACTIVE' && indexes.every(({ IndexStatus: status }) => status === 'ACTIVE')
    if (table !== null) assertOwnSchema(table, tableName)
    if (isReady) return
    if (waitedMs >= timeoutMs) throw busyError(tableName, 'DescribeTable', new Error(`still ${table?.TableStatus}`))
    await pause(lookEveryMs)
  }
}

async function describe(client: Pick<DynamoDBClient, 'send'>, tableName: string): Promise<TableDescription | null> {
  try {
    return (await client.send(new DescribeTableCommand({ TableName: tableName }))).Table ?? null
  } catch (error) {
    // DynamoDB may not know of it for a moment.
    if ((error as Error).name === 'ResourceNotFoundException') return null
    throw storageError(error, tableName)
  }
}

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
