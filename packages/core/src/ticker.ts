import type { Clock, Timer } from './clock.ts'
import { orDefault, readBoolean, readInteger, readMethods, readObject } from './configuration/read-value.ts'
import { type DurationInput, toDurationMs } from './duration.ts'
import { checkedSeries, type SlotSeries } from './engine/definitions/slot-series.ts'
import type { Schedule, ScheduleWindow } from './schedule/schedule.ts'
import { systemClock } from './system-clock.ts'
import { openWindow } from './schedule/windowed-schedule.ts'
import { mostItems, upkeepMs } from './tuning.ts'
import { assertSchedule } from './job/define-job.ts'

/** Options of {@link ticker}. */
export interface TickerOptions {
  /** The clock of the ticker. Default: the machine's clock. */
  readonly clock?: Clock
  /**
   * Maximum delay of a tick that is not late. The delay is the time from an instant until the ticker notices it. If a tick
   * covers several instants, the delay of the earliest one counts. Default: 1 min.
   */
  readonly lateAfter?: DurationInput
  /** How many of the newest unread ticks the ticker keeps for each reader: 1 to 1,000,000, default 1000. */
  readonly maxUnread?: number
  /** Whether a running ticker keeps the process alive. Default: true. */
  readonly keepAlive?: boolean
}

/**
 * Makes a ticker of a schedule. The ticker does nothing until `start`.
 *
 * @example
 * const everyMinute = ticker(cron('* * * * *'))
 * everyMinute.start()
 * for await (const tick of everyMinute) console.log(tick.scheduledAt)
 *
 * @throws JobistemerError `INVALID_SCHEDULE`, `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`
 */
export function ticker(schedule: Schedule, options: TickerOptions = {}): Ticker {
  return new Ticker(schedule, options)
}

/** By how much a clock may be set back, in ms, so that the ticker waits for the instant after its last tick. */
const mostRepeatedMs = 3_600_000

/** A running iteration over a ticker. The ticker never waits for a reader, and keeps only the reader's newest unread ticks. */
interface Reader {
  unread: Tick[]
  /** Number of ticks that the ticker removed before the oldest unread tick. */
  dropped: number
  isOver: boolean
  failure: { readonly error: unknown } | undefined
  /** Called when ticks have come, or the iteration is over. */
  wake: () => void
}

/**
 * A running schedule that emits a {@link Tick} for each instant. Iterate over the ticker to read the ticks. Each iteration is
 * a separate reader. It gets the ticks after its own beginning, and never delays the ticker.
 *
 * - If the clock is set back by up to an hour, no instant ticks twice. If it is set back further, the ticker follows the new
 *   time at once, and instants may tick again.
 * - If several instants are due at once, the ticker emits one tick for the newest, and counts the earlier ones in `skipped`.
 *   This happens after the process stalled, the machine slept or the clock was set forward.
 * - If the schedule has no further instant, the ticker ends, and its iterations end.
 * - If the schedule throws, or returns an instant that is not later than the given instant, the ticker ends. Its iterations
 *   then reject with `INVALID_SCHEDULE`.
 */
export class Ticker implements AsyncIterable<Tick> {
  /** The schedule whose instants the ticker emits. */
  readonly schedule: Schedule
  readonly #series: SlotSeries
  readonly #clock: Clock
  readonly #lateAfterMs: number
  readonly #maxUnread: number
  readonly #unref: boolean
  readonly #readers = new Set<Reader>()
  /** True from the start to the end of the ticker. */
  #isRunning = false
  #isPaused = false
  /** True from the end of the ticker to its next start. An iteration that begins meanwhile ends without ticks. */
  #isOver = false
  /** The instant that the ticker waits for, in epoch milliseconds; `null` for none. */
  #awaited: number | null = null
  /** The instant of the last tick, in epoch milliseconds. */
  #lastTick = Number.NEGATIVE_INFINITY
  /** Wall time and monotonic time of the last look at the clock. */
  #lastLook = { wall: 0, monotonic: 0 }
  #timer: Timer | undefined

