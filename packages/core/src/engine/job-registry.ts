import type { JobId } from '../ids.ts'
import type { Job } from '../job/define-job.ts'
import { fingerprintOf } from '../job/fingerprint.ts'
import type { JsonObject } from '../json.ts'
import type { JobRecord, JobVersionRecord } from '../storage/job-record.ts'
import type { JobChange, JobContent, SaveJobAnswer } from '../storage/storage.ts'
import { resolveJobSettings } from '../configuration/resolve-settings.ts'
import type { EngineContext } from './engine-context.ts'
import { type JobPlan, planFromDocument, planFromJob, toJobDocument } from './job-plan.ts'
import { RegisteredJob } from './registered-job.ts'
import { type ScheduleReviver, type SlotSeries, seriesOf, switchSchedule } from './timeline.ts'

/** The jobs of this node, and what it knows of their heads in the storage. */
export class JobRegistry {
  readonly #engine: EngineContext
  readonly #reviver: ScheduleReviver
  readonly #jobs = new Map<JobId, RegisteredJob>()
  /** Plans of versions other than the ones in force, for occurrences that started under them. */
  readonly #otherPlans = new Map<string, JobPlan | null>()

  constructor(engine: EngineContext, reviver: ScheduleReviver) {
    this.#engine = engine
    this.#reviver = reviver
  }

  get size(): number {
    return this.#jobs.size
  }

  get(id: JobId): RegisteredJob | undefined {
    return this.#jobs.get(id)
  }

  all(): IterableIterator<RegisteredJob> {
    return this.#jobs.values()
  }

  /** Stores what is new or changed of these definitions, and follows what the storage knows better. */
  async register(jobs: readonly Job[]): Promise<void> {
    const { maxBatch } = this.#engine
    for (let start = 0; start < jobs.length; start += maxBatch) {
      await this.#registerGroup(jobs.slice(start, start + maxBatch))
    }
  }

