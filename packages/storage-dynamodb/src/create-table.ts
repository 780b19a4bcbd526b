import {
  CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  type TableDescription,
} from '@aws-sdk/client-dynamodb'
import { type DurationInput, systemClock, toDurationMs } from '@jobistemer/core'
import { readOptionNames } from '@jobistemer/core/storage'
import { text } from './attributes.ts'
import { busyError, foreignTable, isAbsent, isDenied, noRightsError } from './dynamodb-errors.ts'
import { readClient, readTableName } from './options.ts'
import { pause } from './pauses.ts'
import { Requests } from './requests.ts'
import { failedIndex, liveIndex, tableDefinition } from './table-definition.ts'

/** Options of {@link createTable}. */
export interface CreateTableOptions {
  /** The DynamoDB client. `createTable` does not close it. */
  readonly client: Pick<DynamoDBClient, 'send'>
  /** Name of the table to create. */
  readonly tableName: string
  /** How long to wait until the table is usable, including all requests and their retries. Default 2 minutes. */
  readonly timeout?: DurationInput
}

const lookEveryMs = 500
/** Time limit of one request while the table is being created, in ms. */
const requestTimeoutMs = 10_000

/**
 * Creates the table if it does not exist, and waits until it is usable. For development and tests; in production, create
 * the table with {@link cloudFormationTemplate} or a similar tool. If the table exists, the permissions of a node are
 * enough.
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`; `STORAGE_FOREIGN` if a table of this
 * name has other keys; `STORAGE_UNREADABLE`; `STORAGE_BUSY` if the table is not usable within `timeout`; `STORAGE_FAILED`
 */
export async function createTable(options: CreateTableOptions): Promise<void> {
  const known = ['client', 'tableName', 'timeout']
  readOptionNames(options, { opener: 'createTable', known, example: '{ client, tableName }' })
  const { timeout = 120_000 } = options
  const client = readClient(options.client)
  const tableName = readTableName(options.tableName)
  const retryTimeoutMs = toDurationMs(timeout, 'timeout')
  const endsAt = systemClock.monotonic() + retryTimeoutMs
  const leftMs = () => endsAt - systemClock.monotonic()
  const requests = new Requests({ client, tableName, requestTimeoutMs, retryTimeoutMs, limit: 'timeout', leftMs })
  for (let isFirst = true; ; isFirst = false) {
    const found = await look(requests)
    if (found === 'ready') return
    // Shortly after the creation, DynamoDB may answer that the table does not exist and also that it already exists.
    const mayCreate = found === 'absent' && isFirst
    if (leftMs() <= 0 && !mayCreate) {
      throw busyError(tableName, 'DescribeTable', new Error(`the table is not ready: ${found}`), 'timeout')
    }
    if (found === 'absent') await create(requests)
    await pause(Math.min(lookEveryMs, Math.max(leftMs(), 0)))
  }
}

/** Whether the table is ready or absent; for a table that is not ready yet, its status. */
type Found = 'ready' | 'absent' | `status ${string}`

/**
 * Checks whether the table exists and is ready.
 *
 * @throws JobistemerError `STORAGE_FOREIGN` if the table has other keys or indexes
 */
async function look(requests: Requests): Promise<Found> {
  const { tableName } = requests
  try {
    const { Table: table } = await requests.send('DescribeTable', new DescribeTableCommand({ TableName: tableName }))
    if (table === undefined) return 'absent'
    assertOwnSchema(table, tableName)
    const { TableStatus: status, GlobalSecondaryIndexes: indexes = [] } = table
    const statuses = [status, ...indexes.map(({ IndexStatus }) => IndexStatus)]
    return statuses.every((one) => one === 'ACTIVE') ? 'ready' : `status ${statuses.join(', ')}`
  } catch (error) {
    return isDenied(causeOf(error)) ? await query(requests) : absentOr(error, tableName)
  }
}

/** Sends the queries of a node to the table. These need only the permissions of a node. */
async function query(requests: Requests): Promise<Found> {
  try {
    for (const [IndexName, partition] of indexPartitions) {
      await requests.query({
        IndexName,
        KeyConditionExpression: `${partition} = :partition`,
        ExpressionAttributeValues: { ':partition': text('none') },
        Limit: 1,
      })
    }
    return 'ready'
  } catch (error) {
    return absentOr(error, requests.tableName)
  }
}

async function create(requests: Requests): Promise<void> {
  const { tableName } = requests
  try {
    await requests.send('CreateTable', new CreateTableCommand(tableDefinition({ tableName })))
  } catch (error) {
    // Another process created the table first, or the answer of an earlier try was lost. Either way, the table exists now.
    if (causeOf(error)?.name !== 'ResourceInUseException') absentOr(error, tableName)
  }
}

function absentOr(error: unknown, tableName: string): 'absent' {
  const cause = causeOf(error)
  if (isAbsent(cause)) return 'absent'
  throw isDenied(cause) ? noRightsError(tableName, cause) : error
}

function causeOf(error: unknown): Error | undefined {
  return (error as Error).cause as Error | undefined
}

const indexPartitions = [
  [liveIndex, 'lp'],
  [failedIndex, 'fp'],
] as const

/**
 * Checks that the table has the keys and indexes of Jobistemer.
 *
 * @throws JobistemerError `STORAGE_FOREIGN` if the table has other keys or indexes
 */
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
