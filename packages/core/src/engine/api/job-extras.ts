import { orDefault, readChoice, readList } from '../../configuration/read-value.ts'
import { occurrenceId } from '../../ids.ts'
import { type Occurrence, occurrenceOf } from '../../occurrence.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { type FinalState, finalStates, type OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { LiveCounts } from '../../storage/storage.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { readJobDocument } from '../../job/job-document.ts'
import { KnownCapabilities } from '../cluster/node-code.ts'
import { callEndsAtOf, deathOf, hasEnded } from '../cluster/peer-record.ts'

/** The requested data of a job that is not in its head. */
export interface Extras {
  readonly lastRun: boolean
  readonly counts: boolean
  /** Whether to read if a living node has the code of the jobs. */
  readonly code: boolean
  /** Only jobs whose latest run ended in one of these states; `null`: all jobs. */
  readonly outcomes: readonly FinalState[] | null
}

/**
 * The latest run of a job that has ended. Occurrences that were skipped, missed, or canceled before their start do not count.
 */
export type LastRun = Pick<
  Occurrence,
  'id' | 'state' | 'reason' | 'scheduledAt' | 'slot' | 'startedAt' | 'finishedAt' | 'node'
>

/** The part of a filter that needs more than the heads. */
interface ExtrasFilter {
  readonly lastOutcome?: FinalState | readonly FinalState[]
  readonly include?: readonly ('lastRun' | 'counts' | 'code')[]
}

/** The data of a job in a list that is not in its head. */
export interface FoundExtras {
  readonly lastRun?: LastRun | null
  readonly counts?: LiveCounts
}

/** @throws JobistemerError `INVALID_ARGUMENT` */
export function readExtras({ include, lastOutcome }: ExtrasFilter): Extras {
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

/** A job of a list with its requested data. */
export interface JobWithExtras {
  readonly record: JobRecord
  readonly extras: FoundExtras
  /** The next slot was canceled ahead, and no node has passed it yet. */
  readonly isNextCanceled: boolean
}

/** Returns the jobs of a page with their requested data, filtered by the outcome of the latest run. One storage call. */
export async function withExtras(
  jobs: readonly JobRecord[],
  { lastRun, counts, outcomes }: Omit<Extras, 'code'>,
  storage: StorageCalls,
): Promise<readonly JobWithExtras[]> {
  const ids = jobs.map(({ id }) => id)
  const slots = jobs.flatMap(({ id, nextAt }) => (nextAt === null ? [] : [occurrenceId(id, nextAt)]))
  if (slots.length === 0 && ((!lastRun && !counts) || jobs.length === 0)) {
    return jobs.map((record) => ({ record, extras: {}, isNextCanceled: false }))
  }
  const found = await storage.once((calls) =>
    calls.get({
      ...(lastRun && { latest: ids }),
      ...(counts && { counts: ids }),
      ...(slots.length > 0 && { occurrences: slots }),
    }),
  )
  let place = 0
  const all = jobs.map((record, index): JobWithExtras => {
    const latest = lastRun ? { lastRun: lastRunOf(found.latest[index] ?? null) } : {}
    const slot = record.nextAt === null ? null : found.occurrences[place++]
    return {
      record,
      extras: { ...latest, ...(counts && { counts: found.counts[index] as LiveCounts }) },
      isNextCanceled: slot?.state === 'canceled',
    }
  })
  return outcomes === null
    ? all
    : all.filter(({ extras }) => extras.lastRun != null && isOneOf(outcomes, extras.lastRun))
}

function isOneOf(outcomes: readonly FinalState[], { state }: LastRun): boolean {
  return outcomes.some((outcome) => outcome === state)
}

export function lastRunOf(record: OccurrenceRecord | null): LastRun | null {
  if (record === null) return null
  // Omits the task runs: the digests of their ids would take most of the time for 10,000 jobs.
  const { id, state, reason, scheduledAt, slot, startedAt, finishedAt, node } = occurrenceOf({ ...record, runs: [] })
  return { id, state, reason, scheduledAt, slot, startedAt, finishedAt, node }
}

/**
 * Returns whether a living node has the code of a job. `null`: unknown, for one of these reasons:
 * - No node lives.
 * - The code of a node exceeds the size of a profile.
 * - A node is a call of `runDue`. Another call after it may have the code.
 */
export type HasCode = (job: JobRecord) => boolean | null

/** Determines from the stored profiles of living nodes which jobs they have code for. */
export class LivingCode {
  readonly #known = new KnownCapabilities()

  /** Reads the nodes, and the profiles of builds that this process does not know yet. */
  async read(storage: StorageCalls, now: number): Promise<HasCode> {
    const request = { now, own: null, remove: [] }
    const { nodes } = await storage.once((calls) => calls.heartbeat({ ...request, profilesOf: [] }))
    const living = nodes.filter((record) => !hasEnded(record) && deathOf(record) === null)
    await this.#known.learn(living, (profilesOf) =>
      storage.once((calls) => calls.heartbeat({ ...request, profilesOf })),
    )
    const isCertain = living.length > 0 && living.every((record) => callEndsAtOf(record) === null)
    const capabilities = living.map((record) => this.#known.of(record))
    return ({ id, definition }) => {
      const job = { id, tasks: readJobDocument(definition).tasks }
      if (capabilities.some((one) => one?.canRun(job))) return true
      return isCertain && !capabilities.includes(undefined) ? false : null
    }
  }
}
