import type { Storage } from '@jobistemer/core/storage'

/** A kind of storage that can be tortured. */
export interface StorageKind {
  /**
   * Makes empty data for one run, starting a server of its own where the kind has one. `folder` is the run's own.
   */
  prepare(folder: string): Promise<PreparedStorage>
  /** Opens a connection, in whichever process; `location` is that of {@link PreparedStorage}. */
  open(location: string): Promise<Storage>
}

export interface PreparedStorage {
  /** What a process needs to know to open it: a file, a URL. */
  readonly location: string
  /** Stops the server, if there is one. */
  stop(): Promise<void>
}
