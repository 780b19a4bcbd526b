import type { JobId } from '../../ids.ts'
import { isSameData } from '../../job/fingerprint.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { type SilenceRule, countedSince, lastSuccess, searchedFrom, silenceRuleOf } from '../definitions/silence.ts'
import { type HeapEntry, IndexedHeap } from '../runtime/indexed-heap.ts'
import type { NodeRecord } from '../../storage/node-record.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { Heartbeats } from '../cluster/heartbeats.ts'
import type { ShardAssignment } from '../cluster/shard-assignment.ts'
import { clockMarginMs, recordsPerCall, upkeepMs } from '../../tuning.ts'
import { farClockMarginMs, looksPerFarLook } from '../definitions/tuning.ts'
import { longestRestMs, restsPerLook, shortestRestMs } from './tuning.ts'

/** A job with `alertAfter`, as the watching node knows it. `at`: instant of the next check, in epoch ms. */
interface WatchedJob extends HeapEntry, Pick<JobRecord, 'id' | 'name'> {
  readonly rule: SilenceRule
  /** End of the last successful run that a check has found, in epoch ms; `null` if no check has found a success. */
  lastSuccessAt: number | null
  /** Instant of the last check of this job, in epoch ms; `null` before the first check. */
  checkedAt: number | null
  isSilent: boolean
  /** The watching nodes have reported all alerts of this job that were due up to this instant. In epoch ms. */
  saidUpTo: number
}

/** A read of job heads in pages: of all heads, or of heads that have changed since an instant. */
interface Listing {
  readonly changedSince: number | null
  /** When this read began, in epoch ms. The next read covers changes from this instant on. */
  readonly begunAt: number
  cursor: string | null
}

/**
 * Reports jobs of which no run was completed within their `alertAfter`. The living node that ranks first (`commonRank` 0)
 * watches all jobs, also jobs without code.
 *
 * An alert is due at each multiple of `alertAfter` since the last success. So a new watching node neither repeats nor misses an
 * alert.
 */
export class StaleJobAlert {
  readonly #engine: EngineContext
  readonly #assignment: ShardAssignment
  readonly #heartbeats: Heartbeats
  /** If the node that watches for silent jobs dies, another node watches after at most this time, in ms. */
  readonly #handOverMs: number
  /** A node whose heartbeat counter is at least this high has lived longer than `#handOverMs`. */
  readonly #beatsOfOld: number
  readonly #loop: BackgroundLoop
  readonly #jobs = new Map<JobId, WatchedJob>()
  readonly #checks = new IndexedHeap<WatchedJob>()
  #startedAt = 0
  /** Earlier watching nodes have reported all alerts up to this instant, in epoch ms; `null` while this node does not watch. */
  #saidUpTo: number | null = null
  /** The read of job heads in progress; `null`: none. */
  #listing: Listing | null = null
  /** When the last complete read of job heads began, in epoch ms; `null` before the first read. */
  #lookedAt: number | null = null
  #looks = 0
  /** Whether a definition or a pause has changed since the last read of job heads. */
  #isAwaited = false

  constructor(
    engine: EngineContext,
    options: {
      readonly assignment: ShardAssignment
      readonly heartbeats: Heartbeats
      readonly heartbeatMs: number
      readonly deadAfterMs: number
    },
  ) {
    this.#engine = engine
    this.#assignment = options.assignment
    this.#heartbeats = options.heartbeats
    // Peers notice a dead watching node after `deadAfter`, and the next watching node starts up to a minute later.
    this.#handOverMs = options.deadAfterMs + 2 * upkeepMs
    // Wake-ups cause additional heartbeats, so the counter grows faster. Assume that it grows at most twice as fast as the
    // heartbeat interval says.
    this.#beatsOfOld = (2 * this.#handOverMs) / options.heartbeatMs
    this.#loop = new BackgroundLoop(engine, { name: 'stale-job alert', round: () => this.#step() })
  }

  /** Plans the first read of job heads in one minute. So a node that crashes soon after each start reports nothing. */
  start(): void {
    this.#startedAt = this.#engine.now()
    this.#loop.runIn(upkeepMs)
  }

