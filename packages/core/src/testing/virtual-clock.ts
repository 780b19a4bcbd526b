import type { Clock, Timer } from '../clock.ts'
import { type DurationInput, toDurationMs } from '../duration.ts'
import { readObject } from '../configuration/read-value.ts'
import { IndexedHeap } from '../engine/runtime/indexed-heap.ts'
import { invalidValue } from '../errors.ts'
import { type InstantInput, toInstantMs } from '../instant.ts'
import { sleepOn } from '../sleep.ts'
import { afterThisTurn, eventsHeard, systemClock } from '../system-clock.ts'
import { UserWork } from './user-work.ts'
import { idleLookMs, upkeepMs } from '../tuning.ts'

/** A clock for tests that stands still until a test moves it. */
export interface VirtualClock extends Clock {
  /**
   * Moves time forward by a duration and calls the timers that come due, in order. `advance` takes real time only while the
   * storage, a handler or a hook does real work.
   * @throws JobistemerError `INVALID_DURATION`
   */
  advance(duration: DurationInput): Promise<void>
  /**
   * Moves time forward to an instant.
   * @throws JobistemerError `INVALID_INSTANT` if the instant is past.
   */
  advanceTo(instant: InstantInput): Promise<void>
  /**
   * Sets the wall clock forward or back, but not the monotonic clock, as NTP or an operator does.
   * @throws JobistemerError `INVALID_INSTANT`
   */
  jumpTo(instant: InstantInput): Promise<void>
  /** Waits for storage calls, handlers and hooks as {@link advance} does, but does not move time. */
  settle(): Promise<void>
  /**
   * Resolves after the duration in virtual time, for tests and for handlers without `context.sleep`. If the signal fires first,
   * `sleep` rejects with the signal's reason.
   * @throws JobistemerError `INVALID_DURATION`
   */
  sleep(duration: DurationInput, signal?: AbortSignal): Promise<void>
}

/** Options of {@link virtualClock}. */
export interface VirtualClockOptions {
  /** Seed of the clock's random numbers. Equal seeds give equal numbers. Default 1. */
  readonly seed?: number
  /**
   * How long, in real time, the clock waits for a handler or a hook that shows no activity. Default 100 ms. With 0, the clock
   * does not wait.
   *
   * Each event from outside the process, such as the end of a file read, restarts the wait. At the latest, the clock stops
   * waiting after fifty times the patience.
   */
  readonly patience?: DurationInput
}

interface VirtualTimer {
  at: number
  heapIndex: number
  /** Number of timers that were set before this timer. */
  readonly number: number
  readonly callback: () => void
  cancelled: boolean
}

/**
 * Makes a clock for tests. Its time begins at `start`. Time passes only when the work of the present instant is done:
 * - The clock waits for storage calls, however long they take in real time.
 * - The clock waits for handlers and hooks, but not while they wait for this clock (`context.sleep`, `clock.sleep`).
 * - If a handler or hook shows no activity for the `patience`, the clock stops waiting for it. The clock then assumes that
 *   the handler hangs or waits for virtual time, such as for its timeout.
 *
 * @example
 * const clock = virtualClock('2026-01-01T00:00:00Z')
 * const scheduler = createScheduler({ storage: memoryStorage(), jobs: [job], clock })
 * await scheduler.start()
 * await clock.advance({ days: 3 })
 *
 * @throws JobistemerError `INVALID_INSTANT`, `INVALID_DURATION`, `UNKNOWN_OPTION`
 */
