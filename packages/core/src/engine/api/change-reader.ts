import { rememberedValues } from '../../tuning.ts'

/**
 * A kind of data to read again. A change names the kind of data that has changed, but not the new values.
 *
 * - `start`: the first change of each iteration. Read all data now. The iteration reports all later changes.
 * - `jobs`: definitions were stored, changed or deleted, or jobs were paused or resumed. A pause that ends by itself changes
 *   no stored data and is not reported: `JobInfo.paused.until` has its end.
 * - `runs`: occurrences were created, started or ended. Affects counts, live occurrences, histories and next slots.
 * - `failures`: runs have failed. A change `runs` comes with it.
 * - `nodes`: a node has joined, is leaving, has ended or is lost.
 * - `away`: the storage does not answer. The iteration retries at growing intervals.
 * - `back`: the storage answers again. Read all data.
 */
export type Change =
  | { readonly kind: 'start' | 'runs' | 'nodes' | 'back' }
  | {
      readonly kind: 'jobs' | 'failures'
      /** The names of the affected jobs. `null`: too many or unknown, so any job may be affected. */
      readonly jobs: readonly string[] | null
    }
  | {
      readonly kind: 'away'
      /** The error of the storage, or of the client while it connected. */
      readonly error: unknown
    }

/** The names of the affected jobs. Empty: none. `null`: any job may be affected. */
export type ChangedJobs = ReadonlySet<string> | null

/** The differences between two scans. */
export interface Difference {
  readonly jobs: ChangedJobs
  readonly runs: boolean
  readonly failures: ChangedJobs
  readonly nodes: boolean
}

const over: IteratorReturnResult<undefined> = { done: true, value: undefined }
const none: ChangedJobs = new Set()

/** The order in which unread changes are delivered. */
const kinds: readonly Change['kind'][] = ['start', 'back', 'away', 'jobs', 'runs', 'failures', 'nodes']

/** The owner of the readers, which scans for them. */
export interface ReaderHost {
  /** The reader has begun to wait for a change. */
  waits(): void
  /** The reader has ended. */
  left(): void
}

/**
 * One iteration over the changes. The reader merges unread changes: at most one per kind, so a slow consumer needs no more
 * memory.
 */
export class ChangeReader implements AsyncIterator<Change, undefined> {
  readonly intervalMs: number
  readonly #host: ReaderHost
  #waiting: ((result: IteratorResult<Change, undefined>) => void)[] = []
  #isOver = false
  /** The last delivered state of the storage: none yet, available, or unavailable. */
  #told: 'nothing' | 'there' | 'away' = 'nothing'
  #isFollowing = false
  /** The kinds of unread changes, with the affected jobs or the error. */
  readonly #unread = new Map<Change['kind'], unknown>()

  constructor(host: ReaderHost, intervalMs: number) {
    this.#host = host
    this.intervalMs = intervalMs
  }

  /** Whether the consumer waits for a change. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0
  }

  /** Whether no scan has succeeded since the reader began. */
  get isNew(): boolean {
    return this.#told === 'nothing' && !this.#isFollowing
  }

  /** Adds the differences of a successful scan. */
  found({ jobs, runs, failures, nodes }: Difference): void {
    const unread = this.#unread
    if (!this.#isFollowing && this.#told !== 'there') {
      unread.clear()
      unread.set(this.#told === 'nothing' ? 'start' : 'back', null)
    } else if (!unread.has('start') && !unread.has('back')) {
      // An outage that the consumer has not read is dropped. The consumer has missed nothing, because a scan compares with the
      // last successful one.
      unread.delete('away')
      this.#addJobs('jobs', jobs)
      if (runs) unread.set('runs', null)
      this.#addJobs('failures', failures)
      if (nodes) unread.set('nodes', null)
    }
    this.#isFollowing = true
    this.#deliver()
  }

  #addJobs(kind: 'jobs' | 'failures', names: ChangedJobs): void {
    if (names?.size === 0) return
    const known = (this.#unread.has(kind) ? this.#unread.get(kind) : none) as ChangedJobs
    const all = names === null || known === null ? null : new Set([...known, ...names])
    this.#unread.set(kind, all !== null && all.size > rememberedValues ? null : all)
  }

  /** Records a failed scan. */
  failed(error: unknown): void {
    this.#isFollowing = false
    for (const kind of ['start', 'back'] as const) this.#unread.delete(kind)
    if (this.#told !== 'away') this.#unread.set('away', error)
    this.#deliver()
  }

  /** Ends the iteration. Drops unread changes unless `isDrained`. */
  end({ isDrained = false }: { readonly isDrained?: boolean } = {}): void {
    if (this.#isOver) return
    this.#isOver = true
    if (!isDrained) this.#unread.clear()
    for (const resolve of this.#waiting.splice(0)) resolve(over)
    this.#host.left()
  }

  next(): Promise<IteratorResult<Change, undefined>> {
    const change = this.#take()
    if (change !== null) return Promise.resolve({ done: false, value: change })
    if (this.#isOver) return Promise.resolve(over)
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#host.waits()
    })
  }

  return(): Promise<IteratorResult<Change, undefined>> {
    this.end()
    return Promise.resolve(over)
  }

  #deliver(): void {
    while (this.#waiting.length > 0) {
      const change = this.#take()
      if (change === null) return
      this.#waiting.shift()?.({ done: false, value: change })
    }
  }

  #take(): Change | null {
    const kind = kinds.find((one) => this.#unread.has(one))
    if (kind === undefined) return null
    const value = this.#unread.get(kind)
    this.#unread.delete(kind)
    if (kind === 'jobs' || kind === 'failures') {
      const names = value as ChangedJobs
      return { kind, jobs: names === null ? null : [...names].sort() }
    }
    if (kind === 'away') {
      this.#told = 'away'
      return { kind, error: value }
    }
    if (kind === 'start' || kind === 'back') this.#told = 'there'
    return { kind }
  }
}
