import type { Finding } from '../finding.ts'
import type { Survey } from '../survey.ts'

/** Clocks of nodes may differ by so much where the storage has none. */
const ordinaryMs = 60_000

/** Jobs whose slots are decided up to an instant that no clock has reached. */
export async function jobAhead({ jobs, now }: Survey): Promise<readonly Finding[]> {
  return jobs
    .filter(({ watermark }) => watermark - now > ordinaryMs)
    .map(({ name, watermark }) => ({
      code: 'JOB_AHEAD',
      severity: 'error',
      job: name,
      message: `The slots of ${name} are decided up to ${new Date(watermark).toISOString()}, which lies ahead: a wrong clock did it, and until then nothing of it runs.`,
      remedy: `When the clocks are right: jobistemer realign '${name}'.`,
    }))
}
