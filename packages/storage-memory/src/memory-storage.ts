import { JobistemerError, printValue } from '@jobistemer/core'
import { type Storage, storageFromLedger } from '@jobistemer/core/storage'
import { Database } from './database.ts'
import { MemoryLedger } from './memory-ledger.ts'

declare const databaseBrand: unique symbol

/** Data that several storages of one process share. Created by {@link memoryDatabase}; it has no public members. */
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
 * @throws JobistemerError `INVALID_ARGUMENT` when `database` was not made by {@link memoryDatabase}; `UNKNOWN_OPTION`
 */
export function memoryStorage(options: MemoryStorageOptions = {}): Storage {
  readNames(options)
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
  return storageFromLedger(new MemoryLedger(database))
}

function readNames(options: MemoryStorageOptions): void {
  if (Object.prototype.toString.call(options) !== '[object Object]') {
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `memoryStorage needs an object of options, or none: ${printValue(options)}.`,
      field: 'options',
      value: options,
      remedy: 'Write memoryStorage() or memoryStorage({ database }).',
    })
  }
  for (const [name, value] of Object.entries(options)) {
    if (name === 'database') continue
    throw new JobistemerError('UNKNOWN_OPTION', {
      message: `memoryStorage has no option ${printValue(name)}.`,
      field: name,
      value,
      remedy: 'The only option is database.',
    })
  }
}
