import { isFailure, isFinal, type OccurrenceRecord } from '@jobistemer/core/storage'
import type { LedgerViolation } from './ledger-report.ts'
import type { LedgerView } from './ledger-view.ts'

/** Checks that the list of failures contains exactly the failed occurrences, newest first. */
export function checkFailures({ histories, failures }: LedgerView): readonly LedgerViolation[] {
  const expected = [...histories.values()]
    .flat()
    .filter(({ state }) => isFailure(state))
    .sort((left, right) => (right.finishedAt ?? 0) - (left.finishedAt ?? 0) || (left.id < right.id ? 1 : -1))
  const violations: LedgerViolation[] = []
  for (let index = 0; index < Math.max(expected.length, failures.length); index++) {
    const [should, found] = [expected[index], failures[index]]
    if (should?.id === found?.id) continue
    const message = `number ${index + 1} of the failures is ${nameOf(found)}, and should be ${nameOf(should)}`
    violations.push({ rule: 'failures', jobId: (found ?? should)?.jobId ?? null, occurrenceId: null, message })
  }
  return violations
}

/** Checks that the storage returns, as the latest run of each job, the run that ended last. */
export function checkLatest({ histories, latest }: LedgerView): readonly LedgerViolation[] {
  const violations: LedgerViolation[] = []
  for (const [jobId, history] of histories) {
    const should = history.findLast(({ state, token }) => isFinal(state) && token > 0)
    const found = latest.get(jobId) ?? undefined
    if (should?.id === found?.id) continue
    const message = `the storage finds ${nameOf(found)} as the latest run, the ledger has ${nameOf(should)}`
    violations.push({ rule: 'latest', jobId, occurrenceId: null, message })
  }
  return violations
}

function nameOf(record: OccurrenceRecord | undefined): string {
  return record === undefined ? 'nothing' : `${record.id}, ${record.state}`
}
