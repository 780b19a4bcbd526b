import type { Clock, Timer } from './clock.ts'
import { orDefault, readBoolean, readInteger, readMethods, readObject } from './configuration/read-value.ts'
import { type DurationInput, toDurationMs } from './duration.ts'
import { checkedSeries, type SlotSeries } from './engine/definitions/slot-series.ts'
import { confirmMs } from './engine/time/tuning.ts'
import type { Schedule, ScheduleWindow } from './schedule/schedule.ts'
import { systemClock } from './system-clock.ts'
import { openWindow } from './schedule/windowed-schedule.ts'
import { clockMarginMs, lookMs, upkeepMs, mostItems, rememberedValues } from './tuning.ts'
import { invalidValue } from './errors.ts'
import { JumpCheck } from './engine/time/clock-readings.ts'

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
 * A running schedule that emits a {@link Tick} for each instant. Iterate over the ticker to read the ticks. Each iteration is
 * a separate reader. It gets the ticks after its own beginning, and never delays the ticker.
 *
 * - No instant ticks twice, even if the clock is set back. Instants tick in order unless the clock is set back.
 * - If several instants are due at once, the ticker emits one tick for the newest, and counts the earlier ones in `skipped`.
 *   This happens after the process stalled, the machine slept or the clock was set forward.
 * - After a clock jump by more than 5 s, or a sleep of the machine, the ticker pauses. It continues when the new time has
 *   held for 15 s. A shorter wrong reading has no effect.
 * - If the schedule has no further instant, the ticker ends, and its iterations end.
 * - If the schedule throws, or returns an instant that is not later than the given instant, the ticker ends. Its iterations
 *   then reject with `INVALID_SCHEDULE`.
 */
export interface Ticker extends AsyncIterable<Tick> {
  /** The schedule whose instants the ticker emits. */
  readonly schedule: Schedule
  /**
   * Starts the ticker: the first tick is the first instant after now. Does nothing while {@link isEnabled} is true.
   * @throws JobistemerError `INVALID_SCHEDULE` if the schedule fails; the ticker then does not start
   */
  start(): void
  /** Ends every iteration of the ticker. A stopped ticker can be started again. */
  stop(): void
  /** Stops the ticks until {@link resume}. Iterations continue without ticks. */
  pause(): void
  /**
   * Continues a paused ticker with the first instant after now. Instants during the pause do not tick.
   * @throws JobistemerError `INVALID_SCHEDULE` if the schedule fails; the ticker then stays paused
   */
  resume(): void
  /**
   * True if the present time lies in the window of the schedule, both ends included. Always true for a schedule without a
   * start and an end.
   */
  readonly isActive: boolean
  /** True from `pause` to `resume`. */
  readonly isPaused: boolean
  /** True if the ticker is started and not stopped, and its schedule still has an instant to come. */
  readonly isEnabled: boolean
  /**
   * Returns the instant for which the ticker waits. If the ticker is paused or not running, returns the first instant of the
   * schedule after now. `null` if the schedule has no further instant.
   * @throws JobistemerError `INVALID_SCHEDULE` when the schedule fails
   */
  nextRun(): Date | null
  /** Makes a new reader of the ticker. */
  [Symbol.asyncIterator](): AsyncIterator<Tick, undefined>
  /** Stops the ticker, as {@link stop} does. */
  [Symbol.dispose](): void
}

/**
 * The first and the last instant of a span. Each instant of the span has ticked or was skipped, so the ticker never emits it
 * again.
 */
interface TickedSpan {
  readonly first: number
  last: number
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
  readObject(options, '', ['clock', 'lateAfter', 'maxUnread', 'keepAlive'])
  if (typeof schedule?.nextMs !== 'function') {
    throw invalidValue(
      'schedule',
      'is not a schedule',
      schedule,
      'Give what cron(), iso8601(), once() or your own Schedule makes.',
      'INVALID_SCHEDULE',
    )
  }
  return new LiveTicker(schedule, {
    clock: readMethods(orDefault(options.clock, systemClock), 'clock', ['now', 'monotonic', 'setTimer']),
    lateAfterMs: toDurationMs(orDefault<DurationInput>(options.lateAfter, { minutes: 1 }), 'lateAfter'),
    maxUnread: readInteger(orDefault(options.maxUnread, 1000), 'maxUnread', 1, 1_000_000),
    unref: !readBoolean(orDefault(options.keepAlive, true), 'keepAlive'),
  })
}

