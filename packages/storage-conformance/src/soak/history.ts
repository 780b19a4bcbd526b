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

/** Request and answer types of each storage method that writes. */
export type WritingCalls = {
  readonly saveJobs: { readonly request: SaveJobsRequest; readonly answer: readonly SaveJobAnswer[] }
  readonly createOccurrences: { readonly request: CreateOccurrencesRequest; readonly answer: readonly CreateAnswer[] }
  readonly claim: { readonly request: ClaimRequest; readonly answer: ClaimAnswer }
  readonly settle: { readonly request: SettleRequest; readonly answer: readonly SettleAnswer[] }
  readonly cancel: { readonly request: CancelOccurrencesRequest; readonly answer: readonly CancelAnswer[] }
  readonly reap: { readonly request: ReapRequest; readonly answer: readonly ReapAnswer[] }
  readonly prune: { readonly request: PruneRequest; readonly answer: PruneAnswer }
}

/** The names of the storage methods that write. */
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

/** Returns whether the storage method writes. */
export function isWriting(method: string): boolean {
  return writingMethods.has(method)
}

/**
 * One answered storage call. `begin` and `end` are values of a counter; the call took effect between them. A call certainly
 * precedes another call only if its `end` is less than the other's `begin`.
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

/** Records the answered calls of one or several connections. Omits rejected calls, because their effect is unknown. */
export class History {
  /** The recorded calls, in the order of their answers. */
  readonly events: HistoryEvent[] = []
  #counter = 0

  /** Returns a storage that forwards each call to the given storage and records it. */
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
