import { ApiPart, type ApiParts } from './api-part.ts'
import { printValue, JobistemerError } from '../../errors.ts'
import { type OccurrenceId, replayOccurrenceId, type JobId, triggerOccurrenceId } from '../../ids.ts'
import { handlerKeyOf, prioritized } from '../../job/job-document.ts'
import type { JsonValue } from '../../json.ts'
import { type OccurrenceRecord, isFinal, type OccurrenceDetails } from '../../storage/occurrence-record.ts'
import { createdId } from '../../storage/rules.ts'
import type { CreateAnswer, CreateRequested, ReusableKey } from '../../storage/storage.ts'
import { notifyDisplaced, findUnacknowledgedStart } from '../scheduling/slot-creator.ts'
import { jobNotFound } from '../definitions/job-errors.ts'
import { type JobPlan, overridePlan } from '../definitions/job-plan.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { CallerContext } from '../storage-access/caller-context.ts'
import { Batcher, refusedItem } from '../storage-access/batcher.ts'
import { RenewedMap } from '../runtime/renewed-map.ts'
import type { StartedOccurrence } from '../execution/execution-report.ts'
import { resultOf, type TriggerResult } from './request-options.ts'
import { itemsLikelyEnough } from '../definitions/tuning.ts'
import { mostCharacters } from './tuning.ts'
import type { EventHub } from '../../events.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { uniqueSuffix } from '../runtime/unique-suffix.ts'
import { initialRuns } from '../execution/task-run-records.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'

/**
 * A request in progress. Thousands of requests may be in progress, and one object per request costs less than a chain of
 * promises.
 */
interface SentRequest extends Sending {
  /** Monotonic instant at which the request was submitted. */
  readonly since: number
  /**
   * Rejects the caller's promise at the caller's timeout or abort, while the request continues. `null`: the code that
   * submitted the request watches the timeout itself.
   */
  readonly endWait: (() => void) | null
  readonly resolve: (result: TriggerResult) => void
  readonly reject: (error: unknown) => void
  /**
   * The item with which a storage call creates the occurrence, and the plan of the run. `null` before this node has made
   * the item.
   */
  put: { readonly plan: JobPlan; readonly item: CreateRequested } | null
}

/**
 * Creates the occurrences that callers request. While the node has free permits, the storage call that creates an
 * occurrence also starts it.
 */
export class RequestCreator extends ApiPart {
  readonly #creates: Batcher<SentRequest, CreateRequested, CreateAnswer>
  /**
   * The last request in progress for each original of replays, and for each key by {@link RequestIds.ofKey}. The next request
   * for the same key or original waits until this request has ended.
   */
  readonly #inTurn = new RenewedMap<OccurrenceId, Promise<TriggerResult>>()
  #open = 0
  #whenNone: (() => void)[] = []

