import type {
  CancelRequest,
  FinalState,
  OccurrenceDetails,
  OccurrenceRecord,
  Owner,
  TaskRunRecord,
} from './occurrence-record.ts'
import { createdId, type CreateDecision } from './rules.ts'
import type { CreateExclusion, CreateItem, CreateRequested, CreateSlot, RecoveryEntry } from './storage.ts'

// Pure functions that adapters share: they return the record of an occurrence at its creation and after each step. Each
// function returns a complete new record, and keeps the members that the step does not change.

// --------------------------------------------------------------------------------------------------------- new records

/** Returns the record of a new slot, trigger or replay, in the state that {@link decideOverlap} has decided. */
export function createdOccurrence(
  item: CreateSlot | CreateRequested,
  decision: Pick<CreateDecision, 'state' | 'reason'>,
  owner: Owner,
  now: number,
): OccurrenceRecord {
  const running = decision.state === 'running'
  return {
    id: createdId(item, decision.state),
    jobId: item.jobId,
    scheduledAt: item.scheduledAt,
    kind: item.kind,
    state: decision.state,
    token: running ? 1 : 0,
    sequence: 0,
    owner: running ? owner : null,
    jobVersion: item.jobVersion,
    dueAt: dueAtOf(item),
    createdAt: now,
    startedAt: running ? now : null,
    finishedAt: decision.state === 'skipped' ? now : null,
    executionTimeoutMs: item.executionTimeoutMs,
    deadlineAt: running ? now + item.executionTimeoutMs : null,
    reason: decision.reason,
    recovered: false,
    rescues: 0,
    cancelRequest: null,
    details: detailsOf(item),
    runs: running && item.runs !== null ? item.runs : [],
  }
}

function detailsOf(item: CreateSlot | CreateRequested): OccurrenceDetails {
  return item.kind === 'slot' || item.key === undefined ? item.details : { ...item.details, keyId: item.key.id }
}

/** Returns whether the item itself allows a start in the step that creates its occurrence. */
export function isStartable(item: CreateSlot | CreateRequested, now: number): boolean {
  return item.runs !== null && dueAtOf(item) <= now
}

/** Returns whether an item is a request that must wait until its `dueAt`. */
export function isForLater(item: CreateSlot | CreateRequested, now: number): boolean {
  return item.kind !== 'slot' && item.dueAt > now
}

function dueAtOf(item: CreateSlot | CreateRequested): number {
  return item.kind === 'slot' ? item.scheduledAt : item.dueAt
}

/** Returns the record of a slot that a person cancels ahead. */
export function excludedOccurrence(item: CreateExclusion, now: number): OccurrenceRecord {
  return {
    ...blank(item, now),
    scheduledAt: item.scheduledAt,
    id: item.id,
    dueAt: item.scheduledAt,
    state: 'canceled',
    finishedAt: now,
    reason: item.reason,
    details: item.details,
  }
}

/** Returns the record of one entry of a recovery. For a run, `state` is the decision of {@link decideRecoveredRun}. */
export function recoveredOccurrence(
  item: Pick<CreateItem, 'jobId' | 'jobVersion'>,
  entry: RecoveryEntry,
  state: 'pending' | 'queued',
  now: number,
): OccurrenceRecord {
  const base = {
    ...blank(item, now),
    id: entry.id,
    scheduledAt: entry.scheduledAt,
    dueAt: entry.scheduledAt,
    recovered: true,
  }
  if (entry.kind === 'run') {
    return { ...base, state, executionTimeoutMs: entry.executionTimeoutMs, details: entry.details }
  }
  return { ...base, state: 'missed', finishedAt: now, reason: entry.reason, details: { span: entry.span } }
}

function blank(item: Pick<CreateItem, 'jobId' | 'jobVersion'>, now: number) {
  return {
    jobId: item.jobId,
    kind: 'slot',
    token: 0,
    sequence: 0,
    owner: null,
    jobVersion: item.jobVersion,
    createdAt: now,
    startedAt: null,
    finishedAt: null,
    executionTimeoutMs: 0,
    deadlineAt: null,
    reason: null,
    recovered: false,
    rescues: 0,
    cancelRequest: null,
    runs: [],
  } as const
}

