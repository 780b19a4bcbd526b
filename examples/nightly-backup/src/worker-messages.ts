import type { LedgerKind } from './ledgers/ledger-kinds.ts'
import type { LedgerLocation } from './ledgers/ledger.ts'

/** The settings of a worker, as JSON in its first argument. */
export interface WorkerSettings {
  /** The node's name. */
  readonly node: string
  readonly folder: string
  readonly ledger: { readonly kind: LedgerKind; readonly location: LedgerLocation }
  readonly database: string
  readonly seconds: number
  /** The first slot of the schedule, in epoch milliseconds. */
  readonly startMs: number
  /** The last slot of the schedule, in epoch milliseconds. */
  readonly endMs: number
  readonly keep: number
  readonly executionTimeoutMs: number
}

/** A message from a worker to the supervisor. */
export type WorkerMessage =
  /** The worker has started its node. `nextMs` is the next slot in epoch milliseconds; `null` after the last slot. */
  | { readonly kind: 'started'; readonly nextMs: number | null }
  /** The worker's handler has stopped in the middle of a compression, and waits for the kill. */
  | {
      readonly kind: 'standing-still'
      readonly node: string
      readonly scheduledMs: number
      readonly doneBytes: number
      readonly totalBytes: number
    }

/** Instructs a worker to let its handler wait in the middle of this slot's compression, if the worker runs the slot. */
export interface Instruction {
  readonly standStillAtMs: number
}
