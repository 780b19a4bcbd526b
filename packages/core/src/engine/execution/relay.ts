import type { OccurrenceAddress, OccurrenceRecord } from '../../storage/occurrence-record.ts'

/** What is to be known of a run of a backfill that ends. */
export type EndedRun = Pick<OccurrenceRecord, 'id' | 'jobId' | 'startedAt' | 'details'>

/**
 * Whoever sees to it that a backfill goes on when a run of it ends. All of its methods do nothing for what belongs to
 * none, and none rejects.
 */
export interface Relay {
  /** Creates the run that comes after this one. Asked before the end is said, so that a crash between them loses none. */
  handOn(ended: EndedRun): Promise<void>
  /** Runs that waited have given way to a newer occurrence: their slots come again. */
  displaced(addresses: readonly OccurrenceAddress[]): Promise<void>
}
