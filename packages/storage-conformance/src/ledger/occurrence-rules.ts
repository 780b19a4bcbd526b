import { missedRangeId, occurrenceId } from '@jobistemer/core'
import {
  isDelayed,
  isFinal,
  type JobRecord,
  type OccurrenceRecord,
  type OccurrenceState,
  type TaskRunRecord,
} from '@jobistemer/core/storage'
import type { LedgerRule, LedgerViolation } from './ledger-report.ts'

/** States that only an owner or a reaper sets. An occurrence in such a state must have been started before. */
const claimedStates: readonly OccurrenceState[] = [
  'running',
  'completed',
  'completed_with_errors',
  'failed',
  'failed_stale',
]

/** Checks the rules that concern a single occurrence record. */
export function checkRecord(job: JobRecord, record: OccurrenceRecord): readonly LedgerViolation[] {
  const violations: LedgerViolation[] = []
  const expect = (holds: boolean, rule: LedgerRule, message: string): void => {
    if (!holds)
      violations.push({ rule, jobId: job.id, occurrenceId: record.id, message: `${record.state}: ${message}` })
  }
  const { state, token, sequence, rescues, owner, startedAt, finishedAt, deadlineAt } = record

  expect(record.jobId === job.id, 'id', `it says it belongs to ${record.jobId}`)
  if (record.kind === 'slot') {
    const { span } = record.details
    // The record of a range of missed slots has an id of its own, which core derives from the first slot of the range.
    const isRange = state === 'missed' && span !== undefined && span.count > 1
    const id = isRange ? missedRangeId(job.id, span.from) : occurrenceId(job.id, record.scheduledAt)
    const what = isRange ? `the missed range from ${text(span.from)}` : `slot ${text(record.scheduledAt)}`
    expect(record.id === id, 'id', `not the id of ${what}`)
  } else {
    expect(record.id !== occurrenceId(job.id, record.scheduledAt), 'id', `a ${record.kind} took the id of a slot`)
  }
  expect(record.jobVersion >= 1 && record.jobVersion <= job.version, 'version', `version ${record.jobVersion}`)

  expect(isFinal(state) === (finishedAt !== null), 'state', `finishedAt is ${text(finishedAt)}`)
  // The check does not compare the end with `createdAt`, because each node stores times of its own clock. If the clock of the
  // ending node is slow, the stored end is before the stored creation.
  const deadline = state === 'running' && startedAt !== null ? startedAt + record.executionTimeoutMs : null
  expect(deadlineAt === deadline, 'state', `deadlineAt is ${text(deadlineAt)}, expected ${text(deadline)}`)
  expect(state !== 'skipped' || record.reason !== null, 'state', 'no reason is given')
  expect(state !== 'missed' || record.reason !== null, 'state', 'no reason is given')
  const { span } = record.details
  expect(
    state !== 'missed' || span === undefined || span.from === record.scheduledAt,
    'state',
    'its range begins elsewhere',
  )
  expect(span === undefined || (span.from <= span.to && span.count >= 1), 'state', 'its range is empty')

  expect(token >= 0 && sequence >= 0, 'token', `token ${token}, sequence ${sequence}`)
  expect((token === 0) === (owner === null), 'token', `token ${token} with owner ${owner?.incarnation ?? 'null'}`)
  expect((token === 0) === (startedAt === null), 'token', `token ${token} with startedAt ${text(startedAt)}`)
  expect(token > 0 || (sequence === 0 && record.runs.length === 0), 'token', 'an owner spoke before the first claim')
  // Each owner of an occurrence gets a new token, and each rescue takes the occurrence from an owner. So each token allows at
  // most one rescue. The owner of a running occurrence still has the occurrence, so its token allows no rescue.
  const taken = state === 'running' ? token - 1 : token
  expect(rescues >= 0 && rescues <= Math.max(0, taken), 'token', `${rescues} rescues at token ${token}`)
  expect(token > 0 || !claimedStates.includes(state), 'token', 'no owner ever claimed it')

  for (const problem of attemptProblems(record.runs, state)) expect(false, 'attempts', problem)
  return violations
}

function* attemptProblems(runs: readonly TaskRunRecord[], state: OccurrenceState): Iterable<string> {
  const names = new Set(runs.map((run) => run.task))
  if (names.size !== runs.length) yield 'a task has two runs'
  for (const { task, attempts, omitted } of runs) {
    let gap = omitted?.attempts ?? 0
    let number = 0
    for (const [index, attempt] of attempts.entries()) {
      const unfinished = attempt.state === 'running' || attempt.state === 'waiting'
      number++
      // The storage may leave out attempts between the first and the last attempts. `gap` is the number of attempts that it has
      // left out.
      if (attempt.number === number + gap) {
        number += gap
        gap = 0
      }
      if (attempt.number !== number) yield `attempt ${number} of ${task} has the number ${attempt.number}`
      if (unfinished !== (attempt.endedAt === null))
        yield `attempt ${attempt.number} of ${task} is ${attempt.state} with endedAt ${text(attempt.endedAt)}`
      if (unfinished && index < attempts.length - 1)
        yield `attempt ${attempt.number} of ${task} did not end before the next`
      // A forced cancellation ends the occurrence without its owner, so its attempts may remain unfinished.
      if (unfinished && isFinal(state) && state !== 'canceled') yield `attempt ${attempt.number} of ${task} never ended`
    }
    if (gap !== 0) yield `${task} lacks ${gap} attempts that are said to be left out`
  }
}

/** Checks the rules about active and queued occurrences of one job. */
export function checkOverlap(
  job: JobRecord,
  history: readonly OccurrenceRecord[],
  /** `null`: any number. */
  places: number | null,
): readonly LedgerViolation[] {
  const violations: LedgerViolation[] = []
  const active = history.filter((record) => record.state === 'running' || isActivePending(record))
  const running = active.filter(({ state }) => state === 'running')
  const queued = history.filter(({ state }) => state === 'queued')
  if (places !== null && running.length > places) {
    const ids = running.map((record) => record.id).join(', ')
    violations.push({ rule: 'overlap', jobId: job.id, occurrenceId: null, message: `running at once: ${ids}` })
  } else if (places !== null && active.length > places) {
    const ids = active.map((record) => `${record.id} (${record.state})`).join(', ')
    violations.push({ rule: 'overlap', jobId: job.id, occurrenceId: null, message: `active at once: ${ids}` })
  }
  const overlaps = job.overlap.policy === 'allow'
  // Until an interrupted `replace` is complete, queued occurrences may wait without an active one.
  if (job.cancelsBelow === null && (active.length === 0 || overlaps)) {
    for (const record of queued) {
      const message = overlaps
        ? 'it is queued, and its job lets occurrences overlap'
        : 'it is queued, and nothing is active that could wake it'
      violations.push({ rule: 'stranded', jobId: job.id, occurrenceId: record.id, message })
    }
  }
  return violations
}

/** Returns whether a pending occurrence is active. A delayed occurrence is not active. */
function isActivePending(record: OccurrenceRecord): boolean {
  return record.state === 'pending' && !isDelayed(record)
}

function text(value: number | null): string {
  return value === null ? 'null' : new Date(value).toISOString()
}
