import { CreateTableCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { type DurationInput, systemClock, toDurationMs } from '@jobistemer/core'
import { readOptionNames } from '@jobistemer/core/storage'
import { busyError, isAbsent, isDenied, noRightsError } from './dynamodb-errors.ts'
import { askIndexes } from './open-table.ts'
import { readClient, readTableName } from './options.ts'
import { pause } from './pauses.ts'
import { Requests } from './requests.ts'
import { tableDefinition } from './table-definition.ts'

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
    await askIndexes(requests)
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
    // Another process created the table first, or the answer of an earlier try was lost. Either way, the table exists now.
    const cause = causeOf(error)
    if (cause?.name === 'ResourceInUseException') return
    throw isDenied(cause) ? noRightsError(tableName, cause) : error
  }
}

function causeOf(error: unknown): Error | undefined {
  return (error as Error).cause as Error | undefined
}
