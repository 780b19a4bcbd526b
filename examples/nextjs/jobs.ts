import { createScheduler, defineJob, type Scheduler } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'

const report = defineJob({
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

// Next.js bundles instrumentation and routes apart: each has a copy of this module, and there is to be one scheduler.
const shared = globalThis as { jobs?: Scheduler }

export async function startJobs(): Promise<void> {
  if (shared.jobs !== undefined) return
  const storage = sqliteStorage({ file: process.env.JOBS_FILE ?? 'jobs.db' })
  const scheduler = createScheduler({ storage, jobs: [report] })
  shared.jobs = scheduler
  await scheduler.start()
  // Next.js leaves signals to the application when NEXT_MANUAL_SIG_HANDLE is set.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, async () => {
      await scheduler.shutdown()
      await storage.close()
      process.exit(0)
    })
  }
}

/** The scheduler of this server. */
export function jobs(): Scheduler {
  if (shared.jobs === undefined) throw new Error('The jobs have not been started: see instrumentation.ts.')
  return shared.jobs
}
