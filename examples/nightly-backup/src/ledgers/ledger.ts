import type { Storage } from '@jobistemer/core/storage'

/** A storage in which the demo can keep its ledger: jobs, occurrences, tasks and attempts. */
export interface Ledger {
  /** Creates an empty ledger for one run of the demo. Starts a server if the kind needs one and none is given. */
  prepare(options: LedgerOptions): Promise<PreparedLedger>
  /** Opens the ledger. Every process opens its own connection. */
  open(location: LedgerLocation): Storage
}

export interface LedgerOptions {
  /** The folder of this run. */
  readonly folder: string
  /** URL of a server that is running already; `null`: one is started, with its data in the folder. */
  readonly server: string | null
}

/** All that a process needs to find the ledger; it goes to the workers as JSON. */
export interface LedgerLocation {
  /** The folder of a file, or the URL of a server. */
  readonly address: string
  /** The name of the ledger there: a file, a prefix of keys, a table. */
  readonly name: string
}

export interface PreparedLedger {
  readonly location: LedgerLocation
  /** The location in words. */
  readonly description: string
  /** Stops the server, if the demo started one. The data stay. */
  stop(): Promise<void>
}
