import type { JobId } from '../../ids.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { ClaimAnswer } from '../../storage/storage.ts'
import { unreadablePartOf } from '../../storage/unreadable.ts'
import { type JobPlan, overridePlan } from '../definitions/job-plan.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { AfterTurn, nextTurn } from '../runtime/after-turn.ts'
import { BackgroundLoop, failInBackground } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { eachItem } from '../../storage/pages.ts'
import type { NodeParts } from '../execution/execution-pool.ts'
import type { TakenRunner } from '../execution/next-runs.ts'
import { beginsByClaim, initialRuns } from '../execution/task-run-records.ts'
import { lookMs, upkeepMs } from '../../tuning.ts'
import type { JobRecord } from '../../storage/job-record.ts'

interface ClaimerParts extends NodeParts {
  readonly pollIntervalMs: number
  readonly takesNext: boolean
}

/** Claims pending occurrences while this node has free permits. */
export class Claimer implements TakenRunner {
  readonly #engine: EngineContext
  readonly #parts: ClaimerParts
  readonly #pollsPerSweep: number
  readonly #loop: BackgroundLoop
  /**
   * At most one claim starts per turn of the event loop. So if several permits become free together, a single claim fills all
   * of them.
   */
  readonly #kick = new AfterTurn(() => this.#claimIfRoom())
  readonly #skippedKeys: SkippedHandlerKeys
  #polls = 0
  #taken = 0
  /** Due time of the next waiting occurrence in epoch ms, from the answer to the last claim; `null`: no occurrence waits. */
  nextDueAt: number | null = null
  /** Whether the node may own occurrences that it does not know of: the answer to a claim or a settle did not arrive. */
  mayOwnMore = false

