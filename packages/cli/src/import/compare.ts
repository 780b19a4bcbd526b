import { systemClock } from '@jobistemer/core'
import type { CheckedJob } from './checked-jobs.ts'
import type { Difference, ImportContext, ImportSource } from './import-source.ts'
import { changeAround, type OffsetChange, offsetAt, offsetChanges } from './offset-changes.ts'
import { dayMs } from './units.ts'

/**
 * A group of instants of one job. Only one side (the source or Jobistemer) has these instants, and the same rule
 * explains all of them.
 */
export interface DifferenceGroup {
  readonly job: string
  readonly side: Difference['side']
  readonly count: number
  readonly first: Date
  readonly last: Date
  /** The rule of the source that explains the differences; `null` if no rule explains them. */
  readonly rule: string | null
}

/** The compared instants of one job: how many are equal, and the differences. */
export interface Comparison {
  readonly job: string
  /** Number of instants that both the source and Jobistemer have. */
  readonly equal: number
  /** The end of the time span in which instants were compared. */
  readonly until: Date
  readonly differences: readonly DifferenceGroup[]
}

/** An import source that can compute instants, as `--compare` requires. */
export type ComparableSource = ImportSource & Required<Pick<ImportSource, 'instantsAfter' | 'rules'>>

const yearMs = 366 * dayMs
/** Maximum number of compared instants of one job. Covers every minute of a year. */
const mostInstants = 530_000
/** Number of instants after which the comparison yields to the event loop, so that Ctrl-C works. */
const turn = 1000

/** Computes a job's instants of the next year with the source's library and with Jobistemer, and compares both series. */
export async function compareJob(
  source: ComparableSource,
  job: CheckedJob,
  context: ImportContext,
): Promise<Comparison> {
  const { checked } = job
  if (checked === null) return { job: job.name, equal: 0, until: new Date(context.now), differences: [] }
  const from = context.now
  const end = from + yearMs
  const timezone = typeof job.schedule?.timezone === 'string' ? job.schedule.timezone : 'UTC'
  const changes = offsetChanges(timezone, from - dayMs, end + dayMs)
  const theirs = await source.instantsAfter(job, from, context)
  const take = (): number => {
    const next = theirs.next()
    return next.done === true || next.value >= end ? Number.POSITIVE_INFINITY : next.value
  }
  const ownAfter = (at: number): number =>
    Math.min(checked.nextMs(at) ?? Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)
  const groups = new Map<string, DifferenceGroup>()
  const explain = (difference: Difference, hasEnded: boolean): string | null => {
    const change = changeAround(changes, difference.at)
    const own = source.explain?.(job, difference, change) ?? null
    if (own !== null) return own
    if (change !== null) return changeText(change, timezone, change.byMs > 0 ? source.rules.gap : source.rules.fold)
    return hasEnded ? (source.rules.end ?? null) : null
  }
  let [equal, seen, until] = [0, 0, end]
  for (let [their, own] = [take(), ownAfter(from)]; ; seen += 1) {
    if (seen % turn === turn - 1) {
      await new Promise<void>((resolve) => systemClock.setTimer(0, resolve))
      context.signal.throwIfAborted()
    }
    const at = Math.min(their, own)
    if (at >= end) break
    if (seen === mostInstants) {
      until = at
      break
    }
    if (their === own) equal += 1
    else {
      const side = at === their ? 'source' : 'jobistemer'
      const rule = explain({ at, side }, their === Number.POSITIVE_INFINITY)
      const { first = new Date(at), count = 0 } = groups.get(side + rule) ?? {}
      groups.set(side + rule, { job: job.name, side, rule, first, last: new Date(at), count: count + 1 })
    }
    const isTheirs = their === at
    if (own === at) own = ownAfter(own)
    if (isTheirs) their = take()
  }
  return { job: job.name, equal, until: new Date(until), differences: [...groups.values()] }
}

function changeText({ at, byMs }: OffsetChange, timezone: string, rule: string): string {
  const local = (offset: number): string => new Date(at + offset).toISOString().slice(11, 16)
  const after = offsetAt(timezone, at)
  const day = new Date(at + after - byMs).toISOString().slice(0, 10)
  return `On ${day} the clocks of ${timezone} go from ${local(after - byMs)} to ${local(after)}. ${rule}`
}
