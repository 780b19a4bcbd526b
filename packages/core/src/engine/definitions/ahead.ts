import type { JobRecord } from '../../storage/job-record.ts'
import { ordinaryClockErrorMs } from './tuning.ts'

/** Whether a job's slots are decided up to an instant that nobody should have reached yet. */
export function isAhead({ watermark }: Pick<JobRecord, 'watermark'>, now: number): boolean {
  return watermark - now > ordinaryClockErrorMs
}
