import { isNodesNews } from '../../storage/rules.ts'
import {
  type ClaimAnswer,
  type CreateAnswer,
  type CreateItem,
  type JobChange,
  readsBy,
  type SettleAnswer,
  type SettleItem,
  type Storage,
  type WakeUp,
} from '../../storage/storage.ts'

type Kind = WakeUp['kind']
type Listener = (wakeUp: WakeUp) => void

const sharedStorages = new WeakMap<Storage, SharedStorage>()

/**
 * The engines of this process (schedulers and clients) that use the same storage object. The storage treats these engines as
 * one connection. If a connection changes data, the storage sends wake-ups only to other connections. So the engines notify
 * each other of their changes.
 */
export class SharedStorage {
  readonly #storage: Storage
  readonly #listeners = new Map<Listener, object>()
  /** Number of engines that have ever joined, including engines that have ended. */
  #engines = 0
  /**
   * Due time of the next waiting occurrence, as the storage answered the last claim that took an occurrence; `null`: none
   * waits.
   */
  #nextDueAt: number | null = null

  /** Registers a further engine for this storage object, and returns the shared object. */
  static joined(storage: Storage): SharedStorage {
    const shared = sharedStorages.get(storage) ?? new SharedStorage(storage)
    sharedStorages.set(storage, shared)
    shared.#engines++
    return shared
  }

  private constructor(storage: Storage) {
    this.#storage = storage
  }

  /** Whether more than one engine has joined, so that engines need notifications of each other's changes. */
  get isShared(): boolean {
    return this.#engines > 1
  }

  /** Subscribes to changes by other engines of this process, and by other processes if the storage sends wake-ups. */
  subscribe(engine: object, listener: Listener): () => void {
    // Each subscription has its own function: the same listener may subscribe twice, and each subscription ends separately.
    const subscription: Listener = (wakeUp) => listener(wakeUp)
    const unsubscribe = this.#storage.subscribe?.(listener)
    this.#listeners.set(subscription, engine)
    return () => {
      this.#listeners.delete(subscription)
      unsubscribe?.()
    }
  }

  /** Returns a storage for one engine. Calls through this storage notify the other engines of changes. */
  tellingFor(engine: object): Storage {
    const storage = this.#storage
    // Waits for the answer to a call, and sends wake-ups to the other engines. `newsOf` returns the kinds of wake-ups for an
    // answer; default: `possible`. `possible` lists the kinds to send if the call fails, because a failed call may have taken
    // effect.
    const told = async <Answer>(answer: Promise<Answer>, possible: Kind[], newsOf?: (answer: Answer) => Kind[]) => {
      let news = possible
      try {
        const value = await answer
        news = newsOf?.(value) ?? possible
        return value
      } finally {
        this.#tell(engine, news)
      }
    }
    return {
      specVersion: storage.specVersion,
      capabilities: storage.capabilities,
      // Nearly all calls of `saveJobs`, `cancel` and `reap` change jobs or runs, so their answers are not examined.
      saveJobs: (request) =>
        told(storage.saveJobs(request), request.changes.some(mayStartRuns) ? ['jobs', 'due'] : ['jobs']),
      cancel: (request) => told(storage.cancel(request), ['due', 'cancel']),
      reap: (request) => told(storage.reap(request), ['due']),
      createOccurrences: (request) =>
        told(storage.createOccurrences(request), ['due', 'cancel'], (answers) => newsOfCreate(request.items, answers)),
      claim: (request) => told(storage.claim(request), [], (answer) => this.#newsOfClaim(answer)),
      settle: (request) => told(storage.settle(request), ['due'], (answers) => newsOfSettle(request.items, answers)),
      ...readsBy((method, request) => storage[method](request)),
      prune: (request) => storage.prune(request),
      // A failed heartbeat notifies no engine. Its node repeats the heartbeat, and the answer to the repetition notifies the
      // other engines.
      heartbeat: (request) => told(storage.heartbeat(request), [], () => (isNodesNews(request) ? ['nodes'] : [])),
      ...(storage.serverTime !== undefined && { serverTime: () => storage.serverTime?.() as Promise<number> }),
      close: () => storage.close(),
    }
  }

  /**
   * Returns which kinds of wake-ups a claim causes for the other engines. A claim that took an occurrence causes `due` in two
   * cases:
   * - The claim leaves claimable occurrences (`more`).
   * - Its `nextDueAt` is an instant that differs from the last claim's. The other engines set their timers by `nextDueAt`, so a
   *   later instant causes wake-ups too.
   *
   * Other claims notify no engine, for these reasons:
   * - After a claim that takes nothing, two engines would notify each other forever.
   * - If an unchanged `nextDueAt` caused wake-ups, every claim would wake all engines.
   */
  #newsOfClaim({ claimed, more, nextDueAt }: ClaimAnswer): Kind[] {
    if (claimed.length === 0) return []
    const isNext = nextDueAt !== null && nextDueAt !== this.#nextDueAt
    this.#nextDueAt = nextDueAt
    return more || isNext ? ['due'] : []
  }

  /** Notifies the other engines in a microtask, because a listener may call the storage. */
  #tell(engine: object, news: readonly Kind[]): void {
    for (const [listener, listening] of this.#listeners) {
      if (listening === engine) continue
      for (const kind of news) {
        queueMicrotask(() => {
          if (this.#listeners.has(listener)) listener({ kind })
        })
      }
    }
  }
}

/** Whether waiting occurrences may start after a change: after a new version of a job, or the end of a pause. */
function mayStartRuns(change: JobChange): boolean {
  return change.kind === 'replace' || (change.kind === 'pause' && change.paused === null)
}

function newsOfCreate(items: readonly CreateItem[], answers: readonly CreateAnswer[]): Kind[] {
  const created = answers.map((answer) => (answer.outcome === 'created' ? answer : null))
  // The answer to a recovery has only the state of its last entry. So the entries of the item show whether a run is pending.
  const isPending = (item: CreateItem, index: number) =>
    created[index] != null &&
    (item.kind === 'recovery' ? item.entries.some(({ kind }) => kind === 'run') : created[index].state === 'pending')
  const news: Kind[] = items.some(isPending) ? ['due'] : []
  if (created.some((answer) => answer !== null && answer.cancelRequested.length > 0)) news.push('cancel')
  return news
}

function newsOfSettle(items: readonly SettleItem[], answers: readonly SettleAnswer[]): Kind[] {
  const isDue = (answer: SettleAnswer, index: number) =>
    answer.outcome === 'ok' && (answer.woken !== null || items[index]?.change.kind === 'release')
  return answers.some(isDue) ? ['due'] : []
}
