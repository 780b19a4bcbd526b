import type { JobId } from '@jobistemer/core'
import {
  codec1,
  type CancelRequest,
  cancelRequestOfStored,
  detailsOfStored,
  type OccurrenceDetails,
  type OccurrenceRecord,
  type Owner,
  parseStored,
  priorityStepMs,
  withRunsOfStored,
} from '@jobistemer/core/storage'
import { idOf, type OccurrenceKey } from './occurrence-key.ts'
import { lanes } from './schema.ts'

const { isRecovered, kindOf, parseRuns, stateCodes, stateOf } = codec1

/** A row of one of the three tables of occurrences, in the columns of {@link occurrenceColumns}. */
export type OccurrenceRow = readonly [
  /** The lane (see `lanes`) of a waiting occurrence, the row number of a finished one, 0 for a running one. */
  place: number,
  job: number,
  scheduledAt: number,
  key: OccurrenceKey,
  state: number,
  kind: number,
  token: number,
  sequence: number,
  rescues: number,
  owner: number | null,
  jobVersion: number,
  dueAt: number,
  createdAt: number,
  startedAt: number | null,
  finishedAt: number | null,
  timeout: number,
  reason: string | null,
  cancel: string | null,
  details: string | null,
  runs: string | null,
  /**
   * The instant from which a claim may take the occurrence. Set only in lists of waiting occurrences that are sorted by
   * this instant.
   */
  claimAt?: number,
  /** The position in the order of waiting occurrences. Only in lists of waiting occurrences by `claimAt`. */
  orderAt?: number,
]

const tail = 'timeout, reason, cancel, details'
const liveColumns = `kind, token, sequence, rescues, owner, job_version, due_at, created_at, started_at, NULL, ${tail}`
const waitingState = `CASE lane WHEN ${lanes.queued} THEN ${stateCodes.queued} ELSE ${stateCodes.pending} END`
/** SQL for the scheduled time in a row of `waiting`, computed from the row's position in the order of waiting occurrences. */
export const waitingScheduledAt: string = `(order_at + priority * ${priorityStepMs})`

// The history stores each instant as a difference from an earlier instant of the same occurrence. A difference takes
// one or two bytes, an instant six.
const finishedColumns = `kind, token, sequence, rescues, owner, job_version, scheduled_at + due_in,
  scheduled_at + created_in, scheduled_at + created_in + started_in, scheduled_at + created_in + finished_in, ${tail}`

/** SQL select list of each table for an {@link OccurrenceRow}. */
export const occurrenceColumns: Readonly<Record<'running' | 'waiting' | 'history', string>> = {
  running: `0, job, scheduled_at, id, ${stateCodes.running}, ${liveColumns}, runs`,
  waiting: `lane, job, ${waitingScheduledAt}, id, ${waitingState}, ${liveColumns}, runs`,
  history: `row, job, scheduled_at, id, state, ${finishedColumns}, runs`,
}

/** Returns the instant at which a finished occurrence ended. */
export function finishedAtOf(row: OccurrenceRow): number {
  return row[14] as number
}

/** Whether a node has started the occurrence. */
export function hasRun(row: OccurrenceRow): boolean {
  return row[6] > 0
}

/** Converts the numbers of owners and handler keys in a row to their names. */
export interface RowNames {
  jobIdOf(row: number): JobId
  ownerOf(row: number): Owner
}

export function readOccurrence(row: OccurrenceRow, names: RowNames, withRuns = true): OccurrenceRecord {
  const [, job, scheduledAt, key, stateCode, kind, token, sequence, rescues, owner, jobVersion] = row
  const [, , , , , , , , , , , dueAt, createdAt, startedAt, finishedAt, timeout, reason, cancel, details, runs] = row
  const state = stateOf(stateCode)
  return {
    id: idOf(key),
    jobId: names.jobIdOf(job),
    scheduledAt,
    kind: kindOf(kind),
    state,
    token,
    sequence,
    owner: owner === null ? null : names.ownerOf(owner),
    jobVersion,
    dueAt,
    createdAt,
    startedAt,
    finishedAt,
    executionTimeoutMs: timeout,
    deadlineAt: state === 'running' && startedAt !== null ? startedAt + timeout : null,
    reason,
    recovered: isRecovered(kind),
    rescues,
    cancelRequest: cancel === null ? null : cancelRequestOfStored(parseStored(cancel)),
    ...withRunsOfStored(readDetails(details), withRuns ? parseRuns(runs, scheduledAt) : []),
  }
}

/** Parses the details of an occurrence. Returns an empty object without a text, as most slots are stored. */
function readDetails(text: string | null): OccurrenceDetails {
  return text === null ? {} : detailsOfStored(parseStored(text))
}

export function printCancelRequest(request: CancelRequest | null): string | null {
  return request === null ? null : JSON.stringify(request)
}
