import { readObject, readOptionalFunction } from './configuration/read-value.ts'
import { type DurationInput, toDurationMs } from './duration.ts'
import { Agenda } from './engine/agenda.ts'
import { Claimer } from './engine/claimer.ts'
import type { EngineContext } from './engine/engine-context.ts'
import { ExecutionPool } from './engine/execution-pool.ts'
import { JobRegistry } from './engine/job-registry.ts'
import { Reaper } from './engine/reaper.ts'
import type { RegisteredJob } from './engine/registered-job.ts'
import { Requests, type TriggerOptions, type TriggerResult } from './engine/requests.ts'
import { SlotLauncher } from './engine/slot-launcher.ts'
import { StorageCaller } from './engine/storage-caller.ts'
import { ScheduleReviver } from './engine/timeline.ts'
import { uniqueSuffix } from './engine/unique-suffix.ts'
import { JobistemerError, printValue } from './errors.ts'
import { EventHub, type SchedulerEventName, type SchedulerListener } from './events.ts'
import { jobId } from './ids.ts'
import { type InstantInput, toInstantMs } from './instant.ts'
import { type Occurrence, occurrenceOf } from './occurrence.ts'
import { type CheckedSchedulerOptions, readSchedulerOptions, type SchedulerOptions } from './scheduler-options.ts'
import type { OccurrenceState } from './storage/occurrence-record.ts'

/** Which occurrences of a job to read. */
export interface OccurrenceFilter {
  readonly job: string
  /** Inclusive. */
  readonly from?: InstantInput
  /** Exclusive. */
  readonly to?: InstantInput
  readonly states?: readonly OccurrenceState[]
  /** Default `ascending` by `scheduledAt`. */
  readonly order?: 'ascending' | 'descending'
  /** At most so many. Default 100. */
  readonly limit?: number
}

export interface ShutdownOptions {
  /** How long to wait for running work to stop. Default 30 s. */
  readonly gracePeriod?: DurationInput
}

/** One node: runs jobs on a storage, together with all other nodes on the same storage. */
export interface Scheduler extends AsyncDisposable {
  readonly nodeId: string
  /** Stores the definitions, settles what was missed, and begins to run jobs. Resolves once jobs are being scheduled. */
  start(): Promise<void>
  /**
   * Starts nothing more, tells running tasks to stop, waits for them, and hands back what has stopped before its end.
   * Nothing of the scheduler keeps the process alive afterwards. A second call waits for the first.
   */
  shutdown(options?: ShutdownOptions): Promise<void>
  /**
   * Runs a job now, outside its schedule, under its overlap policy. Resolves when the occurrence is stored, not when it
   * has ended.
   * @throws JobistemerError `JOB_NOT_FOUND`, `TASK_NOT_FOUND`
   */
  trigger(name: string, options?: TriggerOptions): Promise<TriggerResult>
  /** Whether an occurrence of the job is running on any node: asks the storage. */
  isRunning(name: string): Promise<boolean>
  occurrences(filter: OccurrenceFilter): Promise<readonly Occurrence[]>
  /** The next `count` slots of a job as it is scheduled now. */
  nextRuns(name: string, count?: number): readonly Date[]
  /** Adds a listener; call what it returns to take it away. */
  on<Name extends SchedulerEventName>(event: Name, listener: SchedulerListener<Name>): () => void
}

/**
 * Makes a scheduler. It does nothing until it is started.
 *
 * @example
 * const scheduler = createScheduler({ storage: sqliteStorage({ file: 'jobs.db' }), jobs: [job] })
 * await scheduler.start()
 * process.once('SIGTERM', () => scheduler.shutdown())
 *
 * @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION`, `DUPLICATE_JOB` …
 */
export function createScheduler(options: SchedulerOptions): Scheduler {
  return new Engine(readSchedulerOptions(options))
}

type Phase = 'new' | 'starting' | 'running' | 'stopping' | 'stopped'

