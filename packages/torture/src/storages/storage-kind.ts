import type { Storage } from '@jobistemer/core/storage'
import type { UserRows } from '../rows/user-rows.ts'
import type { StorageServer } from './storage-server.ts'

/** A kind of storage that can be tortured. */
export interface StorageKind {
  /** By how many minutes the clocks of nodes are wrong, unless told otherwise. */
  readonly usualSkewMinutes: number
  /** The usual time for one kill: processes that load more take longer to start, and then have to get something done. */
  readonly secondsPerKill: number
  /** By how much more rarely jobs are due than on a fast storage: a whole number. */
  readonly slowdown: number
  /** How often nodes look into the storage, and say that they live; and after which silence others take them for dead. */
  readonly intervals: NodeIntervals
  /**
   * Makes empty data for one run, starting a server of its own where the kind has one. `folder` is the run's own.
   */
  prepare(folder: string): Promise<PreparedStorage>
  /** Opens a connection, in whichever process; `location` is that of {@link PreparedStorage}. */
  open(location: string): Promise<Storage>
  /** Opens a table of a user's beside the storage, where the storage writes in transactions of users. */
  readonly openRows?: (location: string) => Promise<UserRows>
}

/** Options of `createScheduler`, in milliseconds. */
export interface NodeIntervals {
  readonly pollInterval: number
  readonly reapInterval: number
  readonly definitionInterval: number
  readonly heartbeat: number
  readonly deadAfter: number
}

export interface PreparedStorage {
  /** What a process needs to know to open it: a file, a URL. */
  readonly location: string
  /** What can be done to it besides; `null` where there is no server. */
  readonly server: StorageServer | null
  /** Stops the server, if there is one. */
  stop(): Promise<void>
}
