import { orDefault, readObject } from '../../configuration/read-value.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import { type JobId, type OccurrenceId, requestedOccurrenceId } from '../../ids.ts'
import type { JsonObject, JsonValue } from '../../json.ts'
import {
  isFinal,
  type OccurrenceDetails,
  type OccurrenceRecord,
  type OccurrenceState,
} from '../../storage/occurrence-record.ts'
import { createdId } from '../../storage/rules.ts'
import type { CreateAnswer, CreateRequested } from '../../storage/storage.ts'
import type { Capacity } from '../capacity/capacity.ts'
import { displace } from '../dispatch/displace.ts'
import { readOwnStart } from '../dispatch/own-start.ts'
import { type JobPlan, overridePlan } from '../jobs/job-plan.ts'
import type { JobRegistry } from '../jobs/job-registry.ts'
import type { RegisteredJob } from '../jobs/registered-job.ts'
import { type AskedCalls, callOptionNames } from '../loop/asked-calls.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import { uniqueSuffix } from '../loop/unique-suffix.ts'
import type { ExecutionPool } from '../run/execution-pool.ts'
import { initialRuns } from '../run/task-run-records.ts'
import {
  detailsOf,
  type ReplayOptions,
  type TriggerOptions,
  type TriggerResult,
  triggerOptionNames,
} from './request-options.ts'

interface Request {
  readonly kind: 'trigger' | 'replay'
  /** What the id derives from, together with the key. */
  readonly base: JobId | OccurrenceId
  readonly key: string | undefined
  readonly details: OccurrenceDetails
}

/** Runs that people and programs ask for, outside the schedule. */
export class Requests {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #pool: ExecutionPool
  readonly #capacity: Capacity
  readonly #underWay = new Map<OccurrenceId, Promise<TriggerResult>>()

  constructor(engine: EngineContext, options: { registry: JobRegistry; capacity: Capacity; pool: ExecutionPool }) {
    this.#engine = engine
    this.#registry = options.registry
    this.#pool = options.pool
    this.#capacity = options.capacity
  }

