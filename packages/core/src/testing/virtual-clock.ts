import type { Clock, Timer } from '../clock.ts'
import { type DurationInput, toDurationMs } from '../duration.ts'
import { IndexedHeap } from '../engine/loop/indexed-heap.ts'
import { JobistemerError } from '../errors.ts'
import { type InstantInput, toInstantMs } from '../instant.ts'
import { afterThisTurn } from '../system-clock.ts'

/** A clock that stands still until it is told to move. */
export interface VirtualClock extends Clock {
  /**
   * Moves time forward by a duration, running everything that is due on the way, in order, with no real waiting.
   * @throws JobistemerError `INVALID_DURATION`
   */
  advance(duration: DurationInput): Promise<void>
  /** Moves time forward to an instant. @throws JobistemerError `INVALID_INSTANT` when it lies in the past. */
  advanceTo(instant: InstantInput): Promise<void>
  /**
   * Sets the wall clock, forwards or backwards, without the monotonic one: what NTP or an operator does.
   * @throws JobistemerError `INVALID_INSTANT`
   */
  jumpTo(instant: InstantInput): Promise<void>
  /** Lets everything that can happen at this instant happen. */
  settle(): Promise<void>
  /**
   * Resolves when this much virtual time has passed: what a handler under test waits with. Rejects with the signal's
   * reason when that fires before.
   * @throws JobistemerError `INVALID_DURATION`
   */
  sleep(duration: DurationInput, signal?: AbortSignal): Promise<void>
}

// A turn can start work whose answer comes a turn or two later; three quiet ones in a row mean that nothing is left.
const quietTurns = 3

interface VirtualTimer {
  at: number
  heapIndex: number
  /** How many timers were set before. */
  readonly number: number
  readonly callback: () => void
  cancelled: boolean
}

/**
 * A clock for tests, starting at `start`. Its chance repeats itself for the same `seed` (default 1).
 *
 * `advance` waits for calls to the storage, however long they really take, and for handlers as far as they wait for
 * nothing but promises and this clock.
 *
 * @example
 * const clock = virtualClock('2026-01-01T00:00:00Z')
 * const scheduler = createScheduler({ storage: memoryStorage(), jobs: [job], clock })
 * await scheduler.start()
 * await clock.advance({ days: 3 })
 *
 * @throws JobistemerError `INVALID_INSTANT`
 */
export function virtualClock(start: InstantInput, options: { readonly seed?: number } = {}): VirtualClock {
  let randomState = (options.seed ?? 1) >>> 0
  let monotonic = 0
  let wall = toInstantMs(start, 'start')
  let changes = 0
  let timerCount = 0
  const pending = new Set<Promise<unknown>>()
  const timers = new IndexedHeap<VirtualTimer>()

  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < quietTurns; ) {
      const before = changes
      if (pending.size > 0) await Promise.allSettled(pending)
      await new Promise<void>((resolve) => afterThisTurn(resolve))
      quiet = before === changes && pending.size === 0 ? quiet + 1 : 0
    }
  }

  async function advanceBy(milliseconds: number): Promise<void> {
    await settle()
    const end = monotonic + milliseconds
    for (let timer = timers.peek(); timer !== undefined && timer.at <= end; timer = timers.peek()) {
      const step = Math.max(0, timer.at - monotonic)
      monotonic += step
      wall += step
      callDueTimers()
      await settle()
    }
    wall += end - monotonic
    monotonic = end
  }

  /** Timers of one instant are called in one turn, in the order in which they were set, as the machine's clock does. */
  function callDueTimers(): void {
    const due: VirtualTimer[] = []
    for (let timer = timers.peek(); timer !== undefined && timer.at <= monotonic; timer = timers.peek()) {
      timers.pop()
      due.push(timer)
    }
    due.sort((left, right) => left.number - right.number)
    for (const timer of due) {
      changes++
      if (!timer.cancelled) timer.callback()
    }
  }

  const clock: VirtualClock = {
    isAuthoritative: true,
    now: () => wall,
    monotonic: () => monotonic,
    // Mulberry32 (Tommy Ettinger, public domain): small, and good enough for jitter.
    random() {
      randomState = (randomState + 0x6d2b79f5) >>> 0
      let mixed = Math.imul(randomState ^ (randomState >>> 15), randomState | 1)
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
    },
    track(promise) {
      changes++
      pending.add(promise)
      const done = () => {
        changes++
        pending.delete(promise)
      }
      promise.then(done, done)
    },
    setTimer(delayMs, callback): Timer {
      changes++
      const at = monotonic + Math.min(Math.max(delayMs, 0), 60_000)
      const timer: VirtualTimer = { at, heapIndex: -1, number: timerCount++, callback, cancelled: false }
      timers.push(timer)
      return {
        cancel: () => {
          timer.cancelled = true
          timers.remove(timer)
        },
      }
    },
    advance: (duration) => advanceBy(toDurationMs(duration, 'duration')),
    async advanceTo(instant) {
      const target = toInstantMs(instant)
      if (target < wall) {
        throw new JobistemerError('INVALID_INSTANT', {
          message: `The clock stands at ${new Date(wall).toISOString()}, after ${new Date(target).toISOString()}.`,
          field: 'instant',
          value: instant,
          remedy: 'Use jumpTo to set the wall clock back.',
        })
      }
      await advanceBy(target - wall)
    },
    async jumpTo(instant) {
      wall = toInstantMs(instant)
      await settle()
    },
    settle,
    sleep(duration, signal) {
      const milliseconds = toDurationMs(duration, 'duration')
      return new Promise((resolve, reject) => {
        let timer: Timer | undefined
        const end = monotonic + milliseconds
        const look = () => {
          if (monotonic < end) {
            timer = clock.setTimer(end - monotonic, look)
            return
          }
          signal?.removeEventListener('abort', abort)
          resolve()
        }
        const abort = () => {
          timer?.cancel()
          reject(signal?.reason)
        }
        if (signal?.aborted) {
          reject(signal.reason)
          return
        }
        signal?.addEventListener('abort', abort, { once: true })
        look()
      })
    },
  }
  return clock
}
