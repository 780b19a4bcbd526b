import { isNodesNews } from '../../storage/rules.ts'
import type {
  CancelAnswer,
  ClaimAnswer,
  CreateAnswer,
  CreateItem,
  JobChange,
  ReapAnswer,
  ReapItem,
  SaveJobAnswer,
  SettleAnswer,
  SettleItem,
  Storage,
  WakeUp,
} from '../../storage/storage.ts'

type Kind = WakeUp['kind']
type Listener = (wakeUp: WakeUp) => void

const sharedStorages = new WeakMap<Storage, SharedStorage>()

const nothing: readonly Kind[] = []
const due: readonly Kind[] = ['due']
const cancel: readonly Kind[] = ['cancel']
const dueAndCancel: readonly Kind[] = ['due', 'cancel']
const jobs: readonly Kind[] = ['jobs']
const jobsAndDue: readonly Kind[] = ['jobs', 'due']
const nodes: readonly Kind[] = ['nodes']

/**
 * The engines of this process (schedulers and clients) that use the same storage object. For the storage they are one
 * connection, and it sends a connection no wake-ups for its own changes. So the engines notify each other.
 */
export class SharedStorage {
  readonly #storage: Storage
  readonly #listeners = new Map<Listener, object>()
  /** Number of engines that have ever joined. An engine that ends stays counted. */
  #engines = 0
  /** Due time of the next waiting occurrence, from the last claim that took an occurrence. */
  #nextDueAt: number | null = null

  /** Registers a further engine for this storage object. */
  static joined(storage: Storage): SharedStorage {
    const shared = sharedStorages.get(storage) ?? new SharedStorage(storage)
    sharedStorages.set(storage, shared)
    shared.#engines++
    return shared
  }

  private constructor(storage: Storage) {
    this.#storage = storage
  }

  /** Whether more than one engine has joined, so that changes need notifications. */
  get isShared(): boolean {
    return this.#engines > 1
  }

  /** Subscribes to changes by other engines of this process, and by other processes if the storage sends wake-ups. */
  subscribe(engine: object, listener: Listener): () => void {
    // A new function per subscription: the same listener may subscribe twice, and each subscription ends separately.
    const subscription: Listener = (wakeUp) => listener(wakeUp)
    const unsubscribe = this.#storage.subscribe?.(listener)
    this.#listeners.set(subscription, engine)
    return () => {
      this.#listeners.delete(subscription)
      unsubscribe?.()
    }
  }

  /** Returns the storage for one engine. Calls through it notify the other engines of changes. */
  tellingFor(engine: object): Storage {
    const storage = this.#storage
    const tell = (kinds: readonly Kind[]) => this.#tell(engine, kinds)
    // Notifies the other engines of the changes in an answer. `unanswered`: the news of a failed call, which may have taken
    // effect.
    const told = async <Answer>(
      answer: Promise<Answer>,
      newsOf: (answer: Answer) => readonly Kind[],
      unanswered: readonly Kind[],
    ): Promise<Answer> => {
      let news = unanswered
      try {
        const value = await answer
        news = newsOf(value)
        return value
      } finally {
        tell(news)
      }
    }
    return {
      specVersion: storage.specVersion,
      capabilities: storage.capabilities,
      saveJobs: (request) =>
        told(storage.saveJobs(request), (answers) => newsOfSave(request.changes, answers), jobsAndDue),
      createOccurrences: (request) =>
        told(storage.createOccurrences(request), (answers) => newsOfCreate(request.items, answers), dueAndCancel),
      claim: (request) => told(storage.claim(request), (answer) => this.#newsOfClaim(answer), nothing),
      settle: (request) => told(storage.settle(request), (answers) => newsOfSettle(request.items, answers), due),
      cancel: (request) => told(storage.cancel(request), newsOfCancel, dueAndCancel),
      reap: (request) => told(storage.reap(request), (answers) => newsOfReap(request.items, answers), due),
      get: (request) => storage.get(request),
      listJobs: (query) => storage.listJobs(query),
      listOccurrences: (query) => storage.listOccurrences(query),
      prune: (request) => storage.prune(request),
      // Every node repeats a failed heartbeat, so a failure notifies no engine.
      heartbeat: (request) =>
        isNodesNews(request) ? told(storage.heartbeat(request), () => nodes, nothing) : storage.heartbeat(request),
      ...(storage.serverTime !== undefined && { serverTime: () => storage.serverTime?.() as Promise<number> }),
      close: () => storage.close(),
    }
  }

  /**
   * A claim notifies the other engines if it leaves claimable occurrences (`more`), or if `nextDueAt` differs from the last
   * claim's. Also a later `nextDueAt` is news, because the other engines set their timers by it.
   *
   * A claim that takes nothing notifies no engine; otherwise two engines would notify each other forever. An unchanged
   * `nextDueAt` notifies no engine either; otherwise every claim would wake all engines.
   */
  #newsOfClaim({ claimed, more, nextDueAt }: ClaimAnswer): readonly Kind[] {
    if (claimed.length === 0) return nothing
    const isNext = nextDueAt !== null && nextDueAt !== this.#nextDueAt
    this.#nextDueAt = nextDueAt
    return more || isNext ? due : nothing
  }