// --------------------------------------------------------------------------------------------------------- transitions

/** Pending → running: a node claims the occurrence. */
export function claimed(record: OccurrenceRecord, owner: Owner, now: number): OccurrenceRecord {
  return {
    ...record,
    state: 'running',
    token: record.token + 1,
    sequence: 0,
    owner,
    startedAt: now,
    deadlineAt: now + record.executionTimeoutMs,
    reason: null,
  }
}

/** Pending → queued: a claim has found all places of the job taken. */
export function requeued(record: OccurrenceRecord): OccurrenceRecord {
  return { ...record, state: 'queued', reason: null }
}

/** Queued → pending: a place of the job is free. */
export function woken(record: OccurrenceRecord): OccurrenceRecord {
  return { ...record, state: 'pending', reason: null }
}

/** The reason of a pending occurrence that waits because of its job's start rate. */
export const startRateReason = 'start_rate'

/** Delays a pending occurrence until `until`, the next start that the job's start rate allows. */
export function heldBack(record: OccurrenceRecord, until: number): OccurrenceRecord {
  return { ...record, dueAt: until, reason: startRateReason }
}

/** Undoes {@link heldBack} after a change of the start rate. */
export function letGo(record: OccurrenceRecord, now: number): OccurrenceRecord {
  return { ...record, dueAt: Math.min(record.dueAt, now), reason: null }
}

/** Any live state → a final state. */
export function ended(
  record: OccurrenceRecord,
  state: FinalState,
  reason: string | null,
  now: number,
): OccurrenceRecord {
  return { ...record, state, reason, finishedAt: now, deadlineAt: null }
}

/** Running → a final state: the owner ends the occurrence. */
export function finished(
  record: OccurrenceRecord,
  change: {
    readonly state: FinalState
    readonly reason: string | null
    readonly runs: readonly TaskRunRecord[]
    readonly sequence: number
  },
  now: number,
): OccurrenceRecord {
  const { state, reason, runs, sequence } = change
  return { ...record, state, reason, runs, sequence, finishedAt: now, deadlineAt: null }
}

/**
 * A live state → canceled, by `cancel`: a waiting occurrence, or a running one by force. The record keeps the request with its
 * actor.
 */
export function canceledBy(record: OccurrenceRecord, request: CancelRequest, now: number): OccurrenceRecord {
  return { ...ended(record, 'canceled', request.reason, now), cancelRequest: record.cancelRequest ?? request }
}

/** Adds a cancel request to a running occurrence. An earlier request stays. */
export function askedToCancel(record: OccurrenceRecord, request: CancelRequest): OccurrenceRecord {
  return record.cancelRequest === null ? { ...record, cancelRequest: request } : record
}

/**
 * Running → pending, by `release`. If the job was deleted, the occurrence becomes canceled, as the job's waiting occurrences
 * did.
 */
export function handedBack(
  record: OccurrenceRecord,
  change: { readonly dueAt: number; readonly reason: string | null; readonly jobDeleted: boolean },
  now: number,
): OccurrenceRecord {
  if (change.jobDeleted) return ended(record, 'canceled', 'deleted', now)
  return { ...record, state: 'pending', dueAt: change.dueAt, reason: change.reason, deadlineAt: null }
}

/**
 * Running → pending, by `reap` with `retry`. Works as {@link handedBack}, and increments `rescues` unless the job was deleted.
 */
export function rescued(
  record: OccurrenceRecord,
  change: { readonly reason: string; readonly jobDeleted: boolean },
  now: number,
): OccurrenceRecord {
  const changed = handedBack(record, { ...change, dueAt: record.dueAt }, now)
  return changed.state === 'pending' ? { ...changed, rescues: record.rescues + 1 } : changed
}

/** Stores the task runs and the sequence of an accepted `settle` or `reap` in the record. */
export function withRuns(record: OccurrenceRecord, runs: readonly TaskRunRecord[], sequence: number): OccurrenceRecord {
  return { ...record, runs, sequence }
}
