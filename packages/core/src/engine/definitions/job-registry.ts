import type { JobId } from '../../ids.ts'
import type { Job } from '../../job/define-job.ts'
import { isSameData } from '../../job/fingerprint.ts'
import { fingerprintOfJob } from '../../job/job-content.ts'
import { isDataAlone, labelsOf, priorityOf, readJobDocument, tasksOf } from '../../job/job-document.ts'
import { noSchedule } from '../../schedule/no-schedule.ts'
import type { Schedule, SerializedSchedule } from '../../schedule/schedule.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { pausedUntil } from '../../storage/rules.ts'
import { unreadablePartOf } from '../../storage/unreadable.ts'
import { Signal } from '../runtime/signal.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { isAhead } from './ahead.ts'
import { leaveUnscheduled } from './leave-out.ts'
import { checkedSeries } from './checked-series.ts'
import { anyHandler, codeElsewhere } from './code-elsewhere.ts'
import type { OtherNodes } from './deference.ts'
import { FollowedJobs } from './followed-jobs.ts'
import { HeadReview } from './head-review.ts'
import type { HeldJobs, RegistrationChange } from './held-jobs.ts'
import type { Handlers } from './job-plan.ts'
import { JobPlans } from './job-plans.ts'
import { LetGoJobs } from './let-go-jobs.ts'
import { isData, LooseJobs } from './loose-jobs.ts'
import { isOfBuild, type JobOrigin, RegisteredJob } from './registered-job.ts'
import { Registrations } from './registrations.ts'
import type { ScheduleReviver } from './schedule-reviver.ts'
import { ForgottenRequests } from './forgotten-requests.ts'
import { SkippedSlots } from './skipped-slots.ts'
import type { SlotSeries } from './slot-series.ts'
import { seriesOf, seriesThatFails } from './timeline.ts'
import { repairOf, unreadableJob } from './unreadable-job.ts'
import { UnrevivedSchedule } from './unrevived-schedule.ts'
import { rememberedWarnings, soonMs, updatePatienceMs } from './tuning.ts'

/** The jobs of this node, and what it knows of their heads in the storage. */
export class JobRegistry implements HeldJobs {
  /** What is said of slots that are skipped. */
  readonly skipped: SkippedSlots
  /** Requests that the storage has acknowledged and lost. */
  readonly forgottenRequests: ForgottenRequests
  /** Sent when this node has got or lost a definition of its own. */
  readonly definitions: Signal = new Signal()
  /** What this node can run of them. */
  readonly plans: JobPlans
  /** How definitions of this node come into the storage. */
  readonly registrations: Registrations
  /** Those that this node need not hold. */
  readonly loose: LooseJobs
  /** Jobs of which another definition is in force than this node's own. */
  readonly followed: FollowedJobs
  /** Those that were let go, where somebody is to hear of their removal. */
  readonly letGo: LetGoJobs | null
  readonly #engine: EngineContext
  readonly #reviver: ScheduleReviver
  readonly #isClient: boolean
  readonly #standbyMs: number
  readonly #others: OtherNodes
  readonly #release: number | undefined
  readonly #review: HeadReview
  readonly #jobs = new Map<JobId, RegisteredJob>()
  /** Jobs of the option `jobs` that somebody has removed: whoever defines them again gets them back here, too. */
  readonly #dormant = new Map<JobId, Job>()
  /** This node's own definitions of jobs that were updated on it. */
  readonly #ownOfUpdated = new Map<JobId, Job>()
  /** Definitions that this node is about to bring into force, and tells the others of before. */
  readonly #announced = new Map<JobId, Job>()
  /** Those whose watermark lies ahead of the time, and of which that was said. */
  readonly #ahead = new Set<JobId>()
  /** What was said of jobs whose schedules cannot be revived, so that it is said once. */
  readonly #saidOf = new Map<JobId, string>()

