import type { JobRecord } from '../../storage/job-record.ts'
import { AfterTurn } from '../runtime/after-turn.ts'
import { failInBackground } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { chunksOf, type StorageCalls } from '../storage-access/retrying-storage.ts'
import type { HeldJobs } from './held-jobs.ts'
import type { RegisteredJob } from './registered-job.ts'
import type { Registrations } from './registrations.ts'
import type { JobChange, SaveJobAnswer } from '../../storage/storage.ts'
import { mostListed, sampleSize, upkeepMs } from '../../tuning.ts'

/** Returns the number of heads to read in each interval, so that each of `size` heads is read about once per `upkeepMs`. */
export function headsInLook(size: number, intervalMs: number): number {
  return Math.min(sampleSize, Math.ceil(size * Math.min(1, intervalMs / upkeepMs)))
}

const pauseReason = 'paused before the storage lost the job'

/**
 * What this node does with a vanished job: it stores the job again, waits until another node stores the job, or forgets the
 * job.
 */
export type VanishedJobEnd = 'stored_again' | 'awaited' | 'forgotten'

const messages: Readonly<Record<VanishedJobEnd, string>> = {
  stored_again:
    'the storage has lost jobs: nodes have stored them again; they continue from now, without their history',
  awaited: 'the storage has lost jobs: this node waits for the nodes that have their newer definitions',
  forgotten: 'the storage has lost jobs that this node does not define: they do not run until you add them again',
}

/**
 * Vanished jobs that are stored again, by this node or by another node. The value says whether the present check has to report
 * this. It is `false` if another check of this node has reported the job.
 */
type StoredJobs = Map<RegisteredJob, boolean>

/**
 * Reads the heads of held jobs again, many per call.
 *
 * If a job has neither a head nor a tombstone, the storage has lost its data. This node then stores its own definition of the
 * job again. If this node followed another definition, it first waits for the nodes with that definition.
 */
export class JobRefresher {
  readonly #engine: EngineContext
  readonly #registry: HeldJobs
  readonly #registrations: Registrations
  readonly #patienceMs: number
  /**
   * Vanished jobs that other nodes should store again, with the monotonic instant at which this node stops waiting for these
   * nodes.
   */
  readonly #awaited = new Map<RegisteredJob, number>()
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

  constructor(
    engine: EngineContext,
    options: { registry: HeldJobs; registrations: Registrations; patienceMs: number },
  ) {
    this.#engine = engine
    this.#registry = options.registry
    this.#registrations = options.registrations
    this.#patienceMs = options.patienceMs
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
  ): Promise<ReadonlySet<RegisteredJob>> {
    return await this.#mend(await this.#read(jobs, storage, () => true), storage)
  }

