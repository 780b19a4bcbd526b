import { ApiPart, type ApiParts } from './api-part.ts'
import {
  dueAtOf,
  followAnswer,
  planOfRequest,
  type Request,
  RequestIds,
  requestItemOf,
  type Sending,
  tellCreated,
} from './request-item.ts'
import { printValue } from '../../errors.ts'
import { type OccurrenceId, replayOccurrenceId } from '../../ids.ts'
import { handlerKeyOf } from '../../job/job-document.ts'
import type { JsonValue } from '../../json.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import { createdId } from '../../storage/rules.ts'
import type { CreateAnswer, CreateRequested } from '../../storage/storage.ts'
import { notifyDisplaced, findUnacknowledgedStart } from '../scheduling/slot-creator.ts'
import type { JobPlan } from '../definitions/job-plan.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { CallerContext, Wait } from '../storage-access/caller-context.ts'
import { Batcher, refusedItem } from '../storage-access/batcher.ts'
import { RenewedMap } from '../runtime/renewed-map.ts'
import type { StartedOccurrence } from '../execution/execution-report.ts'
import { resultOf, type TriggerResult } from './request-options.ts'
import { itemsLikelyEnough } from '../definitions/tuning.ts'
import { mostCharacters } from './tuning.ts'

/**
 * A request in progress. This is an object instead of a chain of promises, because thousands of requests may be in
 * progress.
 */
interface SentRequest extends Sending {
  /** Monotonic instant at which the request was submitted. */
  readonly since: number
  /**
   * Rejects the caller's promise at the caller's timeout or abort, while the request continues. `null`: the code that
   * submitted the request watches the timeout itself.
   */
  readonly wait: Wait | null
  readonly resolve: (result: TriggerResult) => void
  readonly reject: (error: unknown) => void
  /** The item of the storage call, and the job's plan if the same call starts the run. */
  put: { readonly plan: JobPlan; readonly item: CreateRequested } | null
}

/** Creates the occurrences that callers request. While the node has free permits, the same storage call starts them. */
export class RequestCreator extends ApiPart {
  readonly #creates: Batcher<SentRequest, CreateRequested, CreateAnswer>
  /** The last request in progress of each sequence of requests, see {@link RequestIds.turn}. */
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
   * Stores a request and returns its result. The request continues after the caller's timeout, because this node must run an
   * occurrence that it has started.
   */
  submit(job: RegisteredJob, request: Request, asked: CallerContext): Promise<TriggerResult> {
    return this.#submit(job, request, asked, false)
  }

  /** Stores a request as {@link submit} does, but rejects at the caller's timeout or abort. */
  submitAlone(job: RegisteredJob, request: Request, asked: CallerContext): Promise<TriggerResult> {
    if (request.kind === 'trigger' && request.details.requestKey === undefined) {
      return this.#submit(job, request, asked, true)
    }
    const answering = this.submit(job, request, asked)
    return asked.within(() => answering)
  }

  #submit(job: RegisteredJob, request: Request, asked: CallerContext, waits: boolean): Promise<TriggerResult> {
    const ids = new RequestIds(this.engine, request)
    const sending = { job, request, after: Number.NEGATIVE_INFINITY, ids, asked }
    const { turn } = ids
    if (turn === null) return this.#send(sending, waits)
    const send = (): Promise<TriggerResult> => this.#send(sending, waits)
    // Requests with one key run sequentially. The second request then finds the started run of the first request in the pool.
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
   * Sends a request to the storage. With `waits`, the promise rejects at the caller's timeout or abort, and a request that
   * was already sent continues.
   */
  #send({ job, request, after, ids, asked }: Sending, waits: boolean): Promise<TriggerResult> {
    this.#open++
    return new Promise((resolve, reject) => {
      const since = this.engine.clock.monotonic()
      const wait = waits ? asked.wait(reject) : null
      this.#creates.add({ job, request, after, ids, asked, since, wait, resolve, reject, put: null })
    })
  }

  #makeItem(sent: SentRequest, now: number): CreateRequested {
    const { job, request, after, ids } = sent
    const plan = planOfRequest(this.registry, job, request.details)
    // While the time is in doubt, a run must not get a deadline. The request is stored as pending, and a node claims it later.
    const mayStart = dueAtOf(request, now) === now && now >= job.pausedUntil && !this.engine.isHeldBack
    const starts = mayStart && this.capacity.roomForRequest()
    const item = requestItemOf(job, plan, request, { ids, now, after, starts })
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
   * Rejects a request that has no answer. `mayHaveStarted`: the unanswered storage call may have started the run on this
   * node.
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

  #ended({ wait }: SentRequest): void {
    wait?.end()
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
    const { job, request, ids, asked } = sent
    const { item } = sent.put as NonNullable<typeof sent.put>
    if (answer.outcome === 'exists' && request.kind === 'replay') {
      const found = await this.#sameReplay(request, ids, asked)
      if (found === null) return this.#send(sent, false)
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
   * `null` and sets `ids.number` to the first free number.
   */
  async #sameReplay(
    { base, details: { replayOf, requestKey } }: Extract<Request, { readonly kind: 'replay' }>,
    ids: RequestIds,
    asked: CallerContext,
  ): Promise<OccurrenceRecord | null> {
    for (;;) {
      const numbers = Array.from({ length: itemsLikelyEnough }, (_, index) => ids.number + index)
      const { occurrences } = await asked.repeated('get', (calls) =>
        calls.get({ occurrences: numbers.map((number) => replayOccurrenceId(base, number)) }),
      )
      for (const record of occurrences) {
        if (record === null) return null
        const { details, state } = record
        const isOfKey = requestKey !== undefined && details.requestKey === requestKey && details.replayOf === replayOf
        if (details.requestId === ids.unique || (isOfKey && state !== 'skipped')) return record
        ids.number++
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
    // Checks the pool before the read too. A run in the pool may end during the read, and the read then returns an older state.
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
    if (state === 'skipped') this.registry.skipped.noteRequest(job, item.scheduledAt)
    else this.registry.lostWrites.note(result.id, job.job.name, item)
    notifyDisplaced(this.engine, this.pool, job, answer)
    if (answer.state === 'running') {
      this.pool.run({ job, plan, occurrence: begunBy(item, answer.token), runs: item.runs ?? [], fresh: true })
    } else if (answer.state === 'pending' && job.pausedUntil !== Number.POSITIVE_INFINITY) {
      this.capacity.workStored(handlerKeyOf(job.job))
    }
    return result
  }
}

/** Returns whether the storage call that creates the request's occurrence also starts it. */
function startsWith({ put }: SentRequest): boolean {
  return put !== null && put.item.runs !== null
}

/** Lists each member instead of using a spread, because an object literal needs less memory and time. */
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
