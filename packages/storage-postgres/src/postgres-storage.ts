import { type Storage, storageFromLedger } from '@jobistemer/core/storage'
import { type PostgresStorageOptions, readOptions } from './options.ts'
import { PostgresLedger } from './postgres-ledger.ts'

/**
 * Storage in a schema of a PostgreSQL database, for any number of nodes.
 *
 * ```ts
 * const storage = postgresStorage({ pool: new Pool({ connectionString }) })
 * ```
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`. Calls reject with
 *   `STORAGE_UNREADABLE`, `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`, `STORAGE_FULL`, `STORAGE_BUSY`, `STORAGE_CLOSED`,
 *   `STORAGE_FAILED`.
 */
export function postgresStorage(options: PostgresStorageOptions): Storage {
  return storageFromLedger(new PostgresLedger(readOptions(options)))
}
