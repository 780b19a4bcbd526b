import type { JobId } from '../../ids.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { ClaimAnswer } from '../../storage/storage.ts'
import { unreadablePartOf } from '../../storage/unreadable.ts'
import type { Capacity } from '../execution/capacity.ts'
import { type JobPlan, overridePlan } from '../definitions/job-plan.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { AfterTurn, nextTurn } from '../runtime/after-turn.ts'
import { BackgroundLoop, failInBackground } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { ExecutionPool } from '../execution/execution-pool.ts'
import type { TakenRunner } from '../execution/next-occurrence-taker.ts'
import { beginsByClaim, initialRuns } from '../execution/task-run-records.ts'
import { PassedOver } from './passed-over.ts'
import { pollsPerSweep, sweepMs, trustMs } from './tuning.ts'
import { suspendedMs } from '../definitions/tuning.ts'

/** `to the end`: an update that was seen under way may have been left unfinished, and the job's queue waits for that. */
type Sweep = 'none' | 'once' | 'to the end'

/** Takes what waits in the storage while this node has room for it. */
export class Claimer implements TakenRunner {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #capacity: Capacity
  readonly #pool: ExecutionPool
  readonly #pollIntervalMs: number
  readonly #pollsPerSweep: number
  readonly #loop: BackgroundLoop
  /** Places that become free together are filled together. */
  readonly #kick = new AfterTurn(() => this.#claimIfRoom())
  readonly #passedOver: PassedOver
  #polls = 0
  #taken = 0
  #nextDueAt: number | null = null
  /** The answer to an end that may have taken the next one got lost. */
  #looksForUnanswered = false

