import { JobistemerError, printValue } from '../../errors.ts'
import type { JobId } from '../../ids.ts'
import type { Job } from '../../job/define-job.ts'
import { isSameData } from '../../job/fingerprint.ts'
import { type DefinitionOrigin, contentOf, fingerprintOfJob } from '../../job/job-content.ts'
import { errorOfWhatIsOver } from '../../job/read-jobs.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { decidedUpTo } from '../../storage/rules.ts'
import type { JobChange, JobContent, SaveJobAnswer, Storage } from '../../storage/storage.ts'
import { unreadablePartOf } from '../../storage/unreadable.ts'
import { nextTurn } from '../runtime/after-turn.ts'
import { CallerBatcher, ItemRefused, refusedItem } from '../storage-access/batcher.ts'
import type { CallerContext } from '../storage-access/caller-context.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { type Asked, chunksOf } from '../storage-access/retrying-storage.ts'
import { checkedSeries } from './slot-series.ts'
import { type OtherNodes, originOfUpdate, reasonToFollow } from './definition-precedence.ts'
import type { HeldJobs, RegistrationChange } from './held-jobs.ts'
import { type RegisteredJob, isOfBuild } from './registered-job.ts'
import { type CheckedUpdatePolicy, updatedTimeline } from './timeline.ts'
import { changesAtOnce } from './tuning.ts'

/** A change that stores a definition and brings it into force. */
type DefinitionChange = JobChange & { readonly content: JobContent }

/**
 * Why a node registers definitions:
 * - `start`: the node is starting. The definitions are in its option `jobs`.
 * - `return`: the node brings its own definitions of held jobs into force again, after it followed other definitions, or after
 *   the storage lost the jobs.
 * - `add` and `apply`: a user has called this method.
 */
type Cause = 'start' | 'return' | 'add' | 'apply'

/**
 * Returns whether a definition comes into force even if living nodes have the stored definition. A definition with code that
 * `add` stores must prevail like any definition of a build.
 */
function isAsked(job: Job, cause: Cause): boolean {
  return cause === 'apply' || (cause === 'add' && !isOfBuild({ origin: 'added', job }))
}

/** A definition to store, with the stored head of its job. */
interface Registration {
  readonly job: Job
  readonly record: JobRecord | null
  /** The change to store. `null`: the stored job already has this definition, or the stored definition has precedence. */
  readonly change: DefinitionChange | null
}

type Caller = Pick<CallerContext, 'within'> & Asked

/** The engine itself, which never gives up on a storage call. */
const engineItself: Caller = {
  isEngine: true,
  refusal: null,
  assertWanted: () => undefined,
  failed: () => undefined,
  within: (call) => call(),
}

/** Stores definitions of jobs. Concurrent callers share storage calls. */
export class Registrations {
  /** Definitions that this node announces to its peers before it stores them. */
  readonly announced: Map<JobId, Job> = new Map()
  readonly #engine: EngineContext
  readonly #registry: HeldJobs
  readonly #others: OtherNodes
  readonly #release: number | undefined
  readonly #reads: CallerBatcher<JobId, JobRecord | null>
  readonly #saves: CallerBatcher<JobChange, SaveJobAnswer>

