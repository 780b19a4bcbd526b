import type { JobId } from '../../ids.ts'
import { isSameData } from '../../job/fingerprint.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { type SilenceRule, countedSince, lastSuccess, searchedFrom, silenceRuleOf } from '../definitions/silence.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { eachItem } from '../../storage/pages.ts'
import type { Heartbeats } from '../cluster/heartbeats.ts'
import type { ShardAssignment } from '../cluster/shard-assignment.ts'
import { clockMarginMs, recordsPerCall, upkeepMs } from '../../tuning.ts'
import { farClockMarginMs, looksPerFarLook } from '../definitions/tuning.ts'
import { rested } from './retention.ts'
import { restsPerLook } from './tuning.ts'

/** A job with `alertAfter`, as the watching node knows it. */
interface WatchedJob extends Pick<JobRecord, 'id' | 'name'> {
  readonly rule: SilenceRule
  /** End of the last successful run that a check has found, in epoch ms; `null` if no check has found a success. */
  lastSuccessAt: number | null
  /** Instant of the last check of this job, in epoch ms; `null` before the first check. */
  checkedAt: number | null
  /** Instant from which the next check of this job is due, in epoch ms. */
  checkAt: number
  isSilent: boolean
  /** The watching nodes have reported all alerts of this job that were due up to this instant. In epoch ms. */
  saidUpTo: number
}

interface StaleJobAlertParts {
  readonly assignment: ShardAssignment
  readonly heartbeats: Heartbeats
  readonly deadAfterMs: number
}

/**
 * Reports jobs of which no run was completed within their `alertAfter`. The living node that ranks first (`commonRank` 0)
 * watches all jobs, also jobs without code. Once a minute, it reads the heads that have changed, and checks the jobs whose
 * check is due.
 *
 * An alert is due at each multiple of `alertAfter` since the last success.
 */
export class StaleJobAlert {
  readonly #engine: EngineContext
  readonly #parts: StaleJobAlertParts
  readonly #loop: BackgroundLoop
  readonly #jobs = new Map<JobId, WatchedJob>()
  #startedAt = 0
  /** Earlier watching nodes have reported all alerts up to this instant, in epoch ms. */
  #saidUpTo = Number.NEGATIVE_INFINITY
  /** When the last complete read of job heads began, in epoch ms; `null`: this node does not watch. */
  #lookedAt: number | null = null
  #looks = 0
  /** Whether a definition or a pause has changed since the last read of job heads. */
  #isAwaited = false

  constructor(engine: EngineContext, parts: StaleJobAlertParts) {
    this.#engine = engine
    this.#parts = parts
    this.#loop = new BackgroundLoop(engine, { name: 'stale-job alert', round: () => this.#round() })
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
    if (this.#lookedAt === null || this.#loop.underWay !== null) return
    this.#loop.runIn(Math.max(0, this.#lookedAt + upkeepMs - this.#engine.now()))
  }

  /** Stops the watch for silent jobs. Resolves when the round in progress has ended. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** Number of silent jobs; `null` if this node does not watch, has not read all jobs yet, is stopped, or takes no new work. */
  get count(): number | null {
    if (this.#lookedAt === null || this.#loop.isStopped || this.#engine.isHeldBack) return null
    return [...this.#jobs.values()].filter(({ isSilent }) => isSilent).length
  }

  async #round(): Promise<void> {
    try {
      const now = this.#engine.now()
      if (this.#engine.isHeldBack) return
      if (this.#isWatching) {
        if (this.#lookedAt === null) this.#saidUpTo = this.#saidBefore(now)
        await this.#look(now)
        for (const job of this.#jobs.values()) if (job.checkAt <= now && this.#isWatching) await this.#check(job, now)
      } else {
        this.#lookedAt = null
        this.#jobs.clear()
      }
    } finally {
      const mayRest = !this.#isAwaited && this.#jobs.size === 0
      this.#loop.runIn(mayRest ? this.#engine.untilNextLook(upkeepMs) : upkeepMs)
    }
  }

  get #isWatching(): boolean {
    return this.#parts.assignment.commonRank === 0 && !this.#engine.isHeldBack && !this.#loop.isStopped
  }

  /**
   * Returns the instant up to which earlier watching nodes have reported all alerts. If no node watched before, returns
   * -Infinity, so that this node reports the latest due alert of each job.
   */
  #saidBefore(now: number): number {
    // If the node that watches for silent jobs dies, another node watches after at most this time: peers notice the death after
    // `deadAfter`, and the next watching node starts up to a minute later.
    const before = now - this.#parts.deadAfterMs - 2 * upkeepMs
    const starts = [this.#startedAt, ...this.#parts.heartbeats.peers.living().map(({ startedAt }) => startedAt)]
    return Math.min(...starts) <= before ? before : Number.NEGATIVE_INFINITY
  }

  /** Reads the heads of all jobs, or of the jobs that have changed since the last read. */
  async #look(now: number): Promise<void> {
    this.#isAwaited = false
    const { maxBatch, storage } = this.#engine
    const marginMs = ++this.#looks % looksPerFarLook === 0 ? farClockMarginMs : clockMarginMs
    const changed = this.#lookedAt === null ? {} : { changedSince: Math.min(this.#lookedAt, now) - marginMs }
    const limit = Math.min(recordsPerCall, maxBatch)
    const read = (cursor: string | null) =>
      rested(this.#engine, restsPerLook, () =>
        storage.repeated('listJobs', (calls) => calls.listJobs({ deleted: true, limit, cursor, ...changed })),
      )
    for await (const head of eachItem(read)) this.#consider(head)
    this.#lookedAt = now
  }

  #consider(head: JobRecord): void {
    const { id, name } = head
    const rule = silenceRuleOf(head)
    if (rule === null) this.#jobs.delete(id)
    else if (!isSameData(this.#jobs.get(id)?.rule, rule)) {
      const unknown = { lastSuccessAt: null, checkedAt: null, isSilent: false, saidUpTo: this.#saidUpTo }
      this.#jobs.set(id, { id, name, rule, checkAt: rule.notBefore + rule.alertAfterMs, ...unknown })
    }
  }

  async #check(job: WatchedJob, now: number): Promise<void> {
    const { alertAfterMs } = job.rule
    await this.#lookForSuccess(job, now)
    // During the search, another node may have become the watching node. It reports the alerts that this node does not report.
    if (!this.#isWatching) return
    const since = countedSince(job.rule, job.lastSuccessAt)
    const times = Math.floor((now - since) / alertAfterMs)
    if (times < 1) {
      if (job.isSilent) this.#sayHeard(job, now)
      job.checkAt = since + alertAfterMs
      return
    }
    const dueAt = since + times * alertAfterMs
    if (dueAt > job.saidUpTo) this.#saySilent(job, since)
    job.isSilent = true
    job.saidUpTo = dueAt
    // While the job is silent, each round searches for a success.
    job.checkAt = now
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
