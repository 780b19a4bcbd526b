import type { JobId } from '../../ids.ts'
import type { Job } from '../../job/define-job.ts'
import { isSameData } from '../../job/fingerprint.ts'
import { fingerprintOfJob } from '../../job/job-content.ts'
import { isDataAlone, labelsOf, forwardMsOf, readJobDocument, tasksOf } from '../../job/job-document.ts'
import { noSchedule } from '../../schedule/no-schedule.ts'
import type { Schedule, SerializedSchedule } from '../../schedule/schedule.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { pausedUntil } from '../../storage/rules.ts'
import { unreadablePartOf } from '../../storage/unreadable.ts'
import { AfterTurn } from '../runtime/after-turn.ts'
import { Signal } from '../runtime/signal.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { chunksOf, type StorageCalls } from '../storage-access/retrying-storage.ts'
import { type JobOrigin, RegisteredJob, isAhead, isOfBuild } from './registered-job.ts'
import { type HeldJobs, type RegistrationChange, suspendUnscheduled } from './held-jobs.ts'
import { checkedSeries, type SlotSeries } from './slot-series.ts'
import { JobPlans, anyHandler, codeElsewhere } from './job-plans.ts'
import { OverriddenDefinitions, type OtherNodes } from './definition-precedence.ts'
import { JobRefresher } from './job-refresher.ts'
import type { Handlers } from './job-plan.ts'
import { JobCache, isData } from './job-cache.ts'
import { Registrations } from './registrations.ts'
import { type ScheduleReviver, UnrevivedSchedule } from './schedule-reviver.ts'
import { SkippedSlots } from './skipped-slots.ts'
import { seriesOf } from './timeline.ts'
import { repairOf, unreadableJob } from './job-errors.ts'
import { mostListed, rememberedValues } from '../../tuning.ts'

interface RegistryOptions {
  readonly reviver: ScheduleReviver
  readonly handlers: Handlers
  readonly standbyMs: number
  readonly mostHeld: number
  /** The definitions of the other nodes. */
  readonly others: OtherNodes
  readonly deadAfterMs: number
  readonly release: number | undefined
  /** Whether this engine is a client, which runs no jobs and reads each requested job from the storage. */
  readonly isClient: boolean
}

/** The jobs that this node holds, with what this node knows about their stored heads. */
export class JobRegistry implements HeldJobs {
  /** Logs the slots and requests that the storage has skipped. */
  readonly skipped: SkippedSlots
  /** Sent when this node gains or loses a definition from its build. The node then stores a new profile. */
  readonly definitions: Signal = new Signal()
  /** The plans by which this node runs its jobs: their tasks with code and effective settings. */
  readonly plans: JobPlans
  /** Stores this node's definitions of jobs. */
  readonly registrations: Registrations
  /** The held jobs that this node may evict. */
  readonly cache: JobCache
  /** Jobs whose stored definition has precedence over this node's own definition. */
  readonly overridden: OverriddenDefinitions
  /** Reads the heads of held jobs again. */
  readonly refresher: JobRefresher
  /** Whether this engine is a client, which runs no jobs and reads each requested job from the storage. */
  readonly isClient: boolean
  readonly #engine: EngineContext
  readonly #options: RegistryOptions
  readonly #jobs = new Map<JobId, RegisteredJob>()
  /** Removed jobs of the option `jobs`. This node runs them again if another node defines them again. */
  readonly #dormant = new Map<JobId, Job>()
  /** This node's own definitions of jobs that its calls of `update` or `add` have changed. */
  readonly #ownOfUpdated = new Map<JobId, Job>()
  /** The jobs whose slots the storage has lost since the last log line, with the watermark after which it lost them. */
  readonly #lost = new Map<string, number>()
  readonly #sayingLost = new AfterTurn(() => this.#sayLost())
  /** Jobs that are ahead, and whose event `job.ahead` this node has emitted. */
  readonly #ahead = new Set<JobId>()
  /**
   * The last warning about each job with an unreadable row or an unknown schedule type, so that this node does not repeat
   * the warning.
   */
  readonly #saidOf = new Map<JobId, string>()

