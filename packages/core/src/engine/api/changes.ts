import type { Timer } from '../../clock.ts'
import { orDefault, readSignal, readObject } from '../../configuration/read-value.ts'
import { type DurationInput, toDurationMs } from '../../duration.ts'
import type { SchedulerEventName } from '../../events.ts'
import type { WakeUp } from '../../storage/storage.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { isStorageGone, type StorageCalls } from '../storage-access/retrying-storage.ts'
import { type Change, ChangeReader, type ReaderHost } from './change-reader.ts'
import type { ChangeLook } from './change-look.ts'
import { changeIntervalMs } from './tuning.ts'

/** Minimum after a wake-up too: a burst of changes causes at most four scans per second. */
const bounds = { min: changeIntervalMs / 4, max: 10 * changeIntervalMs }

/** Options of an iteration over changes. */
export interface ChangesOptions {
  /** Ends the iteration without an error when it fires. */
  readonly signal?: AbortSignal
  /**
   * Interval between two scans while a consumer waits for a change. The shortest interval of all waiting iterations applies.
   * 250 ms to 10 s, default 1 s.
   */
  readonly interval?: DurationInput
}

/** Events of this node's own runs. The node reports these changes without finding them in the storage. */
const runEvents: readonly SchedulerEventName[] = ['occurrence.created', 'occurrence.started', 'occurrence.finished']

/** The parts of an engine that scans need. */
export interface ChangesHost {
  readonly look: ChangeLook
  /** Returns the storage for one scan. Rejects if it is not available. */
  readonly storage: () => Promise<StorageCalls>
  /** Subscribes to wake-ups from the storage, as far as they reach this process. */
  readonly subscribe: (listener: (wakeUp: WakeUp) => void) => () => void
}

type ChangesEngine = Pick<EngineContext, 'clock' | 'context' | 'events'>

/**
 * Scans the storage for changes while a consumer waits for one, and reports them to all iterations. All iterations share the
 * scans. Without a waiting consumer there are no scans.
 */
export class Changes {
  readonly #engine: ChangesEngine
  readonly #host: ChangesHost
  readonly #readers = new Set<ChangeReader>()
  #timer: Timer | null = null
  #isLooking = false
  #isWoken = false
  /** A run was created, started or ended that scans may not find. */
  #hasRun = false
  /** Monotonic instant at which the last scan ended. */
  #lookedAt = Number.NEGATIVE_INFINITY
  /** Number of consecutive failed scans. */
  #failures = 0
  #unlisten: (() => void)[] = []
  #isStopped = false

  constructor(engine: ChangesEngine, host: ChangesHost) {
    this.#engine = engine
    this.#host = host
  }

  /** @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_DURATION`, `UNKNOWN_OPTION` */
  follow(options: ChangesOptions): AsyncIterable<Change> {
    readObject(options, 'options', ['signal', 'interval'])
    const signal = readSignal(options.signal)
    const intervalMs = toDurationMs(orDefault<DurationInput>(options.interval, changeIntervalMs), 'interval', bounds)
    return { [Symbol.asyncIterator]: () => this.#reader(intervalMs, signal) }
  }

  /** Ends every iteration. */
  stop(): void {
    this.#isStopped = true
    this.#endAll()
  }

  #reader(intervalMs: number, signal: AbortSignal | undefined): ChangeReader {
    const abort = () => reader.end()
    const host: ReaderHost = {
      waits: () => this.#arm(),
      left: () => {
        signal?.removeEventListener('abort', abort)
        this.#left(reader)
      },
    }
    const reader = new ChangeReader(host, intervalMs)
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

  #endAll(options?: { readonly isDrained: boolean }): void {
    for (const reader of [...this.#readers]) reader.end(options)
  }

  /** Sets the timer for the next scan. Sets no timer while no consumer waits. */
  #arm(): void {
    this.#timer?.cancel()
    this.#timer = null
    const waiting = [...this.#readers].filter((reader) => reader.isWaiting)
    if (this.#isLooking || waiting.length === 0) return
    const { clock, context } = this.#engine
    const delayMs = this.#lookedAt + this.#intervalMs(waiting) - clock.monotonic()
    // A scan serves all iterations, so it must not inherit the asynchronous context of one of them.
    this.#timer = clock.setTimer(Math.max(0, delayMs), () => void context.run(() => this.#look()))
  }

  #intervalMs(waiting: readonly ChangeReader[]): number {
    if (this.#failures > 0) return Math.min(bounds.max / 2, bounds.min * 2 ** (this.#failures - 1))
    if (this.#isWoken || waiting.some(({ isNew }) => isNew)) return bounds.min
    return Math.min(...waiting.map(({ intervalMs }) => intervalMs))
  }

  async #look(): Promise<void> {
    this.#isLooking = true
    this.#isWoken = false
    const hasRun = this.#hasRun
    this.#hasRun = false
    try {
      this.#listen()
      const difference = await this.#host.look.look(await this.#host.storage())
      this.#failures = 0
      for (const reader of this.#readers) reader.found({ ...difference, runs: difference.runs || hasRun })
    } catch (error) {
      this.#hasRun ||= hasRun
      this.#failures++
      for (const reader of this.#readers) reader.failed(error)
      // The storage will not answer any more.
      if (isStorageGone(error)) this.#endAll({ isDrained: true })
    }
    this.#isLooking = false
    this.#lookedAt = this.#engine.clock.monotonic()
    this.#arm()
  }

  #listen(): void {
    if (this.#unlisten.length > 0) return
    const unsubscribe = this.#host.subscribe(({ kind }) => this.#engine.context.run(() => this.#wake(kind)))
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
