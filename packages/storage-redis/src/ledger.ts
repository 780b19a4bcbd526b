import type { StorageCapabilities } from '@jobistemer/core/storage'
import type { Connection } from './connection.ts'

/** The connection, the channel and the sender id that every operation of the storage uses. */
export interface Ledger {
  readonly connection: Connection
  /** The channel on which scripts publish changes to other connections. */
  readonly channel: string
  /** Identifies this storage in the messages that its scripts publish. */
  readonly sender: string
}

export const capabilities: StorageCapabilities = Object.freeze({
  maxBatch: 250,
  multiProcess: true,
  durability: 'process',
  findsDueJobs: true,
  takesNext: true,
})
