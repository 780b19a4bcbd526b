import { printValue } from '../../errors.ts'
import { type OccurrenceId, replayOccurrenceId } from '../../ids.ts'
import { handlerKeyOf } from '../../job/job-document.ts'
import type { JsonValue } from '../../json.ts'
import { isFinal, type OccurrenceRecord, type OccurrenceState } from '../../storage/occurrence-record.ts'
import { createdId } from '../../storage/rules.ts'
import type { CreateAnswer, CreateRequested } from '../../storage/storage.ts'
import type { Capacity } from '../capacity/capacity.ts'
import { displace } from '../dispatch/displace.ts'
import { readOwnStart } from '../dispatch/own-start.ts'
import type { JobRegistry } from '../jobs/job-registry.ts'
import type { RegisteredJob } from '../jobs/registered-job.ts'
import type { AskedCalls } from '../loop/asked-calls.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import { GatheredCalls, refusedItem } from '../loop/gathered-calls.ts'
import { ItemRefused } from '../loop/item-calls.ts'
import { RenewedMap } from '../loop/renewed-map.ts'
import type { ExecutionPool } from '../run/execution-pool.ts'
import type { StartedOccurrence } from '../run/started-occurrence.ts'
import { jobGone } from './job-gone.ts'
import { dueAtOf, isOwnRecord, type Request, RequestIds, requestItemOf } from './request-item.ts'
import { queueFull } from './queue-full.ts'
import { resultOf, type TriggerResult } from './request-options.ts'
import { planOfRequest } from './request-plan.ts'
import { type RequestSteps, type Sending, SentRequest } from './sent-request.ts'
import { itemsLikelyEnough } from './tuning.ts'

/** Creates the occurrences that are asked for, and starts those that there is room for in the same step. */
export class RequestCreator implements RequestSteps {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #pool: ExecutionPool
  readonly #capacity: Capacity
  readonly #creates: GatheredCalls<CreateRequested, CreateAnswer>
  /** The last request of each turn that is under way. */
  readonly #inTurn = new RenewedMap<OccurrenceId, Promise<TriggerResult>>()
  #open = 0
  #whenNone: (() => void)[] = []

