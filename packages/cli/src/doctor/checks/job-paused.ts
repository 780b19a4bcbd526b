import { isPausedAt } from '@jobistemer/core/storage'
import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

const forgottenMs = 7 * 86_400_000

/** Reports paused jobs. A pause that has no end and began more than a week ago is a warning: the user may have forgotten it. */
export async function jobPaused({ jobs, now }: Survey): Promise<readonly Finding[]> {
  return jobs.flatMap(({ name, paused }) => {
    if (paused === null || !isPausedAt({ paused }, now)) return []
    const by = paused.actor === null ? '' : ` by ${paused.actor}`
    const end = paused.until === undefined ? '' : `, until ${new Date(paused.until).toISOString()}`
    const why = paused.reason === null ? '' : `: ${paused.reason}`
    return [
      {
        code: 'JOB_PAUSED',
        severity: paused.until === undefined && now - paused.at > forgottenMs ? 'warning' : 'info',
        job: name,
        message: `${name} is paused since ${new Date(paused.at).toISOString()}${by}${end}${why}.`,
        remedy: `To resume the job: jobistemer resume '${name}'.`,
      },
    ]
  })
}
