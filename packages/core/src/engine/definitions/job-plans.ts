import type { JobId } from '../../ids.ts'
import type { Job, JobTask } from '../../job/define-job.ts'
import { type TaskCode, type TaskDocument, readJobDocument, tasksOf } from '../../job/job-document.ts'
import type { JobRecord, JobVersionRecord } from '../../storage/job-record.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { type Handlers, type JobPlan, planFromDocument, planFromJob } from './job-plan.ts'
import type { RegisteredJob } from './registered-job.ts'
import type { TaskHandler } from '../../job/task.ts'
import { rememberedValues } from '../../tuning.ts'

/** The plans by which this node runs its jobs, and the names of the handlers that this node lacks. */
export class JobPlans {
  readonly #engine: EngineContext
  readonly #handlers: Handlers
  /** Plans of versions that are no longer in force, for occurrences that were created under these versions. */
  readonly #otherPlans = new Map<string, JobPlan | null>()
  /** For each job, the missing handlers that this node has named in a warning. */
  readonly #missing = new Map<JobId, readonly string[]>()

  constructor(engine: EngineContext, handlers: Handlers) {
    this.#engine = engine
    this.#handlers = handlers
  }

  /** Forgets the warning about a job. If the job lacks handlers again later, this node then logs a new warning. */
  forget(id: JobId): void {
    this.#missing.delete(id)
  }

  /**
   * Returns the plan by which this node runs a stored definition. `null`: this node lacks code for a task of this definition,
   * for example because its build has another definition of the job.
   */
  planOfStored({ job }: RegisteredJob, { definition, version }: JobRecord | JobVersionRecord): JobPlan | null {
    return planFromDocument(readJobDocument(definition), version, { tasks: job.tasks, handlers: this.#handlers })
  }

  /** Returns whether the job is data and this node has all handlers of the job. */
  runsAsData({ definition }: JobRecord): boolean {
    const { tasks, isUnreadable = false } = readJobDocument(definition)
    return !isUnreadable && tasks.every(({ handler }) => handler !== undefined && this.#handlers.has(handler))
  }

  /** Returns the names of a stored job's missing handlers, and of the tasks for which `own` has no code. */
  missingFor({ definition }: JobRecord, own: readonly JobTask[]): readonly string[] {
    return this.#lackingOf(tasksOf(readJobDocument(definition), own))
  }

  /** Returns the plan by which this node runs the version in force. `null`: this node cannot run this version. */
  planOf(job: RegisteredJob): JobPlan | null {
    if (job.plan === undefined) {
      job.plan = planFromJob(job.job, this.#engine.defaults, job.version, this.#handlers)
      if (job.plan === null) this.sayMissing(job.job, this.#lackingOf(job.job.tasks))
    }
    return job.plan
  }

  /** Logs missing handlers once per job. Without this warning, a misspelled handler name would only show as missing runs. */
  sayMissing({ id, name }: Pick<Job, 'id' | 'name'>, missing: readonly string[]): void {
    if (this.#missing.get(id)?.join() === missing.join()) return
    this.#missing.set(id, missing)
    this.#engine.logger.warn({ job: name, missing }, 'this node has no handler for the job; other nodes will run it')
  }

  /**
   * Returns the handlers that this node lacks for a job, and the tasks for which this node has no code. Empty for a job with
   * a plan.
   */
  missingOf({ job }: RegisteredJob): readonly string[] {
    return this.#missing.get(job.id) ?? []
  }

  #lackingOf(tasks: readonly JobTask[]): readonly string[] {
    return tasks
      .filter(({ run, handler }) => (handler === undefined ? run === undefined : !this.#handlers.has(handler)))
      .map(({ name, handler }) => handler ?? name)
  }

  /** Returns the plan of the version under which an occurrence was created. `null`: this node cannot run that version. */
  async planOfVersion(job: RegisteredJob, version: number): Promise<JobPlan | null> {
    // A storage that has lost its data counts versions from 1 again. `createdAt` distinguishes versions with equal numbers.
    const key = `${job.job.id}:${job.createdAt}:${version}`
    const known = this.#otherPlans.get(key)
    if (known !== undefined) return known
    const { versions } = await this.#engine.storage.repeated('get', (calls) =>
      calls.get({ versions: [{ jobId: job.job.id, version }] }),
    )
    const record = versions[0] ?? null
    const plan = record === null ? null : this.planOfStored(job, record)
    if (record !== null && readJobDocument(record.definition).isUnreadable === true) {
      const fields = { job: job.job.name, version }
      this.#engine.logger.error(
        fields,
        'a stored version of this job cannot be read: runs of that version use the version in force',
      )
    }
    if (this.#otherPlans.size > rememberedValues) this.#otherPlans.clear()
    this.#otherPlans.set(key, plan)
    return plan
  }
}

// A client runs no tasks, so it has placeholders instead of handlers.

const notHere: TaskHandler = () => {
  throw new Error('A client runs no tasks.')
}

/** Has a placeholder handler for every name, because a client needs no handlers. */
export const anyHandler: Handlers = Object.assign(new Map(), { has: () => true, get: () => notHere })

/** Returns a placeholder for the code of a stored task, because the code is in another process. */
export function codeElsewhere({ name }: TaskDocument): TaskCode {
  return { name, run: notHere, retryIf: undefined }
}