  constructor(engine: EngineContext, options: { registry: JobRegistry; capacity: Capacity; pool: ExecutionPool }) {
    this.#engine = engine
    this.#registry = options.registry
    this.#pool = options.pool
    this.#capacity = options.capacity
    const { owner } = engine
    this.#creates = new GatheredCalls(engine, {
      operation: 'createOccurrences',
      isRepeated: true,
      call: (storage, items, now) => storage.createOccurrences({ now, owner, items }),
      sizeOf: ({ details: { data } }) => sizeOf(data),
      admit: (waiting, waitedMs) => this.#capacity.admitRequests(waiting, waitedMs),
    })
    this.#capacity.requestRoom.listen(() => this.#creates.flush())
  }

  /** Resolves when no request is under way. */
  answered(): Promise<void> {
    return this.#open === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenNone.push(resolve))
  }

  /** Nothing more is sent. */
  stop(): void {
    this.#creates.stop()
  }

  /**
   * Stores a request, and answers what became of it. The answer comes also when the caller waits no more: what this node
   * has started by then, it has to run.
   */
  submit(job: RegisteredJob, request: Request, asked: AskedCalls): Promise<TriggerResult> {
    return this.#submit(job, request, asked, false)
  }

  /** As {@link submit}, but rejects as soon as the caller waits no more. */
  submitAlone(job: RegisteredJob, request: Request, asked: AskedCalls): Promise<TriggerResult> {
    if (request.kind === 'trigger' && request.details.requestKey === undefined) {
      return this.#submit(job, request, asked, true)
    }
    const answering = this.submit(job, request, asked)
    return asked.within(() => answering)
  }

  #submit(job: RegisteredJob, request: Request, asked: AskedCalls, waits: boolean): Promise<TriggerResult> {
    const ids = new RequestIds(this.#engine, request)
    const sending = { job, request, after: Number.NEGATIVE_INFINITY, ids, asked, waits }
    const { turn } = ids
    if (turn === null) return this.#send(sending)
    const send = (): Promise<TriggerResult> => this.#send(sending)
    // One after the other: of two requests of one key, the second finds what the first has started already running.
    const earlier = this.#inTurn.get(turn)
    if (earlier !== undefined) this.#open++
    const answering = earlier === undefined ? send() : earlier.then(send, send)
    this.#inTurn.set(turn, answering)
    const forget = (): void => {
      if (this.#inTurn.get(turn) === answering) this.#inTurn.delete(turn)
      if (earlier !== undefined) this.closed()
    }
    answering.then(forget, forget)
    return answering
  }

  #send(sending: Omit<Sending, 'since'>): Promise<TriggerResult> {
    this.#open++
    return new Promise((resolve, reject) => {
      this.#creates.put(new SentRequest(this, sending, this.#engine.clock.monotonic(), resolve, reject))
    })
  }

  prepare(sent: SentRequest, now: number): CreateRequested {
    const { job, request, after, ids } = sent
    const plan = planOfRequest(this.#registry, job, request.details)
    // By a time that is in doubt nothing is given a deadline: it is stored, and claimed later.
    const mayStart = dueAtOf(request, now) === now && now >= job.pausedUntil && !this.#engine.isHeldBack
    const starts = mayStart && this.#capacity.roomForRequest()
    const item = requestItemOf(job, plan, request, { ids, now, after, starts })
    sent.put = { plan, item }
    if (starts) this.#capacity.reserveRequest()
    return item
  }

  answer(sent: SentRequest, answer: CreateAnswer): TriggerResult | Promise<TriggerResult> {
    if (sent.starts) this.#capacity.unreserveRequest()
    return answer.outcome === 'created' ? this.#created(sent, answer) : this.#notCreated(sent, answer)
  }

  closed(): void {
    this.#open--
    if (this.#open === 0) for (const resolve of this.#whenNone.splice(0)) resolve()
  }

  /**
   * What the caller waits for no more is not sent once more; but what a lost answer may have started is looked for.
   */
  refusal(sent: SentRequest, error: unknown): unknown {
    const isRefused = error instanceof ItemRefused
    const told = isRefused
      ? refusedItem(error, `this request to run job ${printValue(sent.job.job.name)}`, 'data')
      : error
    if (!sent.starts) return told
    const mayHaveStarted = sent.asked.refusal !== null || isRefused
    return this.#lookFor(sent, mayHaveStarted, told)
  }

  async #lookFor({ job, ids }: SentRequest, mayHaveStarted: boolean, told: unknown): Promise<unknown> {
    try {
      if (mayHaveStarted) await this.#recognise(job, ids.id)
      return told
    } finally {
      this.#capacity.unreserveRequest()
    }
  }

  async #notCreated(
    { job, request, after, ids, asked, put }: SentRequest,
    answer: Exclude<CreateAnswer, { readonly outcome: 'created' }>,
  ): Promise<TriggerResult> {
    const { item } = put as NonNullable<typeof put>
    // The caller is looked after by the first sending.
    const again = { job, request, after, ids, asked, waits: false }
    switch (answer.outcome) {
      case 'exists':
        if (request.kind === 'replay') {
          const found = await this.#sameReplay(request, ids, asked)
          if (found === null) return this.#send(again)
          if (item.runs !== null && found.details.requestId === ids.unique) await this.#startOwn(job, found, found)
          return resultOf({ id: found.id, state: found.state, reason: found.reason, created: false })
        }
        if (item.runs !== null && answer.id === undefined) await this.#startOwn(job, item, answer)
        return this.#answerExists(answer.id ?? item.id, answer.state, asked, isOwnRecord(item, ids, answer))
      case 'pruned':
        // What was pruned may lie ahead of a clock that is behind: the request comes after it.
        return this.#send({ ...again, after: answer.pruneFloor })
      case 'stale_version':
      case 'absent': {
        // A job whose version changes between the look and the write is looked at again.
        const present = await this.#registry.reloadNow(job)
        if (present === null) throw jobGone(job)
        return this.#send({ ...again, job: present })
      }
      case 'queue_full':
        throw queueFull(job, answer.maxQueued)
      default:
        throw jobGone(job)
    }
  }

  /**
   * The replay that this request, or an earlier one of its key, has created. `null`: there is none, and `ids` has the first
   * number that no replay has.
   */
  async #sameReplay(
    { base, details: { replayOf, requestKey } }: Extract<Request, { readonly kind: 'replay' }>,
    ids: RequestIds,
    asked: AskedCalls,
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

  /** The answer to an earlier sending of this item may have got lost: then the record is this node's, and to be run. */
  async #startOwn(
    job: RegisteredJob,
    { id }: Pick<CreateRequested, 'id'>,
    { state, owner }: Pick<OccurrenceRecord, 'state' | 'owner'>,
  ): Promise<void> {
    const mayBeOwn = state === 'running' && owner?.incarnation === this.#engine.owner.incarnation
    if (mayBeOwn) await this.#recognise(job, id)
  }

  async #recognise(job: RegisteredJob, id: OccurrenceId): Promise<void> {
    // Looked at before the read too: what runs now may have ended when an answer that is on its way says that it runs.
    if (this.#pool.get(id) !== undefined) return
    const record = await readOwnStart(this.#engine, id)
    if (record === null || this.#pool.get(id) !== undefined) return
    const { startedAt, kind, details } = record
    if (kind === 'slot' || startedAt === null) return
    this.#pool.run({
      job,
      plan: planOfRequest(this.#registry, job, details),
      occurrence: { ...record, startedAt },
      runs: record.runs,
      fresh: true,
    })
  }

  /** What became of an earlier request of this key. One that is over may have a reason, which only its record has. */
  async #answerExists(
    id: OccurrenceId,
    state: OccurrenceState,
    asked: AskedCalls,
    created: boolean,
  ): Promise<TriggerResult> {
    if (!isFinal(state)) return resultOf({ id, state, reason: null, created })
    const { occurrences } = await asked.repeated('get', (calls) => calls.get({ occurrences: [id] }))
    return resultOf({ id, state, reason: occurrences[0]?.reason ?? null, created })
  }

  #created({ job, put }: SentRequest, answer: Extract<CreateAnswer, { readonly outcome: 'created' }>): TriggerResult {
    const { plan, item } = put as NonNullable<typeof put>
    const id = createdId(item, answer.state)
    const { events } = this.#engine
    if (events.hears('occurrence.created')) {
      events.emit('occurrence.created', {
        jobId: job.job.id,
        jobName: job.job.name,
        occurrenceId: id,
        scheduledAt: new Date(item.scheduledAt),
        kind: item.kind,
        state: answer.state,
        reason: answer.reason,
      })
    }
    if (answer.state !== 'skipped') this.#registry.forgottenRequests.note(id, job.job.name, item)
    displace(this.#engine, this.#pool, job, answer)
    if (answer.state === 'running') {
      this.#pool.run({
        job,
        plan,
        occurrence: begunBy(item, answer.token),
        runs: item.runs ?? [],
        fresh: true,
      })
    } else if (answer.state === 'pending' && job.pausedUntil !== Number.POSITIVE_INFINITY) {
      this.#capacity.workStored(handlerKeyOf(job.job))
    }
    if (answer.state === 'skipped') this.#registry.skipped.noteRequest(job, item.scheduledAt)
    return resultOf({ id, state: answer.state, reason: answer.reason, created: true })
  }
}

/** Member by member: an object that begins as a literal is smaller, and sooner made, than one that a spread fills. */
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

/** In characters, about. */
function sizeOf(data: JsonValue | undefined): number {
  if (typeof data === 'string') return data.length
  return typeof data === 'object' && data !== null ? JSON.stringify(data).length : 0
}
