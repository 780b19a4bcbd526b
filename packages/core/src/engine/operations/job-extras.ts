import { orDefault, readChoice, readList } from '../../configuration/read-value.ts'
import { occurrenceOf } from '../../occurrence.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { type FinalState, finalStates, type OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { LiveCounts } from '../../storage/storage.ts'
import type { StorageCalls } from '../loop/storage-caller.ts'
import type { JobInfo, JobsFilter, LastRun } from './job-catalog.ts'

/** What of a job does not stand in its head, as far as it is asked for. */
export interface Extras {
  readonly lastRun: boolean
  readonly counts: boolean
  /** Whether a living node has the code of the jobs. */
  readonly code: boolean
  /** Only jobs whose latest run ended in one of these; `null`: all. */
  readonly outcomes: readonly FinalState[] | null
}

type Found = Pick<JobInfo, 'lastRun' | 'counts'>

/** @throws JobistemerError `INVALID_ARGUMENT` */
export function readExtras({ include, lastOutcome }: JobsFilter): Extras {
  const field = 'filter.include'
  const included = readList(orDefault(include, []), field).map((name, index) =>
    readChoice(name, ['lastRun', 'counts', 'code'], `${field}[${index}]`),
  )
  const outcomes = lastOutcome === undefined ? null : readOutcomes(lastOutcome)
  return {
    lastRun: included.includes('lastRun') || outcomes !== null,
    counts: included.includes('counts'),
    code: included.includes('code'),
    outcomes,
  }
}

function readOutcomes(wanted: FinalState | readonly FinalState[]): readonly FinalState[] {
  const field = 'filter.lastOutcome'
  if (!Array.isArray(wanted)) return [readChoice(wanted, finalStates, field)]
  return wanted.map((state, index) => readChoice(state, finalStates, `${field}[${index}]`))
}

/** The jobs of a page whose latest run ended as asked for, with what else is wanted of them: one call. */
export async function withExtras(
  jobs: readonly JobRecord[],
  { lastRun, counts, outcomes }: Omit<Extras, 'code'>,
  storage: StorageCalls,
): Promise<readonly (readonly [JobRecord, Found])[]> {
  if ((!lastRun && !counts) || jobs.length === 0) return jobs.map((job) => [job, {}])
  const ids = jobs.map(({ id }) => id)
  const found = await storage.once((calls) =>
    calls.get({ ...(lastRun && { latest: ids }), ...(counts && { counts: ids }) }),
  )
  const all = jobs.map((job, index): readonly [JobRecord, Found] => {
    const latest = lastRun ? { lastRun: lastRunOf(found.latest[index] ?? null) } : {}
    return [job, { ...latest, ...(counts && { counts: found.counts[index] as LiveCounts }) }]
  })
  return outcomes === null ? all : all.filter(([, { lastRun: last }]) => last != null && isOneOf(outcomes, last))
}

function isOneOf(outcomes: readonly FinalState[], { state }: LastRun): boolean {
  return outcomes.some((outcome) => outcome === state)
}

export function lastRunOf(record: OccurrenceRecord | null): LastRun | null {
  if (record === null) return null
  // The ids of tasks and attempts are digests: of 10,000 jobs they would take longer than all the rest.
  const { id, state, reason, scheduledAt, startedAt, finishedAt, node } = occurrenceOf({ ...record, runs: [] })
  return { id, state, reason, scheduledAt, startedAt, finishedAt, node }
}
