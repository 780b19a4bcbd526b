import {
  type CancelAnswer,
  type CancelOccurrencesRequest,
  type ClaimAnswer,
  type ClaimRequest,
  type CreateAnswer,
  type CreateItem,
  type CreateOccurrencesRequest,
  type HeartbeatAnswer,
  type HeartbeatRequest,
  type OccurrenceRecord,
  type ReapAnswer,
  type ReapRequest,
  type SettleAnswer,
  type SettleItem,
  type SettleRequest,
  type Storage,
  createdId,
} from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import type { NodeEvent } from '../record/history.ts'
import { hostTime } from '../record/host-time.ts'

type Unsigned<Event> = Event extends unknown ? Omit<Event, 'life'> : never

/** A recorded event without the name of the process that recorded it. */
export type Recorded = Unsigned<NodeEvent>

export interface RecordingOptions {
  readonly record: (event: Recorded) => void
  /** The configured name of the node; `null` if the scheduler generates its name. */
  readonly nodeId: string | null
  /** The names of the jobs, by job id. */
  readonly jobNames: ReadonlyMap<string, string>
}

/** Wraps the storage, and records the answers that the checks need. */
export function recordingStorage(inner: Storage, options: RecordingOptions): Storage {
  const recorder = new Recorder(inner, options)
  const { serverTime } = inner
  return wrapStorage(inner, {
    createOccurrences: (request) => recorder.createOccurrences(request),
    claim: (request) => recorder.claim(request),
    settle: (request) => recorder.settle(request),
    cancel: (request) => recorder.cancel(request),
    reap: (request) => recorder.reap(request),
    heartbeat: (request) => recorder.heartbeat(request),
    ...(serverTime === undefined ? {} : { serverTime: () => recorder.readTime(() => serverTime.call(inner)) }),
  })
}

class Recorder {
  readonly #inner: Storage
  readonly #record: (event: Recorded) => void
  readonly #nodeId: string | null
  readonly #jobNames: ReadonlyMap<string, string>
  /** Monotonic time of the first sending of each unanswered call. */
  readonly #firstSent = new Map<string, number>()

  constructor(inner: Storage, options: RecordingOptions) {
    this.#inner = inner
    this.#record = options.record
    this.#nodeId = options.nodeId
    this.#jobNames = options.jobNames
  }

  async readTime(serverTime: () => Promise<number>): Promise<number> {
    const sentAt = hostTime().mono
    const time = await serverTime()
    const resolutionMs = this.#inner.capabilities.serverTimeResolutionMs ?? 1
    this.#record({ event: 'clock-read', time, resolutionMs, sentAt })
    return time
  }

  async createOccurrences(request: CreateOccurrencesRequest): Promise<readonly CreateAnswer[]> {
    const sentAt = hostTime().mono
    const answers = await this.#inner.createOccurrences(request)
    for (const [index, item] of request.items.entries()) {
      this.#created({ ...request, sentAt }, item, answers[index] as CreateAnswer)
    }
    return answers
  }

  #created(
    { now, owner, sentAt }: CreateOccurrencesRequest & { readonly sentAt: number },
    item: CreateItem,
    answer: CreateAnswer,
  ): void {
    if (answer.outcome !== 'created') return
    const job = this.#nameOf(item.jobId)
    if (item.kind === 'recovery') {
      for (const { id } of item.entries) {
        this.#record({ event: 'created', occurrence: id, job, origin: 'recovery', state: null })
      }
      return
    }
    const occurrence = item.kind === 'exclusion' ? item.id : createdId(item, answer.state)
    this.#record({ event: 'created', occurrence, job, origin: item.kind, state: answer.state })
    for (const { id } of answer.displaced) this.#record({ event: 'canceled', occurrence: id, sentAt })
    if (answer.state !== 'running' || item.kind === 'exclusion') return
    const deadline = now + item.executionTimeoutMs
    const { token } = answer
    const grant = { event: 'granted', by: 'create', token, now, deadline, sentAt } as const
    this.#record({ ...grant, occurrence: item.id, job, node: owner.node })
  }

  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    const sentAt = hostTime().mono
    const answer = await this.#inner.claim(request)
    for (const record of answer.claimed) this.#granted(record, { ...request, sentAt })
    return answer
  }

  #granted(
    { id, jobId, token, executionTimeoutMs }: OccurrenceRecord,
    { now, owner, sentAt }: Pick<ClaimRequest, 'now' | 'owner'> & { readonly sentAt: number },
  ): void {
    const deadline = now + executionTimeoutMs
    const grant = { event: 'granted', by: 'claim', token, now, deadline, sentAt } as const
    this.#record({ ...grant, occurrence: id, job: this.#nameOf(jobId), node: owner.node })
  }

  async settle(request: SettleRequest): Promise<readonly SettleAnswer[]> {
    const keyOf = ({ id, token, sequence }: SettleItem): string => `${id} ${token} ${sequence}`
    for (const item of request.items) this.#sending(keyOf(item))
    const answers = await this.#inner.settle(request)
    for (const [index, item] of request.items.entries()) {
      const { id: occurrence, token, sequence, change, takeNext } = item
      const answer = answers[index]
      const sentAt = this.#answered(keyOf(item))
      if (answer?.outcome !== 'ok') {
        this.#record({ event: 'refused', occurrence, token })
        continue
      }
      const state = change.kind === 'finish' ? change.state : null
      this.#record({ event: 'settled', occurrence, token, sequence, change: change.kind, state, sentAt })
      const { now } = request
      if (answer.taken !== undefined && takeNext !== undefined) {
        this.#granted(answer.taken, { now, owner: takeNext, sentAt })
      }
    }
    return answers
  }

  async reap(request: ReapRequest): Promise<readonly ReapAnswer[]> {
    const sentAt = hostTime().mono
    const answers = await this.#inner.reap(request)
    const { now } = request
    for (const [index, { id: occurrence, token, action, reason }] of request.items.entries()) {
      if (answers[index]?.outcome !== 'reaped') continue
      this.#record({ event: 'reaped', occurrence, node: this.#nodeId, token, action, reason, now, sentAt })
    }
    return answers
  }

  async heartbeat(request: HeartbeatRequest): Promise<HeartbeatAnswer> {
    const sentAt = hostTime().mono
    const answer = await this.#inner.heartbeat(request)
    // If the call writes a death record, the call is no heartbeat, because a death record is about another node.
    if (request.own !== null && request.own.about.dead === undefined) this.#record({ event: 'heartbeat', sentAt })
    return answer
  }

  async cancel(request: CancelOccurrencesRequest): Promise<readonly CancelAnswer[]> {
    const sentAt = hostTime().mono
    const answers = await this.#inner.cancel(request)
    for (const [index, { id: occurrence }] of request.items.entries()) {
      if (answers[index]?.outcome === 'canceled') this.#record({ event: 'canceled', occurrence, sentAt })
    }
    return answers
  }

  #sending(key: string): void {
    if (!this.#firstSent.has(key)) this.#firstSent.set(key, hostTime().mono)
  }

  /** Takes an answered call out of the unanswered ones. Returns the monotonic time of the first sending of this call. */
  #answered(key: string): number {
    const sentAt = this.#firstSent.get(key) ?? hostTime().mono
    this.#firstSent.delete(key)
    return sentAt
  }

  #nameOf(jobId: string): string {
    return this.#jobNames.get(jobId) ?? jobId
  }
}
