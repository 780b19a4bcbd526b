import type { OccurrenceRecord } from '@jobistemer/core/storage'
import { clockErrors } from '../checker/check-clocks.ts'
import { RunView } from '../checker/run-view.ts'
import type { RecordedRun } from '../checker/recorded-run.ts'
import { takeoversOf } from './takeovers.ts'
import type { TortureFigures } from './torture-report.ts'

type Counted = Pick<
  TortureFigures,
  | 'crashes'
  | 'lives'
  | 'occurrences'
  | 'attempts'
  | 'missedSlots'
  | 'recovered'
  | 'starts'
  | 'lateStarts'
  | 'reapedAsFailed'
  | 'reapedToRetry'
  | 'rescued'
  | 'nodesLost'
  | 'takeovers'
  | 'refusedWrites'
  | 'storageFailures'
  | 'clockErrors'
  | 'rows'
>

/** Computes the numbers of the report from a recorded run. */
export function countFigures(run: RecordedRun): Counted {
  const view = new RunView(run)
  const records = [...run.ledger.occurrences.values()]
  const attempts = records.flatMap((record) => record.runs.flatMap((taskRun) => taskRun.attempts))
  const reaped = view.lines('reaped')
  return {
    crashes: view.lines('crashing').length,
    lives: view.lines('spawned').length,
    occurrences: countBy(records, (record) => record.state),
    attempts: countBy(attempts, (attempt) => attempt.state),
    missedSlots: sum(records.map(missedSlots)),
    recovered: records.filter((record) => record.recovered && record.state !== 'missed').length,
    starts: view.starts.length,
    lateStarts: view.starts.filter((start) => view.supersededAt(start) !== null).length,
    reapedAsFailed: reaped.filter((line) => line.action === 'fail').length,
    reapedToRetry: reaped.filter((line) => line.action === 'retry').length,
    rescued: records.filter((record) => record.token > 1 && record.state !== 'failed_stale').length,
    nodesLost: reaped.filter((line) => line.reason === 'node_lost').length,
    takeovers: takeoversOf(view),
    refusedWrites: view.lines('refused').length,
    storageFailures: countBy(view.lines('storage-failed'), (line) => line.code),
    clockErrors: clockErrors(view),
    rows: run.rows === null ? null : run.rows.length,
  }
}

function missedSlots(record: OccurrenceRecord): number {
  return record.state === 'missed' ? (record.details.span?.count ?? 1) : 0
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function countBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const item of items) {
    const key = keyOf(item)
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}
