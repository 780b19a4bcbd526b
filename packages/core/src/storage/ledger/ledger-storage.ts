import { JobistemerError } from '../../errors.ts'
import type { OccurrenceRecord } from '../occurrence-record.ts'
import type {
  CreateOccurrencesRequest,
  GetAnswer,
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

type Step<Method> = Method extends (request: infer Request) => Promise<infer Answer>
  ? (request: Request) => MaybePromise<Answer>
  : never

/** The writing methods, as a kind of ledger implements them. */
export type LedgerSteps = {
  readonly [Name in 'saveJobs' | 'createOccurrences' | 'claim' | 'settle' | 'cancel' | 'reap']: Step<Storage[Name]>
} & {
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

  readonly saveJobs: Storage['saveJobs'] = async (request) => {
    this.#assertOpen()
    if (!this.#keepsObjects) return this.#steps.saveJobs(request)
    return whenDone(this.#steps.saveJobs(ownSaveRequest(request)), (answers) => answers.map(ownSaveAnswer))
  }

  readonly createOccurrences: Storage['createOccurrences'] = (request) => this.#create(this.#steps, request)

  readonly settle: Storage['settle'] = (request) => this.#settle(this.#steps, request)

  #within(steps: LedgerStepsWithin): StorageWithin {
    return {
      createOccurrences: (request) => this.#create(steps, request),
      settle: (request) => this.#settle(steps, request),
      // Works on a closed storage too.
      forbidCommit: async () => steps.forbidCommit(),
    }
  }

  async #create(steps: Pick<LedgerSteps, 'createOccurrences'>, request: CreateOccurrencesRequest) {
    this.#assertOpen()
    if (!this.#keepsObjects) return steps.createOccurrences(request)
    return whenDone(steps.createOccurrences(ownCreateRequest(request)), (answers) => answers.map(ownCreateAnswer))
  }

  async #settle(steps: Pick<LedgerSteps, 'settle'>, request: SettleRequest) {
    this.#assertOpen()
    if (!this.#keepsObjects) return steps.settle(request)
    return whenDone(steps.settle(ownSettleRequest(request)), (answers) => answers.map(ownSettleAnswer))
  }

  readonly claim: Storage['claim'] = async (request) => {
    this.#assertOpen()
    if (!this.#keepsObjects) return this.#steps.claim(request)
    return whenDone(this.#steps.claim(ownClaimRequest(request)), ownClaimAnswer)
  }

  readonly cancel: Storage['cancel'] = async (request) => {
    this.#assertOpen()
    const answers = this.#steps.cancel(request)
    return this.#keepsObjects ? whenDone(answers, (own) => own.map(ownCancelAnswer)) : answers
  }

  readonly reap: Storage['reap'] = async (request) => {
    this.#assertOpen()
    return this.#steps.reap(this.#keepsObjects ? ownReapRequest(request) : request)
  }

  readonly get: Storage['get'] = async (request) => {
    this.#assertOpen()
    const answer = this.#ledger.get(request)
    if (this.#keepsObjects) return whenDone(answer, ownGetAnswer)
    return request.latest === undefined ? answer : whenDone(answer, withBareLatest)
  }

  readonly listJobs: Storage['listJobs'] = async (query) => {
    this.#assertOpen()
    const page = this.#ledger.listJobs(query)
    return this.#keepsObjects ? whenDone(page, (own) => ownPage(own, copyJob)) : page
  }

  readonly listOccurrences: Storage['listOccurrences'] = async (query) => {
    this.#assertOpen()
    const page = this.#ledger.listOccurrences(query)
    if (this.#keepsObjects) return whenDone(page, (own) => ownPage(own, (record) => copyOccurrence(record, query.runs)))
    return query.runs ? page : whenDone(page, (own) => ownPage(own, withoutRuns))
  }

  readonly prune: Storage['prune'] = async (request) => {
    this.#assertOpen()
    const { history } = this.#ledger
    return 'prune' in history ? history.prune(request) : pruneHistory(this.#ledger, history, request)
  }

  readonly heartbeat: Storage['heartbeat'] = async (request) => {
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
