import { storageFromLedger } from '@jobistemer/core/storage'
import { LevelLedger } from './level-ledger.js'
import { openDatabase } from './open-database.js'

/**
 * Creates a storage in an embedded key-value store, for any number of schedulers of one process.
 * If the folder cannot be used, the storage's calls reject with `STORAGE_UNREADABLE` or `STORAGE_SCHEMA_NEWER`.
 * @param {{ folder: string }} options
 * @returns {import('@jobistemer/core/storage').Storage}
 */
export function levelStorage({ folder }) {
  return storageFromLedger(new LevelLedger(openDatabase(folder)))
}
