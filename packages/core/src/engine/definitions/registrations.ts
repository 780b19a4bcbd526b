import { JobistemerError } from '../../errors.ts'
import type { Job } from '../../job/define-job.ts'
import { isSameData } from '../../job/fingerprint.ts'
import { type DefinitionOrigin, contentOf, fingerprintOfJob } from '../../job/job-content.ts'
import { errorOfWhatIsOver } from '../../job/read-jobs.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { decidedUpTo } from '../../storage/rules.ts'
import type { JobChange, JobContent, SaveJobAnswer } from '../../storage/storage.ts'
import { unreadablePartOf } from '../../storage/unreadable.ts'
import { nextTurn } from '../runtime/after-turn.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { chunksOf, type StorageCalls } from '../storage-access/retrying-storage.ts'
import { checkedSeries } from './slot-series.ts'
import { type OtherNodes, originOfUpdate, reasonToFollow } from './definition-precedence.ts'
import type { HeldJobs } from './held-jobs.ts'
import type { RegisteredJob } from './registered-job.ts'
import { switchSchedule } from './timeline.ts'
import { changesAtOnce } from './tuning.ts'

/** A change that stores a definition and brings it into force. */
export type DefinitionChange = JobChange & { readonly content: JobContent }

/** How to register definitions: the storage calls to use, and what has caused the registration. */
interface Registration {
  readonly storage: StorageCalls
  /** Whether the node is starting and registers the definitions in its option `jobs`. Default false. */
  readonly isStart?: boolean
  /**
   * Whether a call such as `add` or `apply` requested the definitions. If so, these definitions come into force even if
   * living nodes have the stored definitions. Default false.
   */
  readonly isAsked?: boolean
  /**
   * Whether the node brings its own definitions of held jobs into force again, after it followed other definitions, or after
   * the storage lost the jobs. Default false.
   */
  readonly isReturn?: boolean
}

/** Stores this node's definitions of jobs. */
export class Registrations {
  readonly #engine: EngineContext
  readonly #registry: HeldJobs
  readonly #others: OtherNodes
  readonly #release: number | undefined

  constructor(
    engine: EngineContext,
    options: { readonly registry: HeldJobs; readonly others: OtherNodes; readonly release: number | undefined },
  ) {
    this.#engine = engine
    this.#registry = options.registry
    this.#others = options.others
    this.#release = options.release
  }

