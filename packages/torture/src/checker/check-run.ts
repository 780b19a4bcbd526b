import { checkAnswers } from './check-answers.ts'
import { checkClocks } from './check-clocks.ts'
import { checkEnds } from './check-ends.ts'
import { checkOverlap } from './check-overlap.ts'
import { checkProcesses } from './check-processes.ts'
import { checkRecords } from './check-records.ts'
import { checkStartRate } from './check-start-rate.ts'
import { checkStarts } from './check-starts.ts'
import { checkRows } from './check-rows.ts'
import { checkTakeovers } from './check-takeovers.ts'
import type { RecordedRun } from './recorded-run.ts'
import { RunView } from './run-view.ts'
import type { Violation } from './violation.ts'

/**
 * Checks a recorded run against all rules. The lines that handlers wrote at their starts and ends, the storage's
 * answers and the ledger must agree.
 */
export function checkRun(run: RecordedRun): readonly Violation[] {
  const view = new RunView(run)
  return [
    ...checkStarts(view),
    ...checkOverlap(view),
    ...checkStartRate(view),
    ...checkAnswers(view),
    ...checkClocks(view),
    ...checkRecords(view),
    ...checkRows(view),
    ...checkProcesses(view),
    ...checkTakeovers(view),
  ]
}

/**
 * Checks a run whose storage loses acknowledged writes. For such a run, the checks apply only the rules about ends, processes
 * and takeovers.
 */
export function checkLossyRun(run: RecordedRun): readonly Violation[] {
  const view = new RunView(run)
  return [...checkEnds(view), ...checkProcesses(view), ...checkTakeovers(view)]
}