  constructor(parts: ApiParts) {
    super(parts)
    const { engine } = parts
    const { owner } = engine
    this.#creates = new Batcher(engine, {
      operation: 'createOccurrences',
      maxSize: mostCharacters,
      sizeOf: ({ details: { data } }) => sizeOf(data),
      admit: (waiting, { since }) => this.capacity.admitRequests(waiting, engine.clock.monotonic() - since),
      callerOf: ({ asked }) => asked,
      make: (sent, now) => this.#makeItem(sent, now),
      send: (storage, items, now) => storage.createOccurrences({ now, owner, items }),
      answered: (sent, _item, answer) => this.#answered(sent, answer),
      rejected: (sent, _item, error) => this.#rejected(sent, error),
      aborted: (sent, error) => this.#aborted(sent, error, sent.asked.refusal !== null),
    })
    this.capacity.requestRoom.listen(() => this.#creates.flush())
  }

  /** Resolves when no request is in progress. */
  answered(): Promise<void> {
    return this.#open === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenNone.push(resolve))
  }

  /** Stops sending batched `createOccurrences` calls. */
  stop(): void {
    this.#creates.stop()
  }

  /**
   * Stores a request and returns its result. Without `waits`, does not reject at the caller's timeout or abort, because this
   * node must run an occurrence that it has started.
   */
  submit(
    { job, request }: JobRequest,
    asked: CallerContext,
    { waits }: { readonly waits: boolean },
  ): Promise<TriggerResult> {
    const sending = sendingOf(this.engine, job, request, asked)
    const turn = request.kind === 'replay' ? request.base : sending.ids.ofKey
    if (turn === null) return this.#send(sending, waits)
    const answering = this.#sendInTurn(turn, sending)
    return waits ? asked.within(() => answering) : answering
  }

  /** Stores requests with the same key one after the other, so that the second request finds the first request's run. */
  #sendInTurn(turn: OccurrenceId, sending: Sending): Promise<TriggerResult> {
    const send = (): Promise<TriggerResult> => this.#send(sending, false)
    const earlier = this.#inTurn.get(turn)
    if (earlier !== undefined) this.#open++
    const answering = earlier === undefined ? send() : earlier.then(send, send)
    this.#inTurn.set(turn, answering)
    const forget = (): void => {
      if (this.#inTurn.get(turn) === answering) this.#inTurn.delete(turn)
      if (earlier !== undefined) this.#closed()
    }
    answering.then(forget, forget)
    return answering
  }

  /**
   * Sends a request to the storage. With `waits`, the promise rejects at the caller's timeout or abort, but a sent request
   * continues.
   */
  #send({ job, request, after, ids, asked }: Sending, waits: boolean): Promise<TriggerResult> {
    this.#open++
    return new Promise((resolve, reject) => {
      const since = this.engine.clock.monotonic()
      const endWait = waits ? asked.wait(reject) : null
      this.#creates.add({ job, request, after, ids, asked, since, endWait, resolve, reject, put: null })
    })
  }

  #makeItem(sent: SentRequest, now: number): CreateRequested {
    const { job, request } = sent
    const plan = planOfRequest(this.registry, job, request.details)
    // While the time is in doubt, this node starts no run, because the run's deadline could be wrong. The request is stored as
    // pending, and a node claims it later.
    const mayStart = dueAtOf(request, now) === now && now >= job.pausedUntil && !this.engine.isHeldBack
    const starts = mayStart && this.capacity.roomForRequests() > 0
    const item = requestItemOf(sent, plan, now, starts)
    sent.put = { plan, item }
    if (starts) this.capacity.reserveRequest()
    return item
  }

  #answered(sent: SentRequest, answer: CreateAnswer): void {
    if (startsWith(sent)) this.capacity.unreserveRequest()
    if (answer.outcome !== 'created') {
      this.#follow(sent, this.#notCreated(sent, answer))
      return
    }
    try {
      this.#resolved(sent, this.#created(sent, answer))
    } catch (error) {
      this.#failed(sent, error)
    }
  }

  #rejected(sent: SentRequest, error: unknown): void {
    const what = `this request to run job ${printValue(sent.job.job.name)}`
    this.#aborted(sent, refusedItem(error, what, 'data'), true)
  }

  /**
   * Rejects a request that the storage has not answered. With `mayHaveStarted`, the unanswered call may have started the run.
   * Then this node first searches the storage for the run, because this node has to run it.
   */
  #aborted(sent: SentRequest, error: unknown, mayHaveStarted: boolean): void {
    if (!startsWith(sent)) this.#failed(sent, error)
    else this.#follow(sent, this.#lookFor(sent, mayHaveStarted, error))
  }

  async #lookFor({ job, ids }: SentRequest, mayHaveStarted: boolean, error: unknown): Promise<never> {
    try {
      if (mayHaveStarted) await this.#recognise(job, ids.id)
    } finally {
      this.capacity.unreserveRequest()
    }
    throw error
  }

  #follow(sent: SentRequest, result: Promise<TriggerResult>): void {
    result.then(
      (value) => this.#resolved(sent, value),
      (error) => this.#failed(sent, error),
    )
  }

  #resolved(sent: SentRequest, result: TriggerResult): void {
    this.#ended(sent)
    sent.resolve(result)
  }

  #failed(sent: SentRequest, error: unknown): void {
    this.#ended(sent)
    sent.reject(error)
  }

  #ended({ endWait }: SentRequest): void {
    endWait?.()
    this.#closed()
  }

  #closed(): void {
    this.#open--
    if (this.#open === 0) for (const resolve of this.#whenNone.splice(0)) resolve()
  }

  async #notCreated(
    sent: SentRequest,
    answer: Exclude<CreateAnswer, { readonly outcome: 'created' }>,
  ): Promise<TriggerResult> {
    const { job, request, ids } = sent
    const { item } = sent.put as NonNullable<typeof sent.put>
    if (answer.outcome === 'exists' && request.kind === 'replay') {
      const found = await this.#sameReplay(sent, request)
      if (typeof found === 'string') return this.#send({ ...sent, ids: { ...ids, id: found } }, false)
      if (item.runs !== null && found.details.requestId === ids.unique) await this.#startOwn(job, found, found)
      return resultOf({ id: found.id, state: found.state, reason: found.reason, created: false })
    }
    if (answer.outcome === 'exists' && item.runs !== null && answer.id === undefined) {
      await this.#startOwn(job, item, answer)
    }
    const next = await followAnswer<Sending>(this.registry, sent, item, answer)
    return 'state' in next ? next : this.#send(next, false)
  }

  /**
   * Returns the replay that this request, or an earlier request with the same key, has created. If none exists, returns
   * the first free id.
   */
  async #sameReplay(
    { ids, asked }: Sending,
    { base, details: { replayOf, requestKey } }: Extract<Request, { readonly kind: 'replay' }>,
  ): Promise<OccurrenceRecord | OccurrenceId> {
    for (let number = 1; ; number += itemsLikelyEnough) {
      const some = Array.from({ length: itemsLikelyEnough }, (_, index) => replayOccurrenceId(base, number + index))
      const { occurrences } = await asked.repeated('get', (calls) => calls.get({ occurrences: some }))
      for (const [index, id] of some.entries()) {
        const record = occurrences[index] ?? null
        if (record === null) return id
        const { details, state } = record
        const isOfKey = requestKey !== undefined && details.requestKey === requestKey && details.replayOf === replayOf
        if (details.requestId === ids.unique || (isOfKey && state !== 'skipped')) return record
      }
    }
  }

  /** Runs the recorded occurrence if this node started it in an earlier storage call whose answer was lost. */
  async #startOwn(
    job: RegisteredJob,
    { id }: Pick<CreateRequested, 'id'>,
    { state, owner }: Pick<OccurrenceRecord, 'state' | 'owner'>,
  ): Promise<void> {
    const mayBeOwn = state === 'running' && owner?.incarnation === this.engine.owner.incarnation
    if (mayBeOwn) await this.#recognise(job, id)
  }

  async #recognise(job: RegisteredJob, id: OccurrenceId): Promise<void> {
    // If this node already runs the occurrence, `pool` contains it. Both checks of `pool` are necessary. The run may end
    // during the read, so that only the first check finds it. The run may begin during the read, so that only the second
    // check finds it. Without both checks, this node could run the occurrence twice.
    if (this.pool.get(id) !== undefined) return
    const record = await findUnacknowledgedStart(this.engine, id)
    if (record === null || this.pool.get(id) !== undefined) return
    const { startedAt, kind, details } = record
    if (kind === 'slot' || startedAt === null) return
    const plan = planOfRequest(this.registry, job, details)
    this.pool.run({ job, plan, occurrence: { ...record, startedAt }, runs: record.runs, fresh: true })
  }

  #created({ job, put }: SentRequest, answer: Extract<CreateAnswer, { readonly outcome: 'created' }>): TriggerResult {
    const { plan, item } = put as NonNullable<typeof put>
    const { state, reason } = answer
    const result = resultOf({ id: createdId(item, state), state, reason, created: true })
    tellCreated(this.engine.events, job.job, item, result)
    if (state === 'skipped') this.registry.skipped.note(job, 'request', item.scheduledAt)
    notifyDisplaced(this.engine, this, job, answer)
    if (answer.state === 'running') {
      this.pool.run({ job, plan, occurrence: begunBy(item, answer.token), runs: item.runs ?? [], fresh: true })
    } else if (answer.state === 'pending' && job.pausedUntil !== Number.POSITIVE_INFINITY) {
      this.capacity.workStored(handlerKeyOf(job.job))
    }
    return result
  }
}

