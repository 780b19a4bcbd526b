import type { Storage } from '../storage.ts'
import { type AsyncWriter, AsyncWrites } from './async-writes.ts'
import type { Ledger } from './ledger.ts'
import { LedgerStorage } from './ledger-storage.ts'

/** Makes a complete storage from an adapter's ledger. */
export function storageFromLedger(ledger: Ledger): Storage {
  return new LedgerStorage(ledger)
}

/** Makes the writing methods of a storage from a ledger, for an adapter that implements the other methods itself. */
export function writesFromLedger(
  ledger: AsyncWriter,
): Pick<Storage, 'saveJobs' | 'createOccurrences' | 'settle' | 'cancel' | 'reap'> {
  // The declared types of these methods allow values and promises. `AsyncWrites` always returns promises, so the cast is safe.
  return new AsyncWrites(ledger) as Pick<Storage, keyof AsyncWrites & keyof Storage>
}
