import { storageFromLedger } from '@jobistemer/core/storage'
import { LevelLedger } from './level-ledger.js'
import { openDatabase } from './open-database.js'

/**
 * Creates a storage in an embedded key-value store, for any number of schedulers of one process.
 * @param {{ folder: string }} options
 * @returns {import('@jobistemer/core/storage').Storage} The first call rejects with `STORAGE_UNREADABLE` or
 * `STORAGE_SCHEMA_NEWER` if the folder cannot be used.
 */
export function levelStorage({ folder }) {
  return storageFromLedger(new LevelLedger(openDatabase(folder)))
}