  /**
   * Checks whether the storage still has the next few held jobs, and whether the awaited jobs are in the storage again.
   * Called once per interval.
   */
  async reviewSome(intervalMs: number): Promise<void> {
    const { storage } = this.#engine
    const jobs = [...new Set([...this.#awaited.keys(), ...this.#nextJobs(intervalMs)])]
    await this.#mend(await this.#read(jobs, storage, isAnother), storage)
  }

  #nextJobs(intervalMs: number): readonly RegisteredJob[] {
    const jobs: RegisteredJob[] = []
    const most = Math.min(headsInLook(this.#registry.size, intervalMs), this.#engine.maxBatch)
    while (jobs.length < most) {
      this.#place ??= this.#registry.all()
      const { done, value } = this.#place.next()
      if (done === true) this.#place = null
      else jobs.push(value)
    }
    return jobs
  }

  /**
   * Reads the heads of these jobs, and applies the heads for which `wanted` returns true. Forgets jobs that were
   * deleted. Returns the jobs that have no head in the storage.
   */
  async #read(
    jobs: readonly RegisteredJob[],
    storage: StorageCalls,
    wanted: (record: JobRecord, job: RegisteredJob) => boolean,
  ): Promise<RegisteredJob[]> {
    const { maxBatch } = this.#engine
    const gone: RegisteredJob[] = []
    for (const group of chunksOf(jobs, maxBatch)) {
      const records = await this.#heads(group, storage)
      for (const [index, job] of group.entries()) {
        const record = records[index] ?? null
        if (record === null) {
          gone.push(job)
          continue
        }
        this.#awaited.delete(job)
        if (record.deletedAt !== null) this.#registry.forget(job)
        else if (wanted(record, job)) this.#registry.adopt(job.job, record)
      }
    }
    return gone
  }

  async #heads(jobs: readonly RegisteredJob[], storage: StorageCalls): Promise<readonly (JobRecord | null)[]> {
    const ids = jobs.map(({ job }) => job.id)
    for (;;) {
      const { jobs: records } = await storage.repeated('get', (calls) => calls.get({ jobs: ids }))
      const learning = this.#registry.learn(records)
      if (learning === null) return records
      await learning
      // The import of ticker packages takes time, and heads may have changed meanwhile. So the loop reads the heads again.
    }
  }

  /**
   * Handles jobs without a head. If a held job is found without a head for the first time, checks all jobs, because the
   * storage may have lost all its data.
   */
  async #mend(found: readonly RegisteredJob[], storage: StorageCalls): Promise<ReadonlySet<RegisteredJob>> {
    let gone = new Set(found)
    if (found.some((job) => this.#registry.holds(job) && !this.#awaited.has(job))) {
      const all = [...this.#registry.all()]
      const others = all.filter((job) => !gone.has(job))
      for (const job of await this.#read(others, storage, isAnother)) gone.add(job)
      // Sorts the missing jobs in the order of the registry, because log lines and events name them in this order.
      gone = new Set([...all.filter((job) => gone.has(job)), ...gone])
    }
    if (gone.size > 0) for (const job of await this.#storeAgain([...gone], storage)) gone.delete(job)
    return gone
  }

  /**
   * Stores vanished jobs again, waits for other nodes to store them, or forgets them. Returns the jobs that are stored again.
   */
  async #storeAgain(gone: readonly RegisteredJob[], storage: StorageCalls): Promise<readonly RegisteredJob[]> {
    const now = this.#engine.now()
    // While the time is in doubt, this node stores no jobs. The next review finds the same jobs missing.
    if (this.#engine.isTimeInDoubt) return []
    const own: RegisteredJob[] = []
    const ends = new Map<VanishedJobEnd, RegisteredJob[]>()
    for (const job of gone) {
      const end = this.#endOf(job)
      if (end === 'stored_again') own.push(job)
      else if (end !== null) ends.set(end, [...(ends.get(end) ?? []), job])
    }
    const stored = await this.#store(own, now, storage)
    const news = [...stored.keys()].filter((job) => stored.get(job))
    if (news.length > 0) ends.set('stored_again', news)
    for (const [end, jobs] of ends) this.#say(end, jobs)
    for (const job of ends.get('forgotten') ?? []) this.#registry.forget(job)
    return [...stored.keys()]
  }

  /**
   * Returns what this node does with a vanished job: stores it again, waits until another node stores it, or forgets it.
   * `null`: this node does nothing now, because it no longer holds the job or is already waiting.
   */
  #endOf(job: RegisteredJob): VanishedJobEnd | null {
    // This node no longer holds the job. The job was removed, or another check of this node has dealt with its loss in the
    // storage.
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

  async #store(jobs: readonly RegisteredJob[], now: number, storage: StorageCalls): Promise<StoredJobs> {
    const stored: StoredJobs = new Map()
    for (const group of chunksOf(jobs, this.#engine.maxBatch)) {
      // Remembers the pauses, because a job is stored again without its pause.
      const paused = group.filter((job) => now < job.pausedUntil).map((job) => [job, job.pausedUntil] as const)
      await this.#create(group, now, storage, stored)
      await this.#pauseAgain(new Map(paused.filter(([job]) => stored.get(job))), now, storage)
    }
    return stored
  }

  async #create(jobs: readonly RegisteredJob[], now: number, storage: StorageCalls, stored: StoredJobs): Promise<void> {
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
      // `saved`: this node has stored the job. `exists`: another node has stored the job. Any other outcome: the job
      // was removed meanwhile.
      const isOurs = answer.outcome === 'saved'
      if (!isOurs && answer.outcome !== 'exists') continue
      this.#awaited.delete(job)
      // Report the job if this node has just stored it, or if the stored `createdAt` is new to this node. Otherwise another
      // check of this node has already adopted and reported the head.
      stored.set(job, isOurs || job.createdAt !== answer.job.createdAt)
      // This node may have defined the job again meanwhile. The registry then holds a newer object, so do not adopt the head
      // for the older object `job`.
      if (this.#registry.holds(job)) this.#registry.adopt(job.job, answer.job, isOurs ? 'created' : undefined)
    }
  }

  /** Pauses jobs that this node has stored again, because the storage has lost their pauses. */
  async #pauseAgain(jobs: ReadonlyMap<RegisteredJob, number>, now: number, storage: StorageCalls): Promise<void> {
    if (jobs.size === 0) return
    const changes = Array.from(jobs, ([job, until]): JobChange => {
      const paused = { at: now, ...(Number.isFinite(until) && { until }), reason: pauseReason, actor: null }
      return { kind: 'pause', id: job.job.id, paused }
    })
    await storage.repeated('saveJobs', (calls) => calls.saveJobs({ now, changes }))
    for (const [job, until] of jobs) job.pausedUntil = until
  }

  #say(becomes: VanishedJobEnd, jobs: readonly RegisteredJob[]): void {
    const { events, logger } = this.#engine
    const names = jobs.map(({ job }) => job.name)
    logger.error({ jobs: names.slice(0, mostListed), count: names.length }, messages[becomes])
    for (const { job } of jobs) events.emit('job.vanished', { jobId: job.id, jobName: job.name, becomes })
  }
}

/** Returns whether the stored job was created again after this node had adopted the job. */
function isAnother(record: JobRecord, job: RegisteredJob): boolean {
  return record.createdAt !== job.createdAt
}
