import type { JobRecord } from '../../storage/job-record.ts'
import { ordinaryClockErrorMs } from './tuning.ts'

/** Returns whether the watermark lies so far ahead of `now` that a wrong clock must have set it. */
export function isAhead({ watermark }: Pick<JobRecord, 'watermark'>, now: number): boolean {
  return watermark - now > ordinaryClockErrorMs
}
