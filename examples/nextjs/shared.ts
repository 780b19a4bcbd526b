import type { Scheduler, ShutdownOptions } from '@jobistemer/core'

/** A scheduler that has been started. */
export interface Running {
  readonly scheduler: Scheduler
  end(options?: ShutdownOptions): Promise<void>
}

/** Next.js bundles instrumentation and routes apart: each has a copy of each module, and there is to be one scheduler. */
export const shared = globalThis as { jobs?: Promise<Running> | undefined; jobsEndOnSignals?: boolean }
