import type { JobId } from '@jobistemer/core'
import type { Survey } from './survey.ts'

/** The name of a job; its id, when it is none of those that were looked at. */
export function nameOf({ jobs }: Pick<Survey, 'jobs'>, id: JobId): string {
  return jobs.find((job) => job.id === id)?.name ?? id
}
