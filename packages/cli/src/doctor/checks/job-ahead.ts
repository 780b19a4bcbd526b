import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/** The check ignores watermarks that lie at most this many ms in the future: clocks of nodes differ a little. */
const ordinaryMs = 60_000

/** Reports jobs that are ahead: slots up to their watermark do not run. */
export async function jobAhead({ jobs, now }: Survey): Promise<readonly Finding[]> {
  return jobs
    .filter(({ watermark }) => watermark - now > ordinaryMs)
    .map(({ name, watermark }) => ({
      code: 'JOB_AHEAD',
      severity: 'error',
      job: name,
      message: `The slots of ${name} are decided up to ${new Date(watermark).toISOString()}, which lies ahead, because a clock was wrong. No slot of the job runs until then.`,
      remedy: `When the clocks are right: jobistemer realign '${name}'.`,
    }))
}
