import type { JobRegistry } from '../definitions/job-registry.ts'
import type { Capacity } from '../execution/capacity.ts'
import type { ExecutionPool } from '../execution/execution-pool.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { eachOccurrence } from './list-pages.ts'
import { isWellFormed } from '../../configuration/read-value.ts'
import { type JobId, jobId, occurrenceId } from '../../ids.ts'
import { readJobName } from '../../job/read-jobs.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { jobNotFound } from '../definitions/job-errors.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { changesAtOnce } from '../definitions/tuning.ts'
import type { CallerContext } from '../storage-access/caller-context.ts'
import { chunksOf, type StorageCalls } from '../storage-access/retrying-storage.ts'

/** The parts of an engine that every group of API operations receives in its constructor. */
export type ApiParts = Pick<ApiPart, 'engine' | 'registry' | 'capacity' | 'pool' | 'lookup'>

/** The base class of a group of API operations. */
export abstract class ApiPart {
  readonly engine: EngineContext
  readonly registry: JobRegistry
  readonly capacity: Capacity
  readonly pool: ExecutionPool
  readonly lookup: JobLookup

  constructor({ engine, registry, capacity, pool, lookup }: ApiParts) {
    this.engine = engine
    this.registry = registry
    this.capacity = capacity
    this.pool = pool
    this.lookup = lookup
  }

  /** Returns a job that this node holds or `lookedUp` has. @throws JobistemerError `INVALID_NAME`, `JOB_NOT_FOUND` */
  jobOf(name: string, field: string, lookedUp: ReadonlyMap<JobId, RegisteredJob>): RegisteredJob {
    const id = jobId(readJobName(name, field))
    const job = lookedUp.get(id) ?? this.registry.get(id)
    if (job === undefined) throw jobNotFound(name, field)
    return job
  }
}

/** Reads jobs that a caller names and this node does not hold. Decision 13 explains why a node does not hold all jobs. */
export class JobLookup {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  /**
   * Only on a client: the `RegisteredJob` that the client has made of each head. One batch may read a head for several
   * callers. Through this map, these callers get the same `RegisteredJob`.
   */
  readonly #made = new WeakMap<JobRecord, RegisteredJob>()

  constructor(engine: EngineContext, registry: JobRegistry) {
    this.#engine = engine
    this.#registry = registry
  }

  /** Returns a job, read from the storage. */
  async byId(id: JobId, asked: CallerContext): Promise<RegisteredJob | undefined> {
    return (await this.#read([id], asked))[0]
  }

  /** Reads the jobs of many names. Omits jobs that this node holds, jobs that do not exist, and invalid names. */
  async byNames(names: Iterable<unknown>, asked: CallerContext): Promise<ReadonlyMap<JobId, RegisteredJob>> {
    const found = new Map<JobId, RegisteredJob>()
    if (!this.#registry.cache.isEvicting) return found
    const ids = new Set<JobId>()
    for (const name of new Set(names)) {
      const turn = this.#engine.storage.turn()
      if (turn !== null) await turn
      const id = typeof name === 'string' && isWellFormed(name) ? jobId(name) : null
      // A node reads only jobs that it does not hold. A client reads every job, because it does not watch for changed jobs.
      if (id !== null && (this.#registry.isClient || this.#registry.get(id) === undefined)) ids.add(id)
    }
    for (const some of chunksOf([...ids], changesAtOnce)) {
      for (const one of await this.#read(some, asked)) found.set(one.job.id, one)
    }
    return found
  }

  /** Returns those of the jobs that exist and that this process can represent. */
  async #read(ids: readonly JobId[], asked: CallerContext): Promise<readonly RegisteredJob[]> {
    if (!this.#registry.cache.isEvicting) return []
    const records = await this.#registry.registrations.heads(ids, asked)
    if (this.#registry.isClient) this.#registry.dropAll()
    return records.flatMap((record) => (record?.deletedAt === null ? (this.#take(record) ?? []) : []))
  }

  #take(record: JobRecord): RegisteredJob | null {
    const held = this.#made.get(record) ?? this.#registry.get(record.id)
    if (held !== undefined) return held
    // The callers of `JobLookup` do not need the handlers of a job. So this call also accepts data jobs whose handlers this
    // process does not have.
    const job = this.#registry.jobOfStored(record, { isAnyData: true })
    if (job === null) return null
    const adopted = this.#registry.adopt(job, record)
    if (this.#registry.isClient) this.#made.set(record, adopted)
    return adopted
  }
}

/** Returns the head of a stored job. @throws JobistemerError `JOB_NOT_FOUND` */
export async function headOf(storage: StorageCalls, name: string): Promise<JobRecord> {
  const head = await livingHead(storage, jobId(name))
  if (head === null) throw jobNotFound(name)
  return head
}

/** Returns the head of a stored job; `null` if the job is deleted or missing. */
export async function livingHead(storage: StorageCalls, id: JobId): Promise<JobRecord | null> {
  const { jobs } = await storage.once((calls) => calls.get({ jobs: [id] }))
  const head = jobs[0] ?? null
  return head?.deletedAt === null ? head : null
}

/**
 * Returns the first `count` slots that were not canceled ahead. `slots` yields the next slots of the job in ascending
 * order.
 */
export async function upcomingSlots(
  storage: StorageCalls,
  jobId: JobId,
  slots: Iterator<number, void>,
  count: number,
): Promise<readonly number[]> {
  const upcoming: number[] = []
  for (;;) {
    const some: number[] = []
    while (some.length < count - upcoming.length) {
      const slot = slots.next()
      if (slot.done) break
      some.push(slot.value)
    }
    const [first, last] = [some[0], some.at(-1)]
    if (first === undefined || last === undefined) return upcoming
    const query = { kind: 'job', jobId, from: first, to: last + 1, order: 'ascending', runs: false } as const
    const canceled = new Set<number>()
    const records = eachOccurrence(storage, { ...query, states: ['canceled'] })
    // A canceled request may have the same scheduled time as a slot. Such a slot still runs, so only records of slots count.
    for await (const { id, kind, scheduledAt } of records) {
      if (kind === 'slot' && id === occurrenceId(jobId, scheduledAt)) canceled.add(scheduledAt)
    }
    upcoming.push(...some.filter((slot) => !canceled.has(slot)))
  }
}
