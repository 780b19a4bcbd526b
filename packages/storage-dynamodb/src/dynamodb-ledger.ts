import { type AsyncLedger, type Storage, storageFromLedger } from '@jobistemer/core/storage'
import { findCancelRequested, findDue, findNextDue, findStranded } from './due-search.ts'
import { get } from './get-records.ts'
import { heartbeat } from './heartbeat.ts'
import { Keys } from './keys.ts'
import { KnownVersions } from './known-versions.ts'
import { openTable } from './open-table.ts'
import { type DynamoDBStorageOptions, type ReadOptions, readOptions } from './options.ts'
import { PriorityLevels } from './live-index.ts'
import { prune } from './prune-history.ts'
import { listJobs } from './query-jobs.ts'
import { listOccurrences } from './query-occurrences.ts'
import { quickSettle } from './quick-settle.ts'
import { Requests } from './requests.ts'
import { runStep } from './run-step.ts'
import { concurrency, itemsPerStep, type Table } from './table.ts'

/** Implements core's ledger on the table. Each step on a job is one commit, guarded by revisions. */
class DynamoDBLedger implements AsyncLedger {
  readonly kind = 'async'
  readonly unit = 'job'
  readonly itemsPerStep: number = itemsPerStep
  readonly concurrency: number = concurrency
  readonly opener = 'dynamodbStorage()'
  readonly keepsObjects = false
  readonly capabilities: AsyncLedger['capabilities'] = {
    // This storage runs only about two dozen steps concurrently. So a larger batch would not be faster. It would only delay the
    // answers for the first items of the batch.
    maxBatch: 100,
    multiProcess: true,
    durability: 'power',
    serverTimeResolutionMs: 1000,
    maxQueued: 100_000,
    // DynamoDB charges for each heartbeat, so the interval is longer than for other storages.
    heartbeatMs: 10_000,
  }
  /** Core's own removal of history reads a job's history more than once. This `prune` reads the history only once. */
  readonly history: AsyncLedger['history'] = {
    prune: async (request) => await prune(await this.#opened(), request),
  }
  readonly #table: Table

  constructor(options: ReadOptions) {
    this.#table = {
      requests: new Requests(options),
      keys: new Keys(options.prefix),
      levels: new PriorityLevels(),
      versions: new KnownVersions(),
      stepsUnderWay: new Map(),
    }
  }

  readonly run: AsyncLedger['run'] = async (step) => await runStep(await this.#opened(), step)
  readonly quickSettle: Required<AsyncLedger>['quickSettle'] = async (item, now) =>
    await quickSettle(await this.#opened(), item, now)

  readonly due: AsyncLedger['due'] = async (query, page) => await findDue(await this.#opened(), query, page)
  readonly nextDueAt: AsyncLedger['nextDueAt'] = async (query) => await findNextDue(await this.#opened(), query)
  readonly cancelRequested: AsyncLedger['cancelRequested'] = async (owner) =>
    await findCancelRequested(await this.#opened(), owner)

  readonly stranded: AsyncLedger['stranded'] = async () => await findStranded(await this.#opened())
  readonly get: AsyncLedger['get'] = async (request) => await get(await this.#opened(), request)
  readonly listJobs: AsyncLedger['listJobs'] = async (query) => await listJobs(await this.#opened(), query)
  readonly listOccurrences: AsyncLedger['listOccurrences'] = async (query) =>
    await listOccurrences(await this.#opened(), query)

  readonly heartbeat: AsyncLedger['heartbeat'] = async (request) => await heartbeat(await this.#opened(), request)
  readonly serverTime: Required<AsyncLedger>['serverTime'] = async () => {
    const { requests, keys } = await this.#opened()
    return await requests.time(keys.clock())
  }

  close(): void {
    this.#table.requests.close()
  }

  /** Returns the table. The first call opens and checks the table. */
  async #opened(): Promise<Table> {
    const { requests } = this.#table
    requests.assertOpen()
    requests.opening ??= openTable(this.#table).catch((error: unknown) => {
      // The cause of the failed opening may be gone, so the next call opens the table again.
      requests.opening = null
      throw error
    })
    await requests.opening
    return this.#table
  }
}

/**
 * Storage in a DynamoDB table, for any number of nodes in one region.
 *
 * ```ts
 * const storage = dynamodbStorage({ client: new DynamoDBClient({}), tableName: 'jobs' })
 * ```
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`. The first call checks that the
 *   table exists and is one of Jobistemer's.
 */
export function dynamodbStorage(options: DynamoDBStorageOptions): Storage {
  return storageFromLedger(new DynamoDBLedger(readOptions(options)))
}
