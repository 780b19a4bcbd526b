import type { JobRecord } from '../../storage/job-record.ts'
import { AfterTurn } from '../runtime/after-turn.ts'
import { failInBackground } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import type { HeldJobs } from './held-jobs.ts'
import type { RegisteredJob } from './registered-job.ts'
import type { Registrations } from './registrations.ts'
import { VanishedJobs } from './vanished-jobs.ts'
import { headRoundMs, headsPerLook } from './tuning.ts'

/** How many of so many heads are read in a look that is taken once in each interval. */
export function headsInLook(size: number, intervalMs: number): number {
  return Math.min(headsPerLook, Math.ceil(size * Math.min(1, intervalMs / headRoundMs)))
}

/** Looks at the heads of jobs again, many in one call: because they have changed, or may be gone. */
export class HeadReview {
  readonly #engine: EngineContext
  readonly #registry: HeldJobs
  readonly #vanished: VanishedJobs
  readonly #asked = new Set<RegisteredJob>()
  readonly #kick = new AfterTurn(() => this.#reviewAsked())
  /** Where the next look goes on. */
  #place: Iterator<RegisteredJob> | null = null

  constructor(
    engine: EngineContext,
    options: { registry: HeldJobs; registrations: Registrations; patienceMs: number },
  ) {
    this.#engine = engine
    this.#registry = options.registry
    this.#vanished = new VanishedJobs(engine, options)
  }

  /** Looks at this one soon, together with others. */
  ask(job: RegisteredJob): void {
    this.#asked.add(job)
    this.#kick.ask()
  }

  #reviewAsked(): void {
    const jobs = [...this.#asked]
    this.#asked.clear()
    this.review(jobs).catch((error) => failInBackground(this.#engine, 'reload', error))
  }

  /** Takes over what the storage has of these jobs now. Answers those that it does not have. */
  async review(
    jobs: readonly RegisteredJob[],
    storage: StorageCalls = this.#engine.storage,
  ): Promise<ReadonlySet<RegisteredJob>> {
    return await this.#mend(await this.#read(jobs, storage, () => true), storage)
  }

  /** Looks whether the next jobs are still there, and for those that are awaited; called once in each interval. */
  async reviewSome(intervalMs: number): Promise<void> {
    const { storage } = this.#engine
    const jobs = [...new Set([...this.#vanished.awaited, ...this.#nextJobs(intervalMs)])]
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

  /** Takes over the heads that are wanted, and those of jobs that were deleted; answers the jobs that have none. */
  async #read(
    jobs: readonly RegisteredJob[],
    storage: StorageCalls,
    wanted: (record: JobRecord, job: RegisteredJob) => boolean,
  ): Promise<RegisteredJob[]> {
    const { maxBatch } = this.#engine
    const gone: RegisteredJob[] = []
    for (let start = 0; start < jobs.length; start += maxBatch) {
      const group = jobs.slice(start, start + maxBatch)
      const records = await this.#heads(group, storage)
      for (const [index, job] of group.entries()) {
        const record = records[index] ?? null
        if (record === null) gone.push(job)
        else this.#takeOver(job, record, wanted(record, job))
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
      // What was read may be old by now.
    }
  }

  #takeOver(job: RegisteredJob, record: JobRecord, isWanted: boolean): void {
    this.#vanished.isBack(job)
    if (record.deletedAt !== null) this.#registry.forget(job)
    else if (isWanted) this.#registry.adopt(job.job, record)
  }

  /** A storage that has lost one may have lost them all, and there is no other sign of it. */
  async #mend(found: readonly RegisteredJob[], storage: StorageCalls): Promise<ReadonlySet<RegisteredJob>> {
    let gone = new Set(found)
    if (found.some((job) => this.#vanished.isNews(job))) {
      const all = [...this.#registry.all()]
      const others = all.filter((job) => !gone.has(job))
      for (const job of await this.#read(others, storage, isAnother)) gone.add(job)
      // They are told of in the order of the registry, whichever was noticed first.
      gone = new Set([...all.filter((job) => gone.has(job)), ...gone])
    }
    if (gone.size > 0) for (const job of await this.#vanished.storeAgain([...gone], storage)) gone.delete(job)
    return gone
  }
}

/** Not the one that this node knew: that was lost, or deleted, and has come back. */
function isAnother(record: JobRecord, job: RegisteredJob): boolean {
  return record.createdAt !== job.createdAt
}
