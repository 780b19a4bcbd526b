import { resolve } from 'node:path'
import { RecordLedger, storageFromLedger } from '@jobistemer/core/storage'
import { JournalFile } from './journal-file.js'

/** Open files by path. A process opens each file once, for all its connections. @type {Map<string, JournalFile>} */
const openFiles = new Map()

/**
 * Creates a storage in an append-only file, for one process at a time. Each write appends one line with its changes.
 * @param {{ file: string }} options
 * @returns {import('@jobistemer/core/storage').Storage}
 * @throws JobistemerError `STORAGE_UNREADABLE`, `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`, `STORAGE_FULL`,
 * `STORAGE_FAILED`
 */
export function journalStorage({ file }) {
  const path = resolve(file)
  const open = openFiles.get(path) ?? new JournalFile(path)
  openFiles.set(path, open)
  open.connections += 1
  const ledger = new RecordLedger({
    opener: 'journalStorage()',
    capabilities: { maxBatch: 500, multiProcess: false, durability: 'power' },
    records: open.records,
    commit: (changes) => open.journal.append(changes),
    close() {
      open.connections -= 1
      if (open.connections > 0) return
      openFiles.delete(path)
      open.journal.close()
    },
  })
  return storageFromLedger(ledger)
}
