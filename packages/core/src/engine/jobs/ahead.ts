import type { JobRecord } from '../../storage/job-record.ts'

// Clocks of nodes may differ by so much where the storage has none. A watermark that lies farther ahead comes from a
// clock that was wrong.
const ordinaryMs = 60_000

/** Whether a job's slots are decided up to an instant that nobody should have reached yet. */
export function isAhead({ watermark }: Pick<JobRecord, 'watermark'>, now: number): boolean {
  return watermark - now > ordinaryMs
}