  constructor(
    engine: EngineContext,
    options: { readonly registry: HeldJobs; readonly others: OtherNodes; readonly release: number | undefined },
  ) {
    this.#engine = engine
    this.#registry = options.registry
    this.#others = options.others
    this.#release = options.release
    this.#reads = new CallerBatcher(engine, {
      operation: 'get',
      async send(storage, ids) {
        const unique = [...new Set(ids)]
        const { jobs } = await storage.get({ jobs: unique })
        const heads = new Map(unique.map((id, index) => [id, jobs[index] ?? null]))
        return ids.map((id) => heads.get(id) ?? null)
      },
    })
    this.#saves = new CallerBatcher(engine, { operation: 'saveJobs', send: saveChanges })
  }

  /** Rejects the reads and changes that wait for a storage call, and sends no further calls. */
  stop(): void {
    this.#reads.stop()
    this.#saves.stop()
  }

  /**
   * Returns the heads of jobs; `null` for a job that does not exist. One storage call reads the heads for several callers, each
   * head once. If the read of one head fails, this method rejects.
   */
  heads(ids: readonly JobId[], asked: Caller): Promise<readonly (JobRecord | null)[]> {
    const read = (id: JobId) =>
      this.#reads
        .send(asked, () => id)
        .catch((error) => {
          throw error instanceof ItemRefused ? error.error : error
        })
    return asked.within(() => Promise.all(ids.map(read)))
  }

  /**
   * Stores the definitions that are new or changed, and follows the stored definitions that have precedence.
   * @throws JobistemerError `SCHEDULE_NEVER_FIRES` for a new job whose schedule has no slot left
   * @throws JobistemerError `UNKNOWN_SCHEDULE_TYPE` if this node does not know the type of a stored schedule that still
   * has slots to decide
   */
  async register(jobs: readonly Job[], cause: Cause, asked: Caller = engineItself): Promise<void> {
    for (const group of this.#groupsOf(jobs)) await this.#store(await this.#look(group, cause, asked), cause, asked)
  }

  /** Registers the jobs of a call of `add`. Checks all jobs before the first write: an invalid job prevents all writes. */
  async add(jobs: readonly Job[], asked: Caller): Promise<void> {
    try {
      const groups: (readonly Registration[])[] = []
      for (const group of this.#groupsOf(jobs)) groups.push(await this.#look(group, 'add', asked))
      for (const group of groups) await this.#store(group, 'add', asked)
    } finally {
      const some = jobs.filter(({ id }) => this.announced.delete(id))
      // Causes this node to store a new profile, which no longer contains the replaced definitions.
      if (some.length > 0) this.#registry.definitions.send()
    }
  }

  #groupsOf(jobs: readonly Job[]): Iterable<readonly Job[]> {
    return chunksOf(jobs, Math.min(changesAtOnce, this.#engine.maxBatch))
  }

  async #look(jobs: readonly Job[], cause: Cause, asked: Caller): Promise<readonly Registration[]> {
    const records = await this.heads(
      jobs.map(({ id }) => id),
      asked,
    )
    const mayFollow = jobs.some((job, index) => records[index] !== null && !isAsked(job, cause))
    if (mayFollow) await asked.within(() => this.#others.look())
    const now = this.#engine.now()
    const found: Registration[] = []
    for (const [index, job] of jobs.entries()) {
      const record = records[index] ?? null
      if (cause === 'return' && this.#hasBecomeAnother(job, record)) continue
      try {
        const change = this.changeFor(job, record, now, cause)
        this.#checkEnd(job, change, now, cause)
        if (change !== null && record !== null) this.#sayRepaired(record)
        found.push({ job, record, change })
      } catch (error) {
        if (cause !== 'return') throw error
        // A job whose schedule throws must not prevent the return of the other jobs.
        this.#engine.fail(`schedule of job ${job.name}`, error)
      }
    }
    if (cause === 'add') {
      const replacing = found.filter(({ job, change }) => change?.kind === 'replace' && !isAsked(job, cause))
      for (const { job } of replacing) this.announced.set(job.id, job)
      if (replacing.length > 0) await asked.within(() => this.#others.tell())
    }
    return found
  }

  /**
   * Stores definitions. Reads a job again if the storage has not accepted the change. There are two reasons:
   * - The job changed between the read and the write.
   * - The job replaces a deleted job that still has waiting runs. First, several rounds must cancel these runs: each
   *   storage call cancels only a limited number.
   */
  async #store(found: readonly Registration[], cause: Cause, asked: Caller): Promise<void> {
    for (let open = found; ; ) {
      // Waits for all definitions, although the storage may reject one of them: the caller may have to pause the stored jobs.
      const stored = await asked.within(() => Promise.allSettled(open.map((one) => this.#storeOnce(one, cause, asked))))
      for (const one of stored) if (one.status === 'rejected') throw one.reason
      const left = open.flatMap(({ job }, index) => ((stored[index] as { value?: boolean }).value ? [] : [job]))
      if (left.length === 0) return
      await nextTurn()
      open = await this.#look(left, cause, asked)
    }
  }

  /** Stores a definition. Returns false if the storage has not accepted the change. */
  async #storeOnce({ job, record, change }: Registration, cause: Cause, asked: Caller): Promise<boolean> {
    if (change === null) {
      this.#adopt(job, record as JobRecord, undefined, cause)
      return true
    }
    const { nextAt } = change.content
    // The storage uses `now` as the watermark of a new job, so the next slot is computed from the same instant.
    const prepare = (now: number): JobChange => {
      if (nextAt === null || nextAt > now) return change
      const present = this.changeFor(job, record, now, cause) ?? change
      this.#checkEnd(job, present, now, cause)
      return present
    }
    const refused = (error: unknown): never => {
      if (!(error instanceof ItemRefused)) throw error
      throw refusedItem(error.error, `the definition of job ${printValue(job.name)}`, 'tasks')
    }
    const answer = await this.#saves.send(asked, prepare).catch(refused)
    if (answer.outcome !== 'saved') return false
    this.#adopt(job, answer.job, change.kind === 'create' ? 'created' : 'updated', cause)
    return true
  }

  #adopt(job: Job, record: JobRecord, change: RegistrationChange | undefined, cause: Cause): void {
    const origin = cause === 'start' ? 'jobs' : 'added'
    const registered =
      cause === 'add' && isAsked(job, cause)
        ? this.#registry.adoptAsked(job, record, change, origin)
        : this.#registry.adoptDefinition(job, record, change, origin)
    if (job.tasks.some(({ handler }) => handler !== undefined)) this.#registry.plans.planOf(registered)
  }

  /** Checks that the schedule of a new job has a future slot. The schedule of a stored job may have ended. */
  #checkEnd(job: Job, change: DefinitionChange | null, now: number, cause: Cause): void {
    if (change?.kind !== 'create' || cause === 'return') return
    const error = errorOfWhatIsOver(job, now, change.content.nextAt)
    // At the start of a node, a job whose schedule has ended must not prevent the registration of the other jobs.
    if (cause === 'start') this.warnIfOver(job, change.content.nextAt)
    else if (error !== null) throw error
  }

  /** Logs a warning if the schedule of the job has no future instant. */
  warnIfOver(job: Job, nextAt: number | null): void {
    const err = errorOfWhatIsOver(job, this.#engine.now(), nextAt)
    if (err === null) return
    this.#engine.logger.warn(
      { job: job.name, err },
      'the schedule has no future instant: the job now runs only on request',
    )
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
    const definitions = jobs.filter((job) => this.#registry.holds(job)).map((job) => this.#registry.definitionOf(job))
    for (const { id } of definitions) this.#registry.overridden.putBack(id)
    await this.register(definitions, 'return')
  }

  /**
   * Returns the change that brings a local definition into force at `now`. Returns `null` if no change is necessary or if
   * the stored definition has precedence.
   */
  changeFor(job: Job, record: JobRecord | null, now: number, cause: Cause): DefinitionChange | null {
    this.#registry.learnTypeOf(job)
    const { defaults, mostQueued } = this.#engine
    if (record === null || record.deletedAt !== null) {
      const timeline = [{ after: null, until: null, schedule: job.schedule.toJSON() }]
      // The new watermark is not before any decided slot of the deleted job, so a recreated job recovers none of these slots.
      const after = Math.max(now, record === null ? 0 : decidedUpTo(record))
      const nextAt = checkedSeries(job.schedule).nextMs(after)
      const content = contentOf(job, { defaults, mostQueued, timeline, nextAt, origin: this.#origin })
      return { kind: 'create', id: job.id, content }
    }
    const fingerprint = fingerprintOfJob(job, defaults)
    if (record.fingerprint === fingerprint && unreadablePartOf(record) === null) return null
    const own = { fingerprint, release: this.#release, hasFollowed: cause === 'return' }
    // At this line, the fingerprints differ, or a part of the stored definition is unreadable. If the fingerprints are equal,
    // this part is damaged, and this node replaces the stored definition.
    const reason = record.fingerprint === fingerprint ? null : reasonToFollow(own, record, this.#others)
    const isWanted = isAsked(job, cause)
    if (reason !== null && !(isWanted && reason !== 'lower_release')) return null
    const origin = isWanted ? originOfUpdate(record, this.#release) : this.#origin
    try {
      return {
        kind: 'replace',
        id: job.id,
        content: contentOf(job, { defaults, mostQueued, origin, ...this.timelineOf(job, record, now) }),
        expectedVersion: record.version,
        expectedWatermark: record.watermark,
        waiting: 'keep',
      }
    } catch (error) {
      const isNews = isWanted || !(cause === 'return' || record.lineage.includes(fingerprint))
      if (isNews || !JobistemerError.isInstance(error, 'UNKNOWN_SCHEDULE_TYPE')) throw error
      // This node cannot load a schedule of the stored timeline that still has slots to decide. Such a schedule comes from a
      // newer build, so this node follows the stored definition. `HeldJobs.adopt` logs why this node launches none of the
      // job's slots.
      return null
    }
  }

  get #origin(): DefinitionOrigin {
    return this.#release === undefined ? {} : { release: this.#release }
  }

  /** Returns the timeline after an update to the schedule of this definition, with the job's next slot. */
  timelineOf(
    job: Job,
    record: JobRecord,
    now: number,
    policy: CheckedUpdatePolicy = { type: 'immediate' },
  ): Pick<JobContent, 'timeline' | 'nextAt'> {
    const schedule = job.schedule.toJSON()
    const { timeline: present, nextAt, watermark } = record
    if (isSameData(present.at(-1)?.schedule, schedule)) return { timeline: present, nextAt }
    const series = policy.type === 'graceful' ? this.#registry.seriesOf(present, job) : null
    // A damaged timeline has no segment, so the new schedule decides all slots.
    const timeline =
      present.length === 0
        ? [{ after: null, until: null, schedule }]
        : updatedTimeline(present, schedule, { policy, series, now, watermark })
    return { timeline, nextAt: this.#registry.seriesOf(timeline, job).nextMs(decidedUpTo(record)) }
  }
}

/** Saves changes of jobs in one storage call, which cancels at most {@link changesAtOnce} occurrences. */
export function saveChanges(
  storage: Storage,
  changes: readonly JobChange[],
  now: number,
): Promise<readonly SaveJobAnswer[]> {
  return storage.saveJobs({ now, changes, cancelLimit: Math.max(1, Math.floor(changesAtOnce / changes.length)) })
}
