import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { RecordLedger, Records, storageFromLedger } from '@jobistemer/core/storage'

/**
 * A faulty single-process storage: it declares durability, but writes its file only when it is closed.
 * @param {{ file: string }} options
 */
export function hoardingStorage({ file }) {
  const records = new Records()
  if (existsSync(file)) for (const change of JSON.parse(readFileSync(file, 'utf8'))) records.apply(change)
  const ledger = new RecordLedger({
    opener: 'hoardingStorage()',
    capabilities: { maxBatch: 500, multiProcess: false, durability: 'process' },
    records,
    commit: () => {},
    close: () => writeFileSync(file, JSON.stringify(records.snapshot())),
  })
  return storageFromLedger(ledger)
}
