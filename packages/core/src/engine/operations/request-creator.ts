import { printValue } from '../../errors.ts'
import type { OccurrenceId } from '../../ids.ts'
import type { JsonValue } from '../../json.ts'
import { isFinal, type OccurrenceState } from '../../storage/occurrence-record.ts'
import { createdId } from '../../storage/rules.ts'
import type { CreateAnswer, CreateRequested } from '../../storage/storage.ts'
import type { Capacity } from '../capacity/capacity.ts'
import { displace } from '../dispatch/displace.ts'
import { readOwnStart } from '../dispatch/own-start.ts'
import type { JobPlan } from '../jobs/job-plan.ts'
import type { JobRegistry } from '../jobs/job-registry.ts'
import type { RegisteredJob } from '../jobs/registered-job.ts'
import type { AskedCalls } from '../loop/asked-calls.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import { GatheredCalls, refusedItem } from '../loop/gathered-calls.ts'
import { ItemRefused } from '../loop/item-calls.ts'
import type { ExecutionPool } from '../run/execution-pool.ts'
import { jobGone } from './job-gone.ts'
import {
  dueAtOf,
  type PlacedRequest,
  type Request,
  type RequestIds,
  requestIdsOf,
  requestItemOf,
} from './request-item.ts'
import type { TriggerResult } from './request-options.ts'
import { planOfRequest } from './request-plan.ts'

/** A request as it was put into a call. */
interface SentRequest {
  readonly plan: JobPlan
  readonly item: CreateRequested
}

/** Creates the occurrences that are asked for, and starts those that there is room for in the same step. */
export class RequestCreator {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #pool: ExecutionPool
  readonly #capacity: Capacity
  readonly #creates: GatheredCalls<CreateRequested, CreateAnswer>
  readonly #underWay = new Map<OccurrenceId, Promise<TriggerResult>>()

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
  async answered(): Promise<void> {
    await Promise.allSettled([...this.#underWay.values()])
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
    const ids = requestIdsOf(this.#engine, request)
    const { id } = ids
    const send = (): Promise<TriggerResult> => this.#send(job, request, ids, asked)
    // One after the other: of two requests of one key, the second finds what the first has started already running.
    const earlier = this.#underWay.get(id)
    const answering = earlier === undefined ? send() : earlier.then(send, send)
    this.#underWay.set(id, answering)
    const forget = (): void => {
      if (this.#underWay.get(id) === answering) this.#underWay.delete(id)
    }
    answering.then(forget, forget)
    return answering
  }

  async #send(first: RegisteredJob, request: Request, ids: RequestIds, asked: AskedCalls): Promise<TriggerResult> {
    let job = first
    // What was pruned may lie ahead of a clock that is behind: the request comes after it.
    let after = Number.NEGATIVE_INFINITY
    // A job whose version changes between the look and the write is looked at again.
    for (;;) {
      const { sent, answer } = await this.#create(job, { ...request, after }, ids, asked)
      const { item } = sent
      if (answer.outcome === 'exists' && item.runs !== null) await this.#startOwn(job, item, answer)
      if (answer.outcome === 'exists') return await this.#answerExists(item, answer.state, asked)
      if (answer.outcome === 'pruned') {
        after = answer.pruneFloor
        continue
      }
      if (answer.outcome !== 'stale_version' && answer.outcome !== 'absent') return this.#answered(job, sent, answer)
      const present = await this.#registry.reloadNow(job)
      if (present === null) throw jobGone(job)
      job = present
    }
  }

  /**
   * Sends a request together with others. What the caller waits for no more is not sent once more; but what a lost answer
   * may have started is looked for.
   */
  async #create(
    job: RegisteredJob,
    request: PlacedRequest,
    ids: RequestIds,
    asked: AskedCalls,
  ): Promise<{ readonly sent: SentRequest; readonly answer: CreateAnswer }> {
    let sent: SentRequest | null = null
    const starts = () => sent !== null && sent.item.runs !== null
    try {
      const answer = await this.#creates.send(asked, (now) => {
        sent = this.#put(job, request, ids, now)
        if (starts()) this.#capacity.reserveRequest()
        return sent.item
      })
      return { sent: sent as unknown as SentRequest, answer }
    } catch (error) {
      const mayHaveStarted = starts() && (asked.refusal !== null || error instanceof ItemRefused)
      if (mayHaveStarted) await this.#recognise(job, ids.id)
      throw error instanceof ItemRefused
        ? refusedItem(error, `this request to run job ${printValue(job.job.name)}`, 'data')
        : error
    } finally {
      if (starts()) this.#capacity.unreserveRequest()
    }
  }

  #put(job: RegisteredJob, request: PlacedRequest, ids: RequestIds, now: number): SentRequest {
    const plan = planOfRequest(this.#registry, job, request.details)
    // By a time that is in doubt nothing is given a deadline: it is stored, and claimed later.
    const mayStart = dueAtOf(request, now) === now && now >= job.pausedUntil && !this.#engine.isHeldBack
    const starts = mayStart && this.#capacity.roomForRequest()
    const item = requestItemOf(job, plan, request, { ids, now, starts })
    return { plan, item }
  }

  /** The answer to an earlier sending of this item may have got lost: then the record is this node's, and to be run. */
  async #startOwn(
    job: RegisteredJob,
    { id }: CreateRequested,
    { state, owner }: Extract<CreateAnswer, { readonly outcome: 'exists' }>,
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
  async #answerExists({ id }: CreateRequested, state: OccurrenceState, asked: AskedCalls): Promise<TriggerResult> {
    if (!isFinal(state)) return { id, state, reason: null, created: false }
    const { occurrences } = await asked.repeated('get', (calls) => calls.get({ occurrences: [id] }))
    return { id, state, reason: occurrences[0]?.reason ?? null, created: false }
  }

  #answered(job: RegisteredJob, { plan, item }: SentRequest, answer: CreateAnswer): TriggerResult {
    if (answer.outcome !== 'created') throw jobGone(job)
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
    displace(this.#engine, this.#pool, job, answer)
    if (answer.state === 'running') this.#run(job, { plan, item }, answer.token)
    else if (answer.state === 'pending' && job.pausedUntil !== Number.POSITIVE_INFINITY) this.#capacity.workAppeared()
    return { id, state: answer.state, reason: answer.reason, created: true }
  }

  #run(job: RegisteredJob, { plan, item }: SentRequest, token: number): void {
    this.#pool.run({
      job,
      plan,
      occurrence: { ...item, token, startedAt: item.dueAt, recovered: false },
      runs: item.runs ?? [],
      fresh: true,
    })
  }
}

/** In characters, about. */
function sizeOf(data: JsonValue | undefined): number {
  if (typeof data === 'string') return data.length
  return typeof data === 'object' && data !== null ? JSON.stringify(data).length : 0
}
