import { lastYear } from './calendar.ts'
import type { LocalTimes } from './local-times.ts'
import { nowhere, type OffsetSpan, type ZoneOffsets } from './zone-offsets.ts'

/** Rules that map local times to instants at offset changes. */
export interface OffsetChangeRules {
  /**
   * For a local time that the clock skips: `shift` maps it to the first instant after the gap, `skip` to no instant.
   */
  readonly gap: 'shift' | 'skip'
  /** For a local time that the clock shows twice: maps it to the first instant, the last one, or both. */
  readonly fold: 'first' | 'last' | 'both'
}

const secondsPerDay = 86_400

// Length of the calendar's cycle, in seconds: dates and weekdays repeat after 400 years. For an instant from the year
// 2600 on, the kernel first subtracts whole cycles. It computes the earlier instant, and adds the cycles again. This is
// correct, because from that year on all offset changes follow yearly rules.
const cycleSeconds = 146_097 * secondsPerDay
const lastDirectSecond = Math.floor(Date.UTC(2600, 0, 1) / 1000)

const firstSecond = -62_135_596_800
const lastSecond = Math.floor(Date.UTC(lastYear, 11, 31, 23, 59, 59) / 1000)

/**
 * Maps the local times of a cron expression to instants in a time zone, by the rules for offset changes. A search
 * visits one span of equal offset after the other. Within such a span, an instant is the local time minus the offset.
 *
 * The instants are in the years 1 to 9999 UTC.
 */
export class CronKernel {
  readonly #times: LocalTimes
  readonly #zone: ZoneOffsets
  readonly #shiftGaps: boolean
  readonly #firstOfFold: boolean
  readonly #lastOfFold: boolean
  readonly #earliest: number
  readonly #latest: number
  readonly #isCyclic: boolean
  /** The span in which the last search ended. The next search often begins in the same span. */
  #span: OffsetSpan = nowhere

  constructor(times: LocalTimes, zone: ZoneOffsets, rules: OffsetChangeRules) {
    this.#times = times
    this.#zone = zone
    this.#shiftGaps = rules.gap === 'shift'
    this.#firstOfFold = rules.fold === 'first'
    this.#lastOfFold = rules.fold === 'last'
    // The bounds are in UTC, but `times.first` and `times.last` are local times. The margin of 2 days exceeds the sum
    // of the largest offset and the largest gap.
    this.#earliest = Math.max(firstSecond, times.first - 2 * secondsPerDay)
    this.#latest = Math.min(lastSecond, times.last + 2 * secondsPerDay)
    this.#isCyclic = this.#latest > lastDirectSecond
  }

  /** `true` if no year has a day that matches the expression. */
  get isEmpty(): boolean {
    return this.#times.isEmpty
  }

  /** Returns the first instant strictly after `afterMs`, in epoch milliseconds; `null` after the last instant. */
  nextMs(afterMs: number): number | null {
    const after = Math.max(Math.floor(afterMs / 1000), this.#earliest - 1)
    if (after >= this.#latest) return null
    let second: number
    if (after < lastDirectSecond || !this.#isCyclic) second = this.#next(after)
    else {
      const shift = cyclesBeyond(after)
      second = this.#next(after - shift) + shift
    }
    return second > this.#latest ? null : second * 1000
  }

  /** Returns the last instant strictly before `beforeMs`, in epoch milliseconds; `null` before the first instant. */
  previousMs(beforeMs: number): number | null {
    const before = Math.min(Math.ceil(beforeMs / 1000), this.#latest + 1)
    if (before <= this.#earliest) return null
    let second: number
    if (before < lastDirectSecond || !this.#isCyclic) second = this.#previous(before)
    else {
      const shift = cyclesBeyond(before)
      second = this.#previous(before - shift) + shift
    }
    return second < this.#earliest ? null : second * 1000
  }

  #next(after: number): number {
    const times = this.#times
    let span = this.#span
    if (after < span.settledFrom || after >= span.settledTo) {
      span = this.#zone.spanAt(after)
      this.#span = span
    }
    let from = after + span.offset
    if (this.#firstOfFold && span.offsetBefore > span.offset) {
      // At the start of this span, the clock repeats local times of the previous span. With fold `first`, the schedule
      // fires at these local times only in the previous span, so the search skips them here.
      const repeatedUntil = span.start + span.offsetBefore
      if (from < repeatedUntil) from = repeatedUntil - 1
    }
    let time = times.next(from)
    for (;;) {
      while (time - span.offset >= span.settledTo && span.next === undefined) {
        if (isTooFar(span.settledTo - after) || span.settledTo > this.#latest) return Number.POSITIVE_INFINITY
        this.#zone.extendForward()
      }
      const end = span.end + (this.#lastOfFold ? Math.min(span.offset, span.offsetAfter) : span.offset)
      if (time < end) {
        this.#span = span
        return time - span.offset
      }
      const next = span.next
      if (next === undefined || isTooFar(next.start - after)) return Number.POSITIVE_INFINITY
      const start = next.start + next.offset
      if (next.offset > span.offset) {
        if (time < start) {
          if (this.#shiftGaps) return next.start
          time = times.next(start - 1)
        }
      } else if (!this.#firstOfFold) time = times.next(start - 1)
      span = next
    }
  }

  #previous(before: number): number {
    const times = this.#times
    let span = this.#span
    if (before - 1 < span.settledFrom || before - 1 >= span.settledTo) {
      span = this.#zone.spanAt(before - 1)
      this.#span = span
    }
    let until = before + span.offset
    if (this.#lastOfFold) until = Math.min(until, span.end + span.offsetAfter)
    let time = times.previous(until)
    for (;;) {
      while (time - span.offset < span.settledFrom && span.previous === undefined) {
        if (isTooFar(before - span.settledFrom) || span.settledFrom < this.#earliest) return Number.NEGATIVE_INFINITY
        this.#zone.extendBackward()
      }
      const start = span.start + (this.#firstOfFold ? Math.max(span.offset, span.offsetBefore) : span.offset)
      if (time >= start) {
        this.#span = span
        return time - span.offset
      }
      const previous = span.previous
      if (previous === undefined || isTooFar(before - previous.end)) return Number.NEGATIVE_INFINITY
      const end = span.start + previous.offset
      if (previous.offset < span.offset) {
        if (time >= end) {
          if (this.#shiftGaps) return span.start
          time = times.previous(end)
        }
      } else if (!this.#lastOfFold) time = times.previous(end)
      span = previous
    }
  }
}

/**
 * Returns whether the search has covered 400 years. The calendar repeats after 400 years, so the schedule then has no
 * further instant.
 */
function isTooFar(seconds: number): boolean {
  return seconds > cycleSeconds
}

/**
 * Returns how many seconds to subtract from an instant so that the result is before the year 2600: a multiple of the 400-year
 * cycle.
 */
function cyclesBeyond(second: number): number {
  return (Math.floor((second - lastDirectSecond) / cycleSeconds) + 1) * cycleSeconds
}
