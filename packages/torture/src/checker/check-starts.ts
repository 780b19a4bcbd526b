import { occurrenceId } from '@jobistemer/core'
import { type OccurrenceRecord, slotOf } from '@jobistemer/core/storage'
import type { WitnessStart } from '../record/witness.ts'
import type { CheckedJob } from './recorded-run.ts'
import { groupBy } from './group-by.ts'
import { attemptKey, type RunView } from './run-view.ts'
import type { Rule, Violation } from './violation.ts'

/**
 * Checks each start of a handler: the occurrence must be known and due, the owner's token must be valid, and the node must not
 * have been shut down. Also checks that no attempt started twice.
 */
export function checkStarts(view: RunView): readonly Violation[] {
  const violations: Violation[] = []
  const asked = new Set<string>(view.lines('asked').map((line) => line.key))
  const downAt = new Map<string, number>(view.lines('down').map((line) => [line.life, line.mono]))
  for (const start of view.starts) {
    const report = (rule: Rule, message: string): void => {
      violations.push({ rule, job: start.job, occurrence: start.occurrence, message })
    }
    const down = downAt.get(start.life)
    if (down !== undefined && start.mono > down) {
      report('start-after-shutdown', `${name(start)} started ${ms(start.mono - down)} after its node was shut down`)
    }
    const early = earliness(view, start)
    if (early !== null) report('start-early', early)
    const stale = staleness(view, start)
    if (stale !== null) report('start-stale', stale)
    const job = view.job(start.job)
    const record = view.record(start.occurrence)
    if (job === undefined) report('start-unknown', `there is no job ${start.job}`)
    else if (record !== undefined)
      for (const [rule, message] of recordProblems(view, start, record, job, asked)) report(rule, message)
    else if (!isPruned(view, start))
      report('start-unknown', `${name(start)} started, but the ledger has no such occurrence`)
  }
  return [...violations, ...startedTwice(view)]
}

function earliness(view: RunView, start: WitnessStart): string | null {
  const { scheduledAt, wall, takenAt } = start
  const what = `of ${time(scheduledAt)}, ${name(start)}`
  if (wall + view.clocks.aheadMs < scheduledAt) return `${what}, started ${ms(scheduledAt - wall)} early`
  // `takenAt` is a time of the owner's clock, and `createdAt` of the clock of the node that created the occurrence. If
  // one of these times is not before the scheduled time, its clock was ahead. The early start is then no violation.
  const knownAt = Math.max(takenAt, view.record(start.occurrence)?.createdAt ?? Number.POSITIVE_INFINITY)
  if (knownAt >= scheduledAt) return null
  return `${what}, started ${ms(scheduledAt - knownAt)} early by the clocks of its nodes`
}

function startedTwice(view: RunView): readonly Violation[] {
  const violations: Violation[] = []
  for (const starts of groupBy(view.starts, attemptKey).values()) {
    const [first, second] = starts
    if (first === undefined || second === undefined) continue
    const message = `${name(first)} started ${starts.length} times, in ${starts.map((start) => start.life).join(' and ')}`
    violations.push({ rule: 'start-twice', job: first.job, occurrence: first.occurrence, message })
  }
  return violations
}

function staleness(view: RunView, start: WitnessStart): string | null {
  const supersededAt = view.supersededAt(start)
  if (supersededAt === null) return null
  const since = `under token ${start.token}, which had been dead for ${ms(start.mono - supersededAt)}`
  if (!view.wasDecidedBefore(start, supersededAt)) return `${name(start)} started ${since}`
  // The owner decided on this start before it lost the token. So the late start alone is no violation. It is a
  // violation if the attempt of a later owner does not have a higher number.
  const later = (view.startsOf.get(start.occurrence) ?? []).find(
    (other) => other.task === start.task && other.token > start.token && other.attempt <= start.attempt,
  )
  return later === undefined ? null : `${name(start)} started ${since}, after attempt ${later.attempt} of a newer owner`
}

function* recordProblems(
  view: RunView,
  start: WitnessStart,
  record: OccurrenceRecord,
  job: CheckedJob,
  asked: ReadonlySet<string>,
): Iterable<readonly [Rule, string]> {
  const { scheduledAt, kind } = record
  const slot = slotOf(record.details) ?? scheduledAt
  if (slot !== start.scheduledAt || kind !== start.kind) {
    yield [
      'start-unknown',
      `the handler received ${start.kind} ${time(start.scheduledAt)}, the ledger has ${kind} ${time(slot)}`,
    ]
  }
  if (kind === 'slot') {
    if (![...job.slots(scheduledAt - 1, scheduledAt)].includes(scheduledAt))
      yield ['start-unknown', `${time(scheduledAt)} is not a slot of the schedule`]
    if (start.occurrence !== occurrenceId(job.id, scheduledAt)) {
      yield ['start-unknown', `it does not have the id of slot ${time(scheduledAt)}`]
    }
  } else if (!asked.has(record.details.requestKey ?? '')) {
    yield ['start-unknown', `no request asked for this ${kind}: its key is ${record.details.requestKey ?? 'missing'}`]
  }
  if (start.token > record.token) {
    yield [
      'start-unwritten',
      `${name(start)} had token ${start.token}, but the last token in the ledger is ${record.token}`,
    ]
  }
  const run = record.runs.find((one) => one.task === start.task)
  const isWritten = run?.attempts.some((attempt) => attempt.number === start.attempt) === true
  if (!isWritten && !isKnownByClaim(view, start, record)) {
    yield ['start-unwritten', `${name(start)} started, but the ledger has ${run?.attempts.length ?? 0} attempts of it`]
  }
}

/**
 * Returns whether the ledger may lack this first attempt. The stored claim counts as its record until the owner stores
 * the attempt itself. If a cancel by force ends the occurrence before that, the ledger never contains the attempt.
 */
function isKnownByClaim(view: RunView, { attempt }: WitnessStart, { id, runs }: OccurrenceRecord): boolean {
  return attempt === 1 && runs.length === 0 && view.wasForced(id)
}

function isPruned(view: RunView, start: WitnessStart): boolean {
  const head = view.run.ledger.jobs.find((job) => job.name === start.job)
  return head != null && head.pruneFloor !== null && start.scheduledAt <= head.pruneFloor
}

function name({ task, attempt }: WitnessStart): string {
  return `attempt ${attempt} of ${task}`
}

function time(at: number): string {
  return new Date(at).toISOString()
}

function ms(duration: number): string {
  return `${Math.round(duration)} ms`
}
