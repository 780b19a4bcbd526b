import type { OccurrenceId } from '@jobistemer/core'
import type { OccurrenceRecord } from '@jobistemer/core/storage'
import type { WitnessStart } from '../record/witness.ts'
import { groupBy } from './group-by.ts'
import type { RunView } from './run-view.ts'
import type { Violation } from './violation.ts'

/** The period in which handlers of one occurrence ran under one token. */
interface Span {
  readonly occurrence: OccurrenceId
  readonly token: number
  readonly first: WitnessStart
  readonly starts: readonly WitnessStart[]
  /** Monotonic times at which the first handler of the span started (`from`) and the last one ended (`to`). */
  readonly from: number
  readonly to: number
}

/**
 * Checks that at most `places` occurrences of a job ran at once. If `places` is 1, also checks that they ran in the
 * order of their slots.
 */
export function checkOverlap(view: RunView): readonly Violation[] {
  const violations: Violation[] = []
  for (const [name, starts] of groupBy(view.starts, (start) => start.job)) {
    const job = view.job(name)
    if (job?.isExclusive !== true) continue
    violations.push(...overlappingHandlers(view, starts, job.places))
    const live = starts.filter((start) => view.supersededAt(start) === null)
    const firsts = firstsOf(live, (start) => start.occurrence)
    // Under a start rate, an occurrence that was reaped may wait for its next start. During this wait, the occurrence
    // holds no place of the job. So the check counts only the periods in which an owner had the occurrence.
    if (job.startRate === null) violations.push(...overlappingRecords(view, firsts, job.places))
    else {
      const ofOwners = firstsOf(live, ({ occurrence, token }) => `${occurrence} ${token}`)
      violations.push(...overlappingRecords(view, ofOwners, job.places, (start) => view.givenUpAt(start)))
    }
    // If several occurrences may run at once, different nodes may start them out of order.
    if (job.places === 1) violations.push(...outOfOrder(firsts))
  }
  return violations
}

/**
 * Returns a violation for each handler that exceeded the job's concurrency limit when it started. Earlier handlers whose
 * owner had already lost the occurrence, by a reap or a cancel by force, do not count.
 */
function overlappingHandlers(view: RunView, starts: readonly WitnessStart[], places: number): readonly Violation[] {
  const violations: Violation[] = []
  let open: Span[] = []
  for (const span of spansOf(view, starts)) {
    open = open.filter((earlier) => earlier.to > span.from)
    const problems = open.flatMap((earlier) => {
      const problem = problemOf(view, earlier, span)
      return problem === null ? [] : [{ earlier, problem }]
    })
    const isOfItself = ({ earlier }: (typeof problems)[number]) => earlier.occurrence === span.occurrence
    const isTooMany = new Set(problems.map(({ earlier }) => earlier.occurrence)).size >= places
    for (const { earlier, problem } of isTooMany ? problems : problems.filter(isOfItself)) {
      const message = `it started in ${span.first.life} while ${earlier.occurrence} ran in ${earlier.first.life}: ${problem}`
      violations.push({ rule: 'overlap', job: span.first.job, occurrence: span.occurrence, message })
    }
    open.push(span)
  }
  return violations
}

function spansOf(view: RunView, starts: readonly WitnessStart[]): readonly Span[] {
  const groups = groupBy(starts, ({ occurrence, token, life }) => `${occurrence} ${token} ${life}`)
  return [...groups.values()]
    .map((group) => {
      const first = group[0] as WitnessStart
      const to = Math.max(...group.map((start) => view.stoppedAt(start)))
      return { occurrence: first.occurrence, token: first.token, first, starts: group, from: first.mono, to }
    })
    .sort((one, other) => one.from - other.from)
}

/** Returns why the later span violates the concurrency limit; `null` if the two spans may overlap. */
function problemOf(view: RunView, earlier: Span, later: Span): string | null {
  // The later handler started under a token that was no longer valid. Another rule reports this error, so this rule ignores it.
  if (view.supersededAt(later.first) !== null) return null
  const hasHandedBack = view
    .lines('settled')
    .some((line) => line.occurrence === earlier.occurrence && line.token === earlier.token && line.change === 'release')
  if (hasHandedBack) return 'its owner had handed it back while its handler ran'
  if (earlier.occurrence === later.occurrence) {
    return later.token > earlier.token ? null : `both under token ${later.token}`
  }
  const record = view.record(earlier.occurrence)
  const end = view.endedWithin(earlier.occurrence, later.first)
  if (record === undefined || end === null) return 'the ledger has no end of it'
  const wasTaken =
    record.token > earlier.token ||
    record.state === 'failed_stale' ||
    view.wasForced(record.id) ||
    earlier.starts.some((start) => wasLost(record, start))
  if (!wasTaken) return `no node had taken it from its owner; it is ${record.state}`
  const isRated = view.job(earlier.first.job)?.startRate !== null
  const freeAt = isRated ? Math.min(end.from, view.givenUpAt(earlier.first)) : end.from
  return freeAt <= later.first.mono ? null : `it ended ${Math.round(end.from - later.first.mono)} ms later`
}

/**
 * Returns whether the ledger marks the attempt as lost. If it does, the owner has lost the occurrence, even if the
 * occurrence was canceled and has no later owner.
 */
function wasLost({ runs }: OccurrenceRecord, { task, attempt }: WitnessStart): boolean {
  const run = runs.find((one) => one.task === task)
  return run?.attempts.find(({ number }) => number === attempt)?.state === 'lost'
}

function firstsOf(starts: readonly WitnessStart[], keyOf: (start: WitnessStart) => string): readonly WitnessStart[] {
  return [...groupBy(starts, keyOf).values()].map((group) => group[0] as WitnessStart)
}

/**
 * Returns occurrences that exceed the job's concurrency limit. Each occurrence counts from its first start until its
 * end in the ledger, or until it frees its place.
 */
function overlappingRecords(
  view: RunView,
  firsts: readonly WitnessStart[],
  places: number,
  givenUpAt: (start: WitnessStart) => number = () => Number.POSITIVE_INFINITY,
): readonly Violation[] {
  const violations: Violation[] = []
  let open: { readonly occurrence: OccurrenceId; readonly endedAt: number }[] = []
  for (const first of firsts) {
    open = open.filter(({ endedAt }) => endedAt > first.mono)
    const [earlier] = open
    if (earlier !== undefined && open.length >= places) {
      const message = `it ran ${Math.round(earlier.endedAt - first.mono)} ms before ${earlier.occurrence} ended in the ledger`
      violations.push({ rule: 'overlap', job: first.job, occurrence: first.occurrence, message })
    }
    const endedAt = view.endedWithin(first.occurrence, first)?.from ?? Number.POSITIVE_INFINITY
    open.push({ occurrence: first.occurrence, endedAt: Math.min(endedAt, givenUpAt(first)) })
  }
  return violations
}

function outOfOrder(firsts: readonly WitnessStart[]): readonly Violation[] {
  const violations: Violation[] = []
  let latest: WitnessStart | null = null
  for (const first of firsts) {
    // Triggers and replays need not start in the order of their instants.
    if (first.kind !== 'slot') continue
    if (latest !== null && first.scheduledAt < latest.scheduledAt) {
      const message = `slot ${time(first.scheduledAt)} started after slot ${time(latest.scheduledAt)}`
      violations.push({ rule: 'order', job: first.job, occurrence: first.occurrence, message })
    }
    latest = first
  }
  return violations
}

function time(at: number): string {
  return new Date(at).toISOString()
}
