import type { Storage } from '@jobistemer/core/storage'
import type { UserRows } from '../rows/user-rows.ts'
import type { StorageServer } from './storage-server.ts'

/** A storage that a torture run supports. */
export interface StorageKind {
  /** Default of the option `--clock-skew`: the maximum error of the nodes' clocks, in minutes. */
  readonly usualSkewMinutes: number
  /**
   * Default duration of the fault phase, in seconds, for each kill of the run. The duration is longer for storages
   * whose client takes long to load, so that nodes can work between kills.
   */
  readonly secondsPerKill: number
  /** Factor by which the jobs' intervals are longer than on a fast storage: a whole number. */
  readonly slowdown: number
  /** The interval at which nodes poll, and the time without a heartbeat after which peers declare a node dead. */
  readonly intervals: NodeIntervals
  /** Creates empty data for one run. Starts a private server if the storage has one. `folder` belongs to the run. */
  prepare(folder: string): Promise<PreparedStorage>
  /** Opens a storage connection in any process. `location` comes from {@link PreparedStorage}. */
  open(location: string): Promise<Storage>
  /** Opens a user's table in the same database. Absent if the storage cannot write in a user's transaction. */
  readonly openRows?: (location: string) => Promise<UserRows>
}

/** The intervals that the nodes of a torture run pass to `createScheduler`, in ms. */
export interface NodeIntervals {
  readonly pollInterval: number
  readonly deadAfter: number
}

export interface PreparedStorage {
  /** The file or URL with which a process opens the storage. */
  readonly location: string
  /** The server into which the driver injects faults; `null` without a server. */
  readonly server: StorageServer | null
  /** Stops the storage's server, if there is one. */
  stop(): Promise<void>
}
