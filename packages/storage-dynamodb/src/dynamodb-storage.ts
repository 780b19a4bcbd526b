import type {
  CancelAnswer,
  CancelOccurrencesRequest,
  ClaimAnswer,
  ClaimRequest,
  CreateAnswer,
  CreateOccurrencesRequest,
  GetAnswer,
  GetRequest,
  JobQuery,
  JobRecord,
  OccurrenceQuery,
  OccurrenceRecord,
  Page,
  PruneAnswer,
  PruneRequest,
  ReapAnswer,
  ReapRequest,
  SaveJobAnswer,
  SaveJobsRequest,
  SettleAnswer,
  SettleRequest,
  Storage,
  StorageCapabilities,
} from '@jobistemer/core/storage'
import { cancelOccurrences, reapOccurrences } from './cancel-occurrences.ts'
import { claimOccurrences } from './claim-occurrences.ts'
import { createOccurrences } from './create-occurrences.ts'
import { readVersion } from './job-item.ts'
import { Keys } from './keys.ts'
import { openTable } from './open-table.ts'
import { type DynamoDBStorageOptions, type ReadOptions, readOptions } from './options.ts'
import { prune } from './prune-history.ts'
import { listJobs, loadJobs } from './query-jobs.ts'
import { listOccurrences } from './query-occurrences.ts'
import { Requests } from './requests.ts'
import { saveJobs } from './save-jobs.ts'
import { settleOccurrences } from './settle-occurrences.ts'
import { findAddresses, loadOccurrences, type Table } from './table.ts'

/**
 * Storage in a DynamoDB table, for any number of nodes in one region.
 *
 * ```ts
 * const storage = dynamodbStorage({ client: new DynamoDBClient({}), tableName: 'jobs' })
 * ```
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`. That the table is there and is
 *   Jobistemer's shows at the first call.
 */
export function dynamodbStorage(options: DynamoDBStorageOptions): Storage {
  return new DynamoDBStorage(readOptions(options))
}

class DynamoDBStorage implements Storage {
  readonly specVersion = 1
  readonly capabilities: StorageCapabilities = Object.freeze({
    // Each item is a transaction of its own, some two dozen at a time: more in one call would only delay its answers.
    maxBatch: 100,
    multiProcess: true,
    durability: 'power',
    serverTimeResolutionMs: 1000,
  })
  readonly #requests: Requests
  readonly #table: Table
  #opening: Promise<void> | null = null

  constructor(options: ReadOptions) {
    this.#requests = new Requests(options)
    this.#table = { requests: this.#requests, keys: new Keys(options.prefix) }
  }

  async saveJobs(request: SaveJobsRequest): Promise<readonly SaveJobAnswer[]> {
    return await saveJobs(await this.#opened(), request)
  }

  async createOccurrences(request: CreateOccurrencesRequest): Promise<readonly CreateAnswer[]> {
    return await createOccurrences(await this.#opened(), request)
  }

  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    return await claimOccurrences(await this.#opened(), request)
  }

  async settle(request: SettleRequest): Promise<readonly SettleAnswer[]> {
    return await settleOccurrences(await this.#opened(), request)
  }

  async cancel(request: CancelOccurrencesRequest): Promise<readonly CancelAnswer[]> {
    return await cancelOccurrences(await this.#opened(), request)
  }

  async reap(request: ReapRequest): Promise<readonly ReapAnswer[]> {
    return await reapOccurrences(await this.#opened(), request)
  }

  async get({ jobs = [], versions = [], occurrences = [] }: GetRequest): Promise<GetAnswer> {
    const table = await this.#opened()
    const { requests, keys } = table
    const [foundJobs, foundVersions, addresses] = await Promise.all([
      loadJobs(table, jobs),
      requests.getAll(versions.map(({ jobId, version }) => keys.version(jobId, version))),
      findAddresses(table, occurrences),
    ])
    const stored = await loadOccurrences(
      table,
      addresses.flatMap((address) => address ?? []),
    )
    const records = new Map(stored.flatMap((found) => (found === null ? [] : [[found.record.id, found.record]])))
    return {
      jobs: foundJobs.map((found) => found?.job ?? null),
      versions: versions.map(({ jobId, version }) => {
        const item = foundVersions.get(keys.version(jobId, version))
        return item === null ? null : readVersion(item)
      }),
      occurrences: occurrences.map((id) => {
        const record = records.get(id)
        return record === undefined ? null : structuredClone(record)
      }),
    }
  }

  async listJobs(query: JobQuery): Promise<Page<JobRecord>> {
    return await listJobs(await this.#opened(), query)
  }

  async listOccurrences(query: OccurrenceQuery): Promise<Page<OccurrenceRecord>> {
    return await listOccurrences(await this.#opened(), query)
  }

  async prune(request: PruneRequest): Promise<PruneAnswer> {
    return await prune(await this.#opened(), request)
  }

  async serverTime(): Promise<number> {
    const { requests, keys } = await this.#opened()
    return await requests.time(keys.clock())
  }

  async close(): Promise<void> {
    this.#requests.close()
  }

  /** The table, once it has been looked at. */
  async #opened(): Promise<Table> {
    this.#requests.assertOpen()
    this.#opening ??= openTable(this.#table)
    try {
      await this.#opening
    } catch (error) {
      // What was wrong may be right by the next call.
      this.#opening = null
      throw error
    }
    return this.#table
  }
}
