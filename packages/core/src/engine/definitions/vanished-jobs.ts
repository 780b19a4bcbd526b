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
  stored_again: 'the storage has lost jobs: they are stored again, and go on from now; their history is gone',
  awaited: 'the storage has lost jobs whose newer definition other nodes have: these are awaited',
  forgotten:
    'the storage has lost jobs that this node does not define: they do not run unless somebody adds them again',
}

interface PausedJob {
  readonly job: RegisteredJob
  readonly until: number
}

interface Stored {
  /** Those that the storage has again, whichever node has stored them. */
  readonly there: RegisteredJob[]
  /** Those of them of which that was not known. */
  readonly news: RegisteredJob[]
}

/**
 * Jobs that are gone from the storage, although nobody has removed them: a removed one leaves a tombstone. Without it the
 * storage has lost its data. What this node defines, it stores again; where it followed another definition, the nodes
 * that have that one come first.
 */
export class VanishedJobs {
  readonly #engine: EngineContext
  readonly #registry: HeldJobs
  readonly #registrations: Registrations
  readonly #patienceMs: number
  /** Jobs that others are to store again, with the monotonic instant up to which they have the time for it. */
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

  /** Whether it was not known yet that this job is gone. */
  isNews(job: RegisteredJob): boolean {
    return this.#registry.holds(job) && !this.#awaited.has(job)
  }

  isBack(job: RegisteredJob): void {
    this.#awaited.delete(job)
  }

  /** Does what there is to do about jobs that the storage does not have. Answers those that it has again. */
  async storeAgain(gone: readonly RegisteredJob[], storage: StorageCalls): Promise<readonly RegisteredJob[]> {
    const now = this.#engine.now()
    // By a time that is in doubt nothing can go on. The next look finds them gone, too.
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

  /** `null`: nothing, or nothing yet. */
  #endOf(job: RegisteredJob): VanishedJobEnd | null {
    // It was removed, or has vanished before, and somebody still had it in hand.
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
      // Before they are stored again, as not paused.
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
      // Anything else means that somebody has removed it meanwhile.
      const isOurs = answer.outcome === 'saved'
      if (!isOurs && answer.outcome !== 'exists') continue
      this.#awaited.delete(job)
      stored.there.push(job)
      // Another look of this node may have found the same.
      if (isOurs || job.createdAt !== answer.job.createdAt) stored.news.push(job)
      // As long as this took, it may have been removed and defined again here.
      if (this.#registry.holds(job)) this.#registry.adopt(job.job, answer.job, isOurs ? 'created' : undefined)
    }
  }

  /** What somebody has stopped must not run because the storage has forgotten it. */
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
