import type {
  CancelAnswer,
  CancelOccurrencesRequest,
  ClaimAnswer,
  ClaimRequest,
  CreateAnswer,
  CreateOccurrencesRequest,
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
import { wrapStorage } from '@jobistemer/core/testing'

/** What the methods that write take and answer. */
export type WritingCalls = {
  readonly saveJobs: { readonly request: SaveJobsRequest; readonly answer: readonly SaveJobAnswer[] }
  readonly createOccurrences: { readonly request: CreateOccurrencesRequest; readonly answer: readonly CreateAnswer[] }
  readonly claim: { readonly request: ClaimRequest; readonly answer: ClaimAnswer }
  readonly settle: { readonly request: SettleRequest; readonly answer: readonly SettleAnswer[] }
  readonly cancel: { readonly request: CancelOccurrencesRequest; readonly answer: readonly CancelAnswer[] }
  readonly reap: { readonly request: ReapRequest; readonly answer: readonly ReapAnswer[] }
  readonly prune: { readonly request: PruneRequest; readonly answer: PruneAnswer }
}

/** The methods that write. */
export type WritingMethod = keyof WritingCalls

const writingMethods: ReadonlySet<string> = new Set<WritingMethod>([
  'saveJobs',
  'createOccurrences',
  'claim',
  'settle',
  'cancel',
  'reap',
  'prune',
])

/** Whether calls of this method write. */
export function isWriting(method: string): boolean {
  return writingMethods.has(method)
}

/**
 * One call that a storage answered. Its effect lies between `begin` and `end`, which are counted: of two calls one was
 * before the other only when its end is less than the other's begin.
 */
export type HistoryEvent = {
  readonly [M in WritingMethod]: {
    readonly method: M
    readonly begin: number
    readonly end: number
    readonly request: WritingCalls[M]['request']
    readonly answer: WritingCalls[M]['answer']
  }
}[WritingMethod]

/** Records the calls of one or several connections. It leaves out calls that reject, because their effect is unknown. */
export class History {
  /** In the order in which the answers came. */
  readonly events: HistoryEvent[] = []
  #counter = 0

  /** A storage that does what the given one does, and is recorded. */
  record(storage: Storage): Storage {
    return wrapStorage(storage, {
      around: async (call) => {
        const { method, request } = call
        if (!isWriting(method)) return await call.proceed()
        const begin = ++this.#counter
        const answer = await call.proceed()
        const event = { method, begin, end: ++this.#counter, request, answer }
        this.events.push(event as unknown as HistoryEvent)
        return answer
      },
    })
  }
}
