import { createScheduler, defineJob, type Scheduler } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'
import { type Running, shared } from './shared.ts'

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

// In development, Next.js loads each edited file as a new copy of the module. The first call of `startJobs` in a new
// copy replaces the running scheduler, so that the newest code runs the jobs.
let hasTakenOver = process.env.NODE_ENV !== 'development'

/**
 * Starts the scheduler of this server, unless the scheduler is running. After a failed start, callers may call this
 * function again.
 */
export async function startJobs(): Promise<Scheduler> {
  if (shared.jobs === undefined || !hasTakenOver) {
    hasTakenOver = true
    const starting = start(shared.jobs)
    shared.jobs = starting
    starting.catch(() => {
      if (shared.jobs === starting) shared.jobs = undefined
    })
  }
  return (await shared.jobs).scheduler
}

async function start(before: Promise<Running> | undefined): Promise<Running> {
  // Ignores the error of a failed start, which the caller of that start has received.
  const earlier = await before?.catch(() => undefined)
  // Runs of the earlier scheduler are handed back and start again with the new code.
  await earlier?.end({ gracePeriod: 0 })
  const storage = sqliteStorage({ file: process.env.JOBS_FILE ?? 'jobs.db' })
  const scheduler = createScheduler({ storage, jobs: [report] })
  try {
    await scheduler.start()
  } catch (error) {
    await storage.close()
    throw error
  }
  endOnSignals()
  return {
    scheduler,
    end: async (options) => {
      await scheduler.shutdown(options)
      await storage.close()
    },
  }
}

/**
 * Shuts the scheduler down on SIGTERM or SIGINT. Next.js leaves these signals to the application if
 * `NEXT_MANUAL_SIG_HANDLE` is set.
 */
function endOnSignals(): void {
  if (shared.jobsEndOnSignals === true) return
  shared.jobsEndOnSignals = true
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, async () => {
      // After a failed start there is no scheduler to shut down.
      const running = await shared.jobs?.catch(() => undefined)
      await running?.end()
      process.exit(0)
    })
  }
}
