import type { Storage } from '@jobistemer/core/storage'

/** A storage in which the demo can keep its ledger: jobs, occurrences, tasks and attempts. */
export interface Ledger {
  /** Makes an empty one for one run of the demo, starting a server where one is needed and none is given. */
  prepare(options: LedgerOptions): Promise<PreparedLedger>
  /** Opens it. Every process opens its own connection. */
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
  /** What is its own there: a file, a prefix of keys, a table. */
  readonly name: string
}

export interface PreparedLedger {
  readonly location: LedgerLocation
  /** Where it is, in words. */
  readonly description: string
  /** Ends the server, if one was started. The data stay. */
  stop(): Promise<void>
}
