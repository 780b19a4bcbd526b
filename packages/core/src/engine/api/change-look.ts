import { clockMarginMs, rememberedValues, upkeepMs } from '../../tuning.ts'
import type { JobId } from '../../ids.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { LiveCounts, Page } from '../../storage/storage.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { firstItems, type StorageCalls } from '../storage-access/retrying-storage.ts'
import type { ChangedJobs, Difference } from './change-reader.ts'
import { farClockMarginMs, looksPerFarLook } from '../definitions/tuning.ts'
import { changesPerRead, comparedItems, mostChangeReads } from './tuning.ts'

/** The options of a {@link ChangeLook}. */
export interface LookOptions {
  /** Whether the storage has a due index, which returns the next slots of all jobs. */
  readonly findsDueJobs: boolean
  /** Reads the nodes, with the states that this process observes. */
  readonly nodes: (
    storage: StorageCalls,
  ) => Promise<readonly { readonly incarnation: string; readonly state: string }[]>
}

/** Scans the storage for changes: compares the answers of a few cheap calls with those of the previous scan. */
export class ChangeLook {
  readonly #engine: Pick<EngineContext, 'now'>
  readonly #options: LookOptions
  readonly #jobs = new Remembered()
  readonly #failures = new Remembered()
  #runs = ''
  #nodes = ''
  /** The time of the last successful scan, in epoch milliseconds of the engine's time; `null`: none yet. */
  #lookedAt: number | null = null
  #looks = 0

  constructor(engine: Pick<EngineContext, 'now'>, options: LookOptions) {
    this.#engine = engine
    this.#options = options
  }

