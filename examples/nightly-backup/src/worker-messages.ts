import type { LedgerKind } from './ledger.ts'

/** What the worker is started with: JSON in its first argument. */
export interface WorkerSettings {
  readonly folder: string
  readonly ledger: LedgerKind
  readonly database: string
  readonly seconds: number
  /** The first and the last slot, in epoch milliseconds. */
  readonly startMs: number
  readonly endMs: number
  readonly keep: number
  /** Stand still in the middle of the compression of the occurrence with this number, counted from 1; `null`: never. */
  readonly standStillAt: number | null
}

/** What the worker tells the process that started it. */
export type WorkerMessage =
  /** It runs the job. `nextMs`: the first slot that is still to come; `null` when there is none. */
  | { readonly kind: 'started'; readonly nextMs: number | null }
  /** It stands still in the middle of a compression, and waits for its end. */
  | {
      readonly kind: 'standing-still'
      readonly scheduledMs: number
      readonly doneBytes: number
      readonly totalBytes: number
    }
