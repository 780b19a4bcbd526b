import type { JobRecord } from '../../storage/job-record.ts'
import { AfterTurn } from '../runtime/after-turn.ts'
import { failInBackground } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { chunksOf, type StorageCalls } from '../storage-access/retrying-storage.ts'
import type { HeldJobs } from './held-jobs.ts'
import type { RegisteredJob } from './registered-job.ts'
import type { Registrations } from './registrations.ts'
import type { JobChange } from '../../storage/storage.ts'
import { mostListed, sampleSize, upkeepMs } from '../../tuning.ts'

const messages = {
  stored_again:
    'the storage has lost jobs: nodes have stored them again; they continue from now, without their history',
  forgotten: 'the storage has lost jobs that this node does not define: they do not run until you add them again',
} as const

const pauseReason = 'paused before the storage lost the job'

/**
 * Reads the heads of held jobs again, many per call.
 *
 * If a job has neither a head nor a tombstone, the storage has lost its data. This node then stores its own definitions of
 * all such jobs again. It forgets the jobs of which it has no definition.
 */
export class JobRefresher {
  readonly #engine: EngineContext
  readonly #registry: HeldJobs
  readonly #registrations: Registrations
  readonly #asked = new Set<RegisteredJob>()
  readonly #kick = new AfterTurn(() => {
    const jobs = [...this.#asked]
    this.#asked.clear()
    this.review(jobs).catch((error) => failInBackground(this.#engine, 'reload', error))
  })
  /**
   * Iterator over the held jobs, from which the next periodic check takes its jobs. `null`: the next check begins with the
   * first job.
   */
  #place: Iterator<RegisteredJob> | null = null
  /** The call of `#restore` in progress; `null`: none. */
  #restoring: Promise<void> | null = null

  constructor(engine: EngineContext, options: { registry: HeldJobs; registrations: Registrations }) {
    this.#engine = engine
    this.#registry = options.registry
    this.#registrations = options.registrations
  }

  /**
   * Schedules a read of this job's head after the present turn of the event loop, in one call with the other requested
   * heads.
   */
  ask(job: RegisteredJob): void {
    this.#asked.add(job)
    this.#kick.ask()
  }

  /** Reads the heads of these jobs and applies them. Returns the jobs that the storage does not have. */
  async review(
    jobs: readonly RegisteredJob[],
    storage: StorageCalls = this.#engine.storage,
  ): Promise<readonly RegisteredJob[]> {
    return await this.#restored(await this.#read(jobs, storage, () => true), storage)
  }

  /** Reads the heads of the next few held jobs, and applies changes that this node has missed. Called once per interval. */
  async reviewSome(intervalMs: number): Promise<void> {
    const { storage } = this.#engine
    await this.#restored(await this.#read(this.#nextJobs(intervalMs), storage), storage)
  }

  #nextJobs(intervalMs: number): readonly RegisteredJob[] {
    const { size } = this.#registry
    const jobs: RegisteredJob[] = []
    // In `upkeepMs`, the node checks each held job about once.
    const most = Math.min(sampleSize, this.#engine.maxBatch, Math.ceil(size * Math.min(1, intervalMs / upkeepMs)))
    while (jobs.length < most) {
      this.#place ??= this.#registry.all()
      const { done, value } = this.#place.next()
      if (done === true) this.#place = null
      else jobs.push(value)
    }
    return jobs
  }

  /**
   * Reads the heads of these jobs, and applies the heads for which `wanted` returns true. By default, these are the heads with a
   * newer version than the held job, and of jobs that were created again. Forgets jobs that were deleted.
   * Returns the jobs that have no head in the storage.
   */
  async #read(
    jobs: readonly RegisteredJob[],
    storage: StorageCalls,
    wanted = (record: JobRecord, job: RegisteredJob) =>
      record.createdAt !== job.createdAt || record.version > job.version,
  ): Promise<readonly RegisteredJob[]> {
    const { maxBatch } = this.#engine
    const gone: RegisteredJob[] = []
    for (const group of chunksOf(jobs, maxBatch)) {
      const ids = group.map(({ job }) => job.id)
      const { jobs: records } = await storage.repeated('get', (calls) => calls.get({ jobs: ids }))
      for (const [index, job] of group.entries()) {
        const record = records[index] ?? null
        if (record === null) gone.push(job)
        else if (record.deletedAt !== null) this.#registry.forget(job)
        else if (wanted(record, job)) this.#registry.adopt(job.job, record)
      }
    }
    return gone
  }

  /** If a held job has no head, restores all lost jobs. Returns those of the given jobs that have no head afterwards. */
  async #restored(gone: readonly RegisteredJob[], storage: StorageCalls): Promise<readonly RegisteredJob[]> {
    if (!gone.some((job) => this.#registry.holds(job))) return gone
    this.#restoring ??= this.#restore().finally(() => (this.#restoring = null))
    await this.#restoring
    return await this.#read(gone, storage)
  }

  /**
   * Stores this node's own definitions of all lost jobs again, and forgets the other lost jobs. Pauses the jobs that this node
   * knows as paused, so that no run starts that an operator stopped.
   */
  async #restore(): Promise<void> {
    const { storage } = this.#engine
    // Call `now`, because it reads the clocks, so that `isTimeInDoubt` notices a clock jump.
    const now = this.#engine.now()
    // While the time is in doubt, this node stores no jobs. The next review finds the same jobs missing.
    if (this.#engine.isTimeInDoubt) return
    const lost = (await this.#read([...this.#registry.all()], storage)).filter((job) => this.#registry.holds(job))
    const forgotten = lost.filter(({ origin }) => origin === 'stored')
    const own = lost.filter(({ origin }) => origin !== 'stored')
    const definitions = own.map(({ job }) => job)
    const paused = own.filter(({ pausedUntil }) => now < pausedUntil)
    const pauses = paused.map(({ job: { id }, pausedUntil }): JobChange => {
      const until = Number.isFinite(pausedUntil) ? { until: pausedUntil } : {}
      return { kind: 'pause', id, paused: { at: now, ...until, reason: pauseReason, actor: null } }
    })
    try {
      await this.#registrations.register(definitions, 'return')
    } finally {
      // The storage may reject a definition. It has then stored the other jobs, and these jobs still need their pauses.
      for (const changes of chunksOf(pauses, this.#engine.maxBatch)) {
        await storage.repeated('saveJobs', (calls) => calls.saveJobs({ now, changes }))
      }
      const missing = new Set(await this.#read(own, storage, () => true))
      const stored = own.filter((job) => !missing.has(job))
      this.#say('stored_again', stored)
      this.#say('forgotten', forgotten)
      for (const job of forgotten) this.#registry.forget(job)
    }
  }

  #say(becomes: keyof typeof messages, jobs: readonly RegisteredJob[]): void {
    if (jobs.length === 0) return
    const { events, logger } = this.#engine
    const names = jobs.map(({ job }) => job.name)
    logger.error({ jobs: names.slice(0, mostListed), count: names.length }, messages[becomes])
    for (const { job } of jobs) events.emit('job.vanished', { jobId: job.id, jobName: job.name, becomes })
  }
}