  async #registerGroup(jobs: readonly Job[]): Promise<void> {
    const { storage } = this.#engine
    let open = jobs
    // Another node can store a change between the read and the write; then the job is looked at again.
    while (open.length > 0) {
      const ids = open.map((job) => job.id)
      const { jobs: records } = await storage.repeated('get', (calls) => calls.get({ jobs: ids }))
      const changing: { job: Job; change: JobChange }[] = []
      for (const [index, job] of open.entries()) {
        const record = records[index] ?? null
        const change = this.#changeFor(job, record)
        if (change !== null) changing.push({ job, change })
        else this.#adopt(job, record as JobRecord, this.#isLocal(job, record as JobRecord) ? 'unchanged' : 'followed')
      }
      if (changing.length === 0) return
      const now = this.#engine.now()
      const changes = changing.map(({ change }) => change)
      const answers = await storage.repeated('saveJobs', (calls) => calls.saveJobs({ now, changes }))
      const again: Job[] = []
      for (const [index, { job, change }] of changing.entries()) {
        const answer = answers[index] as SaveJobAnswer
        if (answer.outcome === 'saved') this.#adopt(job, answer.job, change.kind === 'create' ? 'created' : 'updated')
        else again.push(job)
      }
      open = again
    }
  }

  /** What has to be stored for a local definition to hold; `null` when nothing. */
  #changeFor(job: Job, record: JobRecord | null): JobChange | null {
    if (record === null || record.deletedAt !== null) {
      return { kind: 'create', id: job.id, content: this.#contentOf(job, null) }
    }
    if (this.#isLocal(job, record)) return null
    // This definition was in force once and was replaced: this is the older build of a rolling deploy, and follows.
    if (record.lineage.includes(this.#fingerprint(job))) return null
    return {
      kind: 'replace',
      id: job.id,
      content: this.#contentOf(job, record),
      expectedVersion: record.version,
      expectedWatermark: record.watermark,
      waiting: 'keep',
    }
  }

  #isLocal(job: Job, record: JobRecord): boolean {
    return record.fingerprint === this.#fingerprint(job)
  }

  #fingerprint(job: Job): string {
    return fingerprintOf([toJobDocument(job, this.#engine.defaults), job.schedule.toJSON(), job.owner])
  }

  #contentOf(job: Job, record: JobRecord | null): JobContent {
    const settings = resolveJobSettings(this.#engine.defaults, job.overrides)
    const schedule = job.schedule.toJSON()
    const now = this.#engine.now()
    let timeline = [{ after: null, until: null, schedule }] as JobContent['timeline']
    let nextAt: number | null
    if (record === null) nextAt = job.schedule.nextMs(now)
    else if (fingerprintOf(record.timeline.at(-1)?.schedule) === fingerprintOf(schedule)) {
      timeline = record.timeline
      nextAt = record.nextAt
    } else {
      // Slots that lie behind still belong to the schedule that was in force then.
      timeline = switchSchedule(record.timeline, schedule, {
        from: Math.max(now, record.watermark),
        watermark: record.watermark,
      })
      nextAt = this.#seriesOf(job, timeline).nextMs(record.watermark)
    }
    return {
      name: job.name,
      owner: job.owner,
      fingerprint: this.#fingerprint(job),
      definition: toJobDocument(job, this.#engine.defaults) as unknown as JsonObject,
      handlerKey: job.id,
      overlap: { policy: settings.overlapPolicy, maxQueued: settings.maxQueued },
      timeline,
      nextAt,
    }
  }

  #seriesOf(job: Job, timeline: JobRecord['timeline']): SlotSeries {
    this.#reviver.add(job.schedule.type)
    const [only] = timeline
    const simple = timeline.length === 1 && only?.after === null && only.until === null
    if (simple && fingerprintOf(only.schedule) === fingerprintOf(job.schedule.toJSON())) return job.schedule
    return seriesOf(timeline, this.#reviver)
  }

  #adopt(job: Job, record: JobRecord, change: 'created' | 'updated' | 'unchanged' | 'followed'): void {
    const series = this.#seriesOf(job, record.timeline)
    const known = this.#jobs.get(job.id)
    const registered = known ?? new RegisteredJob(job, record, series, change === 'followed')
    if (known === undefined) this.#jobs.set(job.id, registered)
    registered.version = record.version
    registered.series = series
    registered.paused = record.paused !== null
    registered.follows = change === 'followed'
    registered.plan = registered.follows ? planFromDocument(record.definition, record.version, job.tasks) : undefined
    this.moveOn(registered, record.watermark, record.nextAt)
    const { events } = this.#engine
    if (!events.hears('job.registered')) return
    const nextAt = record.nextAt === null ? null : new Date(record.nextAt)
    events.emit('job.registered', { jobId: job.id, jobName: job.name, version: record.version, change, nextAt })
  }

  /** The plan of the version in force; `null` when this node cannot run it. */
  planOf(job: RegisteredJob): JobPlan | null {
    if (job.plan === undefined) job.plan = planFromJob(job.job, this.#engine.defaults, job.version)
    return job.plan
  }

  /** The plan of whatever version an occurrence was created under. */
  async planOfVersion(job: RegisteredJob, version: number): Promise<JobPlan | null> {
    if (version === job.version) return this.planOf(job)
    const key = `${job.job.id}:${version}`
    const known = this.#otherPlans.get(key)
    if (known !== undefined) return known
    const { versions } = await this.#engine.storage.repeated('get', (calls) =>
      calls.get({ versions: [{ jobId: job.job.id, version }] }),
    )
    const record: JobVersionRecord | null = versions[0] ?? null
    const plan = record === null ? null : planFromDocument(record.definition, version, job.job.tasks)
    if (this.#otherPlans.size > 1000) this.#otherPlans.clear()
    this.#otherPlans.set(key, plan)
    return plan
  }

  /** The head's course as the storage has it. */
  moveOn(job: RegisteredJob, watermark: number, nextAt: number | null): void {
    job.watermark = watermark
    this.#engine.agenda.setSlot(job, nextAt)
  }

  /** The job is gone from the storage. */
  forget(job: RegisteredJob): void {
    this.#engine.agenda.setSlot(job, null)
    this.#jobs.delete(job.job.id)
  }

  /** Reads a job's head again, because another node has changed it. */
  reload(job: RegisteredJob): void {
    this.reloadNow(job).catch((error) => this.#engine.fail('reload', error))
  }

  async reloadNow(job: RegisteredJob): Promise<void> {
    const id = job.job.id
    const { jobs } = await this.#engine.storage.repeated('get', (calls) => calls.get({ jobs: [id] }))
    const record = jobs[0] ?? null
    if (record === null || record.deletedAt !== null) this.forget(job)
    else this.#adopt(job.job, record, this.#isLocal(job.job, record) ? 'unchanged' : 'followed')
  }
}
