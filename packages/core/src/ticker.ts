import type { Clock, Timer } from './clock.ts'
import { orDefault, readBoolean, readInteger, readMethods, readObject } from './configuration/read-value.ts'
import { type DurationInput, toDurationMs } from './duration.ts'
import { type SlotSeries, checkedSeries } from './engine/definitions/slot-series.ts'
import { readInDoubtMs } from './engine/time/tuning.ts'
import type { Schedule, ScheduleWindow } from './schedule/schedule.ts'
import { systemClock } from './system-clock.ts'
import { FollowedClock } from './ticker/followed-clock.ts'
import { type Tick, TickStream } from './ticker/tick-stream.ts'
import { openWindow } from './schedule/windowed-schedule.ts'
import { longestTimerMs, mostItems, rememberedJumps } from './tuning.ts'
import { invalidValue } from './errors.ts'

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
  /** Between its start and its end. */
  #isRunning = false
  #isPaused = false
  /** True after the end of a ticker that ran: iterations have no ticks. */
  #isOver = false
  #time: FollowedClock
  /** The awaited instant, in epoch milliseconds. */
  #awaited: number | null = null
  /** Monotonic instant of a {@link resume} after which the time has been in doubt: what is awaited is to be found. */
  #resumedAt: number | null = null
  /** The newest last. */
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
    if (this.#ticked.length > rememberedJumps) this.#ticked.shift()
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
