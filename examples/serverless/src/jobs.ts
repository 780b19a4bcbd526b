import { defineJob, type Job } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'

/** The functions with which the jobs send letters and write reports. Tests give other functions. */
export interface Work {
  sendDueLetters(signal: AbortSignal): Promise<number>
  writeReport(day: Date, signal: AbortSignal): Promise<void>
}

/** Defines two jobs: one each minute, and a daily one that is retried after a failure. */
export function jobsOf(work: Work): readonly Job[] {
  return [
    defineJob({
      name: 'letters',
      schedule: cron('* * * * *'),
      tasks: [{ name: 'send', run: ({ signal }) => work.sendDueLetters(signal) }],
    }),
    defineJob({
      name: 'report',
      schedule: cron('30 4 * * *'),
      retryPolicy: { maxRetries: 3, retryInterval: { minutes: 5 } },
      tasks: [{ name: 'write', run: ({ scheduledAt, signal }) => work.writeReport(scheduledAt, signal) }],
    }),
  ]
}