  constructor(engine: EngineContext, options: RegistryOptions) {
    this.#engine = engine
    this.#options = options
    this.isClient = options.isClient
    this.cache = new JobCache(options.mostHeld, { isEvicting: this.isClient })
    this.overridden = new OverriddenDefinitions(engine, options)
    this.skipped = new SkippedSlots(engine)
    this.plans = new JobPlans(engine, this.isClient ? anyHandler : options.handlers)
    this.registrations = new Registrations(engine, { ...options, registry: this })
    this.refresher = new JobRefresher(engine, { registry: this, registrations: this.registrations })
  }

  get size(): number {
    return this.#jobs.size
  }

  get pausedCount(): number {
    const now = this.#engine.now()
    let count = 0
    for (const job of this.#jobs.values()) if (now < job.pausedUntil) count++
    return count
  }

  /** The number of jobs that are ahead. */
  get aheadCount(): number {
    return this.#ahead.size
  }

  get(id: JobId): RegisteredJob | undefined {
    return this.#jobs.get(id)
  }

  /** Returns whether this node holds this job object, and not another object with its id. */
  holds(job: RegisteredJob): boolean {
    return this.#jobs.get(job.job.id) === job
  }

  /** Iterates over the held jobs, including jobs that are added during the iteration. */
  all(): IterableIterator<RegisteredJob> {
    return this.#jobs.values()
  }

  /** Returns this node's own definition of a job, without the changes by `update` and `apply`. */
  definitionOf({ job }: RegisteredJob): Job {
    return this.#ownOfUpdated.get(job.id) ?? job
  }

  /** Makes the schedule type of this job known to this node. */
  learnTypeOf({ schedule }: Job): void {
    if (!(schedule instanceof UnrevivedSchedule)) this.#options.reviver.add(schedule.type)
  }

  /**
   * Returns the series of slots that a timeline defines. @throws JobistemerError `UNKNOWN_SCHEDULE_TYPE`,
   * `RECORD_UNREADABLE`
   */
  seriesOf(timeline: JobRecord['timeline'], job: Job | null): SlotSeries {
    if (job !== null && !(job.schedule instanceof UnrevivedSchedule)) {
      this.learnTypeOf(job)
      const [only] = timeline
      const whole = timeline.length === 1 && only?.after === null && only.until === null
      // Thousands of jobs may share one schedule object of a definition. Use this object: a schedule made from each stored copy
      // would cost one more object per job.
      if (whole && isSameData(only.schedule, job.schedule.toJSON())) return checkedSeries(job.schedule)
    }
    if (timeline.length === 0) throw unreadableJob(job?.name ?? 'unknown', 'timeline')
    return seriesOf(timeline, this.#options.reviver, job?.name)
  }

  /** Yields the slots of a timeline after an instant. Yields none if this node cannot load a schedule of the timeline. */
  *slotsAfter(after: number, { timeline }: Pick<JobRecord, 'timeline'>, job: Job | null): Generator<number, void> {
    try {
      const series = this.seriesOf(timeline, job)
      for (let slot = series.nextMs(after); slot !== null; slot = series.nextMs(slot)) yield slot
    } catch {
      // The caller then reports what the storage has: the job's next slot and its other data.
      return
    }
  }

  /**
   * Returns a stored schedule as an object that computes slots. @throws JobistemerError `UNKNOWN_SCHEDULE_TYPE`,
   * `INVALID_SCHEDULE`
   */
  revive(schedule: SerializedSchedule): Schedule {
    return this.#options.reviver.revive(schedule)
  }

  /** Adopts a head as {@link adopt} does, with a definition from this node's build. */
  adoptDefinition(
    job: Job,
    record: JobRecord,
    change: RegistrationChange | undefined,
    origin: JobOrigin,
  ): RegisteredJob {
    this.#ownOfUpdated.delete(job.id)
    if ((this.#jobs.get(job.id)?.job ?? job) !== job) this.definitions.send()
    return this.adopt(job, record, change, origin)
  }

  /**
   * Adopts a head whose definition comes from a call of `update` or `add`. Remembers the job's definition in this node's build,
   * which the call has replaced.
   */
  adoptAsked(job: Job, record: JobRecord, change: RegistrationChange | undefined, origin?: JobOrigin): RegisteredJob {
    const registered = this.#jobs.get(job.id)
    const own = registered === undefined || !isOfBuild(registered) ? this.#dormant.get(job.id) : registered.job
    if (own !== undefined && !this.#ownOfUpdated.has(job.id)) this.#ownOfUpdated.set(job.id, own)
    return this.adopt(job, record, change, origin)
  }

  /** Yields the definitions of this node's build; the announced definitions come first. */
  *definitionsOfBuild(): Generator<Job> {
    yield* this.registrations.announced.values()
    for (const job of this.#jobs.values()) if (isOfBuild(job)) yield this.definitionOf(job)
  }

  /** Applies a stored head to the held job. A job that this node does not hold yet is added with the given `origin`. */
  adopt(known: Job, record: JobRecord, change?: RegistrationChange, origin: JobOrigin = 'stored'): RegisteredJob {
    const own = this.#ownOfUpdated.get(record.id)
    // True if the stored definition is this node's own definition again, after an update.
    const isOwnAgain = own !== undefined && fingerprintOfJob(own, this.#engine.defaults) === record.fingerprint
    if (isOwnAgain) this.#ownOfUpdated.delete(record.id)
    const job = isOwnAgain ? own : known
    let series: SlotSeries
    try {
      series = this.seriesOf(record.timeline, job)
    } catch (error) {
      // An error in one job's schedule must not stop the other jobs. This node can still run the occurrences that other nodes
      // create.
      series = new UnrevivedSchedule(record.timeline.at(-1)?.schedule ?? noSchedule.toJSON(), error)
      this.#sayUnscheduled(record, error)
    }
    const local = record.fingerprint === fingerprintOfJob(job, this.#engine.defaults)
    let registered = this.#jobs.get(job.id)
    const isNew = registered?.version !== record.version || registered.createdAt !== record.createdAt
    const isOld = !isNew && registered !== undefined && this.isOldLook(registered, record)
    // After an update with the policy `windowed`, the stored fingerprint differs from the job's fingerprint. This does not mean
    // that this node follows another definition: this node has stored that definition itself.
    const isOwnUpdate = change === 'updated' && registered?.job !== job
    if (registered === undefined) {
      registered = new RegisteredJob(job, record, series, this.#dormant.has(job.id) ? 'jobs' : origin)
      this.#jobs.set(job.id, registered)
      this.#dormant.delete(job.id)
      if (registered.origin !== 'stored') this.definitions.send()
    } else if (registered.origin === 'stored' && origin !== 'stored') {
      registered.origin = origin
      this.definitions.send()
    }
    registered.job = job
    registered.version = record.version
    registered.createdAt = record.createdAt
    if (isNew) registered.isFollowing = !local && !isOwnUpdate
    registered.series = series
    if (!registered.isUnscheduled) this.#saidOf.delete(job.id)
    registered.pausedUntil = pausedUntil(record.paused)
    registered.plan = local ? undefined : this.plans.planOfStored(registered, record)
    if (registered.plan === null) {
      if (unreadablePartOf(record) === null) this.plans.sayMissing(job, this.missingFor(record))
      else this.sayUnreadable(record)
    }
    this.#engine.agenda.setForward(registered, forwardMsOf(record))
    // A new version may come from `realign`, which sets the watermark back. So this node forgets the watermark of earlier
    // answers.
    if (isNew) registered.decidedUpTo = null
    registered.isOverdue = false
    if (!isOld) this.moveOn(registered, record.watermark, record.nextAt)
    if (!this.isClient) {
      this.cache.use(registered)
      this.#noteFollowed(registered, record)
      if (local && change === 'updated') this.#sayBack(registered, record)
    }
    this.#emitRegistered(registered, record, change ?? (local ? 'unchanged' : 'followed'))
    return registered
  }

  #noteFollowed(registered: RegisteredJob, record: JobRecord): void {
    if (!registered.isFollowing || registered.origin === 'stored') {
      this.overridden.delete(record.id)
      return
    }
    const fingerprint = fingerprintOfJob(this.definitionOf(registered), this.#engine.defaults)
    this.overridden.add(registered, { fingerprint, release: this.#options.release, hasFollowed: true }, record)
  }

  #sayBack({ job, origin }: RegisteredJob, { version, fingerprint, lineage, definition }: JobRecord): void {
    if (origin === 'stored' || readJobDocument(definition).updates !== undefined) return
    // `realign` also stores a new version, with the fingerprint of the previous version. Such a version puts no definition
    // back.
    if (lineage[0] === fingerprint || !lineage.includes(fingerprint)) return
    this.#engine.logger.warn(
      { job: job.name, version },
      'this node has put its earlier definition of the job back into force',
    )
  }

  #sayUnscheduled({ id, name, timeline }: JobRecord, error: unknown): void {
    // A client launches no slots, so it does not warn of an unknown schedule type.
    if (this.isClient) return
    const scheduleTypes = [...new Set(timeline.map(({ schedule }) => schedule.type))]
    const said = scheduleTypes.join()
    if (this.#saidOf.get(id) === said) return
    this.#saidOf.set(id, said)
    const fields = { job: name, scheduleTypes, err: error }
    this.#engine.logger.error(fields, 'cannot load the schedule type of the job; other nodes will launch its slots')
  }

  /**
   * Adopts a stored job and returns the held job, if this node has its code. This applies to data jobs with known handlers, and
   * to removed jobs of the option `jobs`. Returns `null` if this node does not adopt the job.
   */
  adoptStored(record: JobRecord): RegisteredJob | null {
    if (unreadablePartOf(record) !== null) {
      this.sayUnreadable(record)
      return null
    }
    const job = this.jobOfStored(record)
    return job === null ? null : this.adopt(job, record)
  }

  /** Logs, once per version, that this node does not run a job because the job's stored row is damaged. */
  sayUnreadable(record: JobRecord): void {
    const { id, name, version } = record
    const said = `unreadable ${version}`
    if (this.isClient || this.#saidOf.get(id) === said) return
    this.#saidOf.set(id, said)
    const fields = { job: name, jobId: id, version, part: unreadablePartOf(record), remedy: repairOf(name) }
    this.#engine.logger.error(fields, 'the stored row of this job cannot be read: its slots and runs wait')
  }

  /**
   * Returns the job of a stored record, or `null` if this node lacks the job's code. `isAnyData`: also returns data jobs
   * whose handlers this node lacks.
   */
  jobOfStored(record: JobRecord, { isAnyData = false }: { readonly isAnyData?: boolean } = {}): Job | null {
    const dormant = this.#dormant.get(record.id)
    if (dormant !== undefined) return dormant
    // A damaged timeline has no segment. A client still gets the job, because a client can remove a job with a damaged
    // timeline.
    const schedule = record.timeline.at(-1)?.schedule ?? (this.isClient ? noSchedule.toJSON() : undefined)
    const isOpen =
      this.isClient || this.plans.runsAsData(record) || (isAnyData && isDataAlone(readJobDocument(record.definition)))
    if (schedule === undefined || !isOpen) return null
    const document = readJobDocument(record.definition)
    const { id, name, owner } = record
    return {
      id,
      name,
      owner,
      ...labelsOf(document),
      schedule: this.#revived(schedule, name),
      unbound: null,
      settings: document.settings,
      payload: null,
      tasks: tasksOf(document, this.isClient ? document.tasks.map(codeElsewhere) : []),
      onStart: undefined,
      onComplete: undefined,
    }
  }

  /** Reads jobs that other nodes have stored, and adopts the jobs whose code this node has. */
  async learnStored(ids: readonly JobId[]): Promise<void> {
    const { maxBatch, storage } = this.#engine
    for (const group of chunksOf(ids, maxBatch)) {
      const { jobs } = await storage.repeated('get', (calls) => calls.get({ jobs: group }))
      for (const record of jobs) {
        if (record !== null && record.deletedAt === null && !this.#jobs.has(record.id)) this.adoptStored(record)
      }
    }
  }

  /** Returns the names of a stored job's missing handlers, and of its tasks without code. */
  missingFor(record: JobRecord): readonly string[] {
    return this.plans.missingFor(record, this.#jobs.get(record.id)?.job.tasks ?? [])
  }

  #revived(schedule: SerializedSchedule, jobName: string): Schedule {
    try {
      return this.#options.reviver.revive(schedule, jobName)
    } catch (error) {
      return new UnrevivedSchedule(schedule, error)
    }
  }

  /** Reloads the jobs whose schedule type was unknown and is now known to this node. */
  reviveAgain(): void {
    for (const job of this.#jobs.values()) {
      if (job.isUnscheduled && this.#options.reviver.find(job.job.schedule.type.name) !== undefined) this.reload(job)
    }
  }

  #emitRegistered({ job }: RegisteredJob, record: JobRecord, change: RegistrationChange): void {
    const { events } = this.#engine
    if (!events.hears('job.registered')) return
    // A node that evicts jobs adopts a data job many times, so it reports only changed definitions.
    if (this.cache.isEvicting && isData(job) && (change === 'unchanged' || change === 'followed')) return
    const nextAt = record.nextAt === null ? null : new Date(record.nextAt)
    const { id: jobId, name: jobName } = job
    events.emit('job.registered', { jobId, jobName, version: record.version, change, nextAt })
  }

  /**
   * Returns whether a head is older than the storage's last answer about this job. The slot `nextAt` of an older head
   * is already decided, and this node must not launch that slot again.
   */
  isOldLook({ decidedUpTo }: RegisteredJob, { nextAt }: JobRecord): boolean {
    return nextAt !== null && decidedUpTo !== null && nextAt <= decidedUpTo
  }

  /** Sets a job's watermark and next slot to the values of the storage, and schedules the next slot. */
  moveOn(job: RegisteredJob, watermark: number, nextAt: number | null): void {
    job.watermark = watermark
    // An evicted or removed job gets no timer, although this node may still process its slot.
    if (this.isClient || !this.holds(job)) return
    const now = this.#engine.now()
    if (nextAt === null || nextAt > now - this.#options.standbyMs) job.isOverdue = false
    const slot = job.isUnscheduled ? null : nextAt
    this.#engine.agenda.setSlot(job, slot)
    if (slot === null) job.at = Number.POSITIVE_INFINITY
    // While the time is in doubt, this node cannot tell whether the job is ahead. `lookForAhead` checks the job after the
    // confirmation of the time.
    if (!this.#engine.isTimeInDoubt) this.#lookWhetherAhead(job, nextAt, now)
  }

  /** Schedules an overdue slot, which this node launches even if the job is assigned to another node. */
  takeOn(job: RegisteredJob, watermark: number, nextAt: number | null): void {
    job.isOverdue = true
    this.moveOn(job, watermark, nextAt)
  }

  /** Forgets all jobs that a client has read. Calls in progress keep their job objects. */
  dropAll(): void {
    this.#jobs.clear()
  }

  /**
   * Applies a head, unless this node already has a newer state of the job. Returns whether this node may now be able to claim
   * pending occurrences of the job, because the job is resumed or has a new version.
   */
  catchUp(job: RegisteredJob, record: JobRecord): boolean {
    const until = pausedUntil(record.paused)
    const isChanged = record.version > job.version
    const isResumed = until < job.pausedUntil
    // If `createdAt` differs, the job had vanished or was deleted, and was then created again. The version numbers then cannot
    // be compared.
    if (record.createdAt !== job.createdAt) this.reload(job)
    // A lower version means that the record was read before this node's last change of the job. This node ignores such
    // an old record.
    else if (record.version < job.version) return false
    else if (record.deletedAt !== null) this.forget(job)
    else if (isChanged) this.adopt(job.job, record)
    else {
      job.pausedUntil = until
      this.#catchUpWithin(job, record)
    }
    return isChanged || isResumed
  }

  #catchUpWithin(job: RegisteredJob, { watermark, nextAt }: JobRecord): void {
    // A job without a timer has no next slot, or this node processes its slot. Do not apply the head to such a job: in the
    // second case, the storage's answer about the slot has newer values than the head.
    if (job.heapIndex < 0 || job.inFlight !== 'no') return
    const isOverdue = nextAt !== null && nextAt < job.at && nextAt <= this.#engine.now() - this.#options.standbyMs
    if (watermark > job.watermark || isOverdue) this.moveOn(job, watermark, nextAt)
  }

  /** Evicts jobs that this node need not hold and that have no slot up to `upTo`. */
  dropUnneeded(upTo: number): void {
    for (const job of this.cache.unneeded(upTo)) {
      // This node keeps holding jobs that are ahead, because its metrics report these jobs.
      if (!this.#ahead.has(job.job.id)) this.#drop(job)
    }
    if (this.#saidOf.size > rememberedValues) this.#saidOf.clear()
  }

  #drop(job: RegisteredJob): void {
    const { id } = job.job
    this.#engine.agenda.setSlot(job, null)
    this.cache.remove(job)
    this.#jobs.delete(id)
    this.#ownOfUpdated.delete(id)
    this.overridden.delete(id)
    this.plans.forget(id)
  }

  /** Passes over a job's due slot, which another node launches. Schedules the next slot after the present on this node. */
  pass(job: RegisteredJob): void {
    // After a stall of this node, other nodes have launched many slots up to now. One call passes over all of them.
    const passed = Math.max(job.at, this.#engine.now())
    this.#engine.agenda.setSlot(job, null)
    try {
      const nextAt = job.series.nextMs(passed)
      job.watermark = passed
      this.#engine.agenda.setSlot(job, nextAt)
      if (nextAt === null) job.at = Number.POSITIVE_INFINITY
    } catch (error) {
      suspendUnscheduled(this.#engine, this, job, error)
    }
  }

  /** Reports jobs that are ahead. Called after this node's time was set back. */
  lookForAhead(): void {
    const now = this.#engine.now()
    for (const job of this.#jobs.values()) this.#lookWhetherAhead(job, job.heapIndex < 0 ? null : job.at, now)
  }

  /** Reports a job that is ahead. Such a job shows no error, but its slots do not run. */
  #lookWhetherAhead(job: RegisteredJob, nextAt: number | null, now: number): void {
    const { id: jobId, name: jobName } = job.job
    if (!isAhead(job, now)) {
      this.#ahead.delete(jobId)
      return
    }
    if (this.#ahead.has(jobId)) return
    this.#ahead.add(jobId)
    const said = { decidedUpTo: new Date(job.watermark), nextAt: nextAt === null ? null : new Date(nextAt) }
    const { events, logger } = this.#engine
    events.emit('job.ahead', { jobId, jobName, ...said })
    logger.warn(
      { job: jobName, ...said },
      'a clock was wrong: the watermark of the job lies in the future, and slots up to it run only after update() with realign',
    )
  }

  /**
   * Applies the watermark and the next slot from the storage's answer about a slot.
   *
   * Does nothing if this node has adopted another version since it sent the call. The next instant in the answer belongs to the
   * old version. A later recovery of the job would treat it as a slot of the new version.
   *
   * Not related to `RegisteredJob.isFollowing`.
   */
  follow(job: RegisteredJob, askedVersion: number, watermark: number, nextAt: number | null): void {
    if (job.version !== askedVersion) return
    if (job.decidedUpTo !== null && watermark < job.decidedUpTo) {
      this.#lost.set(job.job.name, watermark)
      this.#sayingLost.ask()
    }
    job.decidedUpTo = watermark
    this.moveOn(job, watermark, nextAt)
  }

  /**
   * Reports that the storage has lost acknowledged writes, for example after a failover to a replica that was behind: an answer
   * had an earlier watermark than a previous answer under the same version. The lost slots run again.
   */
  #sayLost(): void {
    const jobs = [...this.#lost.keys()].slice(0, mostListed)
    this.#engine.logger.error(
      { jobs, count: this.#lost.size, since: new Date(Math.min(...this.#lost.values())) },
      'the storage has lost acknowledged writes: slots after the stored watermark run again, and later requests may be lost',
    )
    this.#lost.clear()
  }

  /** Removes from this node a job that the storage no longer has, and emits `job.removed`. */
  forget(job: RegisteredJob): void {
    this.#engine.agenda.setSlot(job, null)
    const { id: jobId, name: jobName } = job.job
    // This node has evicted the job, or holds another object for the job.
    if (!this.holds(job)) return
    if (job.origin === 'jobs') this.#dormant.set(jobId, this.definitionOf(job))
    this.#drop(job)
    if (job.origin !== 'stored') this.definitions.send()
    this.#ahead.delete(jobId)
    this.#saidOf.delete(jobId)
    this.#engine.events.emit('job.removed', { jobId, jobName })
  }

  /** Schedules a read of a job's head, because the head has changed or may be missing. */
  reload(job: RegisteredJob): void {
    this.refresher.ask(job)
  }

  /**
   * Reads a job's head and returns the held job. If the job was deleted and defined again, the result is a new object.
   * `null`: the storage does not have the job.
   */
  async reloadNow(job: RegisteredJob, storage: StorageCalls = this.#engine.storage): Promise<RegisteredJob | null> {
    const gone = await this.refresher.review([job], storage)
    return gone.length > 0 ? null : (this.#jobs.get(job.job.id) ?? null)
  }
}
