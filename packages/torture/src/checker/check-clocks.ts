import type { HistoryLine } from '../record/history.ts'
import type { RunView } from './run-view.ts'
import type { Violation } from './violation.ts'

type Granted = Extract<HistoryLine, { readonly event: 'granted' }>

// Tolerance for the inaccuracy of two readings of the machine's wall time, in ms.
const readingMs = 5

// Maximum wait for a processor between the reading of the time and the call, in ms. A longer wait is recorded as a stall.
const stallMs = 1000

/** How far the times in the engines' requests were ahead of and behind the right times at most, in ms. */
export interface ClockErrors {
  readonly aheadMs: number
  readonly behindMs: number
  /** The greatest error that the check tolerates because of slow readings of the storage's clock, in ms. */
  readonly toleranceMs: number
}

/** Checks that each engine used the right time: the storage's clock, or the clock of its own process. */
export function checkClocks(view: RunView): readonly Violation[] {
  const violations: Violation[] = []
  for (const grant of view.lines('granted')) {
    const { occurrence, job, life, sentAt } = grant
    const errorMs = errorOf(view, grant)
    const toleranceMs = view.clocks.toleranceMs(life, sentAt) + readingMs
    if (errorMs <= toleranceMs && (!isExact(view, grant) || errorMs >= -toleranceMs - stallMs)) continue
    const message = `${life} took the time for ${Math.abs(Math.round(errorMs))} ms ${errorMs > 0 ? 'later' : 'earlier'} than it was`
    violations.push({ rule: 'clock', job, occurrence, message })
  }
  return violations
}

/** Returns the maximum clock errors of a run. */
export function clockErrors(view: RunView): ClockErrors {
  let aheadMs = 0
  let behindMs = 0
  for (const grant of view.lines('granted')) {
    const errorMs = errorOf(view, grant)
    aheadMs = Math.max(aheadMs, errorMs)
    if (isExact(view, grant)) behindMs = Math.max(behindMs, -errorMs)
  }
  return { aheadMs, behindMs, toleranceMs: view.clocks.slowestReadingMs }
}

/** Returns how far the time in a request was ahead of the right time for its engine, in ms. */
function errorOf(view: RunView, { now, wall, mono, sentAt, life, by }: Granted): number {
  return now - (wall - (mono - sentAt)) - view.clocks.offsetMs(life, by === 'claim' ? sentAt : 'latest')
}

/**
 * Returns whether the time in the request must equal the time of the engine's clock when the request was sent. This is
 * true for a claim of a process that was not stopped. The time in a create may be older: the engine's clock was set, or
 * the call was repeated.
 */
function isExact(view: RunView, { by, life, sentAt }: Granted): boolean {
  return by === 'claim' && !view.wasStopped(life, sentAt)
}
