import type { Scheduler } from '@jobistemer/core'
import { shared } from './shared.ts'

/** The scheduler of this server, for routes and pages: they need none of the code of the jobs. */
export async function jobs(): Promise<Scheduler> {
  if (process.env.NODE_ENV === 'development') {
    // Next.js calls `register` once, and not after an edit.
    const { startJobs } = await import('./jobs.ts')
    return startJobs()
  }
  if (shared.jobs === undefined) throw new Error('The jobs have not been started: see instrumentation.ts.')
  return (await shared.jobs).scheduler
}
