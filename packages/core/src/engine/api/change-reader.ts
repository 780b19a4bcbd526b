import type { Change, ChangedJobs, Difference } from './change.ts'
import { rememberedValues } from '../../tuning.ts'

const over: IteratorReturnResult<undefined> = { done: true, value: undefined }
const none: ChangedJobs = new Set()

type Resolve = (result: IteratorResult<Change, undefined>) => void
type Connection = { readonly kind: 'start' | 'back' } | Extract<Change, { readonly kind: 'away' }>

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
  #waiting: Resolve[] = []
  #isOver = false
  /** The last delivered state of the storage: none yet, available, or unavailable. */
  #told: 'nothing' | 'there' | 'away' = 'nothing'
  #isFollowing = false
  #connection: Connection | null = null
  #jobs: ChangedJobs = none
  #runs = false
  #failures: ChangedJobs = none
  #nodes = false

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
    if (!this.#isFollowing && this.#told !== 'there') {
      this.#connection = { kind: this.#told === 'nothing' ? 'start' : 'back' }
      this.#clear()
    } else if (this.#connection === null || this.#connection.kind === 'away') {
      // An outage that the consumer has not read is dropped. The consumer has missed nothing, because a scan compares with the
      // last successful one.
      this.#connection = null
      this.#jobs = together(this.#jobs, jobs)
      this.#runs ||= runs
      this.#failures = together(this.#failures, failures)
      this.#nodes ||= nodes
    }
    this.#isFollowing = true
    this.#deliver()
  }

  /** Records a failed scan. */
  failed(error: unknown): void {
    this.#isFollowing = false
    this.#connection = this.#told === 'away' ? null : { kind: 'away', error }
    this.#deliver()
  }

  /** Ends the iteration. Drops unread changes unless `isDrained`. */
  end({ isDrained = false }: { readonly isDrained?: boolean } = {}): void {
    if (this.#isOver) return
    this.#isOver = true
    if (!isDrained) {
      this.#connection = null
      this.#clear()
    }
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

  #clear(): void {
    this.#jobs = none
    this.#runs = false
    this.#failures = none
    this.#nodes = false
  }

  #deliver(): void {
    while (this.#waiting.length > 0) {
      const change = this.#take()
      if (change === null) return
      this.#waiting.shift()?.({ done: false, value: change })
    }
  }

  #take(): Change | null {
    const connection = this.#connection
    if (connection !== null) {
      this.#connection = null
      this.#told = connection.kind === 'away' ? 'away' : 'there'
      return connection
    }
    if (this.#jobs?.size !== 0) {
      const jobs = listOf(this.#jobs)
      this.#jobs = none
      return { kind: 'jobs', jobs }
    }
    if (this.#runs) {
      this.#runs = false
      return { kind: 'runs' }
    }
    if (this.#failures?.size !== 0) {
      const jobs = listOf(this.#failures)
      this.#failures = none
      return { kind: 'failures', jobs }
    }
    if (!this.#nodes) return null
    this.#nodes = false
    return { kind: 'nodes' }
  }
}

function together(some: ChangedJobs, others: ChangedJobs): ChangedJobs {
  if (some === null || others === null) return null
  const all = new Set([...some, ...others])
  return all.size > rememberedValues ? null : all
}

function listOf(names: ChangedJobs): readonly string[] | null {
  return names === null ? null : [...names].sort()
}
