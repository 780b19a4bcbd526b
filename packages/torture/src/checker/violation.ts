import type { OccurrenceId } from '@jobistemer/core'

/** A rule of the scheduler that a run broke. */
export interface Violation {
  /** The broken rule, named as in the README. */
  readonly rule: Rule
  readonly job: string | null
  readonly occurrence: OccurrenceId | null
  /** One sentence that states which values contradict each other. */
  readonly message: string
}

export type Rule =
  // Rules about the lines that handlers write at their starts and ends.
  | 'start-twice'
  | 'start-unknown'
  | 'start-early'
  | 'start-unwritten'
  | 'start-stale'
  | 'start-after-shutdown'
  | 'end-missing'
  // Rule about the user's table.
  | 'rows'
  | 'overlap'
  | 'order'
  // Rules about the storage's answers to the nodes.
  | 'created-twice'
  | 'granted-twice'
  | 'stale-write'
  | 'ended-twice'
  | 'claim-in-pause'
  | 'reaped-early'
  | 'write-lost'
  | 'takeover'
  // Rules about the stored records.
  | 'ledger'
  | 'start-rate'
  // Rule about the engines' times.
  | 'clock'
  // Rules about processes, engine failures and the recovery.
  | 'process'
  | 'engine'
  | 'convergence'

export function printViolation({ rule, job, occurrence, message }: Violation): string {
  const where = [job, occurrence].filter((part) => part !== null).join(' ')
  return where === '' ? `${rule}: ${message}` : `${rule}: ${where}: ${message}`
}
