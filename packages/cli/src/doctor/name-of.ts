import type { JobId } from '@jobistemer/core'
import type { Survey } from './survey.ts'

/** Returns the name of a job, or its id if `doctor` has not read the job. */
export function nameOf({ jobs }: Pick<Survey, 'jobs'>, id: JobId): string {
  return jobs.find((job) => job.id === id)?.name ?? id
}
