import type { OccurrenceState } from '@jobistemer/core/storage'
import type { Finding } from '../finding.ts'
import { firstOccurrences } from '../first-occurrences.ts'
import { forEachJob } from '../for-each-job.ts'
import type { Survey } from '../survey.ts'

const ended: readonly OccurrenceState[] = ['completed', 'completed_with_errors', 'failed', 'failed_stale']

/** Reports each job whose last ended runs have all failed. `settings.failures` is the number of these runs. */
export async function jobFailing(survey: Survey): Promise<readonly Finding[]> {
  const { settings } = survey
  return forEachJob(survey, async ({ id: jobId, name }) => {
    const items = await firstOccurrences(survey, { jobId, states: ended, order: 'descending' }, settings.failures)
    const [last] = items
    const isFailing = items.length === settings.failures && items.every(({ state }) => state.startsWith('failed'))
    if (!isFailing || last === undefined) return null
    return {
      code: 'JOB_FAILING',
      severity: 'error',
      job: name,
      run: last.id,
      message: `The last ${items.length} runs of ${name} have failed.`,
      remedy: `To see the reason: jobistemer run ${last.id}.`,
    }
  })
}