  /** Monotonic instant at which a head was seen of which an update has still to cancel what waits; `null`: none was. */
  #unfinishedSince: number | null = null

  constructor(
    engine: EngineContext,
    options: {
      reviver: ScheduleReviver
      handlers: Handlers
      patienceMs: number
      standbyMs: number
      mostHeld: number
      others: OtherNodes
      deadAfterMs: number
      release: number | undefined
      /** It runs nothing: whoever uses it looks up each job that is asked for. Default false. */
      isClient?: boolean
      /** Hears of jobs that were let go, and were removed since. Default: nobody does. */
      removedUnheld?: ((jobName: string) => void) | null
    },
  ) {
    this.#engine = engine
    this.#isClient = options.isClient === true
    this.loose = new LooseJobs(options.mostHeld, { isPartial: this.#isClient })
    this.#others = options.others
    this.#release = options.release
    this.followed = new FollowedJobs(engine, options)
    this.#standbyMs = options.standbyMs
    this.skipped = new SkippedSlots(engine)
    this.forgottenRequests = new ForgottenRequests(engine)
    this.#reviver = options.reviver
    const { removedUnheld = null } = options
    this.letGo = removedUnheld === null ? null : new LetGoJobs(engine, removedUnheld)
    this.plans = new JobPlans(engine, this.#isClient ? anyHandler : options.handlers)
    const { others, release, patienceMs } = options
    this.registrations = new Registrations(engine, { registry: this, others, release })
    this.#review = new HeadReview(engine, { registry: this, registrations: this.registrations, patienceMs })
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

  /** How many jobs are decided ahead of the time. */
  get aheadCount(): number {
    return this.#ahead.size
  }

  get(id: JobId): RegisteredJob | undefined {
    return this.#jobs.get(id)
  }

  /** Whether it is the one that is held here: it was not removed, and has not come back as another. */
  holds(job: RegisteredJob): boolean {
    return this.#jobs.get(job.job.id) === job
  }

  /** Also sees those that come while it is gone through. */
  all(): IterableIterator<RegisteredJob> {
    return this.#jobs.values()
  }

  /** This node's own definition of a job, whatever updates have made of it. */
  definitionOf({ job }: RegisteredJob): Job {
    return this.#ownOfUpdated.get(job.id) ?? job
  }

  /** Imports the tickers of this project that jobs of this node need, and that nobody has imported yet. */
  async learnTypesOf(records: readonly JobRecord[]): Promise<void> {
    await this.learn(records.filter((record) => this.#jobs.has(record.id) || this.plans.runsAsData(record)))
  }

  /** As {@link learnTypesOf}; `null` when there is nothing to wait for. */
  learn(records: readonly (JobRecord | null)[]): Promise<unknown> | null {
    const schedules = records.flatMap((record) => record?.timeline.map(({ schedule }) => schedule) ?? [])
    const learning = this.#reviver.learn(schedules)
    if (learning !== null) this.#engine.clock.track?.(learning)
    return learning
  }

  /** The type of its schedule is known from now on. */
  learnTypeOf({ schedule }: Job): void {
    if (!(schedule instanceof UnrevivedSchedule)) this.#reviver.add(schedule.type)
  }

  /** @throws JobistemerError `UNKNOWN_SCHEDULE_TYPE`, `RECORD_UNREADABLE` */
  seriesOf(timeline: JobRecord['timeline'], job: Job | null): SlotSeries {
    if (job !== null && !(job.schedule instanceof UnrevivedSchedule)) {
      this.learnTypeOf(job)
      const [only] = timeline
      const whole = timeline.length === 1 && only?.after === null && only.until === null
      // The definition's own schedule may be shared by thousands of jobs; a revived one would be one more.
      if (whole && isSameData(only.schedule, job.schedule.toJSON())) return checkedSeries(job.schedule)
    }
    if (timeline.length === 0) throw unreadableJob(job?.name ?? 'unknown', 'timeline')
    return seriesOf(timeline, this.#reviver, job?.name)
  }

  /** The series of a timeline; `null` where this node cannot revive it. */
  seriesIfKnown(timeline: JobRecord['timeline']): SlotSeries | null {
    return timeline.length > 0 && timeline.every(({ schedule }) => this.#reviver.knows(schedule))
      ? this.seriesOf(timeline, null)
      : null
  }

  /** @throws JobistemerError `UNKNOWN_SCHEDULE_TYPE`, `INVALID_SCHEDULE` */
  revive(schedule: SerializedSchedule): Schedule {
    return this.#reviver.revive(schedule)
  }

  /** Whether whoever updates has had the time to cancel all that waits since an update was seen under way. Asked once. */
  takeUnfinished(): boolean {
    if (this.#unfinishedSince === null) return false
    if (this.#engine.clock.monotonic() - this.#unfinishedSince < updatePatienceMs) return false
    this.#unfinishedSince = null
    return true
  }

  /** An update has still to cancel what waits, and may never come to do so. */
  noteUnfinished(): void {
    this.#unfinishedSince ??= this.#engine.clock.monotonic()
  }

  /** As {@link adopt}, by a definition of this node's own. */
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

  /** As {@link adopt}, by what somebody has asked this node for. What its build defines stays that. */
  adoptAsked(job: Job, record: JobRecord, change: RegistrationChange | undefined, origin?: JobOrigin): RegisteredJob {
    const registered = this.#jobs.get(job.id)
    const own = registered === undefined || !isOfBuild(registered) ? this.#dormant.get(job.id) : registered.job
    if (own !== undefined && !this.#ownOfUpdated.has(job.id)) this.#ownOfUpdated.set(job.id, own)
    return this.adopt(job, record, change, origin)
  }

  /**
   * Of a job that this node has just stored: whether it need not be held, as one of more than a node holds, which is looked
   * up when it comes due. It is told of as one that is.
   */
  leaveStored(job: Job, record: JobRecord, change: RegistrationChange): boolean {
    if (this.#isClient || !this.loose.isPartial || !isData(job) || job.payload !== null) return false
    const { id } = job
    if (this.#jobs.has(id) || this.#dormant.has(id) || this.#ownOfUpdated.has(id)) return false
    const isSoon = record.nextAt !== null && record.nextAt <= this.#engine.now() + soonMs
    if (isSoon || !this.plans.runsAsData(record)) return false
    this.#emitRegistered({ job }, record, change)
    return true
  }

  /** Tells the other nodes of definitions before they are brought into force. */
  async announce(jobs: readonly Job[]): Promise<void> {
    for (const job of jobs) this.#announced.set(job.id, job)
    if (jobs.length > 0) await this.#others.tell()
  }

  /** They are in force, or will not be. */
  announced(jobs: readonly Job[]): void {
    const some = jobs.filter(({ id }) => this.#announced.delete(id))
    // What it replaced is this node's definition no longer.
    if (some.length > 0) this.definitions.send()
  }

  /** What the build of this node defines. */
  *definitionsOfBuild(): Generator<Job> {
    yield* this.#announced.values()
    for (const job of this.#jobs.values()) if (isOfBuild(job)) yield this.definitionOf(job)
  }

  /** Takes over a head as it is stored now. `origin`: where the job is from, if this node has not had it before. */
  adopt(known: Job, record: JobRecord, change?: RegistrationChange, origin: JobOrigin = 'stored'): RegisteredJob {
    const job = this.#isOwnAgain(record) ? this.#takeOwn(known) : known
    // Its own ones this node sees through itself.
    if (record.cancelsBelow !== null && change !== 'updated') this.noteUnfinished()
    let series: SlotSeries
    let isUnscheduled = false
    try {
      series = this.seriesOf(record.timeline, job)
    } catch (error) {
      // One job must not stop the others, and what other nodes create of it can run here.
      series = seriesThatFails(error)
      isUnscheduled = true
      this.#sayUnscheduled(record, error)
    }
    const local = record.fingerprint === fingerprintOfJob(job, this.#engine.defaults)
    let registered = this.#jobs.get(job.id)
    const isNew = registered?.version !== record.version || registered.createdAt !== record.createdAt
    const isOld = !isNew && registered !== undefined && this.isOldLook(registered, record)
    // The stored definition is what this node has made of it, by an update in a window.
    const isOwnUpdate = change === 'updated' && registered?.job !== job
    if (registered === undefined) {
      registered = new RegisteredJob(job, record, series, this.#dormant.has(job.id) ? 'jobs' : origin)
      this.#jobs.set(job.id, registered)
      this.letGo?.delete(job.id)
      this.#dormant.delete(job.id)
      if (registered.origin !== 'stored') this.definitions.send()
    } else if (registered.origin === 'stored' && origin !== 'stored') {
      registered.origin = origin
      this.definitions.send()
    }
    registered.job = job
    if (registered.version !== record.version) registered.created = Number.NEGATIVE_INFINITY
    registered.version = record.version
    registered.createdAt = record.createdAt
    if (isNew) registered.isFollowing = !local && !isOwnUpdate
    registered.series = series
    registered.isUnscheduled = isUnscheduled
    if (!isUnscheduled) this.#saidOf.delete(job.id)
    registered.pausedUntil = pausedUntil(record.paused)
    registered.plan = local ? undefined : this.plans.planOfStored(registered, record)
    if (registered.plan === null) {
      if (unreadablePartOf(record) === null) this.plans.sayMissing(job, registered.missing)
      else this.sayUnreadable(record)
    }
    this.#engine.agenda.setPriority(registered, priorityOf(record))
    // A new version may have set it back.
    if (isNew) registered.decidedUpTo = Number.NEGATIVE_INFINITY
    registered.isOverdue = false
    if (!isOld) this.moveOn(registered, record.watermark, record.nextAt)
    if (!this.#isClient) this.#noteCourse(registered, record, local && change === 'updated')
    this.#emitRegistered(registered, record, change ?? (local ? 'unchanged' : 'followed'))
    return registered
  }

  /** What only a node has to do with a job that it takes over. */
  #noteCourse(registered: RegisteredJob, record: JobRecord, isBack: boolean): void {
    this.loose.use(registered)
    this.#noteFollowed(registered, record)
    if (isBack) this.#sayBack(registered, record)
  }

  /** What updates have made of a job on this node was replaced by the definition that it was made of. */
  #isOwnAgain({ id, fingerprint }: JobRecord): boolean {
    const own = this.#ownOfUpdated.get(id)
    return own !== undefined && fingerprintOfJob(own, this.#engine.defaults) === fingerprint
  }

  #takeOwn(job: Job): Job {
    const own = this.#ownOfUpdated.get(job.id) ?? job
    this.#ownOfUpdated.delete(job.id)
    return own
  }

  #noteFollowed(registered: RegisteredJob, record: JobRecord): void {
    if (!registered.isFollowing || registered.origin === 'stored') {
      this.followed.delete(record.id)
      return
    }
    const fingerprint = fingerprintOfJob(this.definitionOf(registered), this.#engine.defaults)
    this.followed.add(registered, { fingerprint, release: this.#release, hasFollowed: true }, record)
  }

  #sayBack({ job, origin }: RegisteredJob, { version, fingerprint, lineage, definition }: JobRecord): void {
    if (origin === 'stored' || readJobDocument(definition).updates !== undefined) return
    // To set a job back to the present is a version, too.
    if (lineage[0] === fingerprint || !lineage.includes(fingerprint)) return
    this.#engine.logger.warn(
      { job: job.name, version },
      'an earlier definition of the job, that of this node, is in force again',
    )
  }

  #sayUnscheduled({ id, name, timeline }: JobRecord, error: unknown): void {
    // A client leaves all slots to others.
    if (this.#isClient) return
    const scheduleTypes = [...new Set(timeline.map(({ schedule }) => schedule.type))]
    const said = scheduleTypes.join()
    if (this.#saidOf.get(id) === said) return
    this.#saidOf.set(id, said)
    const fields = { job: name, scheduleTypes, err: error }
    this.#engine.logger.error(fields, 'the schedule of this job cannot be revived: its slots are left to other nodes')
  }

  /**
   * Takes over a job that this node has code for: one that is data alone, when it has its handlers, or one of its own
   * that was removed and is defined again. Others are left to other nodes; where the schedule cannot be revived, only the
   * slots are.
   */
  adoptStored(record: JobRecord): RegisteredJob | null {
    if (unreadablePartOf(record) !== null) {
      this.sayUnreadable(record)
      return null
    }
    const job = this.jobOfStored(record)
    return job === null ? null : this.adopt(job, record)
  }

  /** Logs, once for each version, that this node sets a job aside because its stored row is damaged. */
  sayUnreadable(record: JobRecord): void {
    const { id, name, version } = record
    const said = `unreadable ${version}`
    if (this.#isClient || this.#saidOf.get(id) === said) return
    this.#saidOf.set(id, said)
    const fields = { job: name, jobId: id, version, part: unreadablePartOf(record), remedy: repairOf(name) }
    this.#engine.logger.error(fields, 'the stored row of this job cannot be read: its slots and its runs wait')
  }

  /** A stored job that this node has code for; `null` for others. `isAnyData`: also one that lacks handlers here. */
  jobOfStored(record: JobRecord, { isAnyData = false }: { readonly isAnyData?: boolean } = {}): Job | null {
    const dormant = this.#dormant.get(record.id)
    if (dormant !== undefined) return dormant
    // Of a damaged timeline nothing is known. A client can still remove the job.
    const schedule = record.timeline.at(-1)?.schedule ?? (this.#isClient ? noSchedule.toJSON() : undefined)
    const isOpen =
      this.#isClient || this.plans.runsAsData(record) || (isAnyData && isDataAlone(readJobDocument(record.definition)))
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
      overrides: document.settings,
      payload: null,
      tasks: tasksOf(document, this.#isClient ? document.tasks.map(codeElsewhere) : []),
      onStart: undefined,
      onComplete: undefined,
    }
  }

  /** Takes over jobs that another node has stored, if this one can run them. */
  async learnStored(ids: readonly JobId[]): Promise<void> {
    const { maxBatch, storage } = this.#engine
    for (let start = 0; start < ids.length; start += maxBatch) {
      const group = ids.slice(start, start + maxBatch)
      const { jobs } = await storage.repeated('get', (calls) => calls.get({ jobs: group }))
      const stored = jobs.filter((record): record is JobRecord => record !== null && record.deletedAt === null)
      await this.learnTypesOf(stored)
      for (const record of stored) if (!this.#jobs.has(record.id)) this.adoptStored(record)
    }
  }

  /** The names of the handlers that this node lacks for a stored job, and of the tasks whose code it lacks. */
  missingFor(record: JobRecord): readonly string[] {
    return this.plans.missingFor(record, this.#jobs.get(record.id)?.job.tasks ?? [])
  }

  #revived(schedule: SerializedSchedule, jobName: string): Schedule {
    try {
      return this.#reviver.revive(schedule, jobName)
    } catch (error) {
      return new UnrevivedSchedule(schedule, error)
    }
  }

  /** Looks again at jobs whose schedules could not be revived: their types may have come to be known. */
  reviveAgain(): void {
    for (const job of this.#jobs.values()) {
      if (job.isUnscheduled && this.#reviver.knows(job.job.schedule.toJSON())) this.reload(job)
    }
  }

  #emitRegistered({ job }: Pick<RegisteredJob, 'job'>, record: JobRecord, change: RegistrationChange): void {
    const { events } = this.#engine
    if (!events.hears('job.registered')) return
    // Of those that come and go as they are due, only what somebody changes is worth a word.
    if (this.loose.isPartial && isData(job) && (change === 'unchanged' || change === 'followed')) return
    const nextAt = record.nextAt === null ? null : new Date(record.nextAt)
    const { id: jobId, name: jobName } = job
    events.emit('job.registered', { jobId, jobName, version: record.version, change, nextAt })
  }

  /**
   * Whether a head of the version that this node knows was read before an answer to this node: its next slot is decided, and
   * would be asked for once more.
   */
  isOldLook({ decidedUpTo }: RegisteredJob, { nextAt }: JobRecord): boolean {
    return nextAt !== null && nextAt <= decidedUpTo
  }

  /** The head's course as the storage has it. */
  moveOn(job: RegisteredJob, watermark: number, nextAt: number | null): void {
    job.watermark = watermark
    job.isLeft = false
    if (job.isDropped || this.#isClient) return
    const now = this.#engine.now()
    if (nextAt === null || nextAt > now - this.#standbyMs) job.isOverdue = false
    const slot = job.isUnscheduled ? null : nextAt
    this.#engine.agenda.setSlot(job, slot)
    if (slot === null) job.at = Number.POSITIVE_INFINITY
    // Otherwise it is looked at once the time is confirmed.
    if (!this.#engine.isTimeInDoubt) this.#lookWhetherAhead(job, nextAt, now)
  }

  /** As {@link moveOn}, where the next slot was found overdue: this node launches it, whoever goes first for the job. */
  takeOn(job: RegisteredJob, watermark: number, nextAt: number | null): void {
    job.isOverdue = true
    this.moveOn(job, watermark, nextAt)
  }

  /** Lets go of what a client has looked up; what is under way keeps what it has. */
  dropAll(): void {
    this.#jobs.clear()
  }

  /** Takes over what a look at a job's head has found, unless this node knows better by now. */
  catchUp(job: RegisteredJob, record: JobRecord): void {
    // It was lost, or deleted, and has come back: its versions count from another beginning.
    if (record.createdAt !== job.createdAt) this.reload(job)
    else if (record.version > job.version) this.adopt(job.job, record)
    else if (record.version === job.version) this.#catchUpWithin(job, record)
  }

  #catchUpWithin(job: RegisteredJob, { watermark, nextAt }: JobRecord): void {
    // Its slot is in hand: the answer says what there is to say.
    if (job.heapIndex < 0 || job.inFlight !== 'no') return
    const isOverdue = nextAt !== null && nextAt < job.at && nextAt <= this.#engine.now() - this.#standbyMs
    if (watermark > job.watermark || isOverdue) this.moveOn(job, watermark, nextAt)
  }

  /** Lets go what this node need not hold: what has no slot up to the instant. */
  dropUnneeded(upTo: number): void {
    for (const job of this.loose.unneeded(upTo)) {
      const { id, name } = job.job
      // Somebody has to see it.
      if (this.#ahead.has(id)) continue
      this.#engine.agenda.setSlot(job, null)
      job.isDropped = true
      this.loose.remove(job)
      this.letGo?.add(id, name)
      this.#jobs.delete(id)
      this.#ownOfUpdated.delete(id)
      this.followed.delete(id)
      this.plans.forget(id)
    }
    if (this.#saidOf.size > rememberedWarnings) this.#saidOf.clear()
  }

  /** The job's next slot is left to a node that goes before this one: this one is ready for the slot after it. */
  pass(job: RegisteredJob): void {
    const slot = job.at
    this.#engine.agenda.setSlot(job, null)
    try {
      const nextAt = job.series.nextMs(slot)
      job.watermark = slot
      this.#engine.agenda.setSlot(job, nextAt)
    } catch (error) {
      leaveUnscheduled(this.#engine, this, job, error)
    }
  }

  /**
   * The job's slots are left to a node that goes before this one, until {@link takeUp}. Where nodes leave each other nearly
   * all jobs, as in a large fleet, each slot of them would cost each node something otherwise.
   */
  leave(job: RegisteredJob): void {
    this.#engine.agenda.setSlot(job, null)
    job.watermark = job.at
    job.isLeft = true
  }

  /** Others have come or gone: this node is ready for the slots to come of what it goes first for now. */
  takeUp(isOwn: (job: RegisteredJob) => boolean): void {
    const now = this.#engine.now()
    for (const job of this.#jobs.values()) if (job.isLeft && isOwn(job)) this.#takeUp(job, now)
  }

  #takeUp(job: RegisteredJob, now: number): void {
    job.isLeft = false
    // Whether others have launched what lies between is not known here. A recovery has to say where it begins: from a
    // watermark before those slots it would pass over them.
    job.watermark = Math.max(job.watermark, now)
    try {
      this.#engine.agenda.setSlot(job, job.series.nextMs(job.watermark))
    } catch (error) {
      leaveUnscheduled(this.#engine, this, job, error)
    }
  }

  /** The time has moved back: slots may be decided that are still to come. */
  lookForAhead(): void {
    const now = this.#engine.now()
    for (const job of this.#jobs.values()) this.#lookWhetherAhead(job, job.heapIndex < 0 ? null : job.at, now)
  }

  /** Nobody notices otherwise: the job seems to be well, and does not run. */
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
      'a clock was wrong: slots are decided that are still to come, and do not run unless realign() sets the job back',
    )
  }

  /**
   * Takes over what an answer says of the job's course, unless the node has learnt of another version since it asked:
   * then it knows better, and an old next instant under a new version would be recovered as if it were a slot of it.
   */
  follow(job: RegisteredJob, askedVersion: number, watermark: number, nextAt: number | null): void {
    if (job.version !== askedVersion) return
    job.decidedUpTo = watermark
    this.moveOn(job, watermark, nextAt)
  }

  /** The job is gone from the storage. */
  forget(job: RegisteredJob): void {
    this.#engine.agenda.setSlot(job, null)
    const { id: jobId, name: jobName } = job.job
    // Deleted and defined again meanwhile, it is another one that this says nothing of.
    const present = this.#jobs.get(jobId)
    if (present === undefined ? !job.isDropped : present !== job) return
    this.#jobs.delete(jobId)
    this.loose.remove(job)
    this.letGo?.delete(jobId)
    if (job.origin !== 'stored') this.definitions.send()
    this.#ahead.delete(jobId)
    if (job.origin === 'jobs') this.#dormant.set(jobId, this.definitionOf(job))
    this.#ownOfUpdated.delete(jobId)
    this.followed.delete(jobId)
    this.#saidOf.delete(jobId)
    this.plans.forget(jobId)
    this.#engine.events.emit('job.removed', { jobId, jobName })
  }

  /** Reads a job's head again, because another node has changed it, or the storage has lost it. */
  reload(job: RegisteredJob): void {
    this.#review.ask(job)
  }

  /**
   * Answers what the job is now: another object than the given one when it was deleted and came back, `null` when it is
   * gone.
   */
  async reloadNow(job: RegisteredJob, storage: StorageCalls = this.#engine.storage): Promise<RegisteredJob | null> {
    const gone = await this.#review.review([job], storage)
    return gone.has(job) ? null : (this.#jobs.get(job.job.id) ?? null)
  }

  /** Looks whether some of the jobs are still in the storage, the next ones with each call: once in each interval. */
  async reviewSome(intervalMs: number): Promise<void> {
    await this.#review.reviewSome(intervalMs)
    await this.letGo?.reviewSome(intervalMs)
  }
}
