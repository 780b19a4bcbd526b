import { dateOf } from '../../instant.ts'
import { readName } from '../../configuration/read-value.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { eachOccurrence } from './list-pages.ts'
import { itemsLikelyEnough } from '../definitions/tuning.ts'
import { type OccurrenceId, occurrenceId } from '../../ids.ts'
import { type Occurrence, occurrenceOf } from '../../occurrence.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import { isDelayed, isPausedAt } from '../../storage/rules.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { OccurrenceQuery } from '../../storage/storage.ts'
import { definitionOf, endedByClaim, runsOfLeft } from '../execution/task-run-records.ts'

/** The state of a past or future instant of a job. */
export interface Explanation {
  /** The instant that the caller asks about. */
  readonly at: Date
  /** The state of the instant in the job's schedule and history. */
  readonly verdict: /** The instant has a record, which is in `occurrence`. */
    | 'recorded'
    /** A recovery decided the slot together with other slots. `occurrence` is the common record of these slots. */
    | 'covered'
    /** The instant is a future slot, and the job is not paused. */
    | 'will_run'
    /** The instant is a slot in the job's pause. Nodes skip the slot unless a call resumes the job first. */
    | 'paused'
    /** The instant is a due slot that no node has decided yet. */
    | 'due'
    /** The schedule has no slot at the instant, or the job was deleted before the instant. */
    | 'not_a_slot'
    /** The instant lies before the job's creation. */
    | 'before_creation'
    /** The storage has pruned the history of the instant. */
    | 'pruned'
    /**
     * Every slot up to the instant is decided, but no record of a slot at the instant exists. Either an earlier schedule did
     * not have the slot, or a clock was ahead. This verdict also applies if the job is not in the storage.
     */
    | 'unknown'
  /** An English sentence that explains the verdict. */
  readonly reason: string
  /** The id that an occurrence at the instant has or would have. */
  readonly id: OccurrenceId
  /** The record of the instant, or a record that covers several slots including the instant; `null` without a record. */
  readonly occurrence: Occurrence | null
  /** The slots before and after the instant, if the instant is not a slot; otherwise `null`. */
  readonly nearest: NearestSlots | null
}

/** The adjacent slots of an instant that is not a slot. A member is `null` if the schedule has no such slot. */
export interface NearestSlots {
  /** The last slot before the instant. */
  readonly before: Date | null
  /** The first slot after the instant. */
  readonly after: Date | null
}

/** Returns the state of a past or future instant of a job, with an explanation. */
export async function explain(
  storage: StorageCalls,
  registry: JobRegistry,
  job: RegisteredJob,
  { at, now }: { readonly at: number; readonly now: number },
): Promise<Explanation> {
  const jobId = job.job.id
  const id = occurrenceId(jobId, at)
  const { jobs, occurrences } = await storage.once((calls) => calls.get({ jobs: [jobId], occurrences: [id] }))
  const head = jobs[0] ?? null
  const [record] = await withRunsOfClaim(storage, occurrences)
  if (record !== undefined) return { ...found(at, id, record), verdict: 'recorded' }
  if (head === null) return answer(at, id, 'unknown', 'The job is not in the storage.')
  const span = at <= head.watermark ? await coveringRecord(storage, head, at) : null
  if (span !== null) return { ...found(at, id, span), verdict: 'covered' }
  const series = registry.seriesOf(head.timeline, job.job)
  const isSlot = series.nextMs(at - 1) === at
  // Triggers and replays can have records at any instant. So if the instant is not a slot, this code searches for them.
  const isAsked = ({ kind }: OccurrenceRecord) => kind !== 'slot'
  const request = isSlot ? null : await firstOf(storage, head, { from: at, to: at + 1, order: 'ascending' }, isAsked)
  if (request !== null) return { ...found(at, request.id, request), verdict: 'recorded' }
  const explained = withoutRecord(now, head, isSlot, at, id)
  if (isSlot || head.deletedAt !== null) return explained
  return { ...explained, nearest: { before: dateOf(series.previousMs(at)), after: dateOf(series.nextMs(at)) } }
}

function withoutRecord(now: number, head: JobRecord, isSlot: boolean, at: number, id: OccurrenceId): Explanation {
  // A job has slots only after its creation, or after its watermark if the watermark is earlier. The watermark is earlier if
  // `realign` has set it back to an instant before the creation.
  if (at <= Math.min(head.createdAt, head.watermark)) {
    const reason = `The job was created at ${text(head.createdAt)}: earlier slots are not recovered.`
    return answer(at, id, 'before_creation', reason)
  }
  if (head.pruneFloor !== null && at <= head.pruneFloor) {
    return answer(at, id, 'pruned', `History up to ${text(head.pruneFloor)} was pruned.`)
  }
  const isDecided = at <= head.watermark
  if (!isDecided && head.deletedAt !== null) {
    return answer(at, id, 'not_a_slot', `The job was deleted at ${text(head.deletedAt)}.`)
  }
  if (!isSlot) return answer(at, id, 'not_a_slot', 'The schedule has no slot at this instant.')
  if (isDecided) {
    const reason = `The slots up to ${text(head.watermark)} are decided. An earlier schedule had no slot at this instant, or a clock was ahead.`
    return answer(at, id, 'unknown', reason)
  }
  if (head.paused !== null && isPausedAt(head, at)) {
    const { at: since, until, reason } = head.paused
    const end = until === undefined ? '' : ` until ${text(until)}`
    const why = reason === null ? '' : `: ${reason}`
    return answer(at, id, 'paused', `The job is paused since ${text(since)}${end}${why}.`)
  }
  if (at <= now) return answer(at, id, 'due', 'The slot is due, and no node has decided it yet.')
  return answer(at, id, 'will_run', `The slot will run under version ${head.version}.`)
}

