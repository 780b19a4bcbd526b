import type { CancelRequest, FinalState, OccurrenceRecord, Owner, TaskRunRecord } from './occurrence-record.ts'
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
    details: item.kind === 'slot' || item.key === undefined ? item.details : { ...item.details, keyId: item.key.id },
    runs: running && item.runs !== null ? item.runs : [],
  }
}

/** Returns whether the step that creates the occurrence may start it at once: the item has `runs` and is due at `now`. */
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
  const { reason, details } = item
  return { ...blank(item, item, now), state: 'canceled', finishedAt: now, reason, details }
}

/** Returns the record of one entry of a recovery. For a run, `state` is the decision of {@link decideRecoveredRun}. */
export function recoveredOccurrence(
  item: Pick<CreateItem, 'jobId' | 'jobVersion'>,
  entry: RecoveryEntry,
  state: 'pending' | 'queued',
  now: number,
): OccurrenceRecord {
  const base = { ...blank(item, entry, now), recovered: true }
  if (entry.kind === 'run') {
    return { ...base, state, executionTimeoutMs: entry.executionTimeoutMs, details: entry.details }
  }
  return { ...base, state: 'missed', finishedAt: now, reason: entry.reason, details: { span: entry.span } }
}

function blank(
  { jobId, jobVersion }: Pick<CreateItem, 'jobId' | 'jobVersion'>,
  { id, scheduledAt }: Pick<OccurrenceRecord, 'id' | 'scheduledAt'>,
  now: number,
) {
  return {
    id,
    jobId,
    scheduledAt,
    dueAt: scheduledAt,
    kind: 'slot',
    token: 0,
    sequence: 0,
    owner: null,
    jobVersion,
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

/** Returns the record after a claim: pending → running, with a new token. */
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

/** Returns the record after a claim that has found all places of the job taken: pending → queued. */
export function requeued(record: OccurrenceRecord): OccurrenceRecord {
  return { ...record, state: 'queued', reason: null }
}

/** Returns the record of a woken occurrence: queued → pending. */
export function woken(record: OccurrenceRecord): OccurrenceRecord {
  return { ...record, state: 'pending', reason: null }
}

/** The reason of a pending occurrence that waits because of its job's start rate. */
export const startRateReason = 'start_rate'

/**
 * Returns the record of a pending occurrence that is held back. `until`: the instant of the next start that the start rate
 * allows.
 */
export function heldBack(record: OccurrenceRecord, until: number): OccurrenceRecord {
  return { ...record, dueAt: until, reason: startRateReason }
}

/** Returns the record of an occurrence that a changed start rate no longer holds back. It is due at `now` at the latest. */
export function letGo(record: OccurrenceRecord, now: number): OccurrenceRecord {
  return { ...record, dueAt: Math.min(record.dueAt, now), reason: null }
}

/** Returns the record of an occurrence that ends while its task runs stay as they are: any live state → a final state. */
export function ended(
  record: OccurrenceRecord,
  state: FinalState,
  reason: string | null,
  now: number,
): OccurrenceRecord {
  return { ...record, state, reason, finishedAt: now, deadlineAt: null }
}

/** Returns the record after its owner has ended the occurrence: running → a final state. */
export function finished(
  record: OccurrenceRecord,
  {
    state,
    reason,
    runs,
    sequence,
  }: Pick<OccurrenceRecord, 'reason' | 'runs' | 'sequence'> & { readonly state: FinalState },
  now: number,
): OccurrenceRecord {
  return { ...record, state, reason, runs, sequence, finishedAt: now, deadlineAt: null }
}

/**
 * Returns the record after a `cancel` of a waiting occurrence, or of a running one by force. The record keeps the request with
 * its actor.
 */
export function canceledBy(record: OccurrenceRecord, request: CancelRequest, now: number): OccurrenceRecord {
  return { ...ended(record, 'canceled', request.reason, now), cancelRequest: record.cancelRequest ?? request }
}

/**
 * Returns the record of a running occurrence with a cancel request. If the record already has a cancel request, that request
 * stays.
 */
export function askedToCancel(record: OccurrenceRecord, request: CancelRequest): OccurrenceRecord {
  return record.cancelRequest === null ? { ...record, cancelRequest: request } : record
}

/**
 * Returns the record after a `release`: running → pending. If the job was deleted, the occurrence becomes canceled instead,
 * with the reason `deleted`.
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
 * Returns the record after a `reap` with `retry`: the running occurrence becomes pending, and `rescues` grows by 1. If the job
 * was deleted, the occurrence becomes canceled instead.
 */
export function rescued(
  record: OccurrenceRecord,
  change: { readonly reason: string; readonly jobDeleted: boolean },
  now: number,
): OccurrenceRecord {
  const changed = handedBack(record, { ...change, dueAt: record.dueAt }, now)
  return changed.state === 'pending' ? { ...changed, rescues: record.rescues + 1 } : changed
}

/** Returns the record with the task runs and the sequence of an accepted `settle` or `reap`. */
export function withRuns(record: OccurrenceRecord, runs: readonly TaskRunRecord[], sequence: number): OccurrenceRecord {
  return { ...record, runs, sequence }
}
