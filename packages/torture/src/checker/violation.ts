import type { OccurrenceId } from '@jobistemer/core'

/** A promise that was broken. */
export interface Violation {
  /** Which one, as in the README. */
  readonly rule: Rule
  readonly job: string | null
  readonly occurrence: OccurrenceId | null
  /** One sentence with the values that contradict each other. */
  readonly message: string
}

export type Rule =
  // What the witness shows
  | 'start-twice'
  | 'start-unknown'
  | 'start-early'
  | 'start-unwritten'
  | 'start-stale'
  | 'start-after-shutdown'
  | 'end-missing'
  // What a user's own table shows
  | 'rows'
  | 'overlap'
  | 'order'
  // What nodes were told by the storage
  | 'created-twice'
  | 'granted-twice'
  | 'stale-write'
  | 'ended-twice'
  | 'claim-in-pause'
  | 'reaped-early'
  | 'write-lost'
  | 'takeover'
  // What the ledger itself shows
  | 'ledger'
  | 'start-rate'
  // What time the engines had
  | 'clock'
  // What the processes did
  | 'process'
  | 'engine'
  | 'convergence'

export function printViolation({ rule, job, occurrence, message }: Violation): string {
  const where = [job, occurrence].filter((part) => part !== null).join(' ')
  return where === '' ? `${rule}: ${message}` : `${rule}: ${where}: ${message}`
}
