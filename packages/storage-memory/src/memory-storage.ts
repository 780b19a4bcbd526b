import { JobistemerError } from '@jobistemer/core'
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
  WakeUp,
} from '@jobistemer/core/storage'
import { cancel, reap } from './cancel.ts'
import { claim } from './claim.ts'
import { createOccurrences } from './create.ts'
import { Database } from './database.ts'
import { saveJobs } from './jobs.ts'
import { prune } from './prune.ts'
import { get, listJobs, listOccurrences } from './queries.ts'
import { settle } from './settle.ts'

declare const databaseBrand: unique symbol

/** Data that several storages of one process share. Made by {@link memoryDatabase}; it has no members of its own. */
export interface MemoryDatabase {
  /** Not there at run time: it keeps other objects from passing for one. */
  readonly [databaseBrand]: true
}

/** What {@link memoryStorage} takes. */
export interface MemoryStorageOptions {
  /** The data to work on. Default: data of this storage alone, which ends with it. */
  readonly database?: MemoryDatabase
}

const databases = new WeakMap<MemoryDatabase, Database>()

/**
 * Data for several storages, so that several schedulers of one process share their jobs.
 *
 * ```ts
 * const database = memoryDatabase()
 * const first = memoryStorage({ database })
 * const second = memoryStorage({ database })
 * ```
 */
export function memoryDatabase(): MemoryDatabase {
  const handle = Object.freeze({}) as MemoryDatabase
  databases.set(handle, new Database())
  return handle
}

/**
 * A storage in the memory of this process: for tests, simulations and jobs that need not survive the process.
 * It keeps all history until `prune` removes it.
 *
 * @throws JobistemerError `INVALID_ARGUMENT` when `database` was not made by {@link memoryDatabase}
 */
export function memoryStorage(options: MemoryStorageOptions = {}): Storage {
  const handle = options.database
  const database = handle === undefined ? new Database() : databases.get(handle)
  if (database === undefined) {
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: 'database is not a memory database.',
      field: 'database',
      value: handle,
      remedy: 'Make one with memoryDatabase() of this copy of @jobistemer/storage-memory.',
    })
  }
  return new MemoryStorage(database)
}

/** One connection. Each call is one synchronous step over the data, which makes it atomic. */
class MemoryStorage implements Storage {
  readonly specVersion = 1
  readonly capabilities: StorageCapabilities = Object.freeze({
    maxBatch: 1000,
    multiProcess: false,
    durability: 'none',
  })
  readonly #database: Database
  #closed = false

  constructor(database: Database) {
    this.#database = database
  }

  async saveJobs(request: SaveJobsRequest): Promise<readonly SaveJobAnswer[]> {
    return this.#step(saveJobs, request)
  }

  async createOccurrences(request: CreateOccurrencesRequest): Promise<readonly CreateAnswer[]> {
    return this.#step(createOccurrences, request)
  }

  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    return this.#step(claim, request)
  }

  async settle(request: SettleRequest): Promise<readonly SettleAnswer[]> {
    return this.#step(settle, request)
  }

  async cancel(request: CancelOccurrencesRequest): Promise<readonly CancelAnswer[]> {
    return this.#step(cancel, request)
  }

  async reap(request: ReapRequest): Promise<readonly ReapAnswer[]> {
    return this.#step(reap, request)
  }

  async get(request: GetRequest): Promise<GetAnswer> {
    return this.#step(get, request)
  }

  async listJobs(query: JobQuery): Promise<Page<JobRecord>> {
    return this.#step(listJobs, query)
  }

  async listOccurrences(query: OccurrenceQuery): Promise<Page<OccurrenceRecord>> {
    return this.#step(listOccurrences, query)
  }

  async prune(request: PruneRequest): Promise<PruneAnswer> {
    return this.#step(prune, request)
  }

  subscribe(listener: (wakeUp: WakeUp) => void): () => void {
    this.#assertOpen()
    return this.#database.wakeUps.subscribe(this, listener)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#database.wakeUps.unsubscribeAll(this)
  }

  #step<Request, Answer>(step: (database: Database, request: Request) => Answer, request: Request): Answer {
    this.#assertOpen()
    const answer = step(this.#database, request)
    this.#database.wakeUps.flush(this)
    return answer
  }

  #assertOpen(): void {
    if (!this.#closed) return
    throw new JobistemerError('STORAGE_CLOSED', {
      message: 'The memory storage is closed.',
      remedy: 'Shut the scheduler down before closing its storage, or open another one with memoryStorage().',
    })
  }
}
