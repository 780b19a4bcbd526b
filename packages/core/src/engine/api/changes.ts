import type { Timer } from '../../clock.ts'
import { orDefault, readSignal, readObject } from '../../configuration/read-value.ts'
import { type DurationInput, toDurationMs } from '../../duration.ts'
import type { SchedulerEventName } from '../../events.ts'
import type { WakeUp } from '../../storage/storage.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { isStorageGone, type StorageCalls } from '../storage-access/retrying-storage.ts'
import { eachItem, firstItems } from '../../storage/pages.ts'
import { clockMarginMs, lookMs, recordsPerCall, sampleSize, upkeepMs } from '../../tuning.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { eachOccurrence, liveCounts } from './list-pages.ts'

/**
 * Limits of the interval between two scans, in ms. A wake-up causes an early scan, but not before `min` has passed. So a
 * burst of wake-ups causes at most four scans per second.
 */
const bounds = { min: lookMs / 4, max: 10 * lookMs }

/** Options of an iteration over changes of the storage. */
export interface ChangesOptions {
  /** When the signal fires, the iteration ends without an error. */
  readonly signal?: AbortSignal
  /**
   * Interval between two scans while a consumer waits for a change. The shortest interval of all waiting iterations applies.
   * 250 ms to 10 s, default 1 s.
   */
  readonly interval?: DurationInput
}

/** Events of this node's own runs. Each event reports a change that a scan of the storage may not find. */
const runEvents: readonly SchedulerEventName[] = ['occurrence.created', 'occurrence.started', 'occurrence.finished']

/** The parts of the engine that {@link Changes} needs: the storage, and the states of the nodes. */
export interface ChangesHost {
  /** Whether the storage has a due index. If so, each scan also reads the next slots of jobs, which this index returns. */
  readonly findsDueJobs: boolean
  /** Reads the nodes, with their states as this process observes them. */
  readonly nodes: (storage: StorageCalls) => Promise<readonly NodeInfo[]>
  /** Returns the storage for one scan for changes. Rejects if the storage is not available. */
  readonly storage: () => Promise<StorageCalls>
}

/**
 * Scans the storage for changes while a consumer waits for a change, and reports the changes to all iterations. All
 * iterations share the scans. While no consumer waits, no scan runs.
 */
export class Changes {
  readonly #engine: EngineContext
  readonly #host: ChangesHost
  readonly #readers = new Set<ChangeReader>()
  #timer: Timer | null = null
  #isLooking = false
  #isWoken = false
  /**
   * True if this node has created, started or ended a run since the last scan. A scan may not find such a change, so
   * this node remembers the change.
   */
  #hasRun = false
  /** Monotonic instant at which the last scan for changes ended. */
  #lookedAt = Number.NEGATIVE_INFINITY
  /** Number of consecutive scans for changes that failed. */
  #failures = 0
  #unlisten: (() => void)[] = []
  /**
   * The jobs and failures that the previous scan found, with their states by id. The time span of each scan overlaps with the
   * end of the previous span, so a scan may find a known change again.
   */
  #known: ReadonlyMap<string, string> = new Map()
  #runs = ''
  #nodes = ''
  /** The engine's time at the last successful scan, in epoch milliseconds; `null` before the first scan. */
  #scannedAt: number | null = null
  #isStopped = false

  constructor(engine: EngineContext, host: ChangesHost) {
    this.#engine = engine
    this.#host = host
  }

