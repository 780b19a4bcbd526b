import { invalidOption, readOptionNames, type Storage, storageFromLedger } from '@jobistemer/core/storage'
import { Database } from './memory-job.ts'
import { MemoryLedger } from './memory-ledger.ts'

declare const databaseBrand: unique symbol

/** Data that several storages of one process share. {@link memoryDatabase} creates this object, which has no public members. */
export interface MemoryDatabase {
  /** This member exists only in the type, so that TypeScript accepts no other object as a database. */
  readonly [databaseBrand]: true
}

/** Options of {@link memoryStorage}. */
export interface MemoryStorageOptions {
  /** The data that the storage uses. Default: new data, which only this storage uses. */
  readonly database?: MemoryDatabase
}

const databases = new WeakMap<MemoryDatabase, Database>()

/**
 * Creates data for several storages, so that several schedulers of one process share their jobs.
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
 * Creates a storage in the memory of this process: for tests, simulations and jobs that need not survive the process.
 * The storage keeps all history until `prune` removes the history.
 *
 * @throws JobistemerError `INVALID_ARGUMENT` if {@link memoryDatabase} did not create `database`; `UNKNOWN_OPTION`
 */
export function memoryStorage(options: MemoryStorageOptions = {}): Storage {
  readOptionNames(options, { opener: 'memoryStorage', known: ['database'], example: '{ database }' })
  const handle = options.database
  const database = handle === undefined ? new Database() : databases.get(handle)
  if (database === undefined) {
    const remedy = 'Make one with memoryDatabase() of this copy of @jobistemer/storage-memory.'
    throw invalidOption('database', handle, 'database is not a memory database', remedy)
  }
  return storageFromLedger(new MemoryLedger(database))
}
