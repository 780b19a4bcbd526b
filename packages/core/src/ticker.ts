import type { Clock, Timer } from './clock.ts'
import { orDefault, readBoolean, readInteger, readMethods, readObject } from './configuration/read-value.ts'
import { type DurationInput, toDurationMs } from './duration.ts'
import { checkedSeries, type SlotSeries } from './engine/definitions/slot-series.ts'
import { confirmMs, readInDoubtMs } from './engine/time/tuning.ts'
import type { Schedule, ScheduleWindow } from './schedule/schedule.ts'
import { systemClock } from './system-clock.ts'
import { openWindow } from './schedule/windowed-schedule.ts'
import { clockMarginMs, longestTimerMs, mostItems, rememberedValues } from './tuning.ts'
import { invalidValue } from './errors.ts'
import { JumpCheck } from './engine/time/clock-readings.ts'

/** Options of {@link ticker}. */
export interface TickerOptions {
  /** Default: the machine's clock. */
  readonly clock?: Clock
  /** A tick is late if it, or an instant that it covers, is noticed later than this. Default: 1 min. */
  readonly lateAfter?: DurationInput
  /** How many of the newest unread ticks a reader keeps. 1 to 1,000,000, default 1000. */
  readonly maxUnread?: number
  /** Whether a running ticker keeps the process alive. Default: true. */
  readonly keepAlive?: boolean
}

/**
 * A running schedule that emits a {@link Tick} for each instant. Iterate over it to read the ticks. Each iteration is a
 * separate reader, gets the ticks from its beginning on, and never delays the ticker.
 *
 * - No instant ticks twice, even if the clock is set back. Instants tick in order unless the clock is set back.
 * - After a jump of the clock by more than 5 s, or a sleep of the machine, the ticker pauses until the new time has
 *   held for 15 s. A shorter wrong reading has no effect.
 * - If the schedule throws or returns no later instant, the ticker ends: its iterations reject with `INVALID_SCHEDULE`.
 * - If several instants are due at once, the ticker emits one tick for the newest and counts the earlier ones in
 *   `skipped`. This happens after the process stalled, the machine slept or the clock was set forward.
 */
export interface Ticker extends AsyncIterable<Tick> {
  /** The schedule. */
  readonly schedule: Schedule
  /**
   * Starts with the first instant after now. Does nothing while the ticker is enabled.
   * @throws JobistemerError `INVALID_SCHEDULE` if the schedule fails here; the ticker does not start then
   */
  start(): void
  /** Ends every iteration. A stopped ticker can be started again. */
  stop(): void
  /** Stops ticks until {@link resume}. Iterations continue. */
  pause(): void
  /**
   * Continues with the first instant after now. Instants during the pause do not tick.
   * @throws JobistemerError `INVALID_SCHEDULE` if the schedule fails here; the ticker stays paused then
   */
  resume(): void
  /** Now lies between the schedule's start and its end. */
  readonly isActive: boolean
  /** `pause` was called, and `resume` not yet. */
  readonly isPaused: boolean
  /** Started, not stopped, and the schedule still has an instant to come. */
  readonly isEnabled: boolean
  /**
   * The next instant of the ticker; while it is not running, the first instant after now. `null` if the schedule has
   * none.
   * @throws JobistemerError `INVALID_SCHEDULE` when the schedule fails
   */
  nextRun(): Date | null
  /** A new reader. */
  [Symbol.asyncIterator](): AsyncIterator<Tick, undefined>
  /** The same as {@link stop}. */
  [Symbol.dispose](): void
}

/** Instants that have ticked, and the skipped instants between them. */
interface TickedSpan {
  readonly first: number
  last: number
}

