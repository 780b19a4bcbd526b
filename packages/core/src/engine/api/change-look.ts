import type { JobId } from '../../ids.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { LiveCounts, Page } from '../../storage/storage.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { firstItems } from '../storage-access/pages.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import type { ChangedJobs, Difference } from './change.ts'
import { clockMarginMs, farClockMarginMs, looksPerFarLook } from '../definitions/tuning.ts'
import { changesPerRead, comparedItems, mostChangeReads, rememberedChanges, stuckSlotMs } from './tuning.ts'

/** What the look is made of. */
export interface LookOptions {
  /** Whether the storage finds the next slots of all jobs. */
  readonly findsDueJobs: boolean
  /** Reads the nodes, as this process sees them. */
  readonly nodes: (
    storage: StorageCalls,
  ) => Promise<readonly { readonly incarnation: string; readonly state: string }[]>
}

/** Compares what a few cheap calls say with what they said at the look before. */
export class ChangeLook {
  readonly #engine: Pick<EngineContext, 'now'>
  readonly #options: LookOptions
  readonly #jobs = new Remembered()
  readonly #failures = new Remembered()
  #runs = ''
  #nodes = ''
  /** By the engine's time; `null` before the first look. */
  #lookedAt: number | null = null
  #looks = 0

  constructor(engine: Pick<EngineContext, 'now'>, options: LookOptions) {
    this.#engine = engine
    this.#options = options
  }

  /** What differs. After a look that failed, the next compares with the one before. @throws what the storage throws */
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

  /** What lives, how much of it, and which slots come next: one that was taken is not the next any more. */
  async #readRuns(storage: StorageCalls, now: number): Promise<string> {
    const [alive, heads] = await Promise.all([readLive(storage), this.#readHeads(storage, now)])
    return JSON.stringify([alive, heads])
  }

  async #readHeads(storage: StorageCalls, now: number): Promise<readonly unknown[]> {
    if (!this.#options.findsDueJobs) return []
    const due = { after: now - stuckSlotMs, upTo: Number.MAX_SAFE_INTEGER }
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

/** A state of a record, and when that came about. */
interface Mark {
  readonly id: string
  readonly state: string
  readonly at: number
}

/** The records that looks have found already, as far as the next may find them again. */
class Remembered {
  readonly #marks = new Map<string, Mark>()

  isNew({ id, state }: Mark): boolean {
    return this.#marks.get(id)?.state !== state
  }

  add(marks: readonly Mark[], forgetBefore: number): void {
    for (const mark of marks) {
      // The latest stand at the end.
      this.#marks.delete(mark.id)
      this.#marks.set(mark.id, mark)
    }
    for (const { id, at } of this.#marks.values()) {
      if (at >= forgetBefore && this.#marks.size <= rememberedChanges) break
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

/** The records of a few pages, and whether those were all. */
interface Some<T> {
  readonly items: readonly T[]
  readonly isWhole: boolean
}

/** Those since `since`, and those since `farSince` as far as they are few. */
async function changedJobs(storage: StorageCalls, farSince: number, since: number): Promise<Some<JobRecord>> {
  const read = (changedSince: number) =>
    firstPages((cursor) =>
      storage.once((calls) => calls.listJobs({ changedSince, deleted: true, limit: changesPerRead, cursor })),
    )
  const far = await read(farSince)
  return far.isWhole || farSince === since ? far : read(since)
}

/** The latest of them. */
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

/** The counts, and while something runs some of it: where one ends as another begins, the counts stay. */
async function readLive(storage: StorageCalls): Promise<readonly unknown[]> {
  const { counts } = await storage.once((calls) => calls.get({ counts: ['all'] }))
  const { pending, queued, running } = counts[0] as LiveCounts
  if (running === 0) return [pending, queued]
  const query = { kind: 'live', state: 'running', runs: false, limit: comparedItems } as const
  const runs = await firstItems((cursor) => storage.once((calls) => calls.listOccurrences({ ...query, cursor })))
  return [pending, queued, running, runs.map(({ id, token }) => `${id} ${token}`).sort()]
}

/** The names of the jobs of these; `null` when one of them is in the storage no more. */
async function namesOf(failed: readonly OccurrenceRecord[], storage: StorageCalls): Promise<ChangedJobs> {
  if (failed.length === 0) return new Set()
  const ids: readonly JobId[] = [...new Set(failed.map(({ jobId }) => jobId))]
  const { jobs } = await storage.once((calls) => calls.get({ jobs: ids }))
  const names = jobs.flatMap((job) => (job === null ? [] : [job.name]))
  return names.length === ids.length ? new Set(names) : null
}
