import type { JobId } from '../../ids.ts'
import type { Job, JobTask } from '../../job/define-job.ts'
import { readJobDocument, tasksOf } from '../../job/job-document.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { type Handlers, type JobPlan, planFromDocument, planFromJob } from './job-plan.ts'
import type { RegisteredJob } from './registered-job.ts'

/** What this node can run of its jobs: their plans, and what it lacks for them. */
export class JobPlans {
  readonly #engine: EngineContext
  readonly #handlers: Handlers
  /** Plans of versions other than the ones in force, for occurrences that started under them. */
  readonly #otherPlans = new Map<string, JobPlan | null>()
  /** What was said of jobs that lack handlers. */
  readonly #saidMissing = new Map<JobId, string>()

  constructor(engine: EngineContext, handlers: Handlers) {
    this.#engine = engine
    this.#handlers = handlers
  }

  /** What was said of it may be said again. */
  forget(id: JobId): void {
    this.#saidMissing.delete(id)
  }

  /** A node of another build may lack code for tasks that its own definition of the job does not have. */
  planOfStored(registered: RegisteredJob, { definition, version }: JobRecord): JobPlan | null {
    const document = readJobDocument(definition)
    const { tasks } = registered.job
    const plan = planFromDocument(document, version, { tasks, handlers: this.#handlers })
    if (plan === null) registered.missing = this.#lackingOf(tasksOf(document, tasks))
    return plan
  }

  /** Whether the job is data alone, and this node has its handlers. */
  runsAsData({ definition }: JobRecord): boolean {
    const { tasks, isUnreadable = false } = readJobDocument(definition)
    return !isUnreadable && tasks.every(({ handler }) => handler !== undefined && this.#handlers.has(handler))
  }

  /** The names of the handlers that this node lacks for a stored job, and of the tasks that `own` has no code for. */
  missingFor({ definition }: JobRecord, own: readonly JobTask[]): readonly string[] {
    return this.#lackingOf(tasksOf(readJobDocument(definition), own))
  }

  /** The plan of the version in force; `null` when this node cannot run it. */
  planOf(job: RegisteredJob): JobPlan | null {
    if (job.plan === undefined) {
      job.plan = planFromJob(job.job, this.#engine.defaults, job.version, this.#handlers)
      if (job.plan === null) {
        job.missing = this.#lackingOf(job.job.tasks)
        this.sayMissing(job.job, job.missing)
      }
    }
    return job.plan
  }

  /** A name with a slip in it would otherwise be found when nothing runs, and by whoever looks for the reason. */
  sayMissing({ id, name }: Pick<Job, 'id' | 'name'>, missing: readonly string[]): void {
    const said = missing.join()
    if (this.#saidMissing.get(id) === said) return
    this.#saidMissing.set(id, said)
    this.#engine.logger.warn({ job: name, missing }, 'no handlers on this node: the job is left to others')
  }

  #lackingOf(tasks: readonly JobTask[]): readonly string[] {
    return tasks
      .filter(({ run, handler }) => (handler === undefined ? run === undefined : !this.#handlers.has(handler)))
      .map(({ name, handler }) => handler ?? name)
  }

  /** The plan of whatever version an occurrence was created under. */
  async planOfVersion(job: RegisteredJob, version: number): Promise<JobPlan | null> {
    // A storage that has lost everything counts versions from 1 again.
    const key = `${job.job.id}:${job.createdAt}:${version}`
    const known = this.#otherPlans.get(key)
    if (known !== undefined) return known
    const { versions } = await this.#engine.storage.repeated('get', (calls) =>
      calls.get({ versions: [{ jobId: job.job.id, version }] }),
    )
    const record = versions[0] ?? null
    const own = { tasks: job.job.tasks, handlers: this.#handlers }
    const document = record === null ? null : readJobDocument(record.definition)
    const plan = document === null ? null : planFromDocument(document, version, own)
    if (document?.isUnreadable === true) {
      const fields = { job: job.job.name, version }
      this.#engine.logger.error(
        fields,
        'a stored version of this job cannot be read: its runs use the version in force',
      )
    }
    if (this.#otherPlans.size > 1000) this.#otherPlans.clear()
    this.#otherPlans.set(key, plan)
    return plan
  }
}
