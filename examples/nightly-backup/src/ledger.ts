import { join } from 'node:path'
import type { Storage } from '@jobistemer/core/storage'
import { sqliteStorage } from '@jobistemer/storage-sqlite'

// The storage is the only thing that a change of database touches: another adapter is one more line here.
const ledgers = {
  sqlite: (folder: string): Storage => sqliteStorage({ file: join(folder, 'ledger.db') }),
}

/** A storage in which the demo can keep its ledger: jobs, occurrences, tasks and attempts. */
export type LedgerKind = keyof typeof ledgers

export const ledgerKinds = Object.keys(ledgers) as readonly LedgerKind[]

export function isLedgerKind(kind: string): kind is LedgerKind {
  return Object.hasOwn(ledgers, kind)
}

/** Opens the ledger in a folder. Every process opens its own connection. */
export function openLedger(kind: LedgerKind, folder: string): Storage {
  return ledgers[kind](folder)
}
