import {
  cancelRequestOfStored,
  claimableFrom,
  codec1,
  detailsOfStored,
  finalStates,
  isFinal,
  type LedgerHead,
  type OccurrenceRecord,
  type OccurrenceState,
  orderAt,
  parseStored,
  priorityStepMs,
  withRunsOfStored,
} from '@jobistemer/core/storage'
import { jobIdOf, occurrenceIdOf } from './ids.ts'
import { numberOf, numberOrNull, readText, readTextOrNull, type Row, storeTextOrNull } from './sql.ts'
import type { WrittenColumn } from './step-functions.ts'

/**
 * The groups of live occurrences, as codes in the column `state`. A code gives the state, and for a pending occurrence
 * also the reason of its wait. These lanes are not the lanes of a backfill.
 */
export const lanes = {
  /** The occurrence is pending, and a claim may take the occurrence. */
  ready: 0,
  /** The occurrence is pending, and becomes claimable at a known instant: its due time, or the end of its job's pause. */
  delayed: 1,
  /** The occurrence is pending, and its job is paused without an end. */
  parked: 2,
  queued: 3,
  running: 4,
} as const

/**
 * In this schema, the code of a state is greater than its code in core's codec. This number is the difference. It does not
 * apply to pending occurrences, which have several codes in this schema.
 */
const shift = lanes.parked

/** The codes of each state. Stored data contain them, so a code never changes. */
export const stateCodes: Readonly<Record<OccurrenceState, readonly number[]>> = Object.fromEntries([
  ['pending', [lanes.ready, lanes.delayed, lanes.parked]],
  ...(['queued', 'running', ...finalStates] as const).map((state) => [state, [codec1.stateCodes[state] + shift]]),
])

/** The kind codes of slots, including recovered slots. */
export const slotCodes: readonly number[] = [codec1.kindCode('slot', false), codec1.kindCode('slot', true)]

function stateOf(code: number): OccurrenceState {
  return codec1.stateOf(Math.max(0, code - shift))
}

/** Returns the only code of a state that is not pending. */
export function stateCode(state: OccurrenceState): number {
  return stateCodes[state][0] as number
}

const { parseRuns, printDetails, printRuns } = codec1

/** SQL for the scheduled time in a row of `live`, whose column `order_at` includes the priority. */
export const liveScheduledAt: string = `(order_at + coalesce(priority, 0) * ${priorityStepMs})`

const columnsWith = (
  scheduledAt: string,
) => `id, job, ${scheduledAt}, state, kind, token, sequence, rescues, job_version,
  owner, due_at, created_at, started_at, timeout, reason, cancel, details, runs`

/**
 * SQL select list of the table `live`, for a subquery of {@link withOwners}. {@link readOccurrence} reads the resulting
 * rows.
 */
export const liveColumns: string = `${columnsWith(`${liveScheduledAt} AS scheduled_at`)}, NULL::bigint AS finished_at`

/** Like {@link liveColumns}, for the table `history`. */
export const historyColumns: string = `${columnsWith('scheduled_at')}, finished_at`

/**
 * Returns SQL that joins owners to the rows of a subquery over {@link liveColumns} or {@link historyColumns}. Without `runs`,
 * the server does not read and send the task runs: their results may have hundreds of kilobytes. `more`: further columns.
 */
export function withOwners(schema: string, subquery: string, runs = true, more = ''): string {
  const columns = runs ? 'o.*' : historyColumns.replace('runs', 'NULL AS runs') + more
  return `SELECT ${columns}, w.node, w.incarnation FROM (${subquery}) o LEFT JOIN ${schema}.owners w ON w.row = o.owner`
}

export function readOccurrence(row: Row, withRuns = true): OccurrenceRecord {
  const scheduledAt = numberOf(row.scheduled_at)
  const state = stateOf(numberOf(row.state))
  const kind = numberOf(row.kind)
  const startedAt = numberOrNull(row.started_at)
  const timeout = numberOf(row.timeout)
  return {
    id: occurrenceIdOf(row.id),
    jobId: jobIdOf(row.job),
    scheduledAt,
    kind: codec1.kindOf(kind),
    state,
    token: numberOf(row.token),
    sequence: numberOf(row.sequence),
    owner: row.node === null ? null : { node: readText(row.node), incarnation: readText(row.incarnation) },
    jobVersion: numberOf(row.job_version),
    dueAt: numberOf(row.due_at),
    createdAt: numberOf(row.created_at),
    startedAt,
    finishedAt: numberOrNull(row.finished_at),
    executionTimeoutMs: timeout,
    deadlineAt: state === 'running' && startedAt !== null ? startedAt + timeout : null,
    reason: readTextOrNull(row.reason),
    recovered: codec1.isRecovered(kind),
    rescues: numberOf(row.rescues),
    cancelRequest: row.cancel === null ? null : cancelRequestOfStored(parseStored(row.cancel as string)),
    ...withRunsOfStored(
      row.details === null ? {} : detailsOfStored(parseStored(row.details as string)),
      withRuns ? parseRuns(row.runs as string | null, scheduledAt) : [],
    ),
  }
}

/** Returns the column values of a written occurrence by name, without its id, its job and its owner. */
export function writeOccurrence(
  record: OccurrenceRecord,
  head: Pick<LedgerHead, 'paused'>,
): Readonly<Record<WrittenColumn, number | string | null>> {
  const { state, scheduledAt, cancelRequest } = record
  const waits = state === 'pending' || state === 'queued'
  const claimAt = state === 'pending' ? claimableFrom(head, record.dueAt) : Number.POSITIVE_INFINITY
  return {
    order_at: waits ? orderAt(record) : scheduledAt,
    priority: waits ? (record.details.priority ?? null) : null,
    state: state === 'pending' ? laneOf(record, claimAt) : stateCode(state),
    kind: codec1.kindCode(record.kind, record.recovered),
    token: record.token,
    sequence: record.sequence,
    rescues: record.rescues,
    job_version: record.jobVersion,
    due_at: record.dueAt,
    created_at: record.createdAt,
    started_at: record.startedAt,
    timeout: record.executionTimeoutMs,
    reason: storeTextOrNull(record.reason),
    cancel: cancelRequest === null ? null : JSON.stringify(cancelRequest),
    details: printDetails(record.details),
    runs: printRuns(record.runs, scheduledAt),
    claim_at: Number.isFinite(claimAt) ? claimAt : null,
    finished_at: isFinal(state) ? record.finishedAt : null,
  }
}

/**
 * Returns the group of a pending occurrence:
 * - `ready`: a claim may take the occurrence since its creation.
 * - `delayed`: a claim may take the occurrence only from a later instant on.
 * - `parked`: the job is paused without an end.
 */
function laneOf({ createdAt }: OccurrenceRecord, claimAt: number): number {
  if (!Number.isFinite(claimAt)) return lanes.parked
  return claimAt <= createdAt ? lanes.ready : lanes.delayed
}
