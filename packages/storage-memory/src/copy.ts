import type { JsonValue } from '@jobistemer/core'
import type {
  AttemptRecord,
  JobContent,
  JobRecord,
  OccurrenceAddress,
  OccurrenceDetails,
  OccurrenceRecord,
  Owner,
  PauseRecord,
  TaskRunRecord,
} from '@jobistemer/core/storage'

// What crosses the boundary is copied, in and out, as it would be by a storage that serialises. What changes rarely
// (a job's definition) is copied in and frozen instead, and then handed out as it is.

/** The value as `JSON.parse(JSON.stringify(value))` would give it; members that are `undefined` vanish. */
export function copyJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(copyJson) as T
  const copy: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) define(copy, key, copyJson(member))
  }
  return copy as T
}

/** The value itself when it is frozen through and through, else a copy that is. */
function frozenJson<T>(value: T): T {
  if (isDeeplyFrozen(value)) return value
  if (Array.isArray(value)) return Object.freeze(value.map(frozenJson)) as T
  const copy: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(value as Record<string, unknown>)) {
    if (member !== undefined) define(copy, key, frozenJson(member))
  }
  return Object.freeze(copy) as T
}

function isDeeplyFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen)
}

function define(target: Record<string, unknown>, key: string, value: unknown): void {
  // Plain assignment would set the prototype.
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  } else target[key] = value
}

export function frozenContent(content: JobContent): JobContent {
  return {
    ...content,
    definition: frozenJson(content.definition),
    overlap: frozenJson(content.overlap),
    timeline: frozenJson(content.timeline),
  }
}

export function frozenPause(paused: PauseRecord): PauseRecord {
  return frozenJson<PauseRecord & { [key: string]: JsonValue }>({ ...paused })
}

/** A head for a caller: its nested values are frozen, so that a copy of the outermost object is enough. */
export function copyJob(head: JobRecord): JobRecord {
  return { ...head }
}

export function copyOwner(owner: Owner): Owner {
  return { node: owner.node, incarnation: owner.incarnation }
}

export function copyRuns(runs: readonly TaskRunRecord[]): readonly TaskRunRecord[] {
  return runs.length === 0 ? [] : runs.map(copyRun)
}

function copyRun(run: TaskRunRecord): TaskRunRecord {
  const copy: { -readonly [Key in keyof TaskRunRecord]: TaskRunRecord[Key] } = {
    task: run.task,
    state: run.state,
    attempts: run.attempts.map(copyAttempt),
  }
  if (run.result !== undefined) copy.result = copyJson(run.result)
  if (run.reason !== undefined) copy.reason = run.reason
  return copy
}

function copyAttempt(attempt: AttemptRecord): AttemptRecord {
  const copy: { -readonly [Key in keyof AttemptRecord]: AttemptRecord[Key] } = {
    number: attempt.number,
    state: attempt.state,
    startedAt: attempt.startedAt,
    endedAt: attempt.endedAt,
  }
  if (attempt.error !== undefined) copy.error = copyJson(attempt.error)
  if (attempt.reason !== undefined) copy.reason = attempt.reason
  return copy
}

const noDetails: OccurrenceDetails = Object.freeze({})

/** A copy; slots have no details as a rule, and share one object that is frozen. */
export function copyDetails(details: OccurrenceDetails): OccurrenceDetails {
  for (const _ in details) return copyJson(details)
  return noDetails
}

export function copyOccurrence(record: OccurrenceRecord, withRuns: boolean): OccurrenceRecord {
  return {
    ...record,
    owner: record.owner === null ? null : copyOwner(record.owner),
    cancelRequest: record.cancelRequest === null ? null : { ...record.cancelRequest },
    details: copyDetails(record.details),
    runs: withRuns ? copyRuns(record.runs) : [],
  }
}

export function addressOf(record: OccurrenceAddress): OccurrenceAddress {
  return { id: record.id, jobId: record.jobId, scheduledAt: record.scheduledAt }
}
