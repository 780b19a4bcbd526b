import type {
  CancelAnswer,
  CancelOccurrencesRequest,
  ClaimAnswer,
  ClaimRequest,
  CreateAnswer,
  CreateItem,
  CreateOccurrencesRequest,
  GetAnswer,
  GetRequest,
  JobQuery,
  JobRecord,
  OccurrenceQuery,
  OccurrenceRecord,
  Page,
  PruneAnswer,
  PruneRequest,
  ReapAnswer,
  ReapRequest,
  SaveJobAnswer,
  SaveJobsRequest,
  SettleAnswer,
  SettleRequest,
  Storage,
} from '@jobistemer/core/storage'
import type { NodeEvent } from '../record/history.ts'
import { hostTime } from '../record/host-time.ts'

type Unsigned<Event> = Event extends unknown ? Omit<Event, 'life'> : never

/** What is recorded, before it is signed with the process. */
export type Recorded = Unsigned<NodeEvent>

export interface RecordingOptions {
  readonly record: (event: Recorded) => void
  /** The name that the node was given; `null` when it has made up its own. */
  readonly nodeId: string | null
  /** Names of jobs by their ids. */
  readonly jobNames: ReadonlyMap<string, string>
}

/** Writes down what a storage answers, as far as the checks need it. */
export class RecordingStorage implements Storage {
  readonly specVersion = 1
  readonly capabilities: Storage['capabilities']
  readonly subscribe?: NonNullable<Storage['subscribe']>
  readonly serverTime?: NonNullable<Storage['serverTime']>
  readonly #inner: Storage
  readonly #record: (event: Recorded) => void
  readonly #nodeId: string | null
  readonly #jobNames: ReadonlyMap<string, string>

  constructor(inner: Storage, options: RecordingOptions) {
    this.#inner = inner
    this.#record = options.record
    this.#nodeId = options.nodeId
    this.#jobNames = options.jobNames
    this.capabilities = inner.capabilities
    if (inner.subscribe !== undefined) this.subscribe = inner.subscribe.bind(inner)
    if (inner.serverTime !== undefined) this.serverTime = inner.serverTime.bind(inner)
  }

  async createOccurrences(request: CreateOccurrencesRequest): Promise<readonly CreateAnswer[]> {
    const answers = await this.#inner.createOccurrences(request)
    for (const [index, item] of request.items.entries()) this.#created(request, item, answers[index] as CreateAnswer)
    return answers
  }

  #created({ now, owner }: CreateOccurrencesRequest, item: CreateItem, answer: CreateAnswer): void {
    if (answer.outcome !== 'created') return
    const job = this.#nameOf(item.jobId)
    if (item.kind === 'recovery') {
      for (const { id } of item.entries) {
        this.#record({ event: 'created', occurrence: id, job, origin: 'recovery', state: null })
      }
      return
    }
    this.#record({ event: 'created', occurrence: item.id, job, origin: item.kind, state: answer.state })
    if (answer.state !== 'running' || item.kind === 'exclusion') return
    const deadline = now + item.executionTimeoutMs
    const { token } = answer
    this.#record({ event: 'granted', occurrence: item.id, job, node: owner.node, token, now, deadline })
  }

  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    const answer = await this.#inner.claim(request)
    const { now, owner } = request
    for (const { id, jobId, token, executionTimeoutMs } of answer.claimed) {
      const job = this.#nameOf(jobId)
      const deadline = now + executionTimeoutMs
      this.#record({ event: 'granted', occurrence: id, job, node: owner.node, token, now, deadline })
    }
    return answer
  }

  async settle(request: SettleRequest): Promise<readonly SettleAnswer[]> {
    const sentAt = hostTime().mono
    const answers = await this.#inner.settle(request)
    for (const [index, { id: occurrence, token, sequence, change }] of request.items.entries()) {
      if (answers[index]?.outcome !== 'ok') {
        this.#record({ event: 'refused', occurrence, token })
        continue
      }
      const state = change.kind === 'finish' ? change.state : null
      this.#record({ event: 'settled', occurrence, token, sequence, change: change.kind, state, sentAt })
    }
    return answers
  }

  async reap(request: ReapRequest): Promise<readonly ReapAnswer[]> {
    const answers = await this.#inner.reap(request)
    const { now } = request
    for (const [index, { id: occurrence, token, action, reason }] of request.items.entries()) {
      if (answers[index]?.outcome !== 'reaped') continue
      this.#record({ event: 'reaped', occurrence, node: this.#nodeId, token, action, reason, now })
    }
    return answers
  }

  saveJobs(request: SaveJobsRequest): Promise<readonly SaveJobAnswer[]> {
    return this.#inner.saveJobs(request)
  }

  cancel(request: CancelOccurrencesRequest): Promise<readonly CancelAnswer[]> {
    return this.#inner.cancel(request)
  }

  get(request: GetRequest): Promise<GetAnswer> {
    return this.#inner.get(request)
  }

  listJobs(query: JobQuery): Promise<Page<JobRecord>> {
    return this.#inner.listJobs(query)
  }

  listOccurrences(query: OccurrenceQuery): Promise<Page<OccurrenceRecord>> {
    return this.#inner.listOccurrences(query)
  }

  prune(request: PruneRequest): Promise<PruneAnswer> {
    return this.#inner.prune(request)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  #nameOf(jobId: string): string {
    return this.#jobNames.get(jobId) ?? jobId
  }
}