class LiveTicker implements Ticker {
  readonly schedule: Schedule
  readonly #series: SlotSeries
  readonly #clock: Clock
  readonly #lateAfterMs: number
  readonly #maxUnread: number
  readonly #unref: boolean
  readonly #readers = new Set<TickStream>()
  /** True from the start to the end of the ticker. */
  #isRunning = false
  #isPaused = false
  /** True from the end of the ticker to its next start. An iteration that begins meanwhile ends without ticks. */
  #isOver = false
  #time: FollowedClock
  /** The instant that the ticker waits for, in epoch milliseconds; `null` for none. */
  #awaited: number | null = null
  /**
   * Monotonic instant of the last {@link resume}, if the ticker has not yet determined the instant to wait for. Otherwise
   * `null`. While its time is in doubt, the ticker cannot determine the instant to wait for.
   */
  #resumedAt: number | null = null
  /** The spans in which the ticker has ticked, from the oldest to the newest. */
  #ticked: TickedSpan[] = []
  /**
   * True if the next tick begins a new span, as after a clock jump. Instants between two spans did not tick, because the clock
   * jumped over them. They can still tick if the clock goes back.
   */
  #beginsSpan = true
  #timer: Timer | undefined

  constructor(schedule: Schedule, options: { clock: Clock; lateAfterMs: number; maxUnread: number; unref: boolean }) {
    this.schedule = schedule
    this.#series = checkedSeries(schedule)
    this.#time = new FollowedClock(options.clock)
    this.#clock = options.clock
    this.#lateAfterMs = options.lateAfterMs
    this.#maxUnread = options.maxUnread
    this.#unref = options.unref
  }