function found(at: number, id: OccurrenceId, record: OccurrenceRecord): Omit<Explanation, 'verdict'> {
  const why = record.reason === null ? '' : ` (${record.reason})`
  const span = record.details.span
  const covers = span === undefined ? '' : `, for ${span.count} slots from ${text(span.from)} to ${text(span.to)}`
  const by = record.owner === null ? '' : `, by node ${record.owner.node}`
  const until = isDelayed(record)
    ? `: requested at ${text(record.createdAt)}, to start at ${text(record.dueAt)} or when nothing else of the job is active`
    : ''
  const reason = `${record.state}${why}${covers}${by}${until}`
  return { at: new Date(at), id, reason, occurrence: occurrenceOf(record), nearest: null }
}

function answer(at: number, id: OccurrenceId, verdict: Explanation['verdict'], reason: string): Explanation {
  return { at: new Date(at), id, verdict, reason, occurrence: null, nearest: null }
}

function text(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

/** Returns the record whose span of several slots contains the instant, or `null`. */
async function coveringRecord(storage: StorageCalls, head: JobRecord, at: number): Promise<OccurrenceRecord | null> {
  // A record of several missed slots has the first of these slots as its scheduled time. Such records do not overlap. So only
  // the last record that begins at or before the instant can contain the instant.
  const missed = await firstOf(storage, head, { to: at + 1, order: 'descending', states: ['missed'] }, () => true)
  if (missed !== null && holds(missed, at)) return missed
  return coveringRun(storage, head, at)
}

/**
 * Returns the recovery run that runs in place of several missed slots, if its span contains the instant; otherwise
 * `null`.
 */
export async function coveringRun(
  storage: StorageCalls,
  head: JobRecord,
  at: number,
): Promise<OccurrenceRecord | null> {
  // A recovery run has the last slot that it covers as its scheduled time. So the search goes forward from the instant.
  // Between the instant and the recovery run, there may be records of triggers and of slots that were canceled ahead. The
  // search ignores these records.
  const run = await firstOf(storage, head, { from: at, order: 'ascending' }, ({ kind, state, details }) => {
    return kind === 'slot' && (state !== 'canceled' || details.span !== undefined)
  })
  return run !== null && holds(run, at) ? run : null
}

type HistoryPart = Pick<Extract<OccurrenceQuery, { readonly kind: 'job' }>, 'from' | 'to' | 'order' | 'states'>

/** Returns the first record of a part of a job's history that `isWanted` accepts; `null` if there is none. */
async function firstOf(
  storage: StorageCalls,
  { id: jobId }: Pick<JobRecord, 'id'>,
  part: HistoryPart,
  isWanted: (record: OccurrenceRecord) => boolean,
): Promise<OccurrenceRecord | null> {
  const query = { kind: 'job', jobId, runs: true, ...part } as const
  for await (const record of eachOccurrence(storage, query, itemsLikelyEnough)) if (isWanted(record)) return record
  return null
}

/** Returns whether the record covers several slots and the instant lies in its span. */
export function holds(record: Pick<OccurrenceRecord, 'details'>, at: number): boolean {
  const { span } = record.details
  return span !== undefined && span.from <= at && at <= span.to
}

/**
 * Returns the records that are not `null`. If a forced cancel ended a claimed occurrence before the owner stored an
 * attempt, adds the first attempts. The record lacks these attempts, although the owner may have called handlers. See
 * decision 12.
 */
export async function withRunsOfClaim(
  storage: Pick<StorageCalls, 'once'>,
  found: readonly (OccurrenceRecord | null)[],
): Promise<readonly OccurrenceRecord[]> {
  const records = found.filter((record) => record !== null)
  const left = records.filter(endedByClaim)
  if (left.length === 0) return records
  const ids = left.map(({ jobId, jobVersion }) => ({ jobId, version: jobVersion }))
  const { versions } = await storage.once((calls) => calls.get({ versions: ids }))
  return records.map((record) => {
    const version = versions[left.indexOf(record)] ?? null
    return version === null ? record : { ...record, runs: runsOfLeft(record, definitionOf(version)) }
  })
}

/** Returns the record of an occurrence. @throws JobistemerError `OCCURRENCE_NOT_FOUND` */
export async function findOccurrence(storage: Pick<StorageCalls, 'once'>, id: OccurrenceId): Promise<OccurrenceRecord> {
  readName(id, 'occurrenceId', 'Give the id of an occurrence, from occurrences() or an event.')
  const { occurrences } = await storage.once((calls) => calls.get({ occurrences: [id] }))
  const [record] = await withRunsOfClaim(storage, occurrences)
  if (record !== undefined) return record
  throw new JobistemerError('OCCURRENCE_NOT_FOUND', {
    message: `There is no occurrence ${printValue(id)}.`,
    field: 'occurrenceId',
    value: id,
    remedy: 'Take the id from occurrences() or an event; pruned ones are gone.',
  })
}
