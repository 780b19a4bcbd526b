import { isWellFormed } from '../../configuration/read-value.ts'
import { type JobId, jobId } from '../../ids.ts'
import { readJobName } from '../../job/read-jobs.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { Storage } from '../../storage/storage.ts'
import { jobNotFound } from '../definitions/job-errors.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import { changesAtOnce } from '../definitions/tuning.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { CallerContext } from '../storage-access/caller-context.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { CallerBatcher } from '../storage-access/batcher.ts'
import { ItemRefused } from '../storage-access/bisecting-calls.ts'

/** Reads requested jobs that this node does not hold from the storage. See decision 13. */
export class JobLookup {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #reads: CallerBatcher<JobId, JobRecord | null>
  /** A client does not watch definitions, so it reads a job again for each call. */
  readonly #isClient: boolean
  /** On a client: the job of each record. Thousands of callers can share the answer of one read. */
  readonly #made = new WeakMap<JobRecord, RegisteredJob>()

  constructor(
    engine: EngineContext,
    registry: JobRegistry,
    { isClient = false }: { readonly isClient?: boolean } = {},
  ) {
    this.#engine = engine
    this.#registry = registry
    this.#isClient = isClient
    this.#reads = new CallerBatcher(engine, {
      operation: 'get',
      send: readJobs,
    })
  }

  /** Sends no further calls. */
  stop(): void {
    this.#reads.stop()
  }

  /** Reads the job of this name. @throws JobistemerError `JOB_NOT_FOUND` */
  async byName(name: string, asked: CallerContext): Promise<RegisteredJob> {
    const job = await this.byId(jobId(readJobName(name)), asked)
    if (job === undefined) throw jobNotFound(name)
    return job
  }

  async byId(id: JobId, asked: CallerContext): Promise<RegisteredJob | undefined> {
    return (await this.#read([id], asked)).get(id)
  }

  /** Reads the jobs of many names. Skips jobs that this node holds, jobs that do not exist, and invalid names. */
  async byNames<Item>(
    items: readonly Item[],
    asked: CallerContext,
    nameOf: (item: Item) => unknown,
  ): Promise<ReadonlyMap<JobId, RegisteredJob>> {
    const found = new Map<JobId, RegisteredJob>()
    if (!this.#registry.cache.isEvicting) return found
    const ids = new Set<JobId>()
    for (const name of new Set(items.map(nameOf))) {
      const turn = this.#engine.storage.turn()
      if (turn !== null) await turn
      const id = typeof name === 'string' && isWellFormed(name) ? jobId(name) : null
      if (id !== null && (this.#isClient || this.#registry.get(id) === undefined)) ids.add(id)
    }
    const open = [...ids]
    for (let start = 0; start < open.length; start += changesAtOnce) {
      const some = await this.#read(open.slice(start, start + changesAtOnce), asked)
      for (const [id, job] of some) found.set(id, job)
    }
    return found
  }

  async #read(ids: readonly JobId[], asked: CallerContext): Promise<ReadonlyMap<JobId, RegisteredJob>> {
    const found = new Map<JobId, RegisteredJob>()
    if (!this.#registry.cache.isEvicting) return found
    const read = (id: JobId) =>
      this.#reads
        .send(asked, () => id)
        .catch((error) => {
          throw error instanceof ItemRefused ? error.error : error
        })
    const records = await asked.within(() => Promise.all(ids.map(read)))
    if (this.#isClient) this.#registry.dropAll()
    const learning = this.#registry.learn(records)
    if (learning !== null) await learning
    for (const record of records) {
      const job = record === null || record.deletedAt !== null ? null : this.#take(record)
      if (job !== null) found.set(job.job.id, job)
    }
    return found
  }

  #take(record: JobRecord): RegisteredJob | null {
    const held = this.#made.get(record) ?? this.#registry.get(record.id)
    if (held !== undefined) return held
    // Operations on a job, such as a pause, do not need its handlers.
    const job = this.#registry.jobOfStored(record, { isAnyData: true })
    if (job === null) return null
    const adopted = this.#registry.adopt(job, record)
    if (this.#isClient) this.#made.set(record, adopted)
    return adopted
  }
}

/** Reads each job once, even if several callers of one batch request it. */
async function readJobs(storage: Storage, ids: readonly JobId[]): Promise<readonly (JobRecord | null)[]> {
  const places = new Map<JobId, number>()
  for (const id of ids) if (!places.has(id)) places.set(id, places.size)
  const { jobs } = await storage.get({ jobs: [...places.keys()] })
  return ids.map((id) => jobs[places.get(id) as number] as JobRecord | null)
}