/** Returns whether one storage call both creates and starts the occurrence of the request. */
function startsWith({ put }: SentRequest): boolean {
  return put !== null && put.item.runs !== null
}

/**
 * Returns the started occurrence of an item that the storage has created. A literal with all members needs less memory
 * and time than a spread of `item`.
 */
function begunBy(item: CreateRequested, token: number): StartedOccurrence {
  return {
    id: item.id,
    jobId: item.jobId,
    scheduledAt: item.scheduledAt,
    kind: item.kind,
    token,
    jobVersion: item.jobVersion,
    createdAt: item.dueAt,
    startedAt: item.dueAt,
    dueAt: item.dueAt,
    executionTimeoutMs: item.executionTimeoutMs,
    recovered: false,
    details: item.details,
  }
}

/** Returns the approximate size of a request's data, in characters. */
function sizeOf(data: JsonValue | undefined): number {
  if (typeof data === 'string') return data.length
  return typeof data === 'object' && data !== null ? JSON.stringify(data).length : 0
}

/** A request for one run: a trigger or a replay. */
export type Request = RequestBase &
  (
    | { readonly kind: 'trigger'; readonly base: JobId }
    /**
     * `base` is the id of the occurrence that the replay runs again. For a replay of a replay, `base` is the original of the
     * first replay.
     */
    | { readonly kind: 'replay'; readonly base: OccurrenceId }
  )

