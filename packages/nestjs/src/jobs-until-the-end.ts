import { type Client, createClient, type JobOperations, type Scheduler } from '@jobistemer/core'
import type { JobistemerModuleOptions } from './module-options.ts'
import { nestLogger } from './nest-logger.ts'

/**
 * The operations that a client performs while the scheduler does not run: all except `waitFor` and `changes`. A call of `waitFor`
 * or `changes` could wait forever for a run that no process claims. A closing server waits for its pending calls, so it would
 * never close.
 */
const taken: Readonly<Record<Exclude<keyof JobOperations, 'waitFor' | 'changes'>, true>> = {
  trigger: true,
  triggerMany: true,
  replay: true,
  backfill: true,
  stopBackfill: true,
  cancel: true,
  cancelSlot: true,
  pause: true,
  pauseAll: true,
  resume: true,
  resumeAll: true,
  update: true,
  add: true,
  remove: true,
  plan: true,
  apply: true,
  nextRuns: true,
  explain: true,
  nodes: true,
  prune: true,
  isRunning: true,
  occurrences: true,
  failures: true,
  live: true,
  jobs: true,
  job: true,
  occurrence: true,
  versions: true,
  counts: true,
}

/**
 * Provides the job operations in `jobs` until the server is closed. The scheduler performs these operations from its start to
 * its shutdown. Before and after, a client performs the operations: it stores the triggered runs. Another process runs them, or
 * this scheduler after its start.
 */
export class JobsUntilTheEnd {
  readonly jobs: JobOperations
  readonly #options: JobistemerModuleOptions
  #isSchedulerRunning = false
  #client: Client | null = null

  constructor(scheduler: Scheduler, options: JobistemerModuleOptions) {
    this.#options = options
    this.jobs = new Proxy(scheduler, {
      get: (_, name) => {
        const asked = !this.#isSchedulerRunning && Object.hasOwn(taken, name) ? this.#clientOnce() : scheduler
        const member: unknown = Reflect.get(asked, name, asked)
        return typeof member === 'function' ? member.bind(asked) : member
      },
    })
  }

  /** Switches all operations from the client to the scheduler. */
  schedulerRuns(): void {
    this.#isSchedulerRunning = true
  }

  /** Switches all operations from the scheduler to the client. */
  schedulerEnds(): void {
    this.#isSchedulerRunning = false
    this.#clientOnce()
  }

  /** Waits for pending calls, and closes the client. Later calls throw. */
  async close(): Promise<void> {
    await this.#client?.close()
  }

  #clientOnce(): Client {
    this.#client ??= createClient(clientOptionsOf(this.#options))
    return this.#client
  }
}

function clientOptionsOf(options: JobistemerModuleOptions): Parameters<typeof createClient>[0] {
  const { storage, defaults, callTimeout, scheduleTypes, logger = nestLogger(), tracing, clock } = options
  return {
    storage,
    logger,
    ...(defaults !== undefined && { defaults }),
    ...(callTimeout !== undefined && { callTimeout }),
    ...(scheduleTypes !== undefined && { scheduleTypes }),
    ...(tracing !== undefined && { tracing }),
    ...(clock !== undefined && { clock }),
  }
}
