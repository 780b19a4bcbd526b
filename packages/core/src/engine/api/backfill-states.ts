import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { backfillOccurrenceId } from '../../ids.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import {
  type BackfillRecord,
  isFailure,
  isFinal,
  type OccurrenceRecord,
  type OccurrenceState,
} from '../../storage/occurrence-record.ts'
import { decidedUpTo } from '../../storage/rules.ts'
import { coveringRun, holds } from './explain.ts'
import { eachOccurrence, numberedRecords } from './list-pages.ts'
import { longestName, mostItems } from '../../tuning.ts'
import { invalidValue, type JobistemerError } from '../../errors.ts'
import type { SerializedSchedule } from '../../schedule/schedule.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { SlotSeries } from '../definitions/slot-series.ts'
import type { YieldBudget } from '../runtime/yield-budget.ts'

/** The reason stored with each waiting run that `stopBackfill` cancels. */
const stoppedReason = 'backfill_stopped'
const stoppedBecause = `${stoppedReason}: `

/**
 * Returns the reason that a canceled run stores: `backfill_stopped`, followed by the reason that the caller of
 * `stopBackfill` gave.
 */
export function stoppedReasonOf(why: string | null): string {
  return why === null ? stoppedReason : `${stoppedBecause}${why}`.slice(0, longestName)
}

function isStopped({ reason }: Pick<OccurrenceRecord, 'reason'>): boolean {
  return reason === stoppedReason || (reason?.startsWith(stoppedBecause) ?? false)
}

/**
 * Reasons of runs that were canceled while they waited, because of a newer run or a change of the job. No user requested
 * the cancel of such a run, so a backfill may run its slot again.
 */
const reasonsInPassing: readonly (string | null)[] = ['displaced', 'deleted', 'updated']

function isInPassing(run: Pick<OccurrenceRecord, 'reason'>): boolean {
  return reasonsInPassing.includes(run.reason) || isStopped(run)
}

/** The state of a slot in one backfill. */
export interface SlotStanding {
  readonly slot: number
  readonly standing: /** The backfill has still to create a run of the slot, or a new run after a canceled one. */
    | 'open'
    /** `stopBackfill` has canceled the slot's run, so the backfill may run the slot again. */
    | 'stopped'
    /** The slot's run in this backfill waits or runs. */
    | 'live'
    /** The slot's run in this backfill is final. */
    | 'ended'
    /** The backfill omits the slot: the option `which` excludes it, or the slot has no outcome yet. */
    | 'passed'
  /** The slot's latest run in this backfill; `null` without a run. */
  readonly run: OccurrenceRecord | null
  /** The number of runs that all backfills have created for the slot. */
  readonly rounds: number
}

/** The key and the `which` option of the backfill whose slots are examined. */
export interface AskedBackfill {
  readonly key: string
  readonly which: BackfillRecord['which']
}

/**
 * Returns the states of slots, in the given order. Reads the job's whole history between the earliest and the latest of these
 * slots, so a call with distant slots reads many records.
 */
export async function standingsOf(
  storage: StorageCalls,
  head: JobRecord,
  slots: readonly number[],
  asked: AskedBackfill,
): Promise<readonly SlotStanding[]> {
  if (slots.length === 0) return []
  // Per slot, the runs that backfills have created for it: the first run has round 1, the second round 2, and so on.
  const rounds = await numberedRecords(
    storage,
    slots.map((slot) => (round: number) => backfillOccurrenceId(head.id, slot, round)),
  )
  const own = await ownRecordsOf(storage, head, slots)
  return slots.map((slot, index) => standingOf(slot, rounds[index] as readonly OccurrenceRecord[], own, head, asked))
}

function standingOf(
  slot: number,
  rounds: readonly OccurrenceRecord[],
  own: ReadonlyMap<number, OccurrenceRecord>,
  head: JobRecord,
  { key, which }: AskedBackfill,
): SlotStanding {
  const latest = rounds.at(-1)
  const ofKey = rounds.filter(({ details }) => details.requestKey === key)
  // In one backfill, a slot may have several runs, and `ofKey` lists them in the order of their round numbers. At most one
  // of these runs has begun; the other runs were canceled before their start. The run that has begun need not be the last
  // run of the list. After a prune, a new run may get the lower number of a pruned run.
  const run = ofKey.find(hasBegun) ?? ofKey.at(-1) ?? null
  const answer = (standing: SlotStanding['standing']): SlotStanding => ({ slot, standing, run, rounds: rounds.length })
  if (run !== null) {
    if (!isFinal(run.state)) return answer('live')
    if (hasBegun(run) || run !== latest || !isInPassing(run)) return answer('ended')
    return answer(isStopped(run) ? 'stopped' : 'open')
  }
  const record = latest ?? own.get(slot)
  return answer(isWanted(record === undefined ? unrecorded(slot, head) : fateOf(record), which) ? 'open' : 'passed')
}

/** Returns false for a run that was canceled before its start, and true for any other run. */
export function hasBegun({ state, token }: Pick<OccurrenceRecord, 'state' | 'token'>): boolean {
  return state !== 'canceled' || token > 0
}

type Fate = 'undecided' | 'unknown' | 'missed' | 'failed' | 'canceled' | 'completed'