  constructor(
    engine: EngineContext,
    options: {
      registry: JobRegistry
      capacity: Capacity
      pool: ExecutionPool
      pollIntervalMs: number
      takesNext: boolean
    },
  ) {
    this.#engine = engine
    this.#registry = options.registry
    this.#capacity = options.capacity
    this.#pool = options.pool
    this.#pollIntervalMs = options.pollIntervalMs
    const pollsInTime = Math.ceil(sweepMs / options.pollIntervalMs)
    this.#pollsPerSweep = Math.min(pollsPerSweep, pollsInTime)
    this.#passedOver = new PassedOver(engine, options.registry)
    this.#loop = new BackgroundLoop(engine, {
      name: 'claim',
      round: (byAlarm) => this.#claimAll(byAlarm ? this.#sweepDue() : 'none'),
      again: () => this.#kick.ask(),
    })
    this.#capacity.work.listen(() => this.#kick.ask())
    if (options.takesNext) this.#pool.nextTaker.runBy(this)
  }

  /** Looks at once, also without room: cancellations are told in the answer to a claim. */
  poll(): void {
    this.#loop.ring()
  }

  /** Takes what waits, and there is room for; resolves when that is done, with whether it was anything. */
  async claimed(): Promise<boolean> {
    const before = this.#taken
    await this.#loop.underWay
    this.#loop.run()
    await this.#loop.underWay
    return this.#taken > before
  }

  /** When the next of what waits in the storage becomes due, as the last claim was told; `null` when nothing waits. */
  get nextDueAt(): number | null {
    return this.#nextDueAt
  }

  async runNext(record: OccurrenceRecord, askedAt: number): Promise<void> {
    try {
      await this.#runOrLook(record, askedAt)
    } catch (error) {
      failInBackground(this.#engine, 'claim', error)
    }
  }

  /** Something may be this node's that it has not found yet. */
  get mayOwnMore(): boolean {
    return this.#looksForUnanswered
  }

  lookForUnanswered(): void {
    this.#looksForUnanswered = true
    this.#loop.ring()
  }

  /** Claims nothing more; resolves when what is under way has been answered. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  #claimIfRoom(): void {
    // One under way keeps all places, and may have looked before what it is to find appeared.
    if (this.#loop.underWay !== null || this.#capacity.roomToClaim() > 0) this.#loop.run()
  }

  #sweepDue(): Sweep {
    const isTurn = this.#polls++ % this.#pollsPerSweep === 0
    if (this.#registry.takeUnfinished()) return 'to the end'
    return isTurn ? 'once' : 'none'
  }

  async #claimAll(sweep: Sweep): Promise<void> {
    this.#capacity.claimBegins()
    try {
      while (await this.#claimOnce(sweep));
    } finally {
      this.#capacity.claimEnded()
    }
  }

  /** Answers whether there is more to claim, and room for it. */
  async #claimOnce(sweep: Sweep): Promise<boolean> {
    const limit = this.#mostToClaim()
    const { turns } = this.#capacity
    const leftOut = limit > 0 && this.#capacity.hasBacklog ? turns.leftOut() : null
    const askedAt = this.#engine.clock.monotonic()
    let answer: ClaimAnswer
    this.#capacity.reserve(limit)
    try {
      answer = await this.#claimSome(limit, sweep !== 'none', leftOut ?? [])
      // Nothing is left. What begins now has its turn before what comes later.
      if (leftOut === null && !answer.more) turns.clear()
      for (const notice of answer.cancelRequested) this.#pool.get(notice.id)?.cancel(notice.reason)
      await this.#learnJobsOf(answer.claimed)
      const looking = answer.claimed.flatMap((record) => this.#runOrLook(record, askedAt) ?? [])
      if (looking.length > 0) await Promise.all(looking)
    } finally {
      this.#capacity.unreserve(limit)
    }
    this.#taken += answer.claimed.length
    if (leftOut !== null) {
      turns.looked(answer.claimed.length > 0, this.#engine.clock.monotonic() - askedAt)
      // A look does not say whether what it has left out is still due. The next claim does.
      this.#capacity.workLeft(true, answer.claimed.length)
      return !this.#loop.isStopped && this.#capacity.roomToClaim() > 0
    }
    this.#capacity.workLeft(answer.more, answer.claimed.length, answer.claimed.at(-1))
    this.#nextDueAt = answer.nextDueAt
    this.#loop.runIn(this.#untilNextPoll(answer.nextDueAt))
    // More, although there was room for it, is what is left to be canceled. A sweep leaves it to whoever is about it.
    const isLeft = answer.more && answer.claimed.length < limit && sweep !== 'once'
    if (isLeft) await nextTurn()
    const goesOn = answer.more && (isLeft || answer.claimed.length > 0)
    return goesOn && !this.#loop.isStopped && this.#capacity.roomToClaim() > 0
  }

  #untilNextPoll(nextDueAt: number | null): number {
    if (nextDueAt === null) return this.#engine.untilNextLook(this.#pollIntervalMs)
    return Math.min(this.#pollIntervalMs, Math.max(1, nextDueAt - this.#engine.now()))
  }

  #mostToClaim(): number {
    this.#engine.now()
    return this.#engine.isHeldBack ? 0 : Math.min(this.#engine.maxBatch, this.#capacity.roomToClaim())
  }

  async #claimSome(limit: number, sweep: boolean, leftOut: readonly string[]): Promise<ClaimAnswer> {
    const { owner, storage } = this.#engine
    const exceptHandlerKeys = [...this.#passedOver.keys(), ...leftOut]
    let calls = 0
    const answer = await storage.repeated('claim', (storage) => {
      calls++
      const now = this.#engine.now()
      // Between two tries it may have got to know that it must take nothing.
      const most = this.#engine.isHeldBack ? 0 : limit
      return storage.claim({ now, owner, limit: most, exceptHandlerKeys, sweep })
    })
    if ((calls > 1 && limit > 0) || this.#looksForUnanswered) await this.#handBackUnanswered(answer.claimed)
    return answer
  }

  /** A claim or an end whose answer got lost may have taken work that this node does not know of. */
  async #handBackUnanswered(answered: readonly OccurrenceRecord[]): Promise<void> {
    const { owner, storage, maxBatch } = this.#engine
    const known = new Set(answered.map(({ id }) => id))
    let isLeft = false
    // Until all of it is looked through.
    this.#looksForUnanswered = true
    let cursor: string | null = null
    do {
      const awaited = this.#pool.nextTaker.awaited()
      const page = await storage.repeated('listOccurrences', (storage) =>
        storage.listOccurrences({
          kind: 'live',
          state: 'running',
          node: owner.node,
          runs: true,
          limit: maxBatch,
          cursor,
        }),
      )
      for (const record of page.items) {
        // What was started by its creation has its first attempt with the first token; that answer is still to come.
        const wasClaimed = record.token > 1 || record.runs.length === 0
        const mine = record.owner?.incarnation === owner.incarnation
        if (!mine || !wasClaimed || known.has(record.id) || this.#pool.knows(record.id)) continue
        // The answer that tells of it may be on its way, or have come since the look.
        if (awaited.has(record.jobId) || this.#pool.nextTaker.isAwaited(record.jobId)) isLeft = true
        else {
          await this.#release(record, 'unanswered')
          this.#capacity.workAppeared()
        }
      }
      cursor = page.cursor
    } while (cursor !== null)
    this.#looksForUnanswered = isLeft
  }

  /** Another node may have added their jobs just now. */
  async #learnJobsOf(records: readonly OccurrenceRecord[]): Promise<void> {
    const unknown = new Set<JobId>()
    for (const { jobId } of records) if (this.#registry.get(jobId) === undefined) unknown.add(jobId)
    if (unknown.size > 0 && !this.#loop.isStopped) await this.#registry.learnStored([...unknown])
  }

  /** `askedAt`: monotonic. */
  async #run(record: OccurrenceRecord, askedAt: number): Promise<void> {
    const job = this.#registry.get(record.jobId)
    const stored = job === undefined || this.#loop.isStopped ? null : await this.#planFor(job, record)
    if (this.#loop.isStopped) {
      await this.#release(record, 'shutdown')
      return
    }
    if (job === undefined || stored === null) {
      await this.#leaveToOthers(record)
      return
    }
    this.#begin(record, job, stored, askedAt)
  }

  /** `null` when it runs already. Throws nothing: what goes wrong with one keeps none of the others from running. */
  #runOrLook(record: OccurrenceRecord, askedAt: number): Promise<void> | null {
    try {
      return this.#runNow(record, askedAt) ? null : this.#run(record, askedAt)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Answers whether it runs: nothing has to be looked up for one of the version in force. */
  #runNow(record: OccurrenceRecord, askedAt: number): boolean {
    const job = this.#registry.get(record.jobId)
    if (job === undefined || job.version !== record.jobVersion || this.#loop.isStopped) return false
    const plan = this.#registry.plans.planOf(job)
    if (plan === null) return false
    this.#begin(record, job, plan, askedAt)
    return true
  }

  #begin(record: OccurrenceRecord, job: RegisteredJob, stored: JobPlan, askedAt: number): void {
    const { overrides, tasks } = record.details
    const plan =
      overrides === undefined && tasks === undefined ? stored : overridePlan(stored, overrides ?? {}, tasks ?? null)
    const startedAt = record.startedAt ?? this.#engine.now()
    // By the definition that everybody finds: a reaper has to know what may have begun.
    const isOwnVersion = plan.version === record.jobVersion
    const isTrusted = this.#engine.clock.monotonic() - askedAt <= trustMs
    // Somebody may have asked the owner before to cancel it: the storage says so when it is told of the first attempt.
    const begins = isOwnVersion && isTrusted && beginsByClaim(record) && record.cancelRequest === null
    const isParallel = plan.settings.taskExecutionMode === 'parallel'
    this.#pool.run({
      job,
      plan,
      occurrence: isOwnVersion && isStarted(record) ? record : { ...record, jobVersion: plan.version, startedAt },
      runs: begins ? initialRuns(plan.tasks, isParallel, startedAt) : record.runs,
      fresh: begins,
      isUnreported: begins,
    })
  }

  /**
   * An occurrence keeps the version that it was created under for as long as there is code for it. Where the code is
   * gone, the version in force takes over, so that nothing waits for ever for a build that will not come back. An older
   * version than its own never does: a node that is behind learns of the newer one first.
   */
  async #planFor(job: RegisteredJob, record: OccurrenceRecord): Promise<JobPlan | null> {
    const { plans } = this.#registry
    const isInForce = record.jobVersion === job.version
    const plan = isInForce ? plans.planOf(job) : await plans.planOfVersion(job, record.jobVersion)
    if (plan !== null) return plan
    const present = job.version < record.jobVersion ? await this.#registry.reloadNow(job) : job
    return present === null || present.version < record.jobVersion ? null : this.#registry.plans.planOf(present)
  }

  /** A job that was removed meanwhile is nobody's: its occurrence ends with the release. */
  async #leaveToOthers(record: OccurrenceRecord): Promise<void> {
    const { storage } = this.#engine
    const { jobs } = await storage.repeated('get', (calls) => calls.get({ jobs: [record.jobId] }))
    const job = jobs[0] ?? null
    const isAlive = job !== null && job.deletedAt === null
    if (isAlive && unreadablePartOf(job) !== null) {
      // Jobs share handler keys: to pass over the key would hold up the runs of readable jobs.
      this.#registry.sayUnreadable(job)
      await this.#release(record, 'unreadable', suspendedMs)
      return
    }
    if (isAlive) this.#passedOver.add(job)
    await this.#release(record, 'no_handler')
  }

  async #release(record: OccurrenceRecord, reason: string, delayMs = 0): Promise<void> {
    const { id, jobId, scheduledAt, token, sequence, runs } = record
    const now = this.#engine.now()
    const change = { kind: 'release', dueAt: now + delayMs, reason } as const
    const { owner } = this.#engine
    const item = { id, jobId, scheduledAt, token, owner, sequence: sequence + 1, runs, change }
    await this.#engine.storage.repeated('settle', (storage) => storage.settle({ now, items: [item] }))
  }
}

function isStarted(record: OccurrenceRecord): record is OccurrenceRecord & { readonly startedAt: number } {
  return record.startedAt !== null
}
