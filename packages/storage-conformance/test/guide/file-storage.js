import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { RecordLedger, Records, storageFromLedger } from '@jobistemer/core/storage'

/** @type {Map<string, { records: Records, connections: number }>} */
const openFiles = new Map()

/** @param {string} file */
function openFile(file) {
  const records = new Records()
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
  for (const line of lines) for (const change of JSON.parse(line)) records.apply(change)
  writeFileSync(`${file}.draft`, `${JSON.stringify(records.snapshot())}\n`)
  renameSync(`${file}.draft`, file)
  return { records, connections: 0 }
}

/** @param {{ file: string }} options @returns {import('@jobistemer/core/storage').Storage} */
export function fileStorage({ file }) {
  const open = openFiles.get(file) ?? openFile(file)
  openFiles.set(file, open)
  open.connections += 1
  const ledger = new RecordLedger({
    opener: 'fileStorage()',
    capabilities: { maxBatch: 500, multiProcess: false, durability: 'process' },
    records: open.records,
    commit: (changes) => appendFileSync(file, `${JSON.stringify(changes)}\n`),
    close() {
      open.connections -= 1
      if (open.connections === 0) openFiles.delete(file)
    },
  })
  return storageFromLedger(ledger)
}