  /**
   * Called when a definition or a pause has changed, or a node has started. The next read of job heads follows one minute
   * after the last read.
   */
  wake(): void {
    this.#isAwaited = true
    if (this.#lookedAt !== null && this.#loop.underWay === null) this.#loop.runIn(this.#idleMs())
  }

  /** Stops the watch for silent jobs. Resolves when the step in progress has ended. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** Number of silent jobs; `null` if this node does not watch, has not read all jobs yet, is stopped, or takes no new work. */
  get count(): number | null {
    if (this.#lookedAt === null || this.#loop.isStopped || this.#engine.isHeldBack) return null
    let count = 0
    for (const { isSilent } of this.#jobs.values()) if (isSilent) count++
    return count
  }

  async #step(): Promise<void> {
    const startedAt = this.#engine.clock.monotonic()
    const now = this.#engine.now()
    let isHeldBack = false
    try {
      isHeldBack = this.#engine.isHeldBack
      if (isHeldBack) return
      if (this.#assignment.commonRank > 0) this.#leaveToOthers()
      else await this.#lookOrCheck(now)
    } finally {
      const restMs = Math.max((this.#engine.clock.monotonic() - startedAt) * restsPerLook, shortestRestMs)
      this.#loop.runIn(isHeldBack ? longestRestMs : Math.max(Math.min(restMs, longestRestMs), this.#idleMs()))
    }
  }

  #leaveToOthers(): void {
    this.#saidUpTo = null
    this.#listing = null
    this.#lookedAt = null
    for (const job of this.#jobs.values()) this.#checks.remove(job)
    this.#jobs.clear()
  }

  /** Returns the ms until the next read of job heads or the next check of a job. */
  #idleMs(): number {
    if (this.#listing !== null) return 0
    if (this.#lookedAt === null) return upkeepMs
    const mayRest = !this.#isAwaited && this.#jobs.size === 0
    const restMs = mayRest ? this.#engine.untilNextLook(upkeepMs) : upkeepMs
    const next = Math.min(this.#lookedAt + restMs, this.#checks.peek()?.at ?? Number.POSITIVE_INFINITY)
    return Math.min(Math.max(next - this.#engine.now(), 0), restMs)
  }

  async #lookOrCheck(now: number): Promise<void> {
    if (this.#saidUpTo === null) this.#begin(now)
    const due = this.#checks.peek()
    const sinceMs = this.#lookedAt === null ? 0 : now - this.#lookedAt
    if (this.#listing !== null) await this.#readOn(this.#listing)
    else if (sinceMs >= upkeepMs || sinceMs < 0) this.#lookForChanges(now)
    else if (due !== undefined && due.at <= now) await this.#check(due, now)
  }

  #begin(now: number): void {
    const before = now - this.#handOverMs
    const others = this.#heartbeats.peers.living()
    // If a node that lives now was already alive at `before`, some node watched the jobs at that instant. That node has
    // reported all alerts up to `before`, so this node reports only later alerts. Otherwise this node reports the latest due
    // alert of each job. The heartbeat counter shows the age of a peer, because the clock of the peer may be wrong.
    const isOld = ({ counter }: NodeRecord) => counter >= this.#beatsOfOld
    const wasLookedAt = this.#startedAt <= before || others.some(isOld)
    this.#saidUpTo = wasLookedAt ? before : Number.NEGATIVE_INFINITY
    this.#listing = { changedSince: null, begunAt: now, cursor: null }
  }

  #lookForChanges(now: number): void {
    this.#isAwaited = false
    const margin = ++this.#looks % looksPerFarLook === 0 ? farClockMarginMs : clockMarginMs
    this.#listing = { changedSince: Math.min(this.#lookedAt ?? now, now) - margin, begunAt: now, cursor: null }
  }

  async #readOn(listing: Listing): Promise<void> {
    const { changedSince, cursor } = listing
    const limit = Math.min(recordsPerCall, this.#engine.maxBatch)
    const page = await this.#engine.storage.repeated('listJobs', (calls) =>
      calls.listJobs({ deleted: true, limit, cursor, ...(changedSince !== null && { changedSince }) }),
    )
    for (const head of page.items) this.#consider(head)
    listing.cursor = page.cursor
    if (page.cursor !== null) return
    this.#listing = null
    this.#lookedAt = listing.begunAt
  }

  #consider(head: JobRecord): void {
    const job = this.#jobs.get(head.id)
    const rule = silenceRuleOf(head)
    if (rule === null) this.#forget(head.id)
    else if (!isSameData(job?.rule, rule)) {
      this.#forget(head.id)
      const { id, name } = head
      const unknown = { lastSuccessAt: null, checkedAt: null, isSilent: false, saidUpTo: Number.NEGATIVE_INFINITY }
      const watched: WatchedJob = { id, name, rule, at: 0, heapIndex: -1, ...unknown }
      this.#jobs.set(head.id, watched)
      this.#checks.update(watched, rule.notBefore + rule.alertAfterMs)
    }
  }

  #forget(id: JobId): void {
    const job = this.#jobs.get(id)
    if (job !== undefined) this.#checks.remove(job)
    this.#jobs.delete(id)
  }

  async #check(job: WatchedJob, now: number): Promise<void> {
    const { id, rule } = job
    await this.#lookForSuccess(job, now)
    const since = countedSince(rule, job.lastSuccessAt)
    const times = Math.floor((now - since) / rule.alertAfterMs)
    if (times < 1) {
      if (job.isSilent) this.#sayHeard(job, now)
      this.#checks.update(job, since + rule.alertAfterMs)
      return
    }
    const dueAt = since + times * rule.alertAfterMs
    const isToBeSaid = dueAt > Math.max(job.saidUpTo, this.#saidUpTo ?? now)
    if (isToBeSaid && !(await this.#isAsKnown(job))) return
    if (this.#jobs.get(id) !== job) return
    job.isSilent = true
    job.saidUpTo = dueAt
    if (isToBeSaid) this.#saySilent(job, since)
    this.#checks.update(job, Math.min(dueAt + rule.alertAfterMs, now + upkeepMs))
  }

  async #lookForSuccess(job: WatchedJob, now: number): Promise<void> {
    const { id: jobId, rule, checkedAt } = job
    // An earlier check at `checkedAt` found all runs that had succeeded until then. A run that succeeded later may have begun
    // up to one execution timeout before `checkedAt`. So the search begins at that instant, and one minute earlier as a margin.
    const seen = checkedAt === null ? Number.NEGATIVE_INFINITY : checkedAt - rule.executionTimeoutMs - upkeepMs
    const from = Math.max(searchedFrom(rule, now), seen)
    const { at } = await lastSuccess({ jobId, from }, (query) =>
      this.#engine.storage.repeated('listOccurrences', (calls) => calls.listOccurrences(query)),
    )
    job.checkedAt = now
    if (at !== null && at > (job.lastSuccessAt ?? Number.NEGATIVE_INFINITY)) job.lastSuccessAt = at
  }

  /** Reads the job's head again before an alert. Since the last read, the job may have been paused, changed or removed. */
  async #isAsKnown(job: WatchedJob): Promise<boolean> {
    const { jobs } = await this.#engine.storage.repeated('get', (calls) => calls.get({ jobs: [job.id] }))
    const [head = null] = jobs
    if (head === null) this.#forget(job.id)
    else this.#consider(head)
    return this.#jobs.get(job.id) === job
  }

  #saySilent({ id: jobId, name: jobName, rule, lastSuccessAt }: WatchedJob, since: number): void {
    const { alertAfterMs } = rule
    const times = { since: new Date(since), lastSuccessAt: lastSuccessAt === null ? null : new Date(lastSuccessAt) }
    this.#engine.events.emit('job.silent', { jobId, jobName, alertAfterMs, ...times })
    this.#engine.logger.error(
      { job: jobName, alertAfterMs, ...times },
      'job is silent: no run was completed within its alertAfter',
    )
  }

  #sayHeard(job: WatchedJob, now: number): void {
    const { id: jobId, name: jobName } = job
    job.isSilent = false
    const succeededAt = new Date(job.lastSuccessAt ?? now)
    this.#engine.events.emit('job.heard', { jobId, jobName, succeededAt })
    this.#engine.logger.warn({ job: jobName, succeededAt }, 'job recovered: a run completed')
  }
}