  constructor(engine: EngineContext, parts: ClaimerParts) {
    this.#engine = engine
    this.#parts = parts
    // One poll per minute is a sweep, which repairs inconsistent records of a damaged storage.
    this.#pollsPerSweep = Math.ceil(upkeepMs / parts.pollIntervalMs)
    this.#skippedKeys = new SkippedHandlerKeys(engine, parts.registry)
    this.#loop = new BackgroundLoop(engine, {
      name: 'claim',
      round: (byAlarm) => this.#claimAll(byAlarm && this.#polls++ % this.#pollsPerSweep === 0),
      again: () => this.#kick.ask(),
    })
    this.#parts.capacity.work.listen(() => this.#kick.ask())
    if (parts.takesNext) this.#parts.pool.nextTaker.runner = this
  }

  /** Claims now, even without a free permit, because the answer to a claim also carries cancel requests. */
  poll(): void {
    this.#loop.ring()
  }

  /** Claims all pending work that this node has permits for. Resolves with true if the node has claimed an occurrence. */
  async claimed(): Promise<boolean> {
    const before = this.#taken
    await this.#loop.underWay
    this.#loop.run()
    await this.#loop.underWay
    return this.#taken > before
  }

  async runNext(record: OccurrenceRecord, askedAt: number): Promise<void> {
    // The settle that took the run may have been repeated for a long time: the run's execution timeout counts from the first call.
    const isStale = this.#engine.isHeldBack || this.#engine.clock.monotonic() - askedAt > lookMs
    try {
      await (isStale ? this.#handBack(record) : this.#runOrLook(record, askedAt))
    } catch (error) {
      failInBackground(this.#engine, 'claim', error)
    }
  }

  /** The claim in progress, which may reserve more permits than it will use; `null`: no claim is in progress. */
  get underWay(): Promise<void> | null {
    return this.#loop.underWay
  }

  lookForUnanswered(): void {
    this.mayOwnMore = true
    this.#loop.ring()
  }

  /** Starts no further claim. Resolves when the claim in progress has been answered. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** Returns a loop that reads cancel requests during a shutdown, in which no claim delivers these requests. */
  cancelLoop(): BackgroundLoop {
    const { owner, storage } = this.#engine
    const loop: BackgroundLoop = new BackgroundLoop(this.#engine, {
      name: 'claim',
      round: async () => {
        const request = { owner, limit: 0, exceptHandlerKeys: [], sweep: false }
        const answer = await storage.repeated('claim', (calls) => calls.claim({ ...request, now: this.#engine.now() }))
        for (const notice of answer.cancelRequested) this.#parts.pool.get(notice.id)?.cancel(notice.reason)
        loop.runIn(lookMs)
      },
    })
    return loop
  }

  #claimIfRoom(): void {
    // A claim in progress reserves all permits. It may have read the storage before the work that causes this call was stored.
    // So a further claim follows.
    if (this.#loop.underWay !== null || this.#parts.capacity.roomToClaim() > 0) this.#loop.run()
  }

  /** Claims until no pending work or no permit is left. With `isSweep`, each claim first repairs jobs. */
  async #claimAll(isSweep: boolean): Promise<void> {
    while (await this.#claimOnce(isSweep));
  }

  /** Makes one claim. Returns whether the storage has more pending work and this node has permits for it. */
  async #claimOnce(isSweep: boolean): Promise<boolean> {
    const now = this.#engine.now()
    const { maxBatch, isHeldBack } = this.#engine
    const { capacity } = this.#parts
    const limit = isHeldBack ? 0 : Math.min(maxBatch, capacity.roomToClaim())
    const leftOut = limit > 0 && capacity.hasBacklog ? capacity.turns.leftOut() : null
    const askedAt = this.#engine.clock.monotonic()
    let answer: ClaimAnswer
    capacity.reserve(limit)
    // Work that appears from now on may not be in the answer.
    capacity.hasUnreadWork = false
    try {
      answer = await this.#claimSome(limit, isSweep, leftOut ?? [])
      // If this claim left out no job and no pending work is left in the storage, no job waits for its turn.
      if (leftOut === null && !answer.more) capacity.turns.clear()
      for (const notice of answer.cancelRequested) this.#parts.pool.get(notice.id)?.cancel(notice.reason)
      await this.#learnJobsOf(answer.claimed)
      const looking = answer.claimed.flatMap((record) => this.#runOrLook(record, askedAt) ?? [])
      if (looking.length > 0) await Promise.all(looking)
    } finally {
      capacity.unreserve(limit)
    }
    this.#taken += answer.claimed.length
    if (leftOut !== null) {
      capacity.turns.looked(answer.claimed.length > 0, this.#engine.clock.monotonic() - askedAt)
      // This claim left out jobs, so `more` does not say whether these jobs have pending work. The next claim that leaves out
      // no job shows this, and plans the next poll.
      capacity.workLeft(true, answer.claimed.length)
      return !this.#loop.isStopped && capacity.roomToClaim() > 0
    }
    capacity.workLeft(answer.more, answer.claimed.length, answer.claimed.at(-1))
    this.nextDueAt = answer.nextDueAt
    // If `nextDueAt` is at or before `now`, this claim left a due occurrence, because no permit was free for it. The next free
    // permit starts a claim. So the poll need not come earlier than usual.
    this.#loop.runIn(this.#untilNextPoll((answer.nextDueAt ?? now) > now ? answer.nextDueAt : null))
    // If this claim took fewer occurrences than its limit, `more` means that an update is unfinished. The update must still
    // cancel waiting occurrences, and further claims continue it. Exception: after a sweep, the node that makes the
    // update continues it, or the next sweep.
    const isLeft = answer.more && answer.claimed.length < limit && !isSweep
    if (isLeft) await nextTurn()
    // A permit may have become free during a claim that had none.
    const hadNoPermit = limit === 0 && !isHeldBack
    const goesOn = answer.more && (isLeft || answer.claimed.length > 0 || hadNoPermit)
    return goesOn && !this.#loop.isStopped && capacity.roomToClaim() > 0
  }

  #untilNextPoll(nextDueAt: number | null): number {
    if (nextDueAt === null) return this.#engine.untilNextLook(this.#parts.pollIntervalMs)
    return Math.min(this.#parts.pollIntervalMs, Math.max(1, nextDueAt - this.#engine.now()))
  }

  async #claimSome(limit: number, sweep: boolean, leftOut: readonly string[]): Promise<ClaimAnswer> {
    const { owner, storage } = this.#engine
    const exceptHandlerKeys = [...this.#skippedKeys.keys(), ...leftOut]
    let calls = 0
    const answer = await storage.repeated('claim', (storage) => {
      calls++
      const now = this.#engine.now()
      // This call may be a repetition. If the node has learned meanwhile that it must not claim, the repeated call claims
      // nothing.
      const most = this.#engine.isHeldBack ? 0 : limit
      return storage.claim({ now, owner, limit: most, exceptHandlerKeys, sweep })
    })
    if ((calls > 1 && limit > 0) || this.mayOwnMore) await this.#handBackUnanswered(answer.claimed)
    return answer
  }

  /**
   * Releases occurrences that a claim or a settle took for this node without its knowledge: the node never received the answer.
   */
  async #handBackUnanswered(answered: readonly OccurrenceRecord[]): Promise<void> {
    const { owner, storage, maxBatch } = this.#engine
    const known = new Set(answered.map(({ id }) => id))
    let isLeft = false
    // If a read fails, `mayOwnMore` remains true, so the next claim repeats the search.
    this.mayOwnMore = true
    const query = { kind: 'live', state: 'running', node: owner.node, runs: true, limit: maxBatch } as const
    const read = (cursor: string | null) =>
      storage.repeated('listOccurrences', (calls) => calls.listOccurrences({ ...query, cursor }))
    for await (const record of eachItem(read)) {
      // This search is only for occurrences that a claim or a settle took. An occurrence with token 1 and an attempt was
      // created and started by one call. The sender of that call handles its lost answer.
      const wasClaimed = record.token > 1 || record.runs.length === 0
      const mine = record.owner?.incarnation === owner.incarnation
      if (!mine || !wasClaimed || known.has(record.id) || this.#parts.pool.knows(record)) continue
      // The settle that took this occurrence may still be in progress. The next search checks the occurrence again.
      if (this.#parts.pool.nextTaker.isAwaited(record.jobId)) isLeft = true
      else await this.#handBack(record)
    }
    this.mayOwnMore = isLeft
  }

  async #handBack(record: OccurrenceRecord): Promise<void> {
    await this.#release(record, 'unanswered')
    this.#parts.capacity.workAppeared()
  }

  /** Loads the jobs of these records that this node does not hold. */
  async #learnJobsOf(records: readonly OccurrenceRecord[]): Promise<void> {
    const unknown = new Set<JobId>()
    for (const { jobId } of records) if (this.#parts.registry.get(jobId) === undefined) unknown.add(jobId)
    if (unknown.size > 0 && !this.#loop.isStopped) await this.#parts.registry.learnStored([...unknown])
  }

  /**
   * Runs an occurrence whose job or plan must be loaded first. If this node cannot run the occurrence, releases it. `askedAt`:
   * monotonic instant of the claim or settle that took the occurrence.
   */
  async #run(record: OccurrenceRecord, askedAt: number): Promise<void> {
    const job = this.#parts.registry.get(record.jobId)
    const stored = job === undefined || this.#loop.isStopped ? null : await this.#planFor(job, record)
    if (this.#loop.isStopped) await this.#release(record, 'shutdown')
    else if (job === undefined || stored === null) await this.#leaveToOthers(record)
    else this.#begin(record, job, stored, askedAt)
  }

  /**
   * Starts the occurrence and returns `null` if this node holds the job in the version of the occurrence. Otherwise returns a
   * promise that resolves when the occurrence runs or was released. Never throws, so that the caller starts the other claimed
   * occurrences.
   */
  #runOrLook(record: OccurrenceRecord, askedAt: number): Promise<void> | null {
    try {
      const job = this.#parts.registry.get(record.jobId)
      const isInForce = job !== undefined && job.version === record.jobVersion && !this.#loop.isStopped
      const plan = isInForce ? this.#parts.registry.plans.planOf(job) : null
      if (job === undefined || plan === null) return this.#run(record, askedAt)
      this.#begin(record, job, plan, askedAt)
      return null
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #begin(record: OccurrenceRecord, job: RegisteredJob, stored: JobPlan, askedAt: number): void {
    const plan = overridePlan(stored, record.details)
    const startedAt = record.startedAt ?? this.#engine.now()
    // If this node dies before it stores the first attempts, a reaper derives them from the version of the occurrence. If this
    // node runs another version, the derived attempts would be wrong. In that case, this node stores the attempts before it
    // calls handlers.
    const isOwnVersion = plan.version === record.jobVersion
    // If the answer to the claim was late, the claimer confirms ownership before it calls handlers: a peer may have reaped the
    // run.
    const isTrusted = this.#engine.clock.monotonic() - askedAt <= lookMs
    // A user may have requested the cancel while an earlier owner had the occurrence. With such a request, the node settles
    // before it calls handlers, and the answer to that settle carries the request.
    const begins = isOwnVersion && isTrusted && beginsByClaim(record) && record.cancelRequest === null
    const isParallel = plan.settings.taskExecutionMode === 'parallel'
    this.#parts.pool.run({
      job,
      plan,
      occurrence: isOwnVersion && isStarted(record) ? record : { ...record, jobVersion: plan.version, startedAt },
      runs: begins ? initialRuns(plan.tasks, isParallel, startedAt) : record.runs,
      fresh: begins,
      isUnreported: begins,
    })
  }

  /**
   * Returns the plan by which this node runs the occurrence; `null`: this node cannot run it.
   * - Usually this is the plan of the version under which the occurrence was created.
   * - If this node lacks the code of that version, it uses the plan of the version in force. Perhaps no node will have the code
   *   of the replaced version again.
   * - If this node holds only an older version than the occurrence's, it first reloads the job. This node never uses an older
   *   version than the occurrence's.
   */
  async #planFor(job: RegisteredJob, record: OccurrenceRecord): Promise<JobPlan | null> {
    const { plans } = this.#parts.registry
    const plan = record.jobVersion === job.version ? null : await plans.planOfVersion(job, record.jobVersion)
    if (plan !== null) return plan
    const present = job.version < record.jobVersion ? await this.#parts.registry.reloadNow(job) : job
    return present === null || present.version < record.jobVersion ? null : plans.planOf(present)
  }

  /**
   * Hands the occurrence back, and leaves the handler key of its job out of the next claims. If the job was removed, the
   * hand-back makes the storage end the occurrence.
   */
  async #leaveToOthers(record: OccurrenceRecord): Promise<void> {
    const { storage } = this.#engine
    const { jobs } = await storage.repeated('get', (calls) => calls.get({ jobs: [record.jobId] }))
    const job = jobs[0] ?? null
    const isAlive = job !== null && job.deletedAt === null
    if (isAlive && unreadablePartOf(job) !== null) {
      // Claims do not leave out the handler key of this unreadable job, because readable jobs may share the key.
      this.#parts.registry.sayUnreadable(job)
      await this.#release(record, 'unreadable', upkeepMs)
      return
    }
    if (isAlive) this.#skippedKeys.add(job)
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

interface Entry {
  /** A job with the handler key that claims leave out. Other jobs may have the same key. */
  readonly job: JobRecord
  /**
   * Monotonic instant until which claims leave out the key; infinite: claims leave it out until this node has the missing
   * handlers.
   */
  readonly until: number
}

/**
 * Handler keys that claims of this node leave out, because it lacks their handlers. The node logs each key once. As soon as
 * the node can run a job with the key, claims include the key again.
 */
export class SkippedHandlerKeys {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #entries = new Map<string, Entry>()

  constructor(engine: EngineContext, registry: JobRegistry) {
    this.#engine = engine
    this.#registry = registry
  }

  keys(): readonly string[] {
    const now = this.#engine.clock.monotonic()
    for (const [key, { job, until }] of this.#entries) {
      const isRunnable = until === Number.POSITIVE_INFINITY && this.#registry.missingFor(job).length === 0
      if (isRunnable || until <= now) this.#entries.delete(key)
    }
    return [...this.#entries.keys()]
  }

  /**
   * Leaves out the handler key of this job until this node has the missing handlers. If no handler is missing, leaves out the
   * key for {@link lookMs}.
   */
  add(job: JobRecord): void {
    const missing = this.#registry.missingFor(job)
    const isMissing = missing.length > 0
    if (isMissing && !this.#entries.has(job.handlerKey)) this.#registry.plans.sayMissing(job, missing)
    const until = isMissing ? Number.POSITIVE_INFINITY : this.#engine.clock.monotonic() + lookMs
    this.#entries.set(job.handlerKey, { job, until })
  }
}