  /**
   * Returns the differences since the last successful scan. A failed scan does not count.
   * @throws the errors of the storage
   */
  async look(storage: StorageCalls): Promise<Difference> {
    const now = this.#engine.now()
    const since = (this.#lookedAt ?? now) - clockMarginMs
    const farSince = this.#looks % looksPerFarLook === 0 ? since - farClockMarginMs : since
    const [jobs, failures, runs, nodes] = await Promise.all([
      changedJobs(storage, farSince, since),
      failuresSince(storage, farSince),
      this.#readRuns(storage, now),
      this.#readNodes(storage),
    ])
    const failed = this.#lookedAt === null ? [] : failures.items.filter((one) => this.#failures.isNew(failureMark(one)))
    const isFlood = !failures.isWhole && failed.length === failures.items.length
    const failedJobs = isFlood ? null : await namesOf(failed, storage)
    const changed = jobs.items.filter((job) => this.#jobs.isNew(jobMark(job)))
    const difference = {
      jobs: jobs.isWhole ? new Set(changed.map(({ name }) => name)) : null,
      runs: runs !== this.#runs || failed.length > 0,
      failures: failedJobs,
      nodes: nodes !== this.#nodes,
    }
    const forgetBefore = now - clockMarginMs - farClockMarginMs
    this.#jobs.add(jobs.items.map(jobMark), forgetBefore)
    this.#failures.add(failures.items.map(failureMark), forgetBefore)
    this.#runs = runs
    this.#nodes = nodes
    this.#lookedAt = now
    this.#looks++
    return difference
  }

  /** Returns the live occurrences and the next slots as text. The next slots change when a node launches one of them. */
  async #readRuns(storage: StorageCalls, now: number): Promise<string> {
    const [alive, heads] = await Promise.all([readLive(storage), this.#readHeads(storage, now)])
    return JSON.stringify([alive, heads])
  }

  async #readHeads(storage: StorageCalls, now: number): Promise<readonly unknown[]> {
    if (!this.#options.findsDueJobs) return []
    const due = { after: now - upkeepMs, upTo: Number.MAX_SAFE_INTEGER }
    const heads = await firstItems((cursor) =>
      storage.once((calls) => calls.listJobs({ due, limit: comparedItems, cursor })),
    )
    return heads.map(({ id, nextAt }) => [id, nextAt])
  }

  async #readNodes(storage: StorageCalls): Promise<string> {
    const nodes = await this.#options.nodes(storage)
    return nodes.map(({ incarnation, state }) => `${incarnation} ${state}`).join()
  }
}

/** The state of a record, with the time of its change in epoch milliseconds. */
interface Mark {
  readonly id: string
  readonly state: string
  readonly at: number
}

/** The changes that scans have found already. Scans overlap, so the next scan may find them again. */
class Remembered {
  readonly #marks = new Map<string, Mark>()

  isNew({ id, state }: Mark): boolean {
    return this.#marks.get(id)?.state !== state
  }

  add(marks: readonly Mark[], forgetBefore: number): void {
    for (const mark of marks) {
      // Moves a known record to the end: the map is in the order of the last change.
      this.#marks.delete(mark.id)
      this.#marks.set(mark.id, mark)
    }
    for (const { id, at } of this.#marks.values()) {
      if (at >= forgetBefore && this.#marks.size <= rememberedValues) break
      this.#marks.delete(id)
    }
  }
}

function jobMark({ id, version, changedAt, paused, deletedAt }: JobRecord): Mark {
  return { id, state: `${version} ${changedAt} ${paused === null} ${deletedAt}`, at: changedAt }
}

function failureMark({ id, finishedAt }: OccurrenceRecord): Mark {
  return { id, state: '', at: finishedAt ?? 0 }
}

/** The records of a few pages. `isWhole`: there are no further records. */
interface Some<T> {
  readonly items: readonly T[]
  readonly isWhole: boolean
}

/** Returns the jobs that changed since `farSince`; if these are too many, the jobs that changed since `since`. */
async function changedJobs(storage: StorageCalls, farSince: number, since: number): Promise<Some<JobRecord>> {
  const read = (changedSince: number) =>
    firstPages((cursor) =>
      storage.once((calls) => calls.listJobs({ changedSince, deleted: true, limit: changesPerRead, cursor })),
    )
  const far = await read(farSince)
  return far.isWhole || farSince === since ? far : read(since)
}

/** Returns the failures since `from`, latest first, up to a few pages. */
async function failuresSince(storage: StorageCalls, from: number): Promise<Some<OccurrenceRecord>> {
  const query = { kind: 'failed', from, order: 'descending', runs: false, limit: changesPerRead } as const
  return firstPages((cursor) => storage.once((calls) => calls.listOccurrences({ ...query, cursor })))
}

async function firstPages<T>(read: (cursor: string | null) => Promise<Page<T>>): Promise<Some<T>> {
  const items: T[] = []
  let cursor: string | null = null
  for (let pages = 0; pages < mostChangeReads; pages++) {
    const page: Page<T> = await read(cursor)
    items.push(...page.items)
    cursor = page.cursor
    if (cursor === null) break
  }
  return { items, isWhole: cursor === null }
}

/**
 * Returns the counts of live occurrences, and some of the running ones: if one run ends while another begins, the counts stay
 * equal.
 */
async function readLive(storage: StorageCalls): Promise<readonly unknown[]> {
  const { counts } = await storage.once((calls) => calls.get({ counts: ['all'] }))
  const { pending, queued, running } = counts[0] as LiveCounts
  if (running === 0) return [pending, queued]
  const query = { kind: 'live', state: 'running', runs: false, limit: comparedItems } as const
  const runs = await firstItems((cursor) => storage.once((calls) => calls.listOccurrences({ ...query, cursor })))
  return [pending, queued, running, runs.map(({ id, token }) => `${id} ${token}`).sort()]
}

/** Returns the names of the failures' jobs, or `null` if the storage no longer has one of the jobs. */
async function namesOf(failed: readonly OccurrenceRecord[], storage: StorageCalls): Promise<ChangedJobs> {
  if (failed.length === 0) return new Set()
  const ids: readonly JobId[] = [...new Set(failed.map(({ jobId }) => jobId))]
  const { jobs } = await storage.once((calls) => calls.get({ jobs: ids }))
  const names = jobs.flatMap((job) => (job === null ? [] : [job.name]))
  return names.length === ids.length ? new Set(names) : null
}