  /** `results` stand for those of tasks that do not run. */
  async trigger(
    job: RegisteredJob,
    options: TriggerOptions,
    asked: AskedCalls,
    results?: JsonObject,
  ): Promise<TriggerResult> {
    readObject(options, 'options', [...triggerOptionNames, ...callOptionNames])
    return this.#submit(job, asked, {
      kind: 'trigger',
      base: job.job.id,
      key: options.key,
      details: { ...detailsOf(options), ...(results !== undefined && { results }) },
    })
  }

  async replay(
    job: RegisteredJob,
    original: OccurrenceRecord,
    options: ReplayOptions,
    asked: AskedCalls,
  ): Promise<TriggerResult> {
    readObject(options, 'options', [...triggerOptionNames, ...callOptionNames, 'from'])
    if (!isFinal(original.state)) {
      throw new JobistemerError('INVALID_ARGUMENT', {
        message: `Occurrence ${original.id} is ${original.state} and cannot be replayed yet.`,
        field: 'occurrenceId',
        value: original.id,
        remedy: 'Wait until it has ended, or cancel it.',
      })
    }
    const from = options.from === undefined ? undefined : this.#tasksFrom(job, options.from)
    const tasks = orDefault<readonly string[] | undefined>(options.tasks, from)
    const details = detailsOf({ ...options, ...(tasks !== undefined && { tasks }) })
    const { data } = original.details
    return this.#submit(job, asked, {
      kind: 'replay',
      base: original.id,
      key: options.key,
      details: {
        ...(data !== undefined && { data }),
        ...details,
        replayOf: original.id,
        ...(tasks !== undefined && { results: resultsOf(original, tasks) }),
      },
    })
  }

  /** Resolves when no request is under way. */
  async answered(): Promise<void> {
    await Promise.allSettled([...this.#underWay.values()])
  }

  async #submit(job: RegisteredJob, asked: AskedCalls, request: Request): Promise<TriggerResult> {
    asked.assertWanted()
    const unique = `${this.#engine.owner.incarnation}:${uniqueSuffix(() => this.#engine.random())}`
    const idFor = (key: string) => requestedOccurrenceId(request.base, request.kind, key)
    const id = idFor(request.key ?? unique)
    // A key whose request is skipped is not used up: the entry that says so has another id.
    const send = (): Promise<TriggerResult> => this.#send(job, request, { id, skippedId: idFor(unique) }, asked)
    // One after the other: of two requests of one key, the second finds what the first has started already running.
    const earlier = this.#underWay.get(id)
    const answering = earlier === undefined ? send() : earlier.then(send, send)
    this.#underWay.set(id, answering)
    const forget = (): void => {
      if (this.#underWay.get(id) === answering) this.#underWay.delete(id)
    }
    answering.then(forget, forget)
    // The answer is awaited also when the caller waits no more: what this node has started by then, it has to run.
    return asked.within(() => answering)
  }

  async #send(
    first: RegisteredJob,
    request: Request,
    { id, skippedId }: { readonly id: OccurrenceId; readonly skippedId: OccurrenceId },
    asked: AskedCalls,
  ): Promise<TriggerResult> {
    const { kind, details } = request
    let job = first
    // A job whose version changes between the look and the write is looked at again.
    for (;;) {
      const plan = this.#planFor(job, details)
      const now = this.#engine.now()
      // By a time that is in doubt nothing is given a deadline: it is stored, and claimed later.
      const starts = this.#capacity.roomForRequest() && !job.paused && !this.#engine.isHeldBack
      const item: CreateRequested = {
        kind,
        id,
        jobId: job.job.id,
        scheduledAt: now,
        dueAt: now,
        jobVersion: job.version,
        executionTimeoutMs: plan.settings.executionTimeoutMs,
        details,
        runs: starts ? initialRuns(plan.tasks, plan.settings.taskExecutionMode === 'parallel', now) : null,
        ...(skippedId !== id && { skippedId }),
      }
      const answer = await this.#createOrRecognise(job, item, asked)
      if (answer.outcome === 'exists' && item.runs !== null) await this.#startOwn(job, item, answer)
      if (answer.outcome === 'exists') return await this.#answerExists(item, answer.state, asked)
      if (answer.outcome !== 'stale_version' && answer.outcome !== 'absent')
        return this.#answered(job, plan, item, answer)
      const present = await this.#registry.reloadNow(job)
      if (present === null) throw jobGone(job)
      job = present
    }
  }

  /** What the caller waits for no more is not asked once more; but what a lost answer may have started is looked for. */
  async #createOrRecognise(job: RegisteredJob, item: CreateRequested, asked: AskedCalls): Promise<CreateAnswer> {
    try {
      return await this.#create(item, asked)
    } catch (error) {
      if (asked.isGivenUp && item.runs !== null) await this.#recognise(job, item)
      throw error
    }
  }

  async #create(item: CreateRequested, asked: AskedCalls): Promise<CreateAnswer> {
    const { owner, storage } = this.#engine
    const starts = item.runs !== null
    if (starts) this.#capacity.reserveRequest()
    try {
      const [answer] = await storage.repeated(
        'createOccurrences',
        (calls) => calls.createOccurrences({ now: item.dueAt, owner, items: [item] }),
        asked,
      )
      return answer as CreateAnswer
    } finally {
      if (starts) this.#capacity.unreserveRequest()
    }
  }

  /** The answer to an earlier sending of this item may have got lost: then the record is this node's, and to be run. */
  async #startOwn(
    job: RegisteredJob,
    item: CreateRequested,
    { state, owner }: Extract<CreateAnswer, { readonly outcome: 'exists' }>,
  ): Promise<void> {
    const mayBeOwn = state === 'running' && owner?.incarnation === this.#engine.owner.incarnation
    if (mayBeOwn) await this.#recognise(job, item)
  }

  async #recognise(job: RegisteredJob, { id }: CreateRequested): Promise<void> {
    // Looked at before the read too: what runs now may have ended when an answer that is on its way says that it runs.
    if (this.#pool.get(id) !== undefined) return
    const record = await readOwnStart(this.#engine, id)
    if (record === null || this.#pool.get(id) !== undefined) return
    const { startedAt, kind, details } = record
    if (kind === 'slot' || startedAt === null) return
    this.#pool.run({
      job,
      plan: this.#planFor(job, details),
      occurrence: { ...record, startedAt },
      runs: record.runs,
      fresh: true,
    })
  }

  /** What became of an earlier request of this key. One that is over may have a reason, which only its record has. */
  async #answerExists({ id }: CreateRequested, state: OccurrenceState, asked: AskedCalls): Promise<TriggerResult> {
    if (!isFinal(state)) return { id, state, reason: null, created: false }
    const { occurrences } = await asked.repeated('get', (calls) => calls.get({ occurrences: [id] }))
    return { id, state, reason: occurrences[0]?.reason ?? null, created: false }
  }

  #answered(job: RegisteredJob, plan: JobPlan, item: CreateRequested, answer: CreateAnswer): TriggerResult {
    if (answer.outcome !== 'created') throw jobGone(job)
    const id = createdId(item, answer.state)
    this.#engine.events.emit('occurrence.created', {
      jobId: job.job.id,
      jobName: job.job.name,
      occurrenceId: id,
      scheduledAt: new Date(item.scheduledAt),
      kind: item.kind,
      state: answer.state,
      reason: answer.reason,
    })
    displace(this.#engine, this.#pool, job, answer)
    if (answer.state === 'running') this.#run(job, plan, item, answer.token)
    else if (answer.state === 'pending') this.#capacity.workAppeared()
    return { id, state: answer.state, reason: answer.reason, created: true }
  }

  #run(job: RegisteredJob, plan: JobPlan, item: CreateRequested, token: number): void {
    this.#pool.run({
      job,
      plan,
      occurrence: { ...item, token, startedAt: item.dueAt, recovered: false },
      runs: item.runs ?? [],
      fresh: true,
    })
  }

  #planFor(job: RegisteredJob, details: OccurrenceDetails): JobPlan {
    const plan = this.#registry.planOf(job)
    if (plan === null) throw noHandlers(job)
    const { tasks, overrides } = details
    for (const name of tasks ?? []) if (!plan.tasks.some((task) => task.name === name)) throw noTask(job, plan, name)
    return tasks === undefined && overrides === undefined ? plan : overridePlan(plan, overrides ?? {}, tasks ?? null)
  }

  #tasksFrom(job: RegisteredJob, first: string): string[] {
    const plan = this.#registry.planOf(job)
    if (plan === null) throw noHandlers(job)
    const index = plan.tasks.findIndex((task) => task.name === first)
    if (index < 0) throw noTask(job, plan, first, 'from')
    return plan.tasks.slice(index).map((task) => task.name)
  }
}

