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
import { answerIdleClaim, claimOccurrences } from './claim-occurrences.ts'
import { Connection } from './connection.ts'
import { OccurrenceCreator } from './create-occurrences.ts'
import { Ledger } from './ledger.ts'
import { openDatabase } from './open-database.ts'
import { type ReadOptions, readOptions, type SqliteStorageOptions } from './options.ts'
import { HistoryPruner } from './prune-history.ts'
import { OccurrenceQueries } from './query-occurrences.ts'
import { saveJobs } from './save-jobs.ts'
import { OccurrenceSettler } from './settle-occurrences.ts'

/**
 * Storage in a SQLite file, which several processes of one machine may use at once.
 *
 * ```ts
 * const storage = sqliteStorage({ file: 'jobs.db' })
 * ```
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`; `STORAGE_UNREADABLE`,
 *   `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`, `STORAGE_FULL`, `STORAGE_BUSY`, `STORAGE_FAILED` when the file cannot
 *   be used; it is then as it was.
 */
export function sqliteStorage(options: SqliteStorageOptions): Storage {
  return new SqliteStorage(readOptions(options))
}

class SqliteStorage implements Storage {
  readonly specVersion = 1
  readonly capabilities: StorageCapabilities
  readonly #connection: Connection
  readonly #ledger: Ledger
  readonly #creator: OccurrenceCreator
  readonly #settler: OccurrenceSettler
  readonly #queries: OccurrenceQueries
  readonly #pruner: HistoryPruner

  constructor(options: ReadOptions) {
    const opened = openDatabase(options)
    const ledger = new Ledger(opened.database)
    this.#ledger = ledger
    this.#creator = new OccurrenceCreator(ledger)
    this.#settler = new OccurrenceSettler(ledger)
    this.#queries = new OccurrenceQueries(ledger)
    this.#pruner = new HistoryPruner(ledger)
    this.#connection = new Connection(opened, options.busyTimeoutMs, {
      onStart: () => ledger.startStep(),
      onRollback: () => ledger.forget(),
    })
    const isInMemory = opened.database.memory
    const durability = isInMemory ? 'none' : options.synchronous === 'full' ? 'power' : 'process'
    this.capabilities = Object.freeze({ maxBatch: 500, multiProcess: !isInMemory, durability })
  }

  async saveJobs(request: SaveJobsRequest): Promise<readonly SaveJobAnswer[]> {
    return await this.#connection.write(() => saveJobs(this.#ledger, request))
  }

  async createOccurrences(request: CreateOccurrencesRequest): Promise<readonly CreateAnswer[]> {
    return await this.#connection.write(() => this.#creator.create(request))
  }

  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    const idle = await this.#connection.read(() => answerIdleClaim(this.#ledger, request))
    return idle ?? (await this.#connection.write(() => claimOccurrences(this.#ledger, request)))
  }

  async settle(request: SettleRequest): Promise<readonly SettleAnswer[]> {
    return await this.#connection.write(() => this.#settler.settle(request))
  }

  async cancel(request: CancelOccurrencesRequest): Promise<readonly CancelAnswer[]> {
    return await this.#connection.write(() => cancelOccurrences(this.#ledger, request))
  }

  async reap(request: ReapRequest): Promise<readonly ReapAnswer[]> {
    return await this.#connection.write(() => reapOccurrences(this.#ledger, request))
  }

  async get({ jobs = [], versions = [], occurrences = [] }: GetRequest): Promise<GetAnswer> {
    const ledger = this.#ledger
    return await this.#connection.read(() => ({
      jobs: jobs.map((id) => ledger.jobs.find(id)?.job ?? null),
      versions: versions.map(({ jobId, version }) => ledger.jobs.readVersion(jobId, version) ?? null),
      occurrences: occurrences.map((id) => ledger.findById(id)),
    }))
  }

  async listJobs(query: JobQuery): Promise<Page<JobRecord>> {
    const { limit, cursor, changedSince, owner, deleted = false } = query
    return await this.#connection.read(() => {
      const found = this.#ledger.jobs.list({ after: cursor ?? '', limit: limit + 1, changedSince, owner, deleted })
      const items = found.slice(0, limit)
      return { items, cursor: found.length > limit ? (items[limit - 1] as JobRecord).id : null }
    })
  }

  async listOccurrences(query: OccurrenceQuery): Promise<Page<OccurrenceRecord>> {
    return await this.#connection.read(() => this.#queries.list(query))
  }

  async prune(request: PruneRequest): Promise<PruneAnswer> {
    return await this.#connection.write(() => this.#pruner.prune(request))
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }
}
