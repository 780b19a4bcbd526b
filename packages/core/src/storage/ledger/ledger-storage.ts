import { JobistemerError } from '../../errors.ts'
import type { JobRecord } from '../job-record.ts'
import type { OccurrenceRecord } from '../occurrence-record.ts'
import type {
  CancelAnswer,
  CancelOccurrencesRequest,
  ClaimAnswer,
  ClaimRequest,
  CreateAnswer,
  CreateOccurrencesRequest,
  GetAnswer,
  GetRequest,
  HeartbeatAnswer,
  HeartbeatRequest,
  JobQuery,
  OccurrenceQuery,
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
  StorageCapabilities,
  StorageWithin,
  WakeUp,
} from '../storage.ts'
import {
  copyJob,
  copyOccurrence,
  ownCancelAnswer,
  ownClaimAnswer,
  ownClaimRequest,
  ownCreateAnswer,
  ownCreateRequest,
  ownGetAnswer,
  ownHeartbeatAnswer,
  ownHeartbeatRequest,
  ownPage,
  ownReapRequest,
  ownSaveAnswer,
  ownSaveRequest,
  ownSettleAnswer,
  ownSettleRequest,
} from './copies.ts'
import type { LedgerBase } from './ledger.ts'
import { type MaybePromise, whenDone } from './maybe-promise.ts'
import { isNodesNews } from '../rules.ts'
import { pruneHistory } from './prune-history.ts'

/** The writing methods, as a kind of ledger implements them. */
export interface LedgerSteps {
  saveJobs(request: SaveJobsRequest): MaybePromise<readonly SaveJobAnswer[]>
  createOccurrences(request: CreateOccurrencesRequest): MaybePromise<readonly CreateAnswer[]>
  claim(request: ClaimRequest): MaybePromise<ClaimAnswer>
  settle(request: SettleRequest): MaybePromise<readonly SettleAnswer[]>
  cancel(request: CancelOccurrencesRequest): MaybePromise<readonly CancelAnswer[]>
  reap(request: ReapRequest): MaybePromise<readonly ReapAnswer[]>
  /** For a ledger with `within`. */
  within?(transaction: unknown): LedgerStepsWithin
}

/** The steps that a user's transaction can carry. */
export interface LedgerStepsWithin extends Pick<LedgerSteps, 'createOccurrences' | 'settle'> {
  forbidCommit(): MaybePromise<void>
}

/** One connection to a ledger: the behaviour that all storages share. */
export class LedgerStorage implements Storage {
  readonly specVersion = 1
  readonly capabilities: StorageCapabilities
  readonly within?: (transaction: unknown) => StorageWithin
  readonly serverTime?: () => Promise<number>
  readonly subscribe?: (listener: (wakeUp: WakeUp) => void) => () => void
  readonly #ledger: LedgerBase
  readonly #steps: LedgerSteps
  readonly #keepsObjects: boolean
  #closing: Promise<void> | null = null

  constructor(ledger: LedgerBase, steps: LedgerSteps) {
    this.#ledger = ledger
    this.#steps = steps
    this.#keepsObjects = ledger.keepsObjects
    this.capabilities = Object.freeze({ ...ledger.capabilities })
    const { within } = steps
    if (within !== undefined) this.within = (transaction) => this.#within(within.call(steps, transaction))
    if (ledger.serverTime !== undefined) {
      this.serverTime = async () => {
        this.#assertOpen()
        return (await ledger.serverTime?.()) as number
      }
    }
    if (ledger.subscribe !== undefined) {
      this.subscribe = (listener) => {
        this.#assertOpen()
        return ledger.subscribe?.(listener) as () => void
      }
    }
  }

