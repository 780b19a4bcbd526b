import type { OccurrenceRecord } from '@jobistemer/core/storage'
import type { RunView } from './run-view.ts'
import type { Violation } from './violation.ts'

/**
 * Checks that in no interval more occurrences of a job started than its start rate allows. Uses the instant of each
 * occurrence's last start in the ledger, because the storage counts starts by these instants.
 */
export function checkStartRate(view: RunView): readonly Violation[] {
  const violations: Violation[] = []
  for (const { id, name, startRate } of view.run.jobs) {
    if (startRate === null) continue
    const { limit, intervalMs } = startRate
    const started = [...view.run.ledger.occurrences.values()].filter(
      (record): record is OccurrenceRecord & { startedAt: number } => record.jobId === id && record.startedAt !== null,
    )
    started.sort((first, second) => first.startedAt - second.startedAt)
    for (const [index, { startedAt }] of started.entries()) {
      const next = started[index + limit]
      if (next === undefined || next.startedAt - startedAt >= intervalMs) continue
      const message = `it started ${next.startedAt - startedAt} ms after the ${limit}th before it, and ${limit} may in ${intervalMs} ms`
      violations.push({ rule: 'start-rate', job: name, occurrence: next.id, message })
    }
  }
  return violations
}