  /**
   * Stores the definitions that are new or changed, and follows the stored definitions that have precedence.
   * @throws JobistemerError `SCHEDULE_NEVER_FIRES` for a new job whose schedule has no slot left
   * @throws JobistemerError `UNKNOWN_SCHEDULE_TYPE` if this node does not know the type of a stored schedule that still
   * has slots to decide
   */
  async register(jobs: readonly Job[], how: Registration): Promise<void> {
    for (const group of chunksOf(jobs, this.#engine.maxBatch)) await this.#registerGroup(group, how)
    for (const { id, tasks } of jobs) {
      const registered = tasks.some(({ handler }) => handler !== undefined) ? this.#registry.get(id) : undefined
      if (registered !== undefined) this.#registry.plans.planOf(registered)
    }
  }

  async #registerGroup(jobs: readonly Job[], how: Registration): Promise<void> {
    const { storage, isStart = false, isAsked = false, isReturn = false } = how
    const origin = isStart ? 'jobs' : 'added'
    let open = jobs
    // Repeats the read and the write of a job if another node has stored a change between them.
    while (open.length > 0) {
      const ids = open.map((job) => job.id)
      const { jobs: records } = await storage.repeated('get', (calls) => calls.get({ jobs: ids }))
      await this.#registry.learn(records)
      if (!isAsked && records.some((record) => record !== null)) await this.#others.look()
      // The storage uses `now` as the watermark of a new job, so the next slot is computed from the same instant.
      const now = this.#engine.now()
      const changing: { job: Job; change: JobChange }[] = []
      for (const [index, job] of open.entries()) {
        const record = records[index] ?? null
        if (isReturn && this.#hasBecomeAnother(job, record)) continue
        const change = this.changeFor(job, record, now, { isAsked, isReturn })
        // Only a new job is checked for a schedule without future slots. The schedule of a stored job may have ended.
        const isNew = change?.kind === 'create' && !isReturn
        const error = isNew ? errorOfWhatIsOver(job, now, change.content.nextAt) : null
        // At the start of a node, a job whose schedule has ended must not prevent the registration of the other jobs.
        if (error !== null && !isStart) throw error
        if (error !== null)
          this.#engine.logger.warn(
            { job: job.name, err: error },
            'the schedule of the new job has no future instant: the job will never run',
          )
        if (change !== null) {
          if (record !== null) this.#sayRepaired(record)
          changing.push({ job, change })
        } else this.#registry.adoptDefinition(job, record as JobRecord, undefined, origin)
      }
      if (changing.length === 0) return
      const changes = changing.map(({ change }) => change)
      const answers = await storage.repeated('saveJobs', (calls) =>
        calls.saveJobs({ now, changes, cancelLimit: changesAtOnce }),
      )
      const again: Job[] = []
      for (const [index, { job, change }] of changing.entries()) {
        const answer = answers[index] as SaveJobAnswer
        if (answer.outcome !== 'saved') again.push(job)
        else this.#registry.adoptDefinition(job, answer.job, change.kind === 'create' ? 'created' : 'updated', origin)
      }
      open = again
      // `again` may have deleted jobs that the storage has still to recreate. Before that, each call cancels a limited number
      // of their old runs. Many calls may follow, so let the event loop run between them.
      if (again.length > 0) await nextTurn()
    }
  }

  #sayRepaired(record: JobRecord): void {
    const part = unreadablePartOf(record)
    if (part === null) return
    const { id: jobId, name: job, version } = record
    this.#engine.logger.error(
      { job, jobId, version, part },
      'the stored row of this job cannot be read: this node stores its own definition',
    )
  }

  /**
   * Returns true if the stored job is not the job that this node holds. The stored job was deleted or created again, or this
   * node has evicted the job. If the job was created again, this node adopts the new head.
   */
  #hasBecomeAnother({ id }: Job, record: JobRecord | null): boolean {
    const registered = this.#registry.get(id)
    if (registered === undefined || typeof record?.deletedAt === 'number') return true
    if (record === null || record.createdAt === registered.createdAt) return false
    this.#registry.adopt(registered.job, record)
    return true
  }

  /** Puts this node's own definitions of these jobs back into force. Skips jobs that this node no longer holds. */
  async putBack(jobs: readonly RegisteredJob[]): Promise<void> {
    const { storage } = this.#engine
    const definitions = jobs.filter((job) => this.#registry.holds(job)).map((job) => this.#registry.definitionOf(job))
    for (const { id } of definitions) this.#registry.overridden.putBack(id)
    await this.register(definitions, { storage, isReturn: true })
  }

  /**
   * Returns the change that brings a local definition into force at `now`. Returns `null` if no change is necessary or if
   * the stored definition has precedence. `isAsked`: a call requested the definition. `isReturn`: this node puts its own
   * definition back after following another one.
   */
  changeFor(
    job: Job,
    record: JobRecord | null,
    now: number,
    { isAsked = false, isReturn = false }: Pick<Registration, 'isAsked' | 'isReturn'> = {},
  ): DefinitionChange | null {
    this.#registry.learnTypeOf(job)
    const { defaults, mostQueued } = this.#engine
    if (record === null || record.deletedAt !== null) {
      const timeline = [{ after: null, until: null, schedule: job.schedule.toJSON() }]
      // The new watermark is not before any decided slot of the deleted job, so a recreated job recovers none of these slots.
      const after = Math.max(now, record === null ? 0 : decidedUpTo(record))
      const content = contentOf(job, {
        defaults,
        mostQueued,
        timeline,
        nextAt: checkedSeries(job.schedule).nextMs(after),
        origin: this.#origin,
      })
      return { kind: 'create', id: job.id, content }
    }
    const fingerprint = fingerprintOfJob(job, defaults)
    if (record.fingerprint === fingerprint && unreadablePartOf(record) === null) return null
    const own = { fingerprint, release: this.#release, hasFollowed: isReturn }
    // At this line, the fingerprints differ, or a part of the stored definition is unreadable. If the fingerprints are equal,
    // this part is damaged, and this node replaces the stored definition.
    const reason = record.fingerprint === fingerprint ? null : reasonToFollow(own, record, this.#others)
    if (reason !== null && !(isAsked && reason !== 'lower_release')) return null
    const origin = isAsked ? originOfUpdate(record, this.#release) : this.#origin
    const replacement = (): DefinitionChange => ({
      kind: 'replace',
      id: job.id,
      content: contentOf(job, { defaults, mostQueued, origin, ...this.#immediately(job, record, now) }),
      expectedVersion: record.version,
      expectedWatermark: record.watermark,
      waiting: 'keep',
    })
    const isNews = isAsked || !(isReturn || record.lineage.includes(fingerprint))
    return isNews ? replacement() : this.#unlessUnrevived(replacement)
  }

  /**
   * Returns the replacement of the stored definition. Returns `null` if this node cannot load a schedule of the stored timeline
   * that still has slots to decide. Such a schedule comes from a newer build. The node then follows the stored definition.
   * {@link HeldJobs.adopt} logs why this node launches none of the job's slots.
   */
  #unlessUnrevived(replacement: () => DefinitionChange): DefinitionChange | null {
    try {
      return replacement()
    } catch (error) {
      if (JobistemerError.isInstance(error, 'UNKNOWN_SCHEDULE_TYPE')) return null
      throw error
    }
  }

  get #origin(): DefinitionOrigin {
    return this.#release === undefined ? {} : { release: this.#release }
  }

  /** Returns a timeline in which the new schedule decides the slots after now. The old schedule still decides earlier slots. */
  #immediately(job: Job, record: JobRecord, now: number): Pick<JobContent, 'timeline' | 'nextAt'> {
    const schedule = job.schedule.toJSON()
    const { timeline: present, nextAt, watermark } = record
    if (isSameData(present.at(-1)?.schedule, schedule)) return { timeline: present, nextAt }
    const from = Math.max(now, watermark)
    // A damaged timeline has no segment, so the new schedule decides all slots.
    const timeline =
      present.length === 0
        ? [{ after: null, until: null, schedule }]
        : switchSchedule(present, schedule, { from, watermark })
    return { timeline, nextAt: this.#registry.seriesOf(timeline, job).nextMs(decidedUpTo(record)) }
  }
}

/** Returns the number of occurrences that each change may cancel, if one storage call contains `changes` changes. */
export function cancelLimitOf(changes: number): number {
  return Math.max(1, Math.floor(changesAtOnce / changes))
}