  async saveJobs(request: SaveJobsRequest): Promise<readonly SaveJobAnswer[]> {
    this.#assertOpen()
    if (!this.#keepsObjects) return this.#steps.saveJobs(request)
    return whenDone(this.#steps.saveJobs(ownSaveRequest(request)), (answers) => answers.map(ownSaveAnswer))
  }

  async createOccurrences(request: CreateOccurrencesRequest): Promise<readonly CreateAnswer[]> {
    this.#assertOpen()
    if (!this.#keepsObjects) return this.#steps.createOccurrences(request)
    return whenDone(this.#steps.createOccurrences(ownCreateRequest(request)), (answers) => answers.map(ownCreateAnswer))
  }

  /** Works on a closed storage too. */
  #within(steps: LedgerStepsWithin): StorageWithin {
    const create = async (request: CreateOccurrencesRequest) => {
      this.#assertOpen()
      if (!this.#keepsObjects) return steps.createOccurrences(request)
      return whenDone(steps.createOccurrences(ownCreateRequest(request)), (answers) => answers.map(ownCreateAnswer))
    }
    const settle = async (request: SettleRequest) => {
      this.#assertOpen()
      if (!this.#keepsObjects) return steps.settle(request)
      return whenDone(steps.settle(ownSettleRequest(request)), (answers) => answers.map(ownSettleAnswer))
    }
    return { createOccurrences: create, settle, forbidCommit: async () => steps.forbidCommit() }
  }

  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    this.#assertOpen()
    if (!this.#keepsObjects) return this.#steps.claim(request)
    return whenDone(this.#steps.claim(ownClaimRequest(request)), ownClaimAnswer)
  }

  async settle(request: SettleRequest): Promise<readonly SettleAnswer[]> {
    this.#assertOpen()
    if (!this.#keepsObjects) return this.#steps.settle(request)
    return whenDone(this.#steps.settle(ownSettleRequest(request)), (answers) => answers.map(ownSettleAnswer))
  }

  async cancel(request: CancelOccurrencesRequest): Promise<readonly CancelAnswer[]> {
    this.#assertOpen()
    const answers = this.#steps.cancel(request)
    return this.#keepsObjects ? whenDone(answers, (own) => own.map(ownCancelAnswer)) : answers
  }

  async reap(request: ReapRequest): Promise<readonly ReapAnswer[]> {
    this.#assertOpen()
    return this.#steps.reap(this.#keepsObjects ? ownReapRequest(request) : request)
  }

  async get(request: GetRequest): Promise<GetAnswer> {
    this.#assertOpen()
    const answer = this.#ledger.get(request)
    if (this.#keepsObjects) return whenDone(answer, ownGetAnswer)
    return request.latest === undefined ? answer : whenDone(answer, withBareLatest)
  }

  async listJobs(query: JobQuery): Promise<Page<JobRecord>> {
    this.#assertOpen()
    const page = this.#ledger.listJobs(query)
    return this.#keepsObjects ? whenDone(page, (own) => ownPage(own, copyJob)) : page
  }

  async listOccurrences(query: OccurrenceQuery): Promise<Page<OccurrenceRecord>> {
    this.#assertOpen()
    const page = this.#ledger.listOccurrences(query)
    if (this.#keepsObjects) return whenDone(page, (own) => ownPage(own, (record) => copyOccurrence(record, query.runs)))
    return query.runs ? page : whenDone(page, (own) => ownPage(own, withoutRuns))
  }

  async prune(request: PruneRequest): Promise<PruneAnswer> {
    this.#assertOpen()
    const { history } = this.#ledger
    return 'prune' in history ? history.prune(request) : pruneHistory(this.#ledger, history, request)
  }

  async heartbeat(request: HeartbeatRequest): Promise<HeartbeatAnswer> {
    this.#assertOpen()
    const answer = await this.#ledger.heartbeat(this.#keepsObjects ? ownHeartbeatRequest(request) : request)
    if (isNodesNews(request)) this.#ledger.notify?.(new Set(['nodes']))
    return this.#keepsObjects ? ownHeartbeatAnswer(answer) : answer
  }

  async close(): Promise<void> {
    this.#closing ??= Promise.resolve(this.#ledger.close())
    await this.#closing
  }

  #assertOpen(): void {
    if (this.#closing === null) return
    throw new JobistemerError('STORAGE_CLOSED', {
      message: 'The storage is closed.',
      remedy: `Shut the scheduler down before closing its storage, or open another one with ${this.#ledger.opener}.`,
    })
  }
}

function withBareLatest(answer: GetAnswer): GetAnswer {
  return { ...answer, latest: answer.latest.map((record) => (record === null ? null : withoutRuns(record))) }
}

function withoutRuns(record: OccurrenceRecord): OccurrenceRecord {
  return record.runs.length === 0 ? record : { ...record, runs: [] }
}
