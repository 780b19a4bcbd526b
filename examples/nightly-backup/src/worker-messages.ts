import type { LedgerKind } from './ledgers/ledger-kinds.ts'
import type { LedgerLocation } from './ledgers/ledger.ts'

/** What a worker is started with: JSON in its first argument. */
export interface WorkerSettings {
  /** The node's name. */
  readonly node: string
  readonly folder: string
  readonly ledger: { readonly kind: LedgerKind; readonly location: LedgerLocation }
  readonly database: string
  readonly seconds: number
  /** The first and the last slot, in epoch milliseconds. */
  readonly startMs: number
  readonly endMs: number
  readonly keep: number
  readonly executionTimeoutMs: number
}

/** What a worker tells the process that started it. */
export type WorkerMessage =
  /** The worker runs the job. `nextMs`: the next slot; `null` after the last slot. */
  | { readonly kind: 'started'; readonly nextMs: number | null }
  /** It stands still in the middle of a compression, and waits for its end. */
  | {
      readonly kind: 'standing-still'
      readonly node: string
      readonly scheduledMs: number
      readonly doneBytes: number
      readonly totalBytes: number
    }

/** Instructs a worker to stop in the middle of the compression of this slot, if it runs the slot. */
export interface Instruction {
  readonly standStillAtMs: number
}