  /** Notifies the other engines in a microtask, because a listener may call the storage. */
  #tell(engine: object, kinds: readonly Kind[]): void {
    if (kinds.length === 0) return
    for (const [listener, listening] of this.#listeners) {
      if (listening === engine) continue
      for (const kind of kinds) {
        queueMicrotask(() => {
          if (this.#listeners.has(listener)) listener({ kind })
        })
      }
    }
  }
}

function newsOfSave(changes: readonly JobChange[], answers: readonly SaveJobAnswer[]): readonly Kind[] {
  let news = nothing
  for (const [index, { outcome }] of answers.entries()) {
    if (outcome !== 'saved') continue
    const change = changes[index]
    // After a new version of a job or the end of a pause, waiting occurrences may start.
    if (change?.kind === 'replace' || (change?.kind === 'pause' && change.paused === null)) return jobsAndDue
    news = jobs
  }
  return news
}

function newsOfCreate(items: readonly CreateItem[], answers: readonly CreateAnswer[]): readonly Kind[] {
  let isDue = false
  let isCancel = false
  for (const [index, answer] of answers.entries()) {
    if (answer.outcome !== 'created') continue
    const item = items[index]
    // The answer to a recovery describes only its last entry.
    const isPending =
      item?.kind === 'recovery' ? item.entries.some(({ kind }) => kind === 'run') : answer.state === 'pending'
    isDue ||= isPending
    isCancel ||= answer.cancelRequested.length > 0
  }
  if (isDue) return isCancel ? dueAndCancel : due
  return isCancel ? cancel : nothing
}

function newsOfSettle(items: readonly SettleItem[], answers: readonly SettleAnswer[]): readonly Kind[] {
  for (const [index, answer] of answers.entries()) {
    if (answer.outcome !== 'ok') continue
    if (answer.woken !== null || items[index]?.change.kind === 'release') return due
  }
  return nothing
}

function newsOfCancel(answers: readonly CancelAnswer[]): readonly Kind[] {
  let isDue = false
  let isCancel = false
  for (const answer of answers) {
    if (answer.outcome === 'requested') isCancel = true
    if (answer.outcome === 'canceled' && answer.woken !== null) isDue = true
  }
  if (isDue) return isCancel ? dueAndCancel : due
  return isCancel ? cancel : nothing
}

function newsOfReap(items: readonly ReapItem[], answers: readonly ReapAnswer[]): readonly Kind[] {
  for (const [index, answer] of answers.entries()) {
    if (answer.outcome !== 'reaped') continue
    if (answer.woken !== null || items[index]?.action === 'retry') return due
  }
  return nothing
}
