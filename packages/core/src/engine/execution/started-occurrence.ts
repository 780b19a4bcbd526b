import type { OccurrenceAddress, OccurrenceDetails, OccurrenceKind } from '../../storage/occurrence-record.ts'

/** A running occurrence whose owner is this node. */
export interface StartedOccurrence extends OccurrenceAddress {
  readonly kind: OccurrenceKind
  readonly token: number
  readonly jobVersion: number
  readonly createdAt: number
  readonly startedAt: number
  readonly dueAt: number
  readonly executionTimeoutMs: number
  readonly recovered: boolean
  readonly details: OccurrenceDetails
}