  constructor(schedule: Schedule, options: TickerOptions) {
    readObject(options, '', ['clock', 'lateAfter', 'maxUnread', 'keepAlive'])
    assertSchedule(schedule)
    this.schedule = schedule
    this.#series = checkedSeries(schedule)
    this.#clock = readMethods(orDefault(options.clock, systemClock), 'clock', ['now', 'monotonic', 'setTimer'])
    this.#lateAfterMs = toDurationMs(orDefault<DurationInput>(options.lateAfter, { minutes: 1 }), 'lateAfter')
    this.#maxUnread = readInteger(orDefault(options.maxUnread, 1000), 'maxUnread', 1, 1_000_000)
    this.#unref = !readBoolean(orDefault(options.keepAlive, true), 'keepAlive')
  }

  /**
   * True if the present time lies in the window of the schedule, both ends included. Always true for a schedule without a
   * start and an end.
   */
  get isActive(): boolean {
    const { startMs, endMs }: ScheduleWindow = this.schedule.window ?? openWindow
    const now = this.#clock.now()
    return now >= startMs && now <= endMs
  }

  /** True from `pause` to `resume`. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  /** True if the ticker is started and not stopped, and its schedule still has an instant to come. */
  get isEnabled(): boolean {
    return this.#isRunning
  }

