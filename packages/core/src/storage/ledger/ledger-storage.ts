import { JobistemerError } from '../../errors.ts'
import type { OccurrenceRecord } from '../occurrence-record.ts'
import { readsBy, type Storage } from '../storage.ts'
import type { GetAnswer, OccurrenceQuery, Page, ReadingMethod, StorageCapabilities } from '../storage.ts'
import type { StorageWithin, WakeUp } from '../storage.ts'
import { copyIn, copyOut, freezeIn } from './copies.ts'
import { AsyncSteps } from './async-steps.ts'
import { AsyncWrites } from './async-writes.ts'
import type { AsyncLedgerWithin, Ledger, LedgerBase, SyncLedgerWithin } from './ledger.ts'
import { SyncSteps, SyncWrites } from './sync-steps.ts'
import { type MaybePromise, whenDone } from './maybe-promise.ts'
import { isNodesNews } from '../rules.ts'
import { pruneHistory } from './prune-history.ts'

/** Makes a complete storage from an adapter's ledger. */
export function storageFromLedger(ledger: Ledger): Storage {
  return new LedgerStorage(ledger).withReads()
}

/** Implements `Storage` on one connection to a ledger, except the reading methods. */
class LedgerStorage implements Omit<Storage, ReadingMethod> {
  readonly specVersion = 1
  readonly capabilities: StorageCapabilities
  readonly within?: (transaction: unknown) => StorageWithin
  readonly serverTime?: () => Promise<number>
  readonly subscribe?: (listener: (wakeUp: WakeUp) => void) => () => void
  readonly #ledger: LedgerBase
  readonly #steps: SyncSteps | AsyncSteps
  #closing: Promise<void> | null = null

  constructor(ledger: Ledger) {
    this.#ledger = ledger
    this.#steps = ledger.kind === 'sync' ? new SyncSteps(ledger) : new AsyncSteps(ledger)
    this.capabilities = Object.freeze({ ...ledger.capabilities })
    const within = ledger.within?.bind(ledger)
    if (within !== undefined) this.within = (transaction) => this.#within(within(transaction))
    if (ledger.serverTime !== undefined) this.serverTime = async () => (await this.#opened.serverTime?.()) as number
    if (ledger.subscribe !== undefined) {
      this.subscribe = (listener) => this.#opened.subscribe?.(listener) as () => void
    }
  }

  readonly saveJobs: Storage['saveJobs'] = async (request) =>
    this.#out(this.#steps.saveJobs(this.#in(request, freezeIn)))

  readonly createOccurrences: Storage['createOccurrences'] = async (request) =>
    this.#out(this.#steps.createOccurrences(this.#in(request)))

  readonly settle: Storage['settle'] = async (request) => this.#out(this.#steps.settle(this.#in(request)))

  readonly claim: Storage['claim'] = async (request) => this.#out(this.#steps.claim(this.#in(request)))

  readonly cancel: Storage['cancel'] = async (request) => this.#out(this.#steps.cancel(this.#in(request)))

  readonly reap: Storage['reap'] = async (request) => this.#out(this.#steps.reap(this.#in(request)))

  #within(ledger: SyncLedgerWithin | AsyncLedgerWithin): StorageWithin {
    const steps = 'run' in ledger ? new AsyncWrites(ledger) : new SyncWrites(ledger)
    return {
      createOccurrences: async (request) => this.#out(steps.createOccurrences(this.#in(request))),
      settle: async (request) => this.#out(steps.settle(this.#in(request))),
      // Do not check that the storage is open: `forbidCommit` works on a closed storage too.
      forbidCommit: async () => ledger.forbidCommit(),
    }
  }

  /** Adds the reading methods to this object. */
  withReads(): Storage {
    return Object.assign(
      this,
      readsBy(async (method, request) => {
        const trim = trims[method] ?? ((answer: unknown) => answer)
        // Trims before `#out` copies the answer, because copies of task runs that are not requested take long.
        return this.#out(
          whenDone<unknown, unknown>(this.#opened[method](request), (answer) => trim(answer as never, request)),
        )
      }),
    )
  }

  readonly prune: Storage['prune'] = async (request) => {
    const { history } = this.#opened
    return 'prune' in history ? history.prune(request) : pruneHistory(this.#ledger, history, request)
  }

  readonly heartbeat: Storage['heartbeat'] = async (request) => {
    const answer = await this.#ledger.heartbeat(this.#in(request, freezeIn))
    if (isNodesNews(request)) this.#ledger.notify?.(new Set(['nodes']))
    return this.#out(answer)
  }

  #in<Request>(request: Request, copy: (request: Request) => Request = copyIn): Request {
    return this.#opened.keepsObjects ? copy(request) : request
  }

  #out<Answer>(answer: MaybePromise<Answer>): MaybePromise<Answer> {
    return this.#ledger.keepsObjects ? whenDone(answer, copyOut) : answer
  }

  async close(): Promise<void> {
    this.#closing ??= Promise.resolve(this.#ledger.close())
    await this.#closing
  }

  get #opened(): LedgerBase {
    if (this.#closing === null) return this.#ledger
    throw new JobistemerError('STORAGE_CLOSED', {
      message: 'The storage is closed.',
      remedy: `Shut the scheduler down before closing its storage, or open another one with ${this.#ledger.opener}.`,
    })
  }
}

/** By reading method: removes the task runs from an answer of the ledger that the caller did not request. */
const trims: Partial<Record<ReadingMethod, (answer: never, request: never) => unknown>> = {
  get: (answer: GetAnswer) => ({ ...answer, latest: answer.latest.map((record) => record && withoutRuns(record)) }),
  listOccurrences: (page: Page<OccurrenceRecord>, { runs }: OccurrenceQuery) =>
    runs ? page : { ...page, items: page.items.map(withoutRuns) },
}

function withoutRuns(record: OccurrenceRecord): OccurrenceRecord {
  return record.runs.length === 0 ? record : { ...record, runs: [] }
}
