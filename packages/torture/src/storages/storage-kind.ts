import type { Storage } from '@jobistemer/core/storage'
import type { UserRows } from '../rows/user-rows.ts'
import type { StorageServer } from './storage-server.ts'

/** A kind of storage that can be tortured. */
export interface StorageKind {
  /** Default error of the nodes' clocks, in minutes. */
  readonly usualSkewMinutes: number
  /** Default time for one kill, in seconds. Processes that load more take longer to start, and then need time to work. */
  readonly secondsPerKill: number
  /** Factor by which jobs are due more rarely than on a fast storage: a whole number. */
  readonly slowdown: number
  /** The interval at which nodes poll, and the silence after which peers declare them dead. */
  readonly intervals: NodeIntervals
  /** Creates empty data for one run. If the kind has a server, starts a private one. `folder` is the run's own. */
  prepare(folder: string): Promise<PreparedStorage>
  /** Opens a connection in any process; `location` is that of {@link PreparedStorage}. */
  open(location: string): Promise<Storage>
  /** Opens a user's table beside the storage, if the storage can write in transactions of users. */
  readonly openRows?: (location: string) => Promise<UserRows>
}

/** Options of `createScheduler`, in milliseconds. */
export interface NodeIntervals {
  readonly pollInterval: number
  readonly deadAfter: number
}

export interface PreparedStorage {
  /** What a process needs to open it: a file or a URL. */
  readonly location: string
  /** The server to break; `null` without one. */
  readonly server: StorageServer | null
  /** Stops the server, if there is one. */
  stop(): Promise<void>
}
