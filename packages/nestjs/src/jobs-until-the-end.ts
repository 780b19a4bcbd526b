import { type Client, createClient, type JobOperations, type Scheduler } from '@jobistemer/core'
import type { JobistemerModuleOptions } from './module-options.ts'
import { nestLogger } from './nest-logger.ts'

/**
 * What a client does in place of the scheduler. Not what waits: for a run that nobody may take up it would wait for ever, and
 * with it the server that has to answer, and so the end of the application.
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
  realign: true,
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
 * The scheduler, for whoever asks. Nest closes its server when the scheduler has shut down: what requests and running tasks ask for
 * meanwhile goes to the storage by a client, and other processes run it.
 */
export class JobsUntilTheEnd {
  readonly jobs: JobOperations
  readonly #options: JobistemerModuleOptions
  #client: Client | null = null

  constructor(scheduler: Scheduler, options: JobistemerModuleOptions) {
    this.#options = options
    this.jobs = new Proxy(scheduler, {
      get: (_, name) => {
        const asked = this.#client !== null && Object.hasOwn(taken, name) ? this.#client : scheduler
        const member: unknown = Reflect.get(asked, name, asked)
        return typeof member === 'function' ? member.bind(asked) : member
      },
    })
  }

  /** From here on the client is asked. */
  schedulerEnds(): void {
    this.#client ??= createClient(clientOptionsOf(this.#options))
  }

  /** Waits for what is under way; from here on nothing can be asked for. */
  async close(): Promise<void> {
    await this.#client?.close()
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
