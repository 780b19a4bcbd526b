import type { OccurrenceId } from '@jobistemer/core'
import type { OccurrenceRecord, TaskRunRecord } from '@jobistemer/core/storage'
import type { RunView } from './run-view.ts'
import type { Rule, Violation } from './violation.ts'

/**
 * Checks that the ledger contains all acknowledged writes. Also checks that the ledger agrees with the lines that
 * handlers wrote at their starts and ends.
 */
export function checkRecords(view: RunView): readonly Violation[] {
  const names = new Map<string, string>(view.run.jobs.map((job) => [job.id, job.name]))
  const violations: Violation[] = []
  for (const record of view.run.ledger.occurrences.values()) {
    for (const run of record.runs) {
      for (const message of runProblems(view, record, run)) {
        violations.push({ rule: 'end-missing', job: names.get(record.jobId) ?? null, occurrence: record.id, message })
      }
    }
  }
  return [...violations, ...lostWrites(view)]
}

function* runProblems(
  view: RunView,
  { id }: OccurrenceRecord,
  { task, state, attempts }: TaskRunRecord,
): Iterable<string> {
  const succeeded = attempts.filter((attempt) => attempt.state === 'succeeded')
  if (state === 'completed' && succeeded.length !== 1) {
    yield `${task} is completed with ${succeeded.length} attempts that succeeded`
  }
  if (state !== 'completed' && succeeded.length > 0) yield `${task} is ${state}, although an attempt succeeded`
  if (succeeded.length > 0 && attempts.at(-1)?.state !== 'succeeded') yield `${task} was retried after it had succeeded`
  for (const { number, state: outcome } of attempts) {
    if (outcome !== 'succeeded' && outcome !== 'failed') continue
    const attempt = { occurrence: id, task, attempt: number }
    if (!view.hasStart(attempt)) yield `attempt ${number} of ${task} ${outcome}, and no handler saw it start`
    const end = view.endOf(attempt)
    if (end === undefined) yield `attempt ${number} of ${task} ${outcome}, and no handler saw it end`
    // A handler that completes in its transaction cannot know whether the commit succeeded. The rows of the user's
    // table show whether it did.
    else if (end.outcome !== outcome && end.outcome !== 'moved')
      yield `attempt ${number} of ${task} ${outcome} in the ledger, but ${end.outcome} in truth`
  }
}

/** Returns writes that the storage acknowledged and that the ledger lacks. */
function lostWrites(view: RunView): readonly Violation[] {
  const violations: Violation[] = []
  const expect = (holds: boolean, occurrence: OccurrenceId, message: string): void => {
    if (!holds) violations.push({ rule: 'write-lost' satisfies Rule, job: null, occurrence, message })
  }
  for (const { occurrence, life } of view.lines('created')) {
    expect(view.record(occurrence) !== undefined, occurrence, `${life} created it, but the ledger does not have it`)
  }
  for (const { occurrence } of view.lines('accepted')) {
    expect(view.record(occurrence) !== undefined, occurrence, 'a request was accepted, but the ledger does not have it')
  }
  for (const { occurrence, token, life } of view.lines('granted')) {
    const stored = view.record(occurrence)?.token ?? 0
    expect(stored >= token, occurrence, `${life} was given token ${token}, the ledger has ${stored}`)
  }
  for (const { occurrence, token, sequence, state, life } of view.lines('settled')) {
    const record = view.record(occurrence)
    const isThere =
      record !== undefined && (record.token > token || (record.token === token && record.sequence >= sequence))
    expect(isThere, occurrence, `settle ${sequence} of ${life} under token ${token} is not in the ledger`)
    if (state === null || record === undefined) continue
    const isEnd = record.token === token && record.state === state
    expect(
      isEnd,
      occurrence,
      `${life} ended it as ${state} under token ${token}, it is ${record.state} under ${record.token}`,
    )
  }
  return violations
}