interface RequestBase {
  readonly details: OccurrenceDetails
  /** The earliest start of the run, in epoch milliseconds; `null`: at once. */
  readonly startAt: number | null
  /** How long the run blocks its key. `null`: as long as the storage keeps the run's record. */
  readonly keyScope?: ReusableKey['scope'] | null
}

/** The ids of a request's record. */
export interface RequestIds {
  /**
   * A text that is unique to this request: no other request on any node has it, not even a request with the same key. The ids
   * of the request's records, and their member `requestId`, derive from this text.
   */
  readonly unique: string
  /**
   * The id of the request's record. A trigger gets a new id, or the id that derives from its key. Under a reusable key, each
   * record has a new id. The id of a replay derives from its original and the first number that no other replay of this
   * original has.
   */
  readonly id: OccurrenceId
  /** The id that derives from a trigger's key; `null` for a trigger without a key, and for a replay. */
  readonly ofKey: OccurrenceId | null
  /**
   * The id of the record that a trigger with a key gets if the trigger is skipped. This id differs from {@link id}, because
   * {@link id} would block the key. `null` for any other request: it has a record with the id {@link id}, even if it is skipped.
   */
  readonly skippedId: OccurrenceId | null
}

/** Makes the ids of a request. The id of a replay has the number 1, until `RequestCreator` finds a free number. */
function requestIdsOf(engine: EngineContext, { kind, base, details: { requestKey }, keyScope }: Request): RequestIds {
  const unique = `${engine.owner.incarnation}:${uniqueSuffix(engine.random())}`
  if (kind === 'replay') return { unique, id: replayOccurrenceId(base, 1), ofKey: null, skippedId: null }
  const own = triggerOccurrenceId(base, unique)
  if (requestKey === undefined) return { unique, id: own, ofKey: null, skippedId: null }
  const ofKey = triggerOccurrenceId(base, requestKey)
  return keyScope == null ? { unique, id: ofKey, ofKey, skippedId: own } : { unique, id: own, ofKey, skippedId: null }
}

/** A request to run a job. */
export interface JobRequest {
  readonly job: RegisteredJob
  readonly request: Request
}

/** A request to run a job, with the data that its storage calls need. */
export interface Sending extends JobRequest {
  /**
   * The scheduled time of the record must lie after this instant, in epoch milliseconds. The storage rejects records up to
   * the prune floor.
   */
  readonly after: number
  readonly ids: RequestIds
  readonly asked: CallerContext
}

export function sendingOf(engine: EngineContext, job: RegisteredJob, request: Request, asked: CallerContext): Sending {
  return { job, request, after: Number.NEGATIVE_INFINITY, ids: requestIdsOf(engine, request), asked }
}

/**
 * Handles an answer of the storage other than `created`: the call has created no record for the request. Returns the result
 * of the request if a record already exists. Otherwise returns the changed request, which the caller must send again. Throws
 * an error if the queue is full or the job was deleted.
 */
export async function followAnswer<One extends Sending>(
  registry: JobRegistry,
  one: One,
  item: CreateRequested,
  answer: Exclude<CreateAnswer, { readonly outcome: 'created' }>,
): Promise<TriggerResult | One> {
  const { job, ids, asked } = one
  switch (answer.outcome) {
    case 'exists': {
      const { state, id = item.id } = answer
      // `created` is true if no other request can have this id. Then this request itself created the record, in an earlier
      // storage call whose answer was lost.
      const created = answer.id === undefined && item.kind === 'trigger' && ids.id !== ids.ofKey
      // The answer lacks the reason for the state. If the state is final, this node reads the reason from the record.
      if (!isFinal(state)) return resultOf({ id, state, reason: null, created })
      const { occurrences } = await asked.repeated('get', (calls) => calls.get({ occurrences: [id] }))
      return resultOf({ id, state, reason: occurrences[0]?.reason ?? null, created })
    }
    case 'pruned':
      // If this node's clock is behind, the scheduled time of the request may lie before the prune floor. The storage
      // then rejects the record, so this node sends the request again with a scheduled time after the prune floor.
      return { ...one, after: answer.pruneFloor }
    case 'stale_version':
    case 'absent': {
      // The job has a new version or was deleted, so this node reads the job again.
      const present = await registry.reloadNow(job)
      if (present === null) throw jobNotFound(job.job.name)
      return { ...one, job: present }
    }
    case 'queue_full':
      throw queueFull(job, answer.maxQueued)
    case 'off_schedule':
      throw jobNotFound(job.job.name)
  }
}

