import type { HistoryLine } from '../record/history.ts'
import type { RunView } from './run-view.ts'
import type { Violation } from './violation.ts'

type Granted = Extract<HistoryLine, { readonly event: 'granted' }>

// Two readings of the machine's wall time, each in whole milliseconds.
const readingMs = 5

// Maximum wait for a processor between reading the time and sending it, in ms. A longer wait is recorded as a stall.
const stallMs = 1000

/** The maximum errors of the times that engines named, in ms. */
export interface ClockErrors {
  readonly aheadMs: number
  readonly behindMs: number
  /** The error that the slowest reading of the storage's clock would have excused. */
  readonly toleranceMs: number
}

/** Checks that engines had the right time: the storage's, or that of their process's clock. */
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

/** The maximum errors of a run. */
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

/** How far a request's time was ahead of the time that the engine should have had. */
function errorOf(view: RunView, { now, wall, mono, sentAt, life, by }: Granted): number {
  return now - (wall - (mono - sentAt)) - view.clocks.offsetMs(life, by === 'claim' ? sentAt : 'latest')
}

/** A create may name an older time, taken before the clock was set or before the create was repeated. */
function isExact(view: RunView, { by, life, sentAt }: Granted): boolean {
  return by === 'claim' && !view.wasStopped(life, sentAt)
}
