import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

const forgottenMs = 7 * 86_400_000

/** Jobs that are paused; for more than a week: somebody may have forgotten it. */
export async function jobPaused({ jobs, now }: Survey): Promise<readonly Finding[]> {
  return jobs.flatMap(({ name, paused }) => {
    if (paused === null) return []
    const by = paused.actor === null ? '' : ` by ${paused.actor}`
    const why = paused.reason === null ? '' : `: ${paused.reason}`
    return [
      {
        code: 'JOB_PAUSED',
        severity: now - paused.at > forgottenMs ? 'warning' : 'info',
        job: name,
        message: `${name} is paused since ${new Date(paused.at).toISOString()}${by}${why}.`,
        remedy: `If that is not meant any more: jobistemer resume '${name}'.`,
      },
    ]
  })
}
