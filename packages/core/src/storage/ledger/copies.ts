import type { JsonValue } from '../../json.ts'
import type { JobRecord, PauseRecord } from '../job-record.ts'
import type { AttemptRecord, OccurrenceDetails, OccurrenceRecord, Owner, TaskRunRecord } from '../occurrence-record.ts'
import type {
  CancelAnswer,
  ClaimAnswer,
  ClaimRequest,
  CreateAnswer,
  CreateItem,
  CreateOccurrencesRequest,
  GetAnswer,
  HeartbeatAnswer,
  HeartbeatRequest,
  JobChange,
  JobContent,
  Page,
  ReapRequest,
  SaveJobAnswer,
  SaveJobsRequest,
  SettleAnswer,
  SettleRequest,
} from '../storage.ts'

// For ledgers that keep objects: core copies all values that cross the boundary, in both directions, as serialization
// would. Values that rarely change (a job's definition) are copied once and frozen, and then returned without a copy.

// --------------------------------------------------------------------------------------------------------- what goes in

export function ownCreateRequest({ now, owner, items }: CreateOccurrencesRequest): CreateOccurrencesRequest {
  return { now, owner: copyOwner(owner), items: items.map(ownItem) }
}

function ownItem(item: CreateItem): CreateItem {
  switch (item.kind) {
    case 'slot':
    case 'trigger':
    case 'replay':
      return {
        ...item,
        details: copyDetails(item.details),
        runs: item.runs === null ? null : copyRuns(item.runs),
        ...('key' in item && item.key !== undefined && { key: { ...item.key } }),
      }
    case 'exclusion':
      return { ...item, details: copyDetails(item.details) }
    case 'recovery':
      return { ...item, entries: copyJson(item.entries) }
  }
}

export function ownClaimRequest(request: ClaimRequest): ClaimRequest {
  return { ...request, owner: copyOwner(request.owner) }
}

export function ownSettleRequest({ now, items }: SettleRequest): SettleRequest {
  return {
    now,
    items: items.map(({ id, jobId, scheduledAt, token, owner, sequence, upToSequence, runs, change, takeNext }) => {
      const last = {
        ...(upToSequence !== undefined && { upToSequence }),
        ...(owner != null && { owner: copyOwner(owner) }),
      }
      const item = { id, jobId, scheduledAt, token, sequence, ...last, runs: copyRuns(runs), change }
      return takeNext === undefined ? item : { ...item, takeNext: copyOwner(takeNext) }
    }),
  }
}

export function ownReapRequest({ now, items }: ReapRequest): ReapRequest {
  return { now, items: items.map((item) => ({ ...item, runs: copyRuns(item.runs) })) }
}

export function ownSaveRequest(request: SaveJobsRequest): SaveJobsRequest {
  return { ...request, changes: request.changes.map(ownChange) }
}

function ownChange(change: JobChange): JobChange {
  switch (change.kind) {
    case 'create':
    case 'replace':
      return { ...change, content: frozenContent(change.content) }
    case 'pause':
      return change.paused === null ? change : { ...change, paused: frozenPause(change.paused) }
    case 'delete':
      return change
  }
}

function frozenContent(content: JobContent): JobContent {
  return {
    ...content,
    definition: frozenJson(content.definition),
    overlap: frozenJson(content.overlap),
    timeline: frozenJson(content.timeline),
  }
}

function frozenPause(paused: PauseRecord): PauseRecord {
  return frozenJson<PauseRecord & { [key: string]: JsonValue }>({ ...paused })
}

export function ownHeartbeatRequest(request: HeartbeatRequest): HeartbeatRequest {
  const { own, profile } = request
  return {
    ...request,
    own: own === null ? null : { ...own, about: frozenJson(own.about) },
    ...(profile !== undefined && { profile: frozenJson(profile) }),
  }
}

// -------------------------------------------------------------------------------------------------------- what comes out

export function ownCreateAnswer(answer: CreateAnswer): CreateAnswer {
  if (answer.outcome !== 'exists' || answer.owner === null) return answer
  return { ...answer, owner: copyOwner(answer.owner) }
}

export function ownClaimAnswer(answer: ClaimAnswer): ClaimAnswer {
  return { ...answer, claimed: answer.claimed.map((record) => copyOccurrence(record, true)) }
}

export function ownSettleAnswer(answer: SettleAnswer): SettleAnswer {
  if (answer.outcome !== 'ok' || answer.taken === undefined) return answer
  return { ...answer, taken: copyOccurrence(answer.taken, true) }
}

export function ownCancelAnswer(answer: CancelAnswer): CancelAnswer {
  return answer.outcome === 'requested' ? { ...answer, owner: copyOwner(answer.owner) } : answer
}

export function ownSaveAnswer(answer: SaveJobAnswer): SaveJobAnswer {
  return answer.outcome === 'absent' ? answer : { ...answer, job: copyJob(answer.job) }
}

export function ownGetAnswer({ jobs, versions, occurrences, counts, latest }: GetAnswer): GetAnswer {
  return {
    jobs: jobs.map((job) => (job === null ? null : copyJob(job))),
    versions: versions.map((version) => (version === null ? null : { ...version })),
    occurrences: occurrences.map((record) => (record === null ? null : copyOccurrence(record, true))),
    counts: counts.map(({ pending, queued, running }) => ({ pending, queued, running })),
    latest: latest.map((record) => (record === null ? null : copyOccurrence(record, false))),
  }
}

export function ownHeartbeatAnswer({ nodes, profiles }: HeartbeatAnswer): HeartbeatAnswer {
  return { nodes: nodes.map((node) => ({ ...node })), profiles: [...profiles] }
}

export function ownPage<T>({ items, cursor }: Page<T>, copy: (item: T) => T): Page<T> {
  return { items: items.map(copy), cursor }
}

/** The nested values except the lineage are frozen, so a shallow copy is enough. */
export function copyJob(job: JobRecord): JobRecord {
  return { ...job, lineage: [...job.lineage] }
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

// ----------------------------------------------------------------------------------------------------------------- parts

function copyOwner(owner: Owner): Owner {
  return { node: owner.node, incarnation: owner.incarnation }
}

function copyRuns(runs: readonly TaskRunRecord[]): readonly TaskRunRecord[] {
  return runs.length === 0 ? [] : runs.map(copyRun)
}

function copyRun(run: TaskRunRecord): TaskRunRecord {
  const copy: { -readonly [Key in keyof TaskRunRecord]: TaskRunRecord[Key] } = {
    task: run.task,
    state: run.state,
    attempts: run.attempts.map(copyAttempt),
  }
  if (run.omitted !== undefined) copy.omitted = { ...run.omitted }
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
  if (attempt.progress !== undefined) copy.progress = { ...attempt.progress }
  if (attempt.logs !== undefined) copy.logs = copyJson(attempt.logs)
  if (attempt.traceparent !== undefined) copy.traceparent = attempt.traceparent
  if (attempt.lostBy !== undefined) copy.lostBy = attempt.lostBy
  return copy
}

const noDetails: OccurrenceDetails = Object.freeze({})

/** A copy. Slots usually have no details, and share one frozen object. */
function copyDetails(details: OccurrenceDetails): OccurrenceDetails {
  for (const _ in details) return copyJson(details)
  return noDetails
}

/** The value as `JSON.parse(JSON.stringify(value))` would give it; members that are `undefined` vanish. */
function copyJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(copyJson) as T
  const copy: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) define(copy, key, copyJson(member))
  }
  return copy as T
}

/** The value itself if it is deeply frozen, otherwise a deeply frozen copy. */
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
