import type { Storage } from '../storage.ts'
import { type AsyncWriter, AsyncWrites } from './async-writes.ts'
import { AsyncSteps } from './async-steps.ts'
import type { Ledger } from './ledger.ts'
import { LedgerStorage } from './ledger-storage.ts'
import { SyncSteps } from './sync-steps.ts'

/**
 * A whole storage over what an adapter supplies. The steps of the protocol, the order in which heads are locked, looking
 * again under the lock, waking, repeated calls, copies, wake-ups and closing are core's.
 */
export function storageFromLedger(ledger: Ledger): Storage {
  return new LedgerStorage(ledger, ledger.kind === 'sync' ? new SyncSteps(ledger) : new AsyncSteps(ledger))
}

/** The methods that write, for an adapter whose other methods are its own. */
export function writesFromLedger(
  ledger: AsyncWriter,
): Pick<Storage, 'saveJobs' | 'createOccurrences' | 'settle' | 'cancel' | 'reap'> {
  return new AsyncWrites(ledger)
}
