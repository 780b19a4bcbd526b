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

/** Returns how many of `size` heads to read in each interval, so that each head is read about once per `headRoundMs`. */
export function headsInLook(size: number, intervalMs: number): number {
  return Math.min(headsPerLook, Math.ceil(size * Math.min(1, intervalMs / headRoundMs)))
}

/** Reads heads of held jobs again, many per call, because they have changed or may be missing from the storage. */
export class HeadReview {
  readonly #engine: EngineContext
  readonly #registry: HeldJobs
  readonly #vanished: VanishedJobs
  readonly #asked = new Set<RegisteredJob>()
  readonly #kick = new AfterTurn(() => this.#reviewAsked())
  /** The job at which the next periodic check continues. */
  #place: Iterator<RegisteredJob> | null = null

  constructor(
    engine: EngineContext,
    options: { registry: HeldJobs; registrations: Registrations; patienceMs: number },
  ) {
    this.#engine = engine
    this.#registry = options.registry
    this.#vanished = new VanishedJobs(engine, options)
  }

  /** Reads this job's head after the present turn of the event loop, in one call with the other requested heads. */
  ask(job: RegisteredJob): void {
    this.#asked.add(job)
    this.#kick.ask()
  }

  #reviewAsked(): void {
    const jobs = [...this.#asked]
    this.#asked.clear()
    this.review(jobs).catch((error) => failInBackground(this.#engine, 'reload', error))
  }

  /** Reads and applies the heads of these jobs. Returns the jobs that the storage does not have. */
  async review(
    jobs: readonly RegisteredJob[],
    storage: StorageCalls = this.#engine.storage,
  ): Promise<ReadonlySet<RegisteredJob>> {
    return await this.#mend(await this.#read(jobs, storage, () => true), storage)
  }

  /** Checks whether the storage still has the next few jobs, and has the awaited ones again. Called once per interval. */
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

  /** Applies the wanted heads, and forgets deleted jobs. Returns the jobs that have no head in the storage. */
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
      // The import took time, so the heads may be out of date.
    }
  }

  #takeOver(job: RegisteredJob, record: JobRecord, isWanted: boolean): void {
    this.#vanished.isBack(job)
    if (record.deletedAt !== null) this.#registry.forget(job)
    else if (isWanted) this.#registry.adopt(job.job, record)
  }

  /** Handles missing heads. A storage that has lost one head may have lost all, so a new loss causes a check of all jobs. */
  async #mend(found: readonly RegisteredJob[], storage: StorageCalls): Promise<ReadonlySet<RegisteredJob>> {
    let gone = new Set(found)
    if (found.some((job) => this.#vanished.isNews(job))) {
      const all = [...this.#registry.all()]
      const others = all.filter((job) => !gone.has(job))
      for (const job of await this.#read(others, storage, isAnother)) gone.add(job)
      // Reports follow the order of the registry.
      gone = new Set([...all.filter((job) => gone.has(job)), ...gone])
    }
    if (gone.size > 0) for (const job of await this.#vanished.storeAgain([...gone], storage)) gone.delete(job)
    return gone
  }
}

/** Returns whether the stored job was created again after this node adopted it. */
function isAnother(record: JobRecord, job: RegisteredJob): boolean {
  return record.createdAt !== job.createdAt
}
