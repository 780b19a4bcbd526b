import { defineJob, type Job } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'

/** A job that runs each night, and on request. */
export const report: Job = defineJob({
  name: 'report',
  schedule: cron('0 2 * * *', { timezone: 'Europe/Berlin' }),
  overlapPolicy: 'queue',
  tasks: [
    {
      name: 'count',
      run: async ({ input, sleep }) => {
        const { pages = 1 } = (input ?? {}) as { readonly pages?: number }
        for (let page = 0; page < pages; page++) await sleep({ milliseconds: 20 })
        return { pages }
      },
    },
  ],
})
