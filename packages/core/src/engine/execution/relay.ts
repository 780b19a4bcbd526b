import type { OccurrenceAddress, OccurrenceRecord } from '../../storage/occurrence-record.ts'

/** The part of a backfill's run that {@link Relay} needs when the run ends. */
export type EndedRun = Pick<OccurrenceRecord, 'id' | 'jobId' | 'startedAt' | 'details'>

/**
 * Continues a backfill when one of its runs ends. The methods ignore occurrences that belong to no backfill, and they never
 * reject.
 */
export interface Relay {
  /** Creates the run after `ended`. Called before the end is settled, so that a crash between both steps loses no run. */
  handOn(ended: EndedRun): Promise<void>
  /** Newer occurrences have displaced these waiting runs. The backfill creates runs for their slots again. */
  displaced(addresses: readonly OccurrenceAddress[]): Promise<void>
}
