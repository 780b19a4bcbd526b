import {
  askedToCancel,
  type CancelNotice,
  type CreateAnswer,
  type CreateItem,
  type CreateOccurrencesRequest,
  type CreateRecovery,
  type CreateRequested,
  type CreateSlot,
  createdOccurrence,
  decideOverlap,
  decideRecoveredRun,
  excludedOccurrence,
  isStartable,
  judgeCreate,
  type OccurrenceAddress,
  type OccurrenceRecord,
  type Owner,
  passesSlot,
  recoveredOccurrence,
} from '@jobistemer/core/storage'
import { addressOf, copyDetails, copyJson, copyOwner, copyRuns } from './copy.ts'
import type { Database } from './database.ts'
import { activeOf, advance, type JobEntry, type Mutable, type OccurrenceEntry } from './entries.ts'
import { cancelAll, waitingOf } from './jobs.ts'

export function createOccurrences(database: Database, request: CreateOccurrencesRequest): readonly CreateAnswer[] {
  const owner = copyOwner(request.owner)
  return request.items.map((item) => createOne(database, item, owner, request.now))
}

function createOne(database: Database, item: CreateItem, owner: Owner, now: number): CreateAnswer {
  const present = database.occurrences.get(item.id)
  const job = database.jobs.get(item.jobId)
  const verdict = judgeCreate(item, job?.head ?? null, present !== undefined)
  if (verdict === 'exists') return answerExists(item, present as OccurrenceEntry)
  if (verdict !== 'create') return verdict
  const known = job as JobEntry
  switch (item.kind) {
    case 'slot':
    case 'trigger':
    case 'replay':
      return createDue(database, known, item, owner, now)
    case 'exclusion': {
      const record = excludedOccurrence({ ...item, details: copyDetails(item.details) }, now)
      database.addOccurrence(known, record)
      return created(record)
    }
    case 'recovery':
      return createRecovery(database, known, item, now)
  }
}

function answerExists(item: CreateItem, { job, record }: OccurrenceEntry): CreateAnswer {
  if (passesSlot(item, job.head)) advance(job, item.scheduledAt, item.nextAt)
  const { watermark, nextAt } = job.head
  const owner = record.owner === null ? null : copyOwner(record.owner)
  return { outcome: 'exists', state: record.state, token: record.token, owner, watermark, nextAt }
}

const none: readonly never[] = Object.freeze([])

function created(
  record: {
    readonly state: OccurrenceEntry['record']['state']
    readonly token: number
    readonly reason: string | null
  },
  displaced: readonly OccurrenceAddress[] = none,
  cancelRequested: readonly CancelNotice[] = none,
): CreateAnswer {
  const { state, token, reason } = record
  return { outcome: 'created', state, token, reason, displaced, cancelRequested }
}

function createDue(
  database: Database,
  job: JobEntry,
  item: CreateSlot | CreateRequested,
  owner: Owner,
  now: number,
): CreateAnswer {
  const { head, occurrences } = job
  const decision = decideOverlap({
    kind: item.kind,
    overlap: head.overlap,
    paused: head.paused !== null,
    startable: isStartable(item, now),
    pending: occurrences === null ? 0 : occurrences.pending.size,
    running: occurrences === null ? 0 : occurrences.running.size,
    queued: occurrences === null ? 0 : occurrences.queued.size,
  })
  const displaced = decision.displacesWaiting ? cancelAll(database, waitingOf(job), 'displaced', now) : none
  const cancelRequested = decision.cancelsRunning ? askAllToCancel(database, job, now) : none
  const record: Mutable<OccurrenceRecord> = createdOccurrence(item, decision, owner, now)
  record.details = copyDetails(record.details)
  record.runs = copyRuns(record.runs)
  database.addOccurrence(job, record)
  if (item.kind === 'slot') advance(job, item.scheduledAt, item.nextAt)
  return created(record, displaced, cancelRequested)
}

function askAllToCancel(database: Database, job: JobEntry, now: number): readonly CancelNotice[] {
  return [...(job.occurrences?.running.ascending() ?? [])].map((entry) => {
    database.replace(entry, askedToCancel(entry.record, { at: now, reason: 'displaced', actor: null }))
    return cancelNoticeOf(entry)
  })
}

/** For a running occurrence that was asked to cancel. */
export function cancelNoticeOf({ record }: OccurrenceEntry): CancelNotice {
  return { ...addressOf(record), token: record.token, reason: record.cancelRequest?.reason ?? 'canceled' }
}

function createRecovery(database: Database, job: JobEntry, item: CreateRecovery, now: number): CreateAnswer {
  for (const entry of item.entries) {
    // A slot that was excluded ahead keeps its record.
    if (database.occurrences.has(entry.id)) continue
    const state = decideRecoveredRun(job.head.overlap, activeOf(job))
    database.addOccurrence(job, recoveredOccurrence(item, copyJson(entry), state, now))
  }
  advance(job, item.watermark, item.nextAt)
  const last = database.occurrences.get(item.entries.at(-1)?.id ?? item.id)
  return last === undefined ? created({ state: 'missed', token: 0, reason: null }) : created(last.record)
}
