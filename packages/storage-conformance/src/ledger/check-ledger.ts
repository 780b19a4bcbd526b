import assert from 'node:assert/strict'
import type { OccurrenceId } from '@jobistemer/core'
import type { JobRecord, Storage } from '@jobistemer/core/storage'
import {
  checkCounts,
  checkDue,
  checkHeads,
  checkLiveLists,
  checkSlots,
  checkStarts,
  checkVersions,
} from './job-rules.ts'
import { checkOrder } from './order-rule.ts'
import type { LedgerExpectations, LedgerReport, LedgerRule, LedgerViolation } from './ledger-report.ts'
import { viewLedger } from './ledger-view.ts'
import { checkOverlap, checkRecord } from './occurrence-rules.ts'
import { checkFailures, checkLatest } from './outcome-rules.ts'

/**
 * Checks all stored records against the invariants of the storage protocol. No caller may write to the storage during
 * the check.
 */
export async function checkLedger(storage: Storage, expectations: LedgerExpectations = {}): Promise<LedgerReport> {
  const view = await viewLedger(storage)
  const exclusive = expectations.exclusive ?? ((job: JobRecord) => job.overlap.policy !== 'allow')
  const wasSetBack = expectations.setBack ?? (() => false)
  const violations: LedgerViolation[] = []
  const seen = new Set<OccurrenceId>()
  let occurrences = 0
  for (const job of view.jobs) {
    const history = view.histories.get(job.id) ?? []
    occurrences += history.length
    for (const record of history) {
      violations.push(...checkRecord(job, record))
      if (seen.has(record.id)) violations.push(violation('id', job, record.id, 'the id occurs twice'))
      seen.add(record.id)
      if (expectations.atRest === true && record.finishedAt === null) {
        violations.push(violation('unfinished', job, record.id, `it is still ${record.state}`))
      }
    }
    violations.push(
      ...checkOverlap(job, history, exclusive(job) ? (job.overlap.maxConcurrency ?? 1) : null),
      ...checkHeads(job, history, wasSetBack(job)),
      ...checkStarts(job, history),
    )
    if (expectations.oneClock === true) violations.push(...checkOrder(job, history))
    if (expectations.slots !== undefined) violations.push(...checkSlots(job, history, expectations.slots))
  }
  violations.push(...checkVersions(view), ...checkLiveLists(view), ...checkCounts(view), ...checkDue(view))
  violations.push(...checkFailures(view), ...checkLatest(view))
  return { jobs: view.jobs.length, occurrences, violations }
}

/**
 * Checks all stored records as {@link checkLedger} does.
 * @throws AssertionError that lists all violations
 */
export async function assertLedger(storage: Storage, expectations: LedgerExpectations = {}): Promise<LedgerReport> {
  const report = await checkLedger(storage, expectations)
  assert.equal(
    report.violations.length,
    0,
    `the ledger breaks ${report.violations.length} rules:\n${report.violations.map(printViolation).slice(0, 20).join('\n')}`,
  )
  return report
}

function printViolation({ rule, jobId, occurrenceId, message }: LedgerViolation): string {
  return `  ${rule}: ${occurrenceId ?? jobId ?? 'all jobs'}: ${message}`
}

function violation(rule: LedgerRule, job: JobRecord, occurrenceId: OccurrenceId, message: string): LedgerViolation {
  return { rule, jobId: job.id, occurrenceId, message }
}