export function virtualClock(start: InstantInput, options: VirtualClockOptions = {}): VirtualClock {
  readObject(options, 'options', ['seed', 'patience'])
  const patienceMs = toDurationMs(options.patience ?? 100, 'patience')
  let randomState = (options.seed ?? 1) >>> 0
  let monotonic = 0
  let wall = toInstantMs(start, 'start')
  let changes = 0
  const onChange = new Set<() => void>()
  let timerCount = 0
  /** Number of moves of the clock so far. */
  let moves = 0
  /** Number of moves of the clock that have begun and not ended. */
  let movesUnderWay = 0
  let advancesUnderWay = 0
  const pending = new Set<Promise<unknown>>()
  const timers = new IndexedHeap<VirtualTimer>()
  const work = new UserWork(changed)

  function changed(): void {
    changes++
    for (const wake of onChange) wake()
  }

  async function settle(): Promise<void> {
    for (;;) {
      // The answer to a call may come up to two turns of the event loop after the call. So all work has ended only if nothing
      // changes in three successive turns.
      for (let quiet = 0; quiet < 3; ) {
        const before = changes
        if (pending.size > 0) await Promise.allSettled(pending)
        await new Promise<void>((resolve) => afterThisTurn(resolve))
        quiet = before === changes && pending.size === 0 ? quiet + 1 : 0
      }
      if (!work.holdsTime) return
      if (!(await somethingHappens())) work.giveUp()
    }
  }

  /** Waits for real work of handlers. Returns false if no handler has shown activity within the patience. */
  async function somethingHappens(): Promise<boolean> {
    const before = changes
    // One pass of this loop waits a tenth of the patience. An event from outside the process restarts the count of idle passes,
    // because a handler may have caused the event. The loop ends after ten idle passes in a row, or after 500 passes.
    for (let idle = 0, parts = 0; idle < 10 && parts < 500; parts++) {
      const heard = eventsHeard()
      if (patienceMs > 0) await changeOrPause(patienceMs / 10)
      if (changes !== before) return true
      idle = eventsHeard() === heard ? idle + 1 : 0
    }
    return false
  }

  /** Resolves at the next change of the handlers' work, or after `milliseconds` of real time. */
  function changeOrPause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        pause.cancel()
        onChange.delete(wake)
        resolve()
      }
      const pause = systemClock.setTimer(milliseconds, wake)
      onChange.add(wake)
    })
  }

  function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
    const endWait = work.beginWait()
    return sleepOn(clock, milliseconds, signal).finally(endWait)
  }

  /**
   * Moves the clock. A move waits until each handler has ended or waits for the clock. A handler may move the clock itself, and
   * the move must not wait for this handler. So until the move ends, the handler counts as waiting for the clock.
   */
  async function moving(move: () => Promise<void>): Promise<void> {
    const endWait = work.beginWait()
    moves++
    movesUnderWay++
    try {
      await move()
    } finally {
      movesUnderWay--
      endWait()
    }
  }

  /** Until the promise has settled, moves the clock to the next timer by itself, without a call of `advance`. */
  async function passUntil(promise: Promise<unknown>): Promise<void> {
    let isOver = false
    const end = () => {
      isOver = true
      changed()
    }
    promise.then(end, end)
    while (!isOver) {
      const seen = moves
      await settle()
      const timer = timers.peek()
      if (timer === undefined) await changeOrPause(idleLookMs)
      // Do not move the clock if a test, a handler or a second call has moved it since `seen` was read.
      else if (!isOver && movesUnderWay === 0 && moves === seen) moveTo(timer.at)
    }
  }

  /** Moves to a monotonic instant, and calls the timers that are due at that instant. */
  function moveTo(at: number): void {
    moves++
    const step = Math.max(0, at - monotonic)
    monotonic += step
    wall += step
    callDueTimers()
  }

  async function advanceBy(milliseconds: number): Promise<void> {
    const level = ++advancesUnderWay
    try {
      await settle()
      const end = monotonic + milliseconds
      for (;;) {
        // A handler may begin a further advance during this advance. Wait until the handler's advance has ended. Otherwise
        // this loop would move the clock past the end of the handler's advance.
        while (advancesUnderWay > level) {
          await changeOrPause(idleLookMs)
          await settle()
        }
        const timer = timers.peek()
        if (timer === undefined || timer.at > end) break
        moveTo(timer.at)
        await settle()
      }
      const rest = Math.max(0, end - monotonic)
      wall += rest
      monotonic += rest
    } finally {
      advancesUnderWay--
      changed()
    }
  }

  /** Calls due timers in one turn of the event loop, in the order in which they were set. The machine's clock does the same. */
  function callDueTimers(): void {
    const due: VirtualTimer[] = []
    for (let timer = timers.peek(); timer !== undefined && timer.at <= monotonic; timer = timers.peek()) {
      timers.remove(timer)
      due.push(timer)
    }
    due.sort((left, right) => left.number - right.number)
    for (const timer of due) {
      changed()
      if (!timer.cancelled) timer.callback()
    }
  }

  const clock: VirtualClock = {
    isAuthoritative: true,
    now: () => wall,
    monotonic: () => monotonic,
    // Mulberry32 (Tommy Ettinger, public domain) is small, and good enough for jitter.
    random() {
      randomState = (randomState + 0x6d2b79f5) >>> 0
      let mixed = Math.imul(randomState ^ (randomState >>> 15), randomState | 1)
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
    },
    track(promise) {
      changed()
      pending.add(promise)
      // While the storage call is in progress, the handler that makes it counts as waiting for the clock. The end of the call
      // counts as activity of the handler.
      const endWait = work.beginWait()
      const done = () => {
        changed()
        pending.delete(promise)
        endWait()
      }
      promise.then(done, done)
    },
    // If the patience is 0, leave out `perform`: tracking the handlers would have no effect and cost time.
    ...(patienceMs > 0 && { perform: <T>(call: () => T): T => work.perform(call) }),
    passUntil: (promise) => void passUntil(promise),
    setTimer(delayMs, callback): Timer {
      changed()
      const at = monotonic + Math.max(delayMs, 0)
      const timer: VirtualTimer = { at, heapIndex: -1, number: timerCount++, callback, cancelled: false }
      timers.push(timer)
      return {
        cancel: () => {
          timer.cancelled = true
          timers.remove(timer)
        },
      }
    },
    async advance(duration) {
      const milliseconds = toDurationMs(duration, 'duration')
      await moving(() => advanceBy(milliseconds))
    },
    async advanceTo(instant) {
      const target = toInstantMs(instant)
      if (target < wall) {
        const what = `lies before the time of the clock, ${new Date(wall).toISOString()}`
        throw invalidValue('instant', what, instant, 'Use jumpTo to set the wall clock back.', 'INVALID_INSTANT')
      }
      await moving(() => advanceBy(target - wall))
    },
    async jumpTo(instant) {
      wall = toInstantMs(instant)
      timers.limit(monotonic + upkeepMs)
      await moving(settle)
    },
    settle: () => moving(settle),
    wait,
    sleep: async (duration, signal) => wait(toDurationMs(duration, 'duration'), signal),
  }
  return clock
}
