import type { Scheduler } from '@jobistemer/core'
import { shared } from './shared.ts'

/** Returns the scheduler of this server. Routes and pages call this function, so they need not load the jobs' code. */
export async function jobs(): Promise<Scheduler> {
  if (process.env.NODE_ENV === 'development') {
    // In development an edit does not make Next.js call `register` again, so this call starts the scheduler.
    const { startJobs } = await import('./jobs.ts')
    return startJobs()
  }
  if (shared.jobs === undefined) throw new Error('The jobs have not been started: see instrumentation.ts.')
  return (await shared.jobs).scheduler
}