  get isActive(): boolean {
    const { startMs, endMs }: ScheduleWindow = this.schedule.window ?? openWindow
    const now = this.#clock.now()
    return now >= startMs && now <= endMs
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get isEnabled(): boolean {
    return this.#isRunning
  }

  start(): void {
    if (this.#isRunning) return
    const time = new FollowedClock(this.#clock)
    this.#awaited = this.#series.nextMs(time.now)
    this.#time = time
    this.#resumedAt = null
    this.#ticked = []
    this.#beginsSpan = true
    this.#isRunning = true
    this.#isOver = false
    this.#goOn()
  }

  stop(): void {
    if (this.#isRunning) this.#end()
  }

  pause(): void {
    this.#isPaused = true
    this.#timer?.cancel()
  }

  resume(): void {
    if (!this.#isPaused) return
    if (this.#isRunning) {
      this.#lookAtClock()
      this.#resumedAt = this.#clock.monotonic()
      this.#findAwaited()
    }
    this.#isPaused = false
    if (this.#isRunning) this.#goOn()
  }

  nextRun(): Date | null {
    const isWaiting = this.#isRunning && !this.#isPaused
    const at = isWaiting ? this.#awaited : this.#series.nextMs(this.#clock.now())
    return at === null ? null : new Date(at)
  }

  [Symbol.asyncIterator](): TickStream {
    const reader = new TickStream(this.#maxUnread, (stream) => this.#readers.delete(stream))
    if (this.#isOver) reader.end()
    else this.#readers.add(reader)
    return reader
  }

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
    const untilAwaitedMs = Math.min(Math.max(this.#awaited - this.#clock.now(), 0), upkeepMs)
    const delayMs = this.#time.isInDoubt ? lookMs : untilAwaitedMs
    this.#timer = this.#clock.setTimer(delayMs, () => this.#look(), { unref: this.#unref })
  }

  #look(): void {
    try {
      this.#lookAtClock()
      this.#findAwaited()
      const { isInDoubt, now } = this.#time
      if (!isInDoubt && this.#awaited !== null && this.#awaited <= now) this.#tick(this.#awaited, now)
    } catch (error) {
      // The user's schedule has thrown. The ticker ends and passes the error to its readers. Without this `catch`, the error
      // would leave the timer's callback and end the process.
      this.#end({ error })
      return
    }
    if (this.#isRunning) this.#goOn()
  }

  #lookAtClock(): void {
    const lastLook = this.#time.look()
    if (lastLook === null) return
    this.#beginsSpan = true
    // If the awaited instant lies ahead, determine it again: it may have been determined while the clock was wrong.
    if (this.#awaited !== null && this.#awaited > this.#time.now) this.#awaited = this.#notTickedAfter(lastLook)
  }

  /** After the ticker was resumed, determines the instant that it waits for. Does nothing while the time is in doubt. */
  #findAwaited(): void {
    if (this.#resumedAt === null || this.#time.isInDoubt) return
    this.#awaited = this.#notTickedAfter(this.#time.at(this.#resumedAt))
    this.#resumedAt = null
  }

  /** Returns the first instant after `after` that the ticker has neither emitted nor skipped. */
  #notTickedAfter(after: number): number | null {
    let at = this.#series.nextMs(after)
    for (let span = this.#spanOf(at); span !== undefined; span = this.#spanOf(at)) at = this.#series.nextMs(span.last)
    return at
  }

  /** Returns the latest due instant that has neither ticked nor been skipped, but never an instant before `firstDue`. */
  #newestDue(firstDue: number, now: number): number {
    let at = this.#series.previousMs(now + 1)
    for (let span = this.#spanOf(at); span !== undefined; span = this.#spanOf(at))
      at = this.#series.previousMs(span.first)
    return Math.max(at ?? firstDue, firstDue)
  }

  #spanOf(at: number | null): TickedSpan | undefined {
    return at === null ? undefined : this.#ticked.find(({ first, last }) => first <= at && at <= last)
  }

  #tick(firstDue: number, now: number): void {
    const newestDue = this.#newestDue(firstDue, now)
    this.#noteTicked(newestDue)
    this.#awaited = this.#notTickedAfter(newestDue)
    const tick: Tick = {
      scheduledAt: new Date(newestDue),
      firedAt: new Date(now),
      lateMs: now - newestDue,
      isLate: now - firstDue > this.#lateAfterMs,
      skipped: this.#countFrom(firstDue, newestDue),
      dropped: 0,
    }
    for (const reader of this.#readers) reader.push(tick)
  }

  #noteTicked(at: number): void {
    const span = this.#ticked.at(-1)
    if (span !== undefined && !this.#beginsSpan) {
      span.last = at
      return
    }
    this.#ticked.push({ first: at, last: at })
    this.#beginsSpan = false
    if (this.#ticked.length > rememberedValues) this.#ticked.shift()
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
    for (const reader of this.#readers) reader.end(failure)
    this.#readers.clear()
  }
}

/** The wall clock of a ticker. After a clock jump, the time is in doubt until the new time has held for 15 s. */
class FollowedClock {
  readonly #clock: Clock
  readonly #check = new JumpCheck()
  /** Wall clock minus monotonic clock, by the last accepted reading. */
  #difference: number
  /** Wall time of the last reading, in epoch milliseconds. While `isInDoubt` is true, this reading is not confirmed. */
  now: number
  /** Monotonic instant of the last reading that was not in doubt. */
  #believedAt: number
  /**
   * True from a clock jump until the new time is confirmed, or the clock has returned to the old time. Meanwhile callers must
   * not act on the time.
   */
  isInDoubt = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.now = clock.now()
    this.#believedAt = clock.monotonic()
    this.#difference = this.now - this.#believedAt
  }

  /** Converts a monotonic instant to wall time in epoch milliseconds, by the last accepted reading. */
  at(monotonic: number): number {
    return Math.floor(this.#difference + monotonic)
  }

  /**
   * Reads both clocks. If this reading confirms a clock jump, returns the instant of the last reading that was not in doubt.
   * This instant is in epoch milliseconds of the new time. Otherwise returns `null`.
   */
  look(): number | null {
    const readAt = this.#clock.monotonic()
    this.now = this.#clock.now()
    const difference = this.now - readAt
    const hasJumped = Math.abs(difference - this.#difference) > clockMarginMs
    const reading = { origin: difference, uncertaintyMs: 0, sentAt: readAt, receivedAt: readAt, difference }
    this.isInDoubt = hasJumped && this.#clock.isAuthoritative !== true && !this.#check.holds(reading, confirmMs)
    if (this.isInDoubt) return null
    const before = this.#believedAt
    this.#difference = difference
    this.#believedAt = readAt
    this.#check.clear()
    return hasJumped ? this.at(before) : null
  }
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

const over: IteratorReturnResult<undefined> = { done: true, value: undefined }

/** The ticks of one reader. The ticker never waits for a reader, so the stream keeps only the newest unread ticks. */
class TickStream implements AsyncIterableIterator<Tick> {
  readonly #maxUnread: number
  readonly #onReturn: (stream: TickStream) => void
  #unread: Tick[] = []
  #waiting: ((result: Promise<IteratorResult<Tick, undefined>>) => void)[] = []
  #dropped = 0
  #isOver = false
  #failure: { readonly error: unknown } | undefined

  constructor(maxUnread: number, onReturn: (stream: TickStream) => void) {
    this.#maxUnread = maxUnread
    this.#onReturn = onReturn
  }

  push(tick: Tick): void {
    this.#unread.push(tick)
    const resolve = this.#waiting.shift()
    if (resolve !== undefined) resolve(this.#next())
    else if (this.#unread.length > this.#maxUnread) {
      this.#unread.shift()
      this.#dropped++
    }
  }

  /**
   * Ends the stream. The reader can still read the unread ticks; then the iteration ends, or rejects with the error of
   * `failure`.
   */
  end(failure?: { readonly error: unknown }): void {
    this.#isOver = true
    this.#failure = failure
    for (const resolve of this.#waiting.splice(0)) resolve(this.#next())
  }

  next(): Promise<IteratorResult<Tick, undefined>> {
    if (this.#unread.length > 0 || this.#isOver) return this.#next()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** JavaScript calls `return` when the reader leaves its `for await` loop. */
  return(): Promise<IteratorResult<Tick, undefined>> {
    this.#unread = []
    this.end()
    this.#onReturn(this)
    return Promise.resolve(over)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #next(): Promise<IteratorResult<Tick, undefined>> {
    const tick = this.#unread.shift()
    if (tick !== undefined) {
      const value = this.#dropped === 0 ? tick : { ...tick, dropped: this.#dropped }
      this.#dropped = 0
      return { done: false, value }
    }
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
    return over
  }
}
