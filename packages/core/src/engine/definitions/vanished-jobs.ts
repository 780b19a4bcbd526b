import type { JobChange, SaveJobAnswer } from '../../storage/storage.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import type { HeldJobs } from './held-jobs.ts'
import type { RegisteredJob } from './registered-job.ts'
import type { Registrations } from './registrations.ts'
import { mostListed } from '../../tuning.ts'

const pauseReason = 'paused before the storage lost the job'

/** What this node does about a job that the storage has lost. */
export type VanishedJobEnd = 'stored_again' | 'awaited' | 'forgotten'

const messages: Readonly<Record<VanishedJobEnd, string>> = {
  stored_again:
    'the storage has lost jobs: nodes have stored them again; they continue from now, without their history',
  awaited: 'the storage has lost jobs: this node waits for the nodes that have their newer definitions',
  forgotten: 'the storage has lost jobs that this node does not define: they do not run until you add them again',
}

interface PausedJob {
  readonly job: RegisteredJob
  readonly until: number
}

interface Stored {
  /** Jobs that the storage has again, stored by this node or by another one. */
  readonly there: RegisteredJob[]
  /** The jobs in `there` of which this node learns just now that the storage has them again. */
  readonly news: RegisteredJob[]
}

/**
 * Stores jobs again that the storage has lost. A removed job leaves a tombstone, so a job without head and tombstone means
 * that the storage has lost its data. This node stores the jobs of its own definitions. If it followed another definition,
 * it first waits for the nodes that have that definition.
 */
export class VanishedJobs {
  readonly #engine: EngineContext
  readonly #registry: HeldJobs
  readonly #registrations: Registrations
  readonly #patienceMs: number
  /** Jobs that other nodes should store again, with the monotonic instant at which this node stops waiting for them. */
  readonly #awaited = new Map<RegisteredJob, number>()

  constructor(
    engine: EngineContext,
    options: { registry: HeldJobs; registrations: Registrations; patienceMs: number },
  ) {
    this.#engine = engine
    this.#registry = options.registry
    this.#registrations = options.registrations
    this.#patienceMs = options.patienceMs
  }

  get awaited(): Iterable<RegisteredJob> {
    return this.#awaited.keys()
  }

  /** Returns whether the loss of this job is new to this node. */
  isNews(job: RegisteredJob): boolean {
    return this.#registry.holds(job) && !this.#awaited.has(job)
  }

  isBack(job: RegisteredJob): void {
    this.#awaited.delete(job)
  }

  /** Stores, awaits or forgets jobs that the storage does not have. Returns the jobs that the storage has again. */
  async storeAgain(gone: readonly RegisteredJob[], storage: StorageCalls): Promise<readonly RegisteredJob[]> {
    const now = this.#engine.now()
    // While the time is in doubt, the node stores no jobs. The next review finds the same jobs missing.
    if (this.#engine.isTimeInDoubt) return []
    const own: RegisteredJob[] = []
    const ends = new Map<VanishedJobEnd, RegisteredJob[]>()
    for (const job of gone) {
      const end = this.#endOf(job)
      if (end === 'stored_again') own.push(job)
      else if (end !== null) listOf(ends, end).push(job)
    }
    const { there, news } = await this.#store(own, now, storage)
    if (news.length > 0) ends.set('stored_again', news)
    for (const [end, jobs] of ends) this.#say(end, jobs)
    for (const job of ends.get('forgotten') ?? []) this.#registry.forget(job)
    return there
  }

  /** Returns `null` if there is nothing to do, or nothing yet. */
  #endOf(job: RegisteredJob): VanishedJobEnd | null {
    // The registry no longer holds the job: it was removed, or this node has handled its loss already.
    if (!this.#registry.holds(job)) {
      this.#awaited.delete(job)
      return null
    }
    if (job.origin === 'stored') return 'forgotten'
    if (!job.isFollowing) return 'stored_again'
    const monotonic = this.#engine.clock.monotonic()
    const until = this.#awaited.get(job)
    if (until !== undefined) return monotonic < until ? null : 'stored_again'
    this.#awaited.set(job, monotonic + this.#patienceMs)
    return 'awaited'
  }

  async #store(jobs: readonly RegisteredJob[], now: number, storage: StorageCalls): Promise<Stored> {
    const { maxBatch } = this.#engine
    const stored: Stored = { there: [], news: [] }
    for (let start = 0; start < jobs.length; start += maxBatch) {
      const group = jobs.slice(start, start + maxBatch)
      // Remembers the pauses, because a job is stored again without its pause.
      const paused = group.filter((job) => now < job.pausedUntil).map((job) => ({ job, until: job.pausedUntil }))
      await this.#create(group, now, storage, stored)
      const pausedAgain = paused.filter(({ job }) => stored.news.includes(job))
      await this.#pauseAgain(pausedAgain, now, storage)
    }
    return stored
  }

  async #create(jobs: readonly RegisteredJob[], now: number, storage: StorageCalls, stored: Stored): Promise<void> {
    const changing: RegisteredJob[] = []
    const changes: JobChange[] = []
    for (const job of jobs) {
      try {
        changes.push(this.#registrations.changeFor(job.job, null, now) as JobChange)
        changing.push(job)
      } catch (error) {
        this.#engine.fail(`schedule of job ${job.job.name}`, error)
      }
    }
    if (changes.length === 0) return
    const answers = await storage.repeated('saveJobs', (calls) => calls.saveJobs({ now, changes }))
    for (const [index, job] of changing.entries()) {
      const answer = answers[index] as SaveJobAnswer
      // Any other outcome means that the job was removed meanwhile.
      const isOurs = answer.outcome === 'saved'
      if (!isOurs && answer.outcome !== 'exists') continue
      this.#awaited.delete(job)
      stored.there.push(job)
      // Another review of this node may have adopted the same head already.
      if (isOurs || job.createdAt !== answer.job.createdAt) stored.news.push(job)
      // The job may have been removed and defined again on this node meanwhile.
      if (this.#registry.holds(job)) this.#registry.adopt(job.job, answer.job, isOurs ? 'created' : undefined)
    }
  }

  /** Pauses the jobs again, so that a paused job does not run because the storage has lost its pause. */
  async #pauseAgain(jobs: readonly PausedJob[], now: number, storage: StorageCalls): Promise<void> {
    if (jobs.length === 0) return
    const changes = jobs.map(({ job, until }): JobChange => {
      const paused = { at: now, ...(Number.isFinite(until) && { until }), reason: pauseReason, actor: null }
      return { kind: 'pause', id: job.job.id, paused }
    })
    await storage.repeated('saveJobs', (calls) => calls.saveJobs({ now, changes }))
    for (const { job, until } of jobs) job.pausedUntil = until
  }

  #say(becomes: VanishedJobEnd, jobs: readonly RegisteredJob[]): void {
    const { events, logger } = this.#engine
    const names = jobs.map(({ job }) => job.name)
    logger.error({ jobs: names.slice(0, mostListed), count: names.length }, messages[becomes])
    for (const { job } of jobs) events.emit('job.vanished', { jobId: job.id, jobName: job.name, becomes })
  }
}

function listOf<Key, Value>(lists: Map<Key, Value[]>, key: Key): Value[] {
  const list = lists.get(key) ?? []
  lists.set(key, list)
  return list
}
