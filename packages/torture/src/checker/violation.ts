import type { OccurrenceId } from '@jobistemer/core'

/** A promise that was broken. */
export interface Violation {
  /** The rule, as in the README. */
  readonly rule: Rule
  readonly job: string | null
  readonly occurrence: OccurrenceId | null
  /** One sentence with the values that contradict each other. */
  readonly message: string
}

export type Rule =
  // From the witness
  | 'start-twice'
  | 'start-unknown'
  | 'start-early'
  | 'start-unwritten'
  | 'start-stale'
  | 'start-after-shutdown'
  | 'end-missing'
  // From the user's table
  | 'rows'
  | 'overlap'
  | 'order'
  // From the answers of the storage to the nodes
  | 'created-twice'
  | 'granted-twice'
  | 'stale-write'
  | 'ended-twice'
  | 'claim-in-pause'
  | 'reaped-early'
  | 'write-lost'
  | 'takeover'
  // From the ledger itself
  | 'ledger'
  | 'start-rate'
  // From the times of the engines
  | 'clock'
  // From the processes
  | 'process'
  | 'engine'
  | 'convergence'

export function printViolation({ rule, job, occurrence, message }: Violation): string {
  const where = [job, occurrence].filter((part) => part !== null).join(' ')
  return where === '' ? `${rule}: ${message}` : `${rule}: ${where}: ${message}`
}
