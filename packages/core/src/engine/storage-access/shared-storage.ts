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
 * The engines of this process that use one storage object: schedulers, and clients. To the storage they are one
 * connection, and it tells a connection nothing of what that one has changed: so they tell each other.
 */
export class SharedStorage {
  readonly #storage: Storage
  readonly #listeners = new Map<Listener, object>()
  #engines = 0
  /** What is due next, as the last claim said that took something. */
  #nextDueAt: number | null = null

  /** Of this storage object; for an engine that will use it from here on. */
  static joined(storage: Storage): SharedStorage {
    const shared = sharedStorages.get(storage) ?? new SharedStorage(storage)
    sharedStorages.set(storage, shared)
    shared.#engines++
    return shared
  }

  private constructor(storage: Storage) {
    this.#storage = storage
  }

  /** More than one engine has joined: what one changes, others may have to hear. */
  get isShared(): boolean {
    return this.#engines > 1
  }

  /** Listens to what other engines change, of this process and, where the storage tells, of others. */
  subscribe(engine: object, listener: Listener): () => void {
    // The same function may subscribe twice; each subscription ends by itself.
    const subscription: Listener = (wakeUp) => listener(wakeUp)
    const unsubscribe = this.#storage.subscribe?.(listener)
    this.#listeners.set(subscription, engine)
    return () => {
      this.#listeners.delete(subscription)
      unsubscribe?.()
    }
  }

  /** The storage as this engine is to call it, so that the others hear of what it changes. */
  tellingFor(engine: object): Storage {
    const storage = this.#storage
    const tell = (kinds: readonly Kind[]) => this.#tell(engine, kinds)
    // Nobody knows what a call without an answer has changed.
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
      // One that fails is repeated by every node, and is nobody's news.
      heartbeat: (request) =>
        isNodesNews(request) ? told(storage.heartbeat(request), () => nodes, nothing) : storage.heartbeat(request),
      ...(storage.serverTime !== undefined && { serverTime: () => storage.serverTime?.() as Promise<number> }),
      close: () => storage.close(),
    }
  }

  /**
   * A start may have woken another one, also for later. Who takes nothing tells nothing: otherwise two nodes would go on
   * telling each other. And what waited for the same time before is no news: each start would wake everybody for nothing.
   */
  #newsOfClaim({ claimed, more, nextDueAt }: ClaimAnswer): readonly Kind[] {
    if (claimed.length === 0) return nothing
    const isNext = nextDueAt !== null && nextDueAt !== this.#nextDueAt
    this.#nextDueAt = nextDueAt
    return more || isNext ? due : nothing
  }

  /** Not before the running code is through: a listener may call the storage. */
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
    // These let what waits begin.
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
    // Of a recovery the answer tells of the last entry alone.
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
