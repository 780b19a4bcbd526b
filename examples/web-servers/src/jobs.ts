import { defineJob, type Job } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'
import { z } from 'zod'

const payload = z.object({ pages: z.int().min(1).max(1000) })

/** A job that runs each night, and on request. */
export const report: Job<z.input<typeof payload>> = defineJob({
  name: 'report',
  schedule: cron('0 2 * * *', { timezone: 'Europe/Berlin' }),
  overlapPolicy: 'queue',
  payload,
  tasks: [
    {
      name: 'count',
      run: async ({ input, sleep }) => {
        // A run of a slot has no input.
        const pages = input?.pages ?? 1
        for (let page = 0; page < pages; page++) await sleep({ milliseconds: 20 })
        return { pages }
      },
    },
  ],
})