  /**
   * Starts the ticker: the first tick is the first instant after now. Does nothing while {@link isEnabled} is true.
   * @throws JobistemerError `INVALID_SCHEDULE` if the schedule fails; the ticker then does not start
   */
  start(): void {
    if (this.#isRunning) return
    this.#lastTick = Number.NEGATIVE_INFINITY
    this.#awaited = this.#nextAfter(this.#look())
    this.#isRunning = true
    this.#isOver = false
    this.#goOn()
  }

  /** Ends every iteration of the ticker. A stopped ticker can be started again. */
  stop(): void {
    if (this.#isRunning) this.#end()
  }

  /** Stops the ticks until {@link resume}. Iterations continue without ticks. */
  pause(): void {
    this.#isPaused = true
    this.#timer?.cancel()
  }

  /**
   * Continues a paused ticker with the first instant after now. Instants during the pause do not tick.
   * @throws JobistemerError `INVALID_SCHEDULE` if the schedule fails; the ticker then stays paused
   */
  resume(): void {
    if (!this.#isPaused) return
    if (this.#isRunning) this.#awaited = this.#nextAfter(this.#look())
    this.#isPaused = false
    if (this.#isRunning) this.#goOn()
  }

  /**
   * Returns the instant for which the ticker waits. If the ticker is paused or not running, returns the first instant of the
   * schedule after now. `null` if the schedule has no further instant.
   * @throws JobistemerError `INVALID_SCHEDULE` when the schedule fails
   */
  nextRun(): Date | null {
    const isWaiting = this.#isRunning && !this.#isPaused
    const at = isWaiting ? this.#awaited : this.#series.nextMs(this.#clock.now())
    return at === null ? null : new Date(at)
  }

  /** Makes a new reader of the ticker. */
  [Symbol.asyncIterator](): AsyncIterator<Tick, undefined> {
    const reader: Reader = { unread: [], dropped: 0, isOver: this.#isOver, failure: undefined, wake: () => undefined }
    if (!this.#isOver) this.#readers.add(reader)
    const ticks = this.#read(reader)
    const end = ticks.return.bind(ticks)
    // A generator ends only after a pending `next`, so wake it.
    ticks.return = (value) => {
      this.#readers.delete(reader)
      reader.unread = []
      endReader(reader)
      return end(value)
    }
    return ticks
  }

  /** Yields the ticks of a reader. After the end of the ticker, yields the unread ticks, and then returns or throws. */
  async *#read(reader: Reader): AsyncGenerator<Tick, undefined> {
    for (;;) {
      const tick = reader.unread.shift()
      if (tick !== undefined) {
        const { dropped } = reader
        reader.dropped = 0
        yield dropped === 0 ? tick : { ...tick, dropped }
      } else if (!reader.isOver) {
        await new Promise<void>((resolve) => {
          reader.wake = resolve
        })
      } else if (reader.failure === undefined) return
      else throw reader.failure.error
    }
  }

  /** Stops the ticker, as {@link stop} does. */
  [Symbol.dispose](): void {
    this.stop()
  }

  /** Sets the timer for the awaited instant, or ends the ticker if no instant is left. */
  #goOn(): void {
    if (this.#isPaused) return
    if (this.#awaited === null) {
      this.#end()
      return
    }
    const delayMs = Math.min(Math.max(this.#awaited - this.#clock.now(), 0), upkeepMs)
    this.#timer = this.#clock.setTimer(delayMs, () => this.#timerFired(), { unref: this.#unref })
  }

  #timerFired(): void {
    try {
      const { wall, monotonic } = this.#lastLook
      const now = this.#look()
      const passedMs = this.#lastLook.monotonic - monotonic
      // The awaited instant may have been determined while the clock was wrong.
      if (wall - now > mostRepeatedMs) this.#awaited = this.#nextAfter(now - passedMs)
      if (this.#awaited !== null && this.#awaited <= now) this.#tick(this.#awaited, now)
    } catch (error) {
      // The user's schedule has thrown. The ticker ends and passes the error to its readers. Without this `catch`, the error
      // would leave the timer's callback and end the process.
      this.#end({ error })
      return
    }
    if (this.#isRunning) this.#goOn()
  }

  /** Reads both clocks, and returns the wall time in epoch milliseconds. */
  #look(): number {
    this.#lastLook = { wall: this.#clock.now(), monotonic: this.#clock.monotonic() }
    return this.#lastLook.wall
  }

  /**
   * Returns the first instant after `after`. If the clock was set back by up to `mostRepeatedMs`, returns an instant after the
   * last tick, so that no instant ticks twice.
   */
  #nextAfter(after: number): number | null {
    const isRepeated = this.#lastTick > after && this.#lastTick - after <= mostRepeatedMs
    return this.#series.nextMs(isRepeated ? this.#lastTick : after)
  }

  #tick(firstDue: number, now: number): void {
    const newestDue = Math.max(this.#series.previousMs(now + 1) ?? firstDue, firstDue)
    this.#lastTick = newestDue
    this.#awaited = this.#series.nextMs(newestDue)
    const tick: Tick = {
      scheduledAt: new Date(newestDue),
      firedAt: new Date(now),
      lateMs: now - newestDue,
      isLate: now - firstDue > this.#lateAfterMs,
      skipped: this.#countFrom(firstDue, newestDue),
      dropped: 0,
    }
    for (const reader of this.#readers) {
      if (reader.unread.push(tick) > this.#maxUnread) {
        reader.unread.shift()
        reader.dropped++
      }
      reader.wake()
    }
  }

  /**
   * Counts the instants of the schedule from `first` (inclusive, an instant of the schedule) to `end` (exclusive). Counts at
   * most 10,000.
   */
  #countFrom(first: number, end: number): number {
    let count = 0
    for (let at: number | null = first; at !== null && at < end; at = this.#series.nextMs(at)) {
      count++
      if (count === mostItems) break
    }
    return count
  }

  #end(failure?: { readonly error: unknown }): void {
    this.#isRunning = false
    this.#isOver = true
    this.#timer?.cancel()
    for (const reader of this.#readers) endReader(reader, failure)
    this.#readers.clear()
  }
}

function endReader(reader: Reader, failure?: { readonly error: unknown }): void {
  reader.isOver = true
  reader.failure = failure
  reader.wake()
}

/** A tick: an instant of the ticker's schedule that has come. */
export interface Tick {
  /** The instant of the schedule that has come. */
  readonly scheduledAt: Date
  /** When the ticker noticed the instant, by the wall clock. */
  readonly firedAt: Date
  /** How late the ticker noticed the instant: `firedAt - scheduledAt`, in milliseconds. */
  readonly lateMs: number
  /** True if this instant, or an earlier one that the tick covers, was noticed later than the ticker's `lateAfter`. */
  readonly isLate: boolean
  /**
   * Number of earlier instants that this tick covers. They were due, too, when the ticker noticed this instant, and get no
   * tick of their own. Counted up to 10,000.
   */
  readonly skipped: number
  /** Number of unread ticks that the ticker removed just before this tick, because this reader had more than `maxUnread`. */
  readonly dropped: number
}