/** Results of an occurrence's completed tasks, but for those that run again. */
function resultsOf(original: OccurrenceRecord, again: readonly string[]): JsonObject {
  const results: Record<string, JsonValue> = { ...original.details.results }
  for (const run of original.runs) {
    if (run.state === 'completed' && run.result !== undefined) results[run.task] = run.result
  }
  for (const name of again) delete results[name]
  return results
}

function noTask(job: RegisteredJob, plan: JobPlan, name: string, field = 'tasks'): JobistemerError {
  return new JobistemerError('TASK_NOT_FOUND', {
    message: `Job ${printValue(job.job.name)} has no task of the name ${printValue(name)}.`,
    field,
    value: name,
    remedy: `Its tasks are ${plan.tasks.map((task) => printValue(task.name)).join(', ')}.`,
  })
}

function noHandlers({ job, missing }: RegisteredJob): JobistemerError {
  return new JobistemerError('HANDLER_NOT_FOUND', {
    message: `Job ${printValue(job.name)} needs handlers that this node lacks: ${missing.map(printValue).join(', ')}.`,
    field: 'handlers',
    value: missing,
    remedy: 'Pass them to createScheduler({ handlers }), mend the names, or ask a node that has them.',
  })
}

function jobGone(job: RegisteredJob): JobistemerError {
  return new JobistemerError('JOB_NOT_FOUND', {
    message: `Job ${printValue(job.job.name)} was deleted.`,
    field: 'name',
    value: job.job.name,
    remedy: 'Define it again.',
  })
}
