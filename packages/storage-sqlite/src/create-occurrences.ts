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
  ended,
  excludedOccurrence,
  isStartable,
  judgeCreate,
  type OccurrenceAddress,
  type OccurrenceRecord,
  type Owner,
  passesSlot,
  recoveredOccurrence,
} from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import type { Head } from './job-table.ts'
import { addressOf, type Ledger, type StoredOccurrence } from './ledger.ts'
import { keyOf } from './occurrence-key.ts'
import { printDetails } from './occurrence-row.ts'
import { kindCode, policyCodes } from './record-codes.ts'
import { printRuns } from './runs-text.ts'
import { lanes } from './schema.ts'

const none: readonly never[] = Object.freeze([])

const started: CreateAnswer = Object.freeze({
  outcome: 'created',
  state: 'running',
  token: 1,
  reason: null,
  displaced: none,
  cancelRequested: none,
})

/** Creates occurrences. */
export class OccurrenceCreator {
  readonly #ledger: Ledger
  readonly #takeSlot: Database.Statement
  readonly #start: Database.Statement

  constructor(ledger: Ledger) {
    this.#ledger = ledger
    // All that an ordinary slot needs to start, decided on the job's head in one statement. It changes nothing when
    // anything is out of the ordinary; then the rules are gone through one by one.
    this.#takeSlot = ledger.database.prepare(`
      UPDATE heads SET watermark = next_at, next_at = ?
        WHERE row = ? AND next_at = ? AND version = ? AND flags = 0 AND watermark < next_at
          AND (excluded_until IS NULL OR excluded_until < next_at)
          AND (policy = ${policyCodes.allow} OR (
            NOT EXISTS (SELECT 1 FROM running WHERE job = heads.row)
            AND NOT EXISTS (SELECT 1 FROM waiting WHERE job = heads.row AND lane < ${lanes.queued})))`)
    this.#start = ledger.database.prepare(`
      INSERT INTO running VALUES (?, ?, ?, ${kindCode('slot', false)}, 1, 0, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?)`)
  }

  create(request: CreateOccurrencesRequest): readonly CreateAnswer[] {
    const { now, owner } = request
    return request.items.map((item) => this.#startSlot(item, owner, now) ?? this.#createOne(item, owner, now))
  }

  #startSlot(item: CreateItem, owner: Owner, now: number): CreateAnswer | null {
    if (item.kind !== 'slot' || item.runs === null || item.scheduledAt > now) return null
    const { jobId, scheduledAt, jobVersion } = item
    const job = this.#ledger.jobs.rowOf(jobId)
    if (job === undefined) return null
    if (this.#takeSlot.run(item.nextAt, job, scheduledAt, jobVersion).changes !== 1) return null
    this.#start.run(
      job,
      scheduledAt,
      keyOf(item.id),
      this.#ledger.names.ownerRow(owner),
      jobVersion,
      scheduledAt,
      now,
      now,
      item.executionTimeoutMs,
      printDetails(item.details),
      printRuns(item.runs, scheduledAt),
    )
    return started
  }

  #createOne(item: CreateItem, owner: Owner, now: number): CreateAnswer {
    const head = this.#ledger.jobs.headOf(item.jobId)
    const present = head === undefined ? null : this.#present(item, head)
    const verdict = judgeCreate(item, head === undefined ? null : headState(head), present !== null)
    if (verdict === 'exists') return this.#answerExists(item, head as Head, present as OccurrenceRecord)
    if (verdict !== 'create') return verdict
    const known = head as Head
    switch (item.kind) {
      case 'slot':
        return this.#createDue(known, item, owner, now)
      case 'trigger':
      case 'replay': {
        const answer = this.#createDue(known, item, owner, now)
        this.#ledger.jobs.noteRequest(known.row, item.scheduledAt)
        return answer
      }
      case 'exclusion': {
        const record = excludedOccurrence(item, now)
        this.#ledger.add(known.row, record, now)
        this.#ledger.jobs.noteExclusion(known.row, item.scheduledAt)
        return created(record)
      }
      case 'recovery':
        return this.#createRecovery(known, item, now)
    }
  }

  /** The record of the item's id. A slot's id fixes its time; a request comes again with the time of its repetition. */
  #present(item: CreateItem, head: Head): OccurrenceRecord | null {
    if (!mayBeStored(item, head)) return null
    if (item.kind === 'trigger' || item.kind === 'replay') return this.#ledger.findById(item.id)
    return this.#ledger.findOf(head.row, item.scheduledAt, keyOf(item.id))?.record ?? null
  }

  #answerExists(item: CreateItem, head: Head, record: OccurrenceRecord): CreateAnswer {
    let { watermark, nextAt } = head
    if (passesSlot(item, headState(head))) {
      this.#ledger.jobs.advance(head.row, item.scheduledAt, item.nextAt)
      watermark = Math.max(watermark, item.scheduledAt)
      nextAt = item.nextAt
    }
    const { state, token, owner } = record
    return { outcome: 'exists', state, token, owner, watermark, nextAt }
  }

  #createDue(head: Head, item: CreateSlot | CreateRequested, owner: Owner, now: number): CreateAnswer {
    const { live, jobs } = this.#ledger
    const job = head.row
    const { policy, maxQueued } = head.overlap
    const counts = policy !== 'allow'
    const running = counts && live.hasRunning(job) ? 1 : 0
    const pending = counts && live.hasPending(job) ? 1 : 0
    const decision = decideOverlap({
      kind: item.kind,
      overlap: head.overlap,
      paused: head.paused,
      startable: isStartable(item, now),
      // Whether there are any is all that the rule looks at; only queued ones are counted, up to what is allowed.
      pending,
      running,
      queued: policy === 'queue' && running + pending > 0 ? live.countQueued(job, maxQueued) : 0,
    })
    const displaced = decision.displacesWaiting ? this.#cancelWaiting(job, now) : none
    const cancelRequested = decision.cancelsRunning ? this.#askAllToCancel(job, now) : none
    const record = createdOccurrence(item, decision, owner, now)
    this.#ledger.add(job, record, now)
    if (item.kind === 'slot') jobs.advance(job, item.scheduledAt, item.nextAt)
    return created(record, displaced, cancelRequested)
  }

  #cancelWaiting(job: number, now: number): readonly OccurrenceAddress[] {
    return cancelAll(this.#ledger, waitingOf(this.#ledger, job), 'displaced', now)
  }

  #askAllToCancel(job: number, now: number): readonly CancelNotice[] {
    return this.#ledger.live.runningOf(job).map((row) => {
      const stored = this.#ledger.stored(row)
      const record = askedToCancel(stored.record, { at: now, reason: 'displaced', actor: null })
      if (record !== stored.record) this.#ledger.replace(stored, record, now)
      return cancelNoticeOf(record)
    })
  }

  #createRecovery(head: Head, item: CreateRecovery, now: number): CreateAnswer {
    const { live, jobs } = this.#ledger
    const job = head.row
    let last: Pick<OccurrenceRecord, 'state' | 'token' | 'reason'> = { state: 'missed', token: 0, reason: null }
    let active = live.hasRunning(job) || live.hasPending(job)
    for (const entry of item.entries) {
      // A slot that was excluded ahead keeps its record.
      const present = this.#ledger.findOf(job, entry.scheduledAt, keyOf(entry.id))
      if (present !== undefined) {
        last = present.record
        continue
      }
      const state = decideRecoveredRun(head.overlap, active ? 1 : 0)
      const record = recoveredOccurrence(item, entry, state, now)
      this.#ledger.add(job, record, now)
      if (record.state === 'pending') active = true
      last = record
    }
    jobs.advance(job, item.watermark, item.nextAt)
    return created(last)
  }
}

/** Whether a record with the item's id can exist: false for the next slot of a job, without looking for it. */
function mayBeStored(item: CreateItem, head: Head): boolean {
  if (item.kind === 'trigger' || item.kind === 'replay') return head.requestedUntil !== null
  return item.scheduledAt <= head.watermark || (head.excludedUntil !== null && item.scheduledAt <= head.excludedUntil)
}

function headState(head: Head) {
  const { version, watermark, nextAt, pruneFloor, deleted } = head
  return { version, watermark, nextAt, pruneFloor, deletedAt: deleted ? 0 : null }
}

function created(
  { state, token, reason }: Pick<OccurrenceRecord, 'state' | 'token' | 'reason'>,
  displaced: readonly OccurrenceAddress[] = none,
  cancelRequested: readonly CancelNotice[] = none,
): CreateAnswer {
  return { outcome: 'created', state, token, reason, displaced, cancelRequested }
}

/** For a running occurrence that was asked to cancel. */
export function cancelNoticeOf(record: OccurrenceRecord): CancelNotice {
  return { ...addressOf(record), token: record.token, reason: record.cancelRequest?.reason ?? 'canceled' }
}

/** Pending and queued occurrences of the job, in the order of their time. */
export function waitingOf(ledger: Ledger, job: number): readonly StoredOccurrence[] {
  return ledger.live.waitingOf(job).map((row) => ledger.stored(row))
}

/** Cancels waiting occurrences without waking others. */
export function cancelAll(
  ledger: Ledger,
  waiting: readonly StoredOccurrence[],
  reason: string,
  now: number,
): readonly OccurrenceAddress[] {
  return waiting.map((stored) => {
    ledger.replace(stored, ended(stored.record, 'canceled', reason, now), now)
    return addressOf(stored.record)
  })
}
