import { backfillOccurrenceId, type JobId, type OccurrenceId } from '../../ids.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import {
  type BackfillRecord,
  isFailure,
  isFinal,
  type OccurrenceRecord,
  type OccurrenceState,
} from '../../storage/occurrence-record.ts'
import { decidedUpTo } from '../../storage/rules.ts'
import type { Page } from '../../storage/storage.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { coveringRun, holds } from './covering-record.ts'
import { longestName } from '../../tuning.ts'

/** Why a waiting run of a backfill that was stopped is `canceled`. */
const stoppedReason = 'backfill_stopped'
const stoppedBecause = `${stoppedReason}: `

/** The same with what whoever stopped it has said. */
export function stoppedReasonOf(why: string | null): string {
  return why === null ? stoppedReason : `${stoppedBecause}${why}`.slice(0, longestName)
}

function isStopped({ reason }: Pick<OccurrenceRecord, 'reason'>): boolean {
  return reason === stoppedReason || (reason?.startsWith(stoppedBecause) ?? false)
}

/** Reasons of what was canceled although nobody meant this very run: it never ran, and still may. */
const reasonsInPassing: readonly (string | null)[] = ['displaced', 'deleted', 'updated']

function isInPassing(run: Pick<OccurrenceRecord, 'reason'>): boolean {
  return reasonsInPassing.includes(run.reason) || isStopped(run)
}

/** Where a slot stands in a backfill. */
export interface SlotStanding {
  readonly slot: number
  readonly standing: /** It is to be run, and nobody has created its run. */
    | 'open'
    /** As `open`, and its run was canceled when the backfill was stopped. */
    | 'stopped'
    /** Its run waits, or runs. */
    | 'live'
    /** Its run is over. */
    | 'ended'
    /** It is not to be run. */
    | 'passed'
  /** Its run in this backfill, the latest one; `null` without one. */
  readonly run: OccurrenceRecord | null
  /** How many runs backfills have given it. */
  readonly rounds: number
}

/** The backfill that is asked about. */
export interface AskedBackfill {
  readonly key: string
  readonly which: BackfillRecord['which']
}

/** The part of a job's head that says what can be known of its slots. */
type History = Pick<JobRecord, 'id' | 'createdAt' | 'watermark' | 'pruneFloor'>

/** Where slots stand, in the order in which they are given. One look for all of them: they should lie close together. */
export async function standingsOf(
  storage: StorageCalls,
  head: History,
  slots: readonly number[],
  asked: AskedBackfill,
): Promise<readonly SlotStanding[]> {
  if (slots.length === 0) return []
  const rounds = await roundsOf(storage, head.id, slots)
  const own = await ownRecordsOf(storage, head, slots)
  return slots.map((slot, index) => standingOf(slot, rounds[index] as readonly OccurrenceRecord[], own, head, asked))
}

function standingOf(
  slot: number,
  rounds: readonly OccurrenceRecord[],
  own: ReadonlyMap<number, OccurrenceRecord>,
  head: History,
  { key, which }: AskedBackfill,
): SlotStanding {
  const latest = rounds.at(-1)
  const ofKey = rounds.filter(({ details }) => details.requestKey === key)
  // Numbers are given again once the records of early rounds were pruned: the one that has begun may not be the last.
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

/** Or waits, and may begin. */
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

/** What was pruned may have run: only who wants all of them runs it again. */
function unrecorded(slot: number, head: History): Fate {
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

/** The runs that backfills have given each slot, in their order. */
async function roundsOf(
  storage: StorageCalls,
  jobId: JobId,
  slots: readonly number[],
): Promise<readonly OccurrenceRecord[][]> {
  const rounds = slots.map((): OccurrenceRecord[] => [])
  let open = slots.map((_, index) => index)
  for (let round = 1; open.length > 0; round++) {
    const ids = open.map((index): OccurrenceId => backfillOccurrenceId(jobId, slots[index] as number, round))
    const { occurrences } = await storage.once((calls) => calls.get({ occurrences: ids }))
    open = open.filter((index, place) => {
      const record = occurrences[place] ?? null
      if (record !== null) rounds[index]?.push(record)
      return record !== null
    })
  }
  return rounds
}

/** The slots' own records, and those that stand for several of them. */
async function ownRecordsOf(
  storage: StorageCalls,
  head: History,
  slots: readonly number[],
): Promise<ReadonlyMap<number, OccurrenceRecord>> {
  const first = slots.reduce((least, slot) => Math.min(least, slot))
  const last = slots.reduce((greatest, slot) => Math.max(greatest, slot))
  const found = new Map<number, OccurrenceRecord>()
  // Of a range of missed slots that begins before the first nothing is found: it says no more than that there is no record.
  const spans: OccurrenceRecord[] = []
  let cursor: string | null = null
  do {
    const part = { kind: 'job', jobId: head.id, from: first, to: last + 1, order: 'ascending', runs: false } as const
    const page: Page<OccurrenceRecord> = await storage.once((calls) =>
      calls.listOccurrences({ ...part, limit: 1000, cursor }),
    )
    for (const record of page.items) {
      if (record.kind !== 'slot') continue
      if (record.details.span !== undefined) spans.push(record)
      if (record.details.span === undefined || record.state !== 'missed') found.set(record.scheduledAt, record)
    }
    cursor = page.cursor
  } while (cursor !== null)
  // Nothing stands for slots from before the job.
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
