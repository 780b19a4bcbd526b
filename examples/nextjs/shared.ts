import type { Scheduler, ShutdownOptions } from '@jobistemer/core'

/** A started scheduler, and the function that shuts it down. */
export interface Running {
  readonly scheduler: Scheduler
  end(options?: ShutdownOptions): Promise<void>
}

/**
 * Next.js bundles instrumentation and routes separately, so each bundle has its own copy of this module. Through the
 * global object, all bundles share one scheduler.
 */
export const shared = globalThis as { jobs?: Promise<Running> | undefined; jobsEndOnSignals?: boolean }
