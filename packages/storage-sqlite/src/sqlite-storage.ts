import { type Storage, storageFromLedger } from '@jobistemer/core/storage'
import { readOptions, type SqliteStorageOptions } from './options.ts'
import { SqliteLedger } from './sqlite-ledger.ts'

/**
 * Storage in a SQLite file, which several processes of one machine may use at once.
 *
 * ```ts
 * const storage = sqliteStorage({ file: 'jobs.db' })
 * ```
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`; `STORAGE_UNREADABLE`,
 *   `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`, `STORAGE_FULL`, `STORAGE_BUSY`, `STORAGE_FAILED` if the file cannot
 *   be used; the file is then unchanged. Calls reject with `STORAGE_REPLACED` after the file was deleted or replaced.
 */
export function sqliteStorage(options: SqliteStorageOptions): Storage {
  return storageFromLedger(new SqliteLedger(readOptions(options)))
}