function isWanted(fate: Fate, which: AskedBackfill['which']): boolean {
  if (fate === 'undecided') return false
  if (which === 'all') return true
  const wanted = which === 'missed_and_failed' ? ['missed', 'failed'] : [which]
  return wanted.includes(fate)
}

/** Returns the state of a slot without a record. `unknown`: the slot was pruned, and may have run. */
function unrecorded(slot: number, head: JobRecord): Fate {
  if (head.pruneFloor !== null && slot <= head.pruneFloor) return 'unknown'
  return slot > decidedUpTo(head) ? 'undecided' : 'missed'
}

function fateOf({ state, reason }: { readonly state: OccurrenceState; readonly reason: string | null }): Fate {
  if (!isFinal(state)) return 'undecided'
  if (isFailure(state)) return 'failed'
  if (state === 'skipped') return 'missed'
  if (state === 'canceled') return isInPassing({ reason }) ? 'missed' : 'canceled'
  return state === 'missed' ? 'missed' : 'completed'
}

/** Returns the record of each slot: the slot's own record, or the record of a recovery that covers several slots. */
async function ownRecordsOf(
  storage: StorageCalls,
  head: JobRecord,
  slots: readonly number[],
): Promise<ReadonlyMap<number, OccurrenceRecord>> {
  const [first, last] = [Math.min(...slots), Math.max(...slots)]
  const found = new Map<number, OccurrenceRecord>()
  // One record may cover several missed slots. If such a record begins before the first given slot, the query below does
  // not find the record. This has no effect: the caller treats a slot without a record as missed.
  const spans: OccurrenceRecord[] = []
  const query = { kind: 'job', jobId: head.id, from: first, to: last + 1, order: 'ascending', runs: false } as const
  for await (const record of eachOccurrence(storage, query)) {
    if (record.kind !== 'slot') continue
    if (record.details.span !== undefined) spans.push(record)
    if (record.details.span === undefined || record.state !== 'missed') found.set(record.scheduledAt, record)
  }
  // Returns whether a slot has no record in `found`, but a recovery run may cover the slot. No recovery covers slots before
  // the job's creation.
  const lacks = (slot: number) => slot > Math.min(head.createdAt, head.watermark) && !found.has(slot)
  if (!slots.some(lacks)) return found
  const beyond = await coveringRun(storage, head, last)
  if (beyond !== null) spans.push(beyond)
  for (const slot of slots.filter(lacks)) {
    const span = spans.find((record) => holds(record, slot))
    if (span !== undefined) found.set(slot, span)
  }
  return found
}

type Span = Pick<BackfillRecord, 'from' | 'to' | 'order'>

/**
 * Returns the schedule by which a backfill computes the slots of a past span: the schedule in force at `now`. The storage
 * keeps no earlier schedules. If all schedules of the timeline have ended, returns the last schedule.
 */
export function presentSchedule(timeline: JobRecord['timeline'], now: number): SerializedSchedule | undefined {
  const present = timeline.find(({ until }) => until === null || until > now)
  return (present ?? timeline.at(-1))?.schedule
}

/**
 * Returns the series of slots of the schedule that {@link presentSchedule} returns.
 * @throws JobistemerError `UNKNOWN_SCHEDULE_TYPE`
 */
export function presentSeries(registry: JobRegistry, head: JobRecord, now: number): SlotSeries {
  const schedule = presentSchedule(head.timeline, now)
  const timeline = schedule === undefined ? [] : [{ after: null, until: null, schedule }]
  return registry.seriesOf(timeline, registry.get(head.id)?.job ?? null)
}

/** Returns all slots of a span, in the order `span.order`. @throws JobistemerError `INVALID_ARGUMENT` for too many slots */
export async function slotsOf(
  series: SlotSeries,
  span: Span,
  turns: Pick<YieldBudget, 'stepped'>,
): Promise<readonly number[]> {
  const slots: number[] = []
  for (const slot of walk(series, span, null)) {
    if (slots.length === mostItems) throw tooMany(span)
    slots.push(slot)
    const turn = turns.stepped()
    if (turn !== null) await turn
  }
  return slots
}

/** Returns the slots that follow a slot in the same lane, in the order of the backfill. */
export function* slotsAfter(series: SlotSeries, { slot, lanes, ...span }: BackfillRecord): Generator<number> {
  let place = 0
  for (const next of walk(series, span, slot)) if (++place % lanes === 0) yield next
}

function* walk(series: SlotSeries, { from, to, order }: Span, after: number | null): Generator<number> {
  if (order === 'oldest_first') {
    let slot = series.nextMs(after ?? from - 1)
    for (; slot !== null && slot < to; slot = series.nextMs(slot)) yield slot
  } else {
    let slot = series.previousMs(after ?? to)
    for (; slot !== null && slot >= from; slot = series.previousMs(slot)) yield slot
  }
}

function tooMany({ from, to }: Span): JobistemerError {
  const remedy = `Request several backfills of shorter spans, the first from ${new Date(from).toISOString()} on.`
  return invalidValue(
    'to',
    `ends a span of more than ${mostItems} slots, the maximum of a backfill`,
    new Date(to),
    remedy,
  )
}
