import type { Storage } from '@jobistemer/core/storage'

/** A storage that can hold the ledger of the demo: jobs, occurrences, tasks and attempts. */
export interface Ledger {
  /** Creates an empty ledger for one run of the demo. Starts a server if the storage needs one and the user gives none. */
  prepare(options: LedgerOptions): Promise<PreparedLedger>
  /** Opens the ledger. Every process opens its own connection. */
  open(location: LedgerLocation): Storage
}

export interface LedgerOptions {
  /** The folder of this run of the demo. */
  readonly folder: string
  /** URL of a running server; `null`: the demo starts a server with its data in the folder. */
  readonly server: string | null
}

/** The data that a process needs to open the ledger. Workers receive these data as JSON. */
export interface LedgerLocation {
  /** The folder of the ledger's file, or the URL of its server. */
  readonly address: string
  /** The name of the ledger at the address: the name of its file, schema or table, or the prefix of its keys. */
  readonly name: string
}

export interface PreparedLedger {
  readonly location: LedgerLocation
  /** Describes the ledger's location for the user. */
  readonly description: string
  /** Stops the server if the demo started it. The data stay. */
  stop(): Promise<void>
}
