import { CreateTableCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { type DurationInput, type JobistemerError, systemClock, toDurationMs } from '@jobistemer/core'
import { readOptionNames, storageFailure } from '@jobistemer/core/storage'
import { number, numberOf, text } from './attributes.ts'
import { busyError, isAbsent, isDenied, noRightsError } from './dynamodb-errors.ts'
import { keyItem } from './keys.ts'
import { names } from './occurrence-item.ts'
import { readClient, readTableName } from './options.ts'
import { partitionQuery, pause, Requests } from './requests.ts'
import { hasRevision } from './record-writes.ts'
import { failedIndex, liveIndex, tableDefinition } from './table-definition.ts'
import type { Table } from './table.ts'

/**
 * The layout version of the data under one prefix. The layout consists of the keys, the names of attributes, and the content of
 * each item. One item of the prefix stores the version. A change that the previous version of the package cannot read correctly
 * must raise this number.
 */
const formVersion = 1

/**
 * Checks, before the first write, that the table has Jobistemer's keys and indexes, and that this package knows the layout
 * version of the namespace. Stores the layout version of a new namespace.
 *
 * @throws JobistemerError `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`
 */
export async function openTable({ requests, keys }: Table): Promise<void> {
  const [present] = await Promise.all([requests.get(keys.form), askIndexes(requests)])
  let mark = present
  if (mark === null) {
    // If several nodes open a new namespace at once, the first node stores the layout version.
    await requests.put({
      Item: { ...keyItem(keys.form), n: number(formVersion) },
      ...hasRevision(0),
    })
    mark = await requests.get(keys.form)
  }
  if (mark !== null && numberOf(mark, 'n') > formVersion) throw newerError(requests, numberOf(mark, 'n'))
}

/**
 * Checks the indexes of the table: queries each index with conditions on both of the index's keys.
 *
 * @throws JobistemerError `STORAGE_FOREIGN` if the table has other keys or indexes
 */
async function askIndexes(requests: Requests): Promise<void> {
  const ask = (IndexName: string, partition: string, order: string, least: ReturnType<typeof text>) =>
    requests.query({
      IndexName,
      KeyConditionExpression: `${partition} = :none AND ${order} >= :least`,
      ExpressionAttributeValues: { ':none': text('none'), ':least': least },
      Limit: 1,
    })
  await Promise.all([
    ask(liveIndex, names.livePartition, names.liveOrder, number(0)),
    ask(failedIndex, names.failedPartition, names.failedOrder, text('-')),
  ])
}

function newerError({ tableName }: Requests, version: number): JobistemerError {
  const message = `The data are in form ${version}, and this version of @jobistemer/storage-dynamodb knows ${formVersion}: ${tableName}.`
  const remedy = 'Update @jobistemer/storage-dynamodb on this node.'
  return storageFailure('STORAGE_SCHEMA_NEWER', ['tableName', tableName], message, remedy)
}

/** Options of {@link createTable}. */
export interface CreateTableOptions {
  /** The DynamoDB client. `createTable` does not close it. */
  readonly client: Pick<DynamoDBClient, 'send'>
  /** Name of the table to create. */
  readonly tableName: string
  /** Maximum time until the table is usable, including all requests and retries. Default 2 minutes. */
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
  for (;;) {
    if (await isReady(requests)) return
    if (leftMs() <= 0) throw busyError(tableName, 'Query', new Error('the table is not ready'), 'timeout')
    await create(requests)
    await pause(Math.min(lookEveryMs, Math.max(leftMs(), 0)))
  }
}

/** Returns whether a node could use the table. DynamoDB rejects queries of a table that is being created. */
async function isReady(requests: Requests): Promise<boolean> {
  try {
    // The query of the primary key has text conditions on both keys, so DynamoDB rejects other keys and types.
    await Promise.all([requests.query({ ...partitionQuery('none', ['-', '~']), Limit: 1 }), askIndexes(requests)])
    return true
  } catch (error) {
    if (isAbsent(causeOf(error))) return false
    throw error
  }
}

async function create(requests: Requests): Promise<void> {
  const { tableName } = requests
  try {
    await requests.send('CreateTable', new CreateTableCommand(tableDefinition({ tableName })))
  } catch (error) {
    // If another process, or an earlier request of this call, has created the table, the request fails with this error. The
    // table then exists, so this error is ignored.
    const cause = causeOf(error)
    if (cause?.name === 'ResourceInUseException') return
    throw isDenied(cause) ? noRightsError(tableName, cause) : error
  }
}

function causeOf(error: unknown): Error | undefined {
  return (error as Error).cause as Error | undefined
}