/** Emits `occurrence.created`. */
export function tellCreated(
  events: EventHub,
  { id: jobId, name: jobName }: { readonly id: JobId; readonly name: string },
  { kind, scheduledAt }: CreateRequested,
  { id: occurrenceId, state, reason }: Pick<TriggerResult, 'id' | 'state' | 'reason'>,
): void {
  if (!events.hears('occurrence.created')) return
  const names = { jobId, jobName, occurrenceId }
  events.emit('occurrence.created', { ...names, scheduledAt: new Date(scheduledAt), kind, state, reason })
}

/** Returns the instant at which a request is due, in epoch milliseconds. */
function dueAtOf({ startAt }: Request, now: number): number {
  return Math.max(startAt ?? now, now)
}

/** Returns the item with which `createOccurrences` creates the request's occurrence. `starts`: the call also starts the run. */
export function requestItemOf(
  { job, request, ids, after }: Sending,
  plan: JobPlan,
  now: number,
  starts: boolean,
): CreateRequested {
  const { kind, details } = request
  const dueAt = dueAtOf(request, now)
  const { executionTimeoutMs, taskExecutionMode } = plan.settings
  const item: CreateRequested = {
    kind,
    id: ids.id,
    jobId: job.job.id,
    scheduledAt: Math.max(dueAt, after + 1),
    dueAt,
    jobVersion: job.version,
    executionTimeoutMs,
    details: prioritized(kind === 'replay' ? { ...details, requestId: ids.unique } : details, plan.settings),
    runs: starts ? initialRuns(plan.tasks, taskExecutionMode === 'parallel', now) : null,
  }
  const { ofKey, skippedId } = ids
  const { keyScope: scope } = request
  if (scope != null && ofKey !== null) return { ...item, key: { id: ofKey, scope } }
  return skippedId === null ? item : { ...item, skippedId }
}

/**
 * Returns the plan by which this node runs one request: the plan of the job, with the overrides and tasks of the request.
 * `path` is the prefix of field names in errors. @throws JobistemerError `HANDLER_NOT_FOUND`, `TASK_NOT_FOUND`
 */
export function planOfRequest(
  registry: JobRegistry,
  job: RegisteredJob,
  details: OccurrenceDetails,
  path = '',
): JobPlan {
  const plan = planWithHandlers(registry, job, path)
  for (const name of details.tasks ?? []) {
    if (!plan.tasks.some((task) => task.name === name)) throw noTask(job, plan, name, `${path}tasks`)
  }
  return overridePlan(plan, details)
}

/**
 * Returns the names of the task `first` and of all later tasks. @throws JobistemerError `HANDLER_NOT_FOUND`,
 * `TASK_NOT_FOUND`
 */
export function tasksFrom(registry: JobRegistry, job: RegisteredJob, first: string): readonly string[] {
  const plan = planWithHandlers(registry, job, '')
  const index = plan.tasks.findIndex((task) => task.name === first)
  if (index < 0) throw noTask(job, plan, first, 'from')
  return plan.tasks.slice(index).map((task) => task.name)
}

function planWithHandlers(registry: JobRegistry, job: RegisteredJob, path: string): JobPlan {
  const plan = registry.plans.planOf(job)
  if (plan === null) throw noHandlers(job, registry.plans.missingOf(job), path)
  return plan
}

function noTask(job: RegisteredJob, plan: JobPlan, name: string, field: string): JobistemerError {
  return new JobistemerError('TASK_NOT_FOUND', {
    message: `Job ${printValue(job.job.name)} has no task of the name ${printValue(name)}.`,
    field,
    value: name,
    remedy: `Its tasks are ${plan.tasks.map((task) => printValue(task.name)).join(', ')}.`,
  })
}

function noHandlers({ job }: RegisteredJob, missing: readonly string[], path: string): JobistemerError {
  return new JobistemerError('HANDLER_NOT_FOUND', {
    message: `Job ${printValue(job.name)} needs handlers that this node lacks: ${missing.map(printValue).join(', ')}.`,
    field: path === '' ? 'handlers' : `${path}job`,
    value: missing,
    remedy:
      'Pass them to createScheduler({ handlers }), correct the names, or send the request to a node that has them.',
  })
}

/** The error of a request that the storage has not stored, because the job's queue is full. */
function queueFull({ job }: RegisteredJob, maxQueued: number): JobistemerError {
  return new JobistemerError('QUEUE_FULL', {
    message: `The queue of job ${printValue(job.name)} is full: maxQueued is ${maxQueued}. The request is not stored.`,
    field: 'maxQueued',
    value: maxQueued,
    remedy: 'Repeat the request later, or raise maxQueued of the job.',
  })
}
