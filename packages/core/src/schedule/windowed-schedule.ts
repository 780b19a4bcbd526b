import { invalidValue } from '../errors.ts'
import { dateOf, toInstantMs } from '../instant.ts'
import type { InstantInput, Schedule, ScheduleType, ScheduleWindow, SerializedSchedule } from './schedule.ts'

/** The window of a schedule that has neither start nor end. */
export const openWindow: ScheduleWindow = Object.freeze({
  startMs: Number.NEGATIVE_INFINITY,
  endMs: Number.POSITIVE_INFINITY,
})

/**
 * Base class for your own schedules. A subclass implements two searches, `nextAfter` and `previousBefore`. The base class adds
 * the rest of the {@link Schedule} interface, and leaves out instants outside a window.
 *
 * @example
 * class EveryTenSeconds extends WindowedSchedule {
 *   get type() { return everyTenSecondsType }
 *   protected nextAfter(afterMs: number) { return (Math.floor(afterMs / 10_000) + 1) * 10_000 }
 *   protected previousBefore(beforeMs: number) { return (Math.ceil(beforeMs / 10_000) - 1) * 10_000 }
 *   describe() { return 'every 10 seconds' }
 *   toJSON() { return { type: 'every-ten-seconds' } }
 * }
 */
export abstract class WindowedSchedule implements Schedule {
  /** The span in which all instants of the schedule lie. */
  readonly window: ScheduleWindow

  constructor(window: ScheduleWindow = openWindow) {
    this.window = window
  }

  abstract get type(): ScheduleType
  abstract describe(): string
  abstract toJSON(): SerializedSchedule

  /**
   * Returns the first instant strictly after `afterMs`, in epoch milliseconds. The instant may be outside the window: the base
   * class leaves such instants out. `null`: no instant follows.
   */
  protected abstract nextAfter(afterMs: number): number | null
  /**
   * Returns the last instant strictly before `beforeMs`, in epoch milliseconds. The instant may be outside the window: the base
   * class leaves such instants out. `null`: no instant precedes.
   */
  protected abstract previousBefore(beforeMs: number): number | null

  nextMs(afterMs: number): number | null {
    const { startMs, endMs } = this.window
    refuseNotANumber(afterMs, 'after')
    const at = this.nextAfter(afterMs < startMs ? startMs - 1 : afterMs)
    return at === null || at > endMs ? null : at
  }

  previousMs(beforeMs: number): number | null {
    const { startMs, endMs } = this.window
    refuseNotANumber(beforeMs, 'before')
    const at = this.previousBefore(beforeMs > endMs ? endMs + 1 : beforeMs)
    return at === null || at < startMs ? null : at
  }

  next(after: InstantInput): Date | null {
    return dateOf(this.nextMs(toInstantMs(after, 'after')))
  }

  previous(before: InstantInput): Date | null {
    return dateOf(this.previousMs(toInstantMs(before, 'before')))
  }

  between(from: InstantInput, to: InstantInput): IterableIterator<Date> {
    // Check the instants here, so that the call of `between` throws for an invalid instant. A check in the generator would
    // throw only at the first step of the iteration.
    return this.#walk(toInstantMs(from, 'from'), toInstantMs(to, 'to'))
  }

  *#walk(fromMs: number, toMs: number): IterableIterator<Date> {
    for (let at = this.nextMs(fromMs - 1); at !== null && at < toMs; at = this.nextMs(at)) yield new Date(at)
  }
}

function refuseNotANumber(milliseconds: number, field: string): void {
  if (typeof milliseconds === 'number' && !Number.isNaN(milliseconds)) return
  const remedy = 'Give milliseconds here, or call next or previous, which take instants in any form.'
  throw invalidValue(field, 'is not a number of epoch milliseconds', milliseconds, remedy, 'INVALID_INSTANT')
}