/**
 * Makes a ticker of a schedule. It does nothing until `start`.
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
  /** True between the start and the end of the ticker. */
  #isRunning = false
  #isPaused = false
  /** True after the end of a ticker that ran: iterations have no ticks. */
  #isOver = false
  #time: FollowedClock
  /** The awaited instant, in epoch milliseconds. */
  #awaited: number | null = null
  /** Monotonic instant of a {@link resume} while the time was in doubt. The ticker has still to find the awaited instant. */
  #resumedAt: number | null = null
  /** The spans in which the ticker has ticked. The newest is the last. */
  #ticked: TickedSpan[] = []
  /** The next tick begins a span: instants that a clock jumps over can still tick if the clock goes back. */
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

  /** Waits for the awaited instant, if there is one. */
  #goOn(): void {
    if (this.#isPaused) return
    if (this.#awaited === null) {
      this.#end()
      return
    }
    const untilAwaitedMs = Math.min(Math.max(this.#awaited - this.#clock.now(), 0), longestTimerMs)
    const delayMs = this.#time.isInDoubt ? readInDoubtMs : untilAwaitedMs
    this.#timer = this.#clock.setTimer(delayMs, () => this.#look(), { unref: this.#unref })
  }

  #look(): void {
    try {
      this.#lookAtClock()
      this.#findAwaited()
      const { isInDoubt, now } = this.#time
      if (!isInDoubt && this.#awaited !== null && this.#awaited <= now) this.#tick(this.#awaited, now)
    } catch (error) {
      // A user's schedule has thrown. The ticker passes the error to its readers, so that it does not end the process.
      this.#end({ error })
      return
    }
    if (this.#isRunning) this.#goOn()
  }

  #lookAtClock(): void {
    const lastLook = this.#time.look()
    if (lastLook === null) return
    this.#beginsSpan = true
    // The awaited instant may lie far ahead, because a wrong time determined it.
    if (this.#awaited !== null && this.#awaited > this.#time.now) this.#awaited = this.#notTickedAfter(lastLook)
  }

  /** After a resume, and as soon as the time is known. */
  #findAwaited(): void {
    if (this.#resumedAt === null || this.#time.isInDoubt) return
    this.#awaited = this.#notTickedAfter(this.#time.at(this.#resumedAt))
    this.#resumedAt = null
  }

  /** The first later instant that has neither ticked nor been skipped. */
  #notTickedAfter(after: number): number | null {
    let at = this.#series.nextMs(after)
    for (let span = this.#spanOf(at); span !== undefined; span = this.#spanOf(at)) at = this.#series.nextMs(span.last)
    return at
  }

  /** The last such instant that is due; at least the given one. */
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

  /** The instants of the schedule from one of them up to another, without that. */
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

/**
 * The wall clock of a ticker. After a jump the time is in doubt until the new time has held for 15 s, because the
 * reading may be wrong.
 */
class FollowedClock {
  readonly #clock: Clock
  readonly #check = new JumpCheck()
  /** Wall clock minus monotonic clock, by the last accepted reading. */
  #difference: number
  #now: number
  /** Monotonic instant of the last accepted reading. */
  #believedAt: number
  #isInDoubt = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.#now = clock.now()
    this.#believedAt = clock.monotonic()
    this.#difference = this.#now - this.#believedAt
  }

  /** Wall time of the last reading, in epoch milliseconds; while in doubt, the unconfirmed one. */
  get now(): number {
    return this.#now
  }

  /** True after a jump until it is confirmed. Callers must not act on the time meanwhile. */
  get isInDoubt(): boolean {
    return this.#isInDoubt
  }

  /** The wall time at a monotonic instant, by the present reading. */
  at(monotonic: number): number {
    return Math.floor(this.#difference + monotonic)
  }

  /**
   * Compares the clocks. If this reading confirms a jump, returns the time of the previous reading by the new clock;
   * otherwise `null`.
   */
  look(): number | null {
    const readAt = this.#clock.monotonic()
    this.#now = this.#clock.now()
    const difference = this.#now - readAt
    const hasJumped = Math.abs(difference - this.#difference) > clockMarginMs
    this.#isInDoubt = hasJumped && !this.#isConfirmed(difference, readAt)
    if (this.#isInDoubt) return null
    const before = this.#believedAt
    this.#difference = difference
    this.#believedAt = readAt
    this.#check.clear()
    return hasJumped ? this.at(before) : null
  }

  #isConfirmed(difference: number, readAt: number): boolean {
    if (this.#clock.isAuthoritative === true) return true
    const reading = { origin: difference, uncertaintyMs: 0, sentAt: readAt, receivedAt: readAt, difference }
    return this.#check.holds(reading, confirmMs)
  }
}

/** A tick: an instant of the schedule that has come. */
export interface Tick {
  /** The instant of the schedule. */
  readonly scheduledAt: Date
  /** When the ticker noticed it, by the wall clock. */
  readonly firedAt: Date
  /** `firedAt - scheduledAt`, in milliseconds. */
  readonly lateMs: number
  /**
   * True if this instant, or an earlier one that the tick covers, was noticed later than the ticker's `lateAfter`: the
   * process stalled, the machine slept or its clock jumped.
   */
  readonly isLate: boolean
  /** Number of earlier instants that were due as well and get no tick. Counted up to 10,000. */
  readonly skipped: number
  /** Number of ticks that this reader lost just before this one, because it had too many unread ticks. */
  readonly dropped: number
}

interface Waiting {
  readonly resolve: (result: IteratorResult<Tick, undefined>) => void
  readonly reject: (error: unknown) => void
}

const over: IteratorReturnResult<undefined> = { done: true, value: undefined }

/** The ticks of one reader. The ticker never waits for the reader, so the stream keeps only the newest unread ticks. */
class TickStream implements AsyncIterableIterator<Tick> {
  readonly #maxUnread: number
  readonly #onReturn: (stream: TickStream) => void
  #unread: Tick[] = []
  #waiting: Waiting[] = []
  #dropped = 0
  #isOver = false
  #failure: { readonly error: unknown } | undefined

  constructor(maxUnread: number, onReturn: (stream: TickStream) => void) {
    this.#maxUnread = maxUnread
    this.#onReturn = onReturn
  }

  push(tick: Tick): void {
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      waiting.resolve({ done: false, value: tick })
      return
    }
    if (this.#unread.length === this.#maxUnread) {
      this.#unread.shift()
      this.#dropped++
    }
    this.#unread.push(tick)
  }

  /** Unread ticks can still be read; then the stream ends or rejects. */
  end(failure?: { readonly error: unknown }): void {
    this.#isOver = true
    this.#failure = failure
    for (const waiting of this.#waiting.splice(0)) this.#next().then(waiting.resolve, waiting.reject)
  }

  next(): Promise<IteratorResult<Tick, undefined>> {
    if (this.#unread.length > 0 || this.#isOver) return this.#next()
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** The reader stops reading. */
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
