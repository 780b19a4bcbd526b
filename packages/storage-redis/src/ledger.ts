import type { StorageCapabilities } from '@jobistemer/core/storage'
import type { Connection } from './connection.ts'

/** What every operation works with. */
export interface Ledger {
  readonly connection: Connection
  /** Where scripts tell other connections of changes. */
  readonly channel: string
  /** Whose changes they are. */
  readonly sender: string
}

export const capabilities: StorageCapabilities = Object.freeze({
  maxBatch: 250,
  multiProcess: true,
  durability: 'process',
  findsDueJobs: true,
  takesNext: true,
})