  /**
   * Returns an iteration over the changes of the storage. @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_DURATION`,
   * `UNKNOWN_OPTION`
   */
  follow(options: ChangesOptions): AsyncIterable<Change> {
    readObject(options, 'options', ['signal', 'interval'])
    const signal = readSignal(options.signal)
    const intervalMs = toDurationMs(orDefault<DurationInput>(options.interval, lookMs), 'interval', bounds)
    return { [Symbol.asyncIterator]: () => this.#reader(intervalMs, signal) }
  }

  /** Ends every iteration. */
  stop(): void {
    this.#isStopped = true
    for (const reader of [...this.#readers]) reader.end()
  }

  #reader(intervalMs: number, signal: AbortSignal | undefined): ChangeReader {
    const abort = () => reader.end()
    const left = () => {
      signal?.removeEventListener('abort', abort)
      this.#left(reader)
    }
    const reader = new ChangeReader(intervalMs, () => this.#arm(), left)
    if (this.#isStopped || signal?.aborted) {
      reader.end()
      return reader
    }
    this.#readers.add(reader)
    signal?.addEventListener('abort', abort, { once: true })
    return reader
  }

  #left(reader: ChangeReader): void {
    this.#readers.delete(reader)
    if (this.#readers.size === 0) for (const unlisten of this.#unlisten.splice(0)) unlisten()
    this.#arm()
  }

  /** Sets the timer for the next scan for changes if a consumer waits. */
  #arm(): void {
    this.#timer?.cancel()
    this.#timer = null
    const waiting = [...this.#readers].filter((reader) => reader.isWaiting)
    if (this.#isLooking || waiting.length === 0) return
    const { clock, context } = this.#engine
    const delayMs = this.#lookedAt + this.#intervalMs(waiting) - clock.monotonic()
    // All iterations share a scan, so the scan must not inherit the asynchronous context of one iteration.
    this.#timer = clock.setTimer(Math.max(0, delayMs), () => void context.run(() => this.#look()))
  }

  #intervalMs(waiting: readonly ChangeReader[]): number {
    if (this.#failures > 0) return Math.min(bounds.max / 2, bounds.min * 2 ** (this.#failures - 1))
    if (this.#isWoken) return bounds.min
    return Math.min(...waiting.map(({ intervalMs }) => intervalMs))
  }

  async #look(): Promise<void> {
    this.#isLooking = true
    this.#isWoken = false
    const hasRun = this.#hasRun
    this.#hasRun = false
    try {
      this.#listen()
      const changed = await this.#scan(await this.#host.storage())
      this.#failures = 0
      if (hasRun) changed.add('runs')
      for (const reader of this.#readers) reader.found(changed)
    } catch (error) {
      this.#hasRun ||= hasRun
      this.#failures++
      for (const reader of this.#readers) reader.failed(error)
      // The storage was closed or replaced, so no later scan can succeed.
      if (isStorageGone(error)) for (const reader of [...this.#readers]) reader.close()
    }
    this.#isLooking = false
    this.#lookedAt = this.#engine.clock.monotonic()
    this.#arm()
  }

  /**
   * Returns the kinds of data that have changed since the last successful scan. Does not find a change by a node whose clock is
   * behind by more than {@link clockMarginMs}.
   * @throws the errors of the storage
   */
  async #scan(storage: StorageCalls): Promise<Set<ChangedKind>> {
    const now = this.#engine.now()
    const from = (this.#scannedAt ?? now) - clockMarginMs
    const changed = { changedSince: from, deleted: true, limit: recordsPerCall }
    const [jobs, failures, alive, heads, members] = await Promise.all([
      firstOf(eachItem((cursor) => storage.once((calls) => calls.listJobs({ ...changed, cursor })))),
      firstOf(eachOccurrence(storage, { kind: 'failed', from, order: 'descending', runs: false })),
      readLive(storage),
      this.#readHeads(storage, now),
      this.#host.nodes(storage),
    ])
    // A job's next slot changes when a node launches a slot.
    const runs = JSON.stringify([alive, heads])
    const nodes = members.map(({ incarnation, state }) => `${incarnation} ${state}`).join()
    const found = new Set<ChangedKind>()
    // A list of 500 jobs may lack a further job that has changed.
    if (jobs.length >= recordsPerCall || jobs.some((job) => this.#known.get(job.id) !== stateOf(job))) found.add('jobs')
    if (failures.some(({ id }) => !this.#known.has(id))) found.add('failures')
    if (runs !== this.#runs || found.has('failures')) found.add('runs')
    if (nodes !== this.#nodes) found.add('nodes')
    this.#known = new Map([
      ...jobs.map((job) => [job.id, stateOf(job)] as const),
      ...failures.map(({ id }) => [id, ''] as const),
    ])
    this.#runs = runs
    this.#nodes = nodes
    this.#scannedAt = now
    return found
  }

  /** Returns the next slots of the jobs that come due next, if the storage has a due index. */
  async #readHeads(storage: StorageCalls, now: number): Promise<readonly unknown[]> {
    if (!this.#host.findsDueJobs) return []
    const due = { after: now - upkeepMs, upTo: Number.MAX_SAFE_INTEGER }
    const heads = await firstItems((cursor) =>
      storage.once((calls) => calls.listJobs({ due, limit: sampleSize, cursor })),
    )
    return heads.map(({ id, nextAt }) => [id, nextAt])
  }

  #listen(): void {
    if (this.#unlisten.length > 0) return
    const unsubscribe = this.#engine.storage.subscribe(({ kind }) => this.#engine.context.run(() => this.#wake(kind)))
    const ran = () => {
      this.#hasRun = true
    }
    this.#unlisten = [unsubscribe, ...runEvents.map((event) => this.#engine.events.on(event, ran))]
  }

  #wake(kind: WakeUp['kind']): void {
    if (kind === 'due' || kind === 'cancel') this.#hasRun = true
    if (this.#isWoken) return
    this.#isWoken = true
    this.#arm()
  }
}

/**
 * A kind of data to read again.
 *
 * - `start`: the first change of each iteration. Read all data now.
 * - `jobs`: definitions were stored, changed or deleted, or jobs were paused or resumed. A pause that ends by itself is not
 *   reported: see `JobInfo.paused.until`.
 * - `runs`: occurrences were created, started or ended. Affects counts, live occurrences, histories and next slots.
 * - `failures`: runs have failed. The iteration also reports a change `runs`.
 * - `nodes`: a node has joined, is leaving, has ended or is lost.
 * - `away`: the storage does not answer. The iteration retries at growing intervals.
 * - `back`: the storage answers again. Read all data.
 */
export type Change =
  | { readonly kind: 'start' | 'back' | 'jobs' | 'runs' | 'failures' | 'nodes' }
  | {
      readonly kind: 'away'
      /** The error of the storage call, or of the client's attempt to connect. */
      readonly error: unknown
    }

/** A kind of data that has changed between two scans of the storage. */
type ChangedKind = Exclude<Change['kind'], 'start' | 'back' | 'away'>

const over: IteratorReturnResult<undefined> = { done: true, value: undefined }

/** The order in which a reader delivers unread changes. */
const kinds: readonly Change['kind'][] = ['start', 'back', 'away', 'jobs', 'runs', 'failures', 'nodes']

/**
 * One iteration over the changes. The reader merges unread changes into at most one per kind, so a slow consumer needs
 * no more memory than a fast one.
 */
class ChangeReader implements AsyncIterator<Change, undefined> {
  readonly intervalMs: number
  readonly #waits: () => void
  readonly #left: () => void
  #waiting: ((result: IteratorResult<Change, undefined>) => void)[] = []
  #isOver = false
  /**
   * The state of the storage that the consumer last learned from this reader. `there`: the storage is available. `away`: the
   * storage is not available. `nothing`: the consumer has learned no state yet.
   */
  #told: 'nothing' | 'there' | 'away' = 'nothing'
  readonly #unread = new Set<Change['kind']>()
  /** The error of the last failed scan. */
  #error: unknown

  /** `waits` is called when the consumer begins to wait for a change, and `left` when the iteration has ended. */
  constructor(intervalMs: number, waits: () => void, left: () => void) {
    this.intervalMs = intervalMs
    this.#waits = waits
    this.#left = left
  }

  /** Whether the consumer waits for the next change. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0
  }

  /** Adds the changes that a successful scan found to the unread changes. */
  found(changed: ReadonlySet<ChangedKind>): void {
    const unread = this.#unread
    if (this.#told !== 'there') {
      unread.clear()
      unread.add(this.#told === 'nothing' ? 'start' : 'back')
    } else {
      // The storage answers again, so this call discards an unread change `away`. No change is lost: the scan compares with
      // the last successful scan, so it also finds changes during the outage.
      unread.delete('away')
      for (const kind of changed) unread.add(kind)
    }
    this.#deliver()
  }

  /** Records a failed scan. */
  failed(error: unknown): void {
    this.#error = error
    for (const kind of ['start', 'back'] as const) this.#unread.delete(kind)
    if (this.#told !== 'away') this.#unread.add('away')
    this.#deliver()
  }

  /** Ends the iteration, and discards unread changes. */
  end(): void {
    this.#unread.clear()
    this.close()
  }

  /** Ends the iteration after its unread changes. */
  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const resolve of this.#waiting.splice(0)) resolve(over)
    this.#left()
  }

  next(): Promise<IteratorResult<Change, undefined>> {
    const change = this.#take()
    if (change !== null) return Promise.resolve({ done: false, value: change })
    if (this.#isOver) return Promise.resolve(over)
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#waits()
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
    this.#unread.delete(kind)
    if (kind === 'away') {
      this.#told = 'away'
      return { kind, error: this.#error }
    }
    if (kind === 'start' || kind === 'back') this.#told = 'there'
    return { kind }
  }
}

/** Returns a text that differs after each change of the job. */
function stateOf({ version, changedAt, paused, deletedAt }: JobRecord): string {
  return `${version} ${changedAt} ${paused === null} ${deletedAt}`
}

/** Returns the first items of a list, at most 500. */
async function firstOf<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const first: T[] = []
  for await (const item of items) if (first.push(item) === recordsPerCall) break
  return first
}

/**
 * Returns the counts of live occurrences, and the ids and tokens of a limited number of running occurrences. If one run ends
 * and another begins between two scans, the counts are equal, but the ids differ.
 */
async function readLive(storage: StorageCalls): Promise<readonly unknown[]> {
  const { pending, queued, running } = await liveCounts(storage)
  if (running === 0) return [pending, queued]
  const query = { kind: 'live', state: 'running', runs: false, limit: sampleSize } as const
  const runs = await firstItems((cursor) => storage.once((calls) => calls.listOccurrences({ ...query, cursor })))
  return [pending, queued, running, runs.map(({ id, token }) => `${id} ${token}`).sort()]
}
