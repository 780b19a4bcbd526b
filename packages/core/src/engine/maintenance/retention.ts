import type { Retention } from '../../configuration/settings.ts'
import { resolveJobSettings } from '../../configuration/read-settings.ts'
import { isDataAlone, readJobDocument } from '../../job/job-document.ts'
import { isNoSchedule } from '../../schedule/no-schedule.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { shardOf } from '../../storage/node-record.ts'
import { isPausedAt } from '../../storage/rules.ts'
import { changesAtOnce } from '../definitions/tuning.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { firstItems } from '../storage-access/retrying-storage.ts'
import type { ShardAssignment } from '../cluster/shard-assignment.ts'
import { dayMs, fewestPerRead, recordsPerCall, upkeepMs } from '../../tuning.ts'
import { longestRestMs, passMs, restsPerStep, shortestRestMs, visitsPerAge } from './tuning.ts'

/**
 * Removes history that is older than its job's retention. Also removes jobs that have no code, no future slot and no history.
 * The living node that ranks first (`commonRank` 0) makes one pass over all jobs per hour. Each step reads a page of jobs or
 * removes history of one job.
 */
export class Retainer {
  readonly #engine: EngineContext
  readonly #assignment: ShardAssignment
  readonly #loop: BackgroundLoop
  /** Jobs of the current page that this pass has not checked yet. */
  #heads: JobRecord[] = []
  /** Cursor of the next page of jobs; `null`: the next page is the first. */
  #cursor: string | null = null
  /** Whether a pass of retention over all jobs is in progress. */
  #isUnderWay = false
  /**
   * Number of the present pass, which decides which jobs the pass visits. The first number is random, because a node may live
   * for one pass only.
   */
  #pass: number

  constructor(engine: EngineContext, { assignment }: { assignment: ShardAssignment }) {
    this.#engine = engine
    this.#assignment = assignment
    this.#pass = Math.floor((engine.random() * dayMs) / passMs)
    this.#loop = new BackgroundLoop(engine, { name: 'retention', round: () => this.#step() })
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
    do {
      this.#loop.run()
      await this.#loop.underWay
    } while (this.#isUnderWay && !this.#loop.isStopped && !this.#engine.isHeldBack)
  }

  /** Stops the passes of retention. Resolves when the step in progress has ended. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  async #step(): Promise<void> {
    const startedAt = this.#engine.clock.monotonic()
    let restMs = longestRestMs
    try {
      const now = this.#engine.now()
      if (this.#engine.isHeldBack) return
      const head = this.#nextHead(now)
      if (this.#assignment.commonRank > 0) this.#endPass()
      else if (head !== undefined) await this.#removeOf(head, now)
      else if (this.#isUnderWay && this.#cursor === null) this.#endPass()
      else await this.#turnPage()
      restMs = Math.max((this.#engine.clock.monotonic() - startedAt) * restsPerStep, shortestRestMs)
    } finally {
      this.#loop.runIn(this.#isUnderWay ? Math.min(restMs, longestRestMs) : passMs)
    }
  }

  #endPass(): void {
    this.#heads = []
    this.#cursor = null
    this.#isUnderWay = false
  }

  async #turnPage(): Promise<void> {
    if (!this.#isUnderWay) this.#pass++
    this.#isUnderWay = true
    const limit = Math.min(fewestPerRead, this.#engine.maxBatch)
    const page = await this.#engine.storage.repeated('listJobs', (calls) =>
      calls.listJobs({ deleted: true, limit, cursor: this.#cursor }),
    )
    this.#heads = [...page.items]
    this.#cursor = page.cursor
  }

  /**
   * Returns the next job of the present page that the pass has to visit; `undefined`: no job is left. Leaves out jobs that are
   * too young to have history to remove.
   */
  #nextHead(now: number): JobRecord | undefined {
    for (let head = this.#heads.pop(); head !== undefined; head = this.#heads.pop()) {
      const retention = retentionOf(head)
      if (retention === null || head.createdAt >= now - retention.olderThanMs) continue
      const every = Math.max(1, Math.min(Math.floor(retention.olderThanMs / visitsPerAge / passMs), dayMs / passMs))
      if ((shardOf(head.id) + this.#pass) % every === 0) return head
    }
    return undefined
  }

  async #removeOf(visited: JobRecord, now: number): Promise<void> {
    let head: JobRecord | null = visited
    if (isOver(visited, now)) {
      // Read the head again: since the page was read, an update may have given the job a future slot. For such a job, `prune`
      // must keep the latest occurrences.
      head = (await this.#engine.storage.repeated('get', (calls) => calls.get({ jobs: [visited.id] }))).jobs[0] ?? null
    }
    const retention = head === null ? null : retentionOf(head)
    if (head === null || retention === null) return
    const { olderThanMs, keep } = retention
    const { more } = await this.#engine.storage.repeated('prune', (calls) =>
      calls.prune({
        now,
        jobId: head.id,
        before: now - olderThanMs,
        keep: isOver(head, now) ? 0 : keep,
        limit: recordsPerCall,
      }),
    )
    if (more) this.#heads.push(head)
    else if (head.deletedAt === null && isOver(head, now)) await this.#removeIfForgotten(head, now)
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

/** Returns the retention of a job; `null`: its history is kept for ever. */
function retentionOf({ definition }: JobRecord): Retention | null {
  const { defaults, settings } = readJobDocument(definition)
  return resolveJobSettings(defaults, settings).retention
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
