import type { Retention } from '../../configuration/settings.ts'
import { isDataAlone, readJobDocument, settingsOf } from '../../job/job-document.ts'
import { isNoSchedule } from '../../schedule/no-schedule.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { shardOf } from '../../storage/node-record.ts'
import { isPausedAt } from '../../storage/rules.ts'
import { changesAtOnce } from '../definitions/tuning.ts'
import { BackgroundLoop, failInBackground } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { eachItem, firstItems } from '../../storage/pages.ts'
import type { ShardAssignment } from '../cluster/shard-assignment.ts'
import { dayMs, fewestPerRead, recordsPerCall, upkeepMs } from '../../tuning.ts'
import { longestRestMs, passMs, restsPerLook, restsPerRemoval, shortestRestMs, visitsPerAge } from './tuning.ts'

/**
 * Removes history that is older than its job's retention. Also removes jobs that have no code, no future slot and no history.
 * The living node that ranks first (`commonRank` 0) makes one pass over all jobs per hour. Each step reads a page of jobs or
 * removes history of one job.
 */
export class Retainer {
  readonly #engine: EngineContext
  readonly #assignment: ShardAssignment
  readonly #loop: BackgroundLoop
  /**
   * Number of the present pass, which decides which jobs the pass visits. The first number is random, because a node may live
   * for one pass only.
   */
  #pass: number
  /** A factor of all pauses of a pass: 0 in a call of `runDue`, which has a budget. */
  #rests: 0 | 1 = 1

  constructor(engine: EngineContext, { assignment }: { assignment: ShardAssignment }) {
    this.#engine = engine
    this.#assignment = assignment
    this.#pass = Math.floor((engine.random() * dayMs) / passMs)
    this.#loop = new BackgroundLoop(engine, { name: 'retention', round: () => this.#makePass() })
  }

  /** Plans the first pass of retention. */
  start(): void {
    this.#loop.runIn(this.#engine.random() * 2 * upkeepMs)
  }

  /**
   * For a node that lives for one call of `runDue`: makes a pass of retention with a chance of 1 in 60. Resolves when the pass
   * has ended.
   */
  async passSometimes(): Promise<void> {
    if (this.#engine.random() * passMs >= upkeepMs) return
    this.#rests = 0
    this.#loop.run()
    await this.#loop.underWay
  }

  /** Stops the passes of retention. Resolves when the step in progress has ended. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** Whether this node may make the next step of a pass. */
  #mayGoOn(): boolean {
    this.#engine.now()
    return !this.#loop.isStopped && !this.#engine.isHeldBack && this.#assignment.commonRank === 0
  }

  async #makePass(): Promise<void> {
    this.#pass++
    try {
      const { maxBatch, storage } = this.#engine
      const limit = Math.min(fewestPerRead, maxBatch)
      const read = (cursor: string | null) =>
        rested(this.#engine, this.#rests * restsPerLook, () =>
          storage.repeated('listJobs', (calls) => calls.listJobs({ deleted: true, limit, cursor })),
        )
      if (!this.#mayGoOn()) return
      for await (const head of eachItem(read)) {
        if (this.#isVisited(head))
          await this.#removeOf(head).catch((error) => failInBackground(this.#engine, 'retention', error))
        if (!this.#mayGoOn()) return
      }
    } finally {
      this.#loop.runIn(passMs)
    }
  }

  /** Returns whether this pass visits the job. Leaves out jobs that are too young to have history to remove. */
  #isVisited(head: JobRecord): boolean {
    const retention = retentionOf(head)
    if (retention === null || head.createdAt >= this.#engine.now() - retention.olderThanMs) return false
    const every = Math.max(1, Math.min(Math.floor(retention.olderThanMs / visitsPerAge / passMs), dayMs / passMs))
    return (shardOf(head.id) + this.#pass) % every === 0
  }

  async #removeOf(visited: JobRecord): Promise<void> {
    while (
      (await rested(this.#engine, this.#rests * restsPerRemoval, () => this.#removeSome(visited))) &&
      this.#mayGoOn()
    );
  }

  /** Removes history of a job. Returns whether the job has more history to remove. */
  async #removeSome(visited: JobRecord): Promise<boolean> {
    const now = this.#engine.now()
    let head: JobRecord | null = visited
    if (isOver(visited, now)) {
      // Read the head again: since the page was read, an update may have given the job a future slot. For such a job, `prune`
      // must keep the latest occurrences.
      head = (await this.#engine.storage.repeated('get', (calls) => calls.get({ jobs: [visited.id] }))).jobs[0] ?? null
    }
    const retention = head === null ? null : retentionOf(head)
    if (head === null || retention === null) return false
    const { olderThanMs, keep } = retention
    const { more } = await this.#engine.storage.repeated('prune', (calls) =>
      calls.prune({
        now,
        jobId: visited.id,
        before: now - olderThanMs,
        keep: isOver(head, now) ? 0 : keep,
        limit: recordsPerCall,
      }),
    )
    if (!more && head.deletedAt === null && isOver(head, now)) await this.#removeIfForgotten(head, now)
    return more
  }

  /**
   * Deletes a job that has no occurrence. Does nothing if the job's definition has changed since the node read the page of
   * jobs.
   */
  async #removeIfForgotten({ id, version }: JobRecord, now: number): Promise<void> {
    const query = { kind: 'job', jobId: id, order: 'ascending', runs: false, limit: 1 } as const
    const left = await firstItems((cursor) =>
      this.#engine.storage.repeated('listOccurrences', (calls) => calls.listOccurrences({ ...query, cursor })),
    )
    if (left.length > 0) return
    await this.#engine.storage.repeated('saveJobs', (calls) =>
      calls.saveJobs({ now, cancelLimit: changesAtOnce, changes: [{ kind: 'delete', id, expectedVersion: version }] }),
    )
  }
}

/** Makes a step of maintenance, and then pauses for `times` times the step's duration; with 0, does not pause. */
export async function rested<T>({ agenda, clock }: EngineContext, times: number, step: () => Promise<T>): Promise<T> {
  const startedAt = clock.monotonic()
  const result = await step()
  if (times === 0) return result
  const restMs = Math.max((clock.monotonic() - startedAt) * times, shortestRestMs)
  await agenda.endsWithin(null, Math.min(restMs, longestRestMs))
  return result
}

/** Returns the retention of a job; `null`: its history is kept for ever. */
function retentionOf({ definition }: JobRecord): Retention | null {
  return settingsOf(readJobDocument(definition)).retention
}

/**
 * Returns whether a job is over: it is deleted, or it has no future slot and no code that would store it again. A job without a
 * schedule is over only if it is deleted.
 */
function isOver({ deletedAt, nextAt, paused, definition, timeline }: JobRecord, now: number): boolean {
  if (deletedAt !== null) return true
  const last = timeline.at(-1)?.schedule
  const isFinished = nextAt === null && !isPausedAt({ paused }, now) && (last === undefined || !isNoSchedule(last))
  return isFinished && isDataAlone(readJobDocument(definition))
}
