import { isPausedAt } from '@jobistemer/core/storage'
import { duration } from '../../output/times.ts'
import type { Finding } from '../finding.ts'
import { alertAfterOf } from '../definition-of.ts'
import { forEachJob } from '../for-each-job.ts'
import type { Survey } from '../survey.ts'

/** Reports jobs that had no success within their `alertAfter`. */
export async function jobSilent(survey: Survey): Promise<readonly Finding[]> {
  const { client, now, signal } = survey
  const jobs = survey.jobs.filter((job) => !isPausedAt(job, now) && alertAfterOf(job) !== null)
  return forEachJob({ jobs, signal }, async (job) => {
    const { silentSince, lastSuccessAt } = await client.job(job.name, { signal })
    if (silentSince === null) return null
    const last =
      lastSuccessAt === null ? 'and none is known' : `the last one ${duration(now - lastSuccessAt.getTime())} ago`
    return {
      code: 'JOB_SILENT',
      severity: 'error',
      job: job.name,
      message: `No run of ${job.name} was completed within its alertAfter of ${duration(alertAfterOf(job) as number)}, ${last}.`,
      remedy: `To see its runs: jobistemer history '${job.name}'.`,
    }
  })
}