class Engine implements Scheduler, EngineContext {
  readonly nodeId: string
  readonly clock: EngineContext['clock']
  readonly agenda: Agenda<RegisteredJob>
  readonly storage: StorageCaller
  readonly events: EventHub = new EventHub()
  readonly logger: EngineContext['logger']
  readonly owner: EngineContext['owner']
  readonly defaults: EngineContext['defaults']
  readonly maxBatch: number
  readonly #options: CheckedSchedulerOptions
  readonly #registry: JobRegistry
  readonly #pool: ExecutionPool
  readonly #claimer: Claimer
  readonly #launcher: SlotLauncher
  readonly #reaper: Reaper
  readonly #requests: Requests
  #phase: Phase = 'new'
  #stopping: Promise<void> | undefined
  #unsubscribe: (() => void) | undefined

  constructor(options: CheckedSchedulerOptions) {
    this.#options = options
    this.nodeId = options.nodeId
    this.clock = options.clock
    this.logger = options.logger
    this.defaults = options.defaults
    this.owner = { node: options.nodeId, incarnation: uniqueSuffix() }
    this.maxBatch = options.storage.capabilities.maxBatch
    this.agenda = new Agenda({
      clock: options.clock,
      wallNow: () => this.now(),
      onSlotsDue: () => this.#launcher.launch(),
    })
    this.storage = new StorageCaller({
      storage: options.storage,
      clock: options.clock,
      agenda: this.agenda,
      events: this.events,
      logger: options.logger,
    })
    const reviver = new ScheduleReviver()
    for (const type of options.scheduleTypes) reviver.add(type)
    const registry = new JobRegistry(this, reviver)
    const pool = new ExecutionPool(this, {
      limit: options.maxConcurrentJobs,
      onFree: (woken) => (woken === null ? this.#claimer.placeFreed() : this.#claimer.pendingAppeared()),
    })
    this.#registry = registry
    this.#pool = pool
    this.#claimer = new Claimer(this, { registry, pool, pollIntervalMs: options.pollIntervalMs })
    const onPending = () => this.#claimer.pendingAppeared()
    this.#launcher = new SlotLauncher(this, { registry, pool, hasBacklog: () => this.#claimer.hasBacklog, onPending })
    this.#reaper = new Reaper(this, { registry, pool, intervalMs: options.reapIntervalMs, onPending })
    this.#requests = new Requests(this, { registry, pool, onPending })
  }

  now(): number {
    return this.clock.now()
  }

  fail(where: string, error: unknown): void {
    if (this.#phase === 'stopped') return
    this.events.emit('engine.failed', { where, error })
    this.logger.error({ where, err: error }, 'the engine failed')
    // Somebody closed the storage: nothing can be done, and nothing can be said, any more.
    if (JobistemerError.isInstance(error, 'STORAGE_CLOSED')) void this.shutdown({ gracePeriod: 0 })
  }

  async start(): Promise<void> {
    if (this.#phase !== 'new')
      throw stateError('start', this.#phase, 'A scheduler is started once; create another one.')
    this.#phase = 'starting'
    this.agenda.start()
    try {
      await this.#registry.register(this.#options.jobs)
      await this.#reaper.reapEarlierLives()
    } catch (error) {
      this.agenda.stop()
      this.#phase = 'stopped'
      throw error
    }
    this.#phase = 'running'
    this.#unsubscribe = this.#options.storage.subscribe?.(({ kind }) => {
      if (kind === 'due') this.#claimer.pendingAppeared()
      else if (kind === 'cancel') this.#claimer.ring()
    })
    this.agenda.setAlarm(this.#reaper, this.#options.reapIntervalMs)
    this.#claimer.ring()
    this.agenda.slotsLaunched()
    this.events.emit('scheduler.started', { node: this.nodeId, jobs: this.#registry.size })
    this.logger.info({ node: this.nodeId, jobs: this.#registry.size }, 'scheduler started')
  }

  shutdown(options: ShutdownOptions = {}): Promise<void> {
    readObject(options, 'shutdown', ['gracePeriod'])
    const graceMs = toDurationMs(options.gracePeriod ?? 30_000, 'gracePeriod')
    this.#stopping ??= this.#shutDown(graceMs)
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown()
  }

  async #shutDown(graceMs: number): Promise<void> {
    const started = this.#phase !== 'new' && this.#phase !== 'stopped'
    this.#phase = 'stopping'
    this.#unsubscribe?.()
    this.#reaper.stop()
    const quiet = Promise.all([this.#claimer.stop(), this.#launcher.stop()])
    if (started) {
      await new Promise<void>((resolve) => {
        const grace = { at: 0, heapIndex: -1, ring: () => resolve() }
        this.agenda.setAlarm(grace, graceMs)
        void quiet.then(() => this.#pool.shutDown()).then(resolve)
      })
    }
    this.#phase = 'stopped'
    this.storage.stop()
    this.agenda.stop()
    const abandoned = this.#pool.size
    this.events.emit('scheduler.stopped', { node: this.nodeId, abandoned })
    this.logger.info({ node: this.nodeId, abandoned }, 'scheduler stopped')
  }

  trigger(name: string, options: TriggerOptions = {}): Promise<TriggerResult> {
    return this.#requests.trigger(this.#job(name), options)
  }

  async isRunning(name: string): Promise<boolean> {
    const page = await this.storage.once((storage) =>
      storage.listOccurrences({
        kind: 'job',
        jobId: jobId(name),
        states: ['running'],
        order: 'descending',
        runs: false,
        limit: 1,
        cursor: null,
      }),
    )
    return page.items.length > 0
  }

  async occurrences(filter: OccurrenceFilter): Promise<readonly Occurrence[]> {
    readObject(filter, 'filter', ['job', 'from', 'to', 'states', 'order', 'limit'])
    const limit = filter.limit ?? 100
    const found: Occurrence[] = []
    let cursor: string | null = null
    do {
      const page = await this.storage.once((storage) =>
        storage.listOccurrences({
          kind: 'job',
          jobId: jobId(filter.job),
          order: filter.order ?? 'ascending',
          runs: true,
          limit: Math.min(limit - found.length, 1000),
          cursor,
          ...(filter.from !== undefined && { from: toInstantMs(filter.from, 'from') }),
          ...(filter.to !== undefined && { to: toInstantMs(filter.to, 'to') }),
          ...(filter.states !== undefined && { states: filter.states }),
        }),
      )
      for (const record of page.items) found.push(occurrenceOf(record))
      cursor = page.cursor
    } while (cursor !== null && found.length < limit)
    return found
  }

  nextRuns(name: string, count = 5): readonly Date[] {
    const job = this.#job(name)
    const runs: Date[] = []
    // A job whose next slot is not in the heap has no further one.
    let slot: number | null = job.heapIndex < 0 ? job.series.nextMs(job.watermark) : job.at
    while (slot !== null && runs.length < count) {
      runs.push(new Date(slot))
      slot = job.series.nextMs(slot)
    }
    return runs
  }

  on<Name extends SchedulerEventName>(event: Name, listener: SchedulerListener<Name>): () => void {
    readOptionalFunction(listener, 'listener')
    return this.events.on(event, listener)
  }

  #job(name: string): RegisteredJob {
    if (this.#phase !== 'running')
      throw stateError('use', this.#phase, 'Start it first, and do not use it after shutdown.')
    const job = this.#registry.get(jobId(name))
    if (job !== undefined) return job
    throw new JobistemerError('JOB_NOT_FOUND', {
      message: `This scheduler has no job of the name ${printValue(name)}.`,
      field: 'name',
      value: name,
      remedy: 'Pass the job to createScheduler({ jobs }).',
    })
  }
}

function stateError(action: string, phase: Phase, remedy: string): JobistemerError {
  return new JobistemerError('SCHEDULER_STATE', {
    message: `Cannot ${action} a scheduler that is ${phase}.`,
    field: 'scheduler',
    value: phase,
    remedy,
  })
}
