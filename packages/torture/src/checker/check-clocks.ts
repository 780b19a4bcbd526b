import type { HistoryLine } from '../record/history.ts'
import type { RunView } from './run-view.ts'
import type { Violation } from './violation.ts'

type Granted = Extract<HistoryLine, { readonly event: 'granted' }>

// The machine's wall time is read in whole milliseconds, twice.
const readingMs = 5

// Between taking the time and sending it, a process may have to wait for a processor. More is a stall, and recorded.
const stallMs = 1000

/** How far the times that engines named were off the time that they should have had, at most; in milliseconds. */
export interface ClockErrors {
  readonly aheadMs: number
  readonly behindMs: number
  /** What the slowest reading of the storage's clock would have excused. */
  readonly toleranceMs: number
}

/** Whether engines had the right time: the storage's, or that of their process's clock. */
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

/** The largest errors of a run. */
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

/** How far the time that a request named was ahead of what it should have been. */
function errorOf(view: RunView, { now, wall, mono, sentAt, life, by }: Granted): number {
  return now - (wall - (mono - sentAt)) - view.clocks.offsetMs(life, by === 'claim' ? sentAt : 'latest')
}

/** A create may name a time that was taken before the clock was set, or before it was sent again: an earlier one. */
function isExact(view: RunView, { by, life, sentAt }: Granted): boolean {
  return by === 'claim' && !view.wasStopped(life, sentAt)
}
