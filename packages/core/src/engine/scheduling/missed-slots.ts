import type { RecoveryStrategy } from '../../configuration/settings.ts'
import type { SlotSpan } from '../../storage/occurrence-record.ts'
import type { SlotSeries } from '../definitions/slot-series.ts'
import type { YieldBudget } from '../runtime/yield-budget.ts'
import { recoveryStep } from './tuning.ts'
import { type JobId, occurrenceId } from '../../ids.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { eachItem } from '../../storage/pages.ts'

/** The decision of one recovery: which missed slots run, and which slots are recorded as missed. */
export interface RecoveryDecision {
  /**
   * The entries in the order of time. For a `run` entry the storage creates a pending or queued run, for a `missed` entry only
   * a record.
   */
  readonly entries: readonly MissedSlotEntry[]
  readonly lastSlot: number
  /** Number of missed slots that this decision covers. */
  readonly count: number
  readonly toRun: number
}

export type MissedSlotEntry =
  | { readonly kind: 'run'; readonly slot: number; readonly span: SlotSpan | null }
  | { readonly kind: 'missed'; readonly span: SlotSpan }

/** Returns all slots in `[from, to]` that already have a record: they were canceled ahead, or decided before a realign. */
export type RecordedAhead = (from: number, to: number) => Promise<ReadonlySet<number>>

/** Slots that no node created in time, with the strategy for them. */
export interface MissedSlots {
  readonly series: SlotSeries
  /**
   * The first missed slot: the stored next instant of the job. The decision covers this slot even if `series` does not contain
   * its instant.
   */
  readonly first: number
  /**
   * This decision covers the missed slots up to this instant, in epoch ms. Later slots are not missed yet, or belong to a later
   * decision.
   */
  readonly until: number
  readonly now: number
  readonly strategy: RecoveryStrategy
  /** Maximum number of runs in a recovery decision. */
  readonly limit: number
  readonly recorded: RecordedAhead
  /**
   * The decision awaits `stepped` after each slot, so that the event loop can run during a long count. If `stepped` rejects,
   * the decision rejects with the same error.
   */
  readonly turns: Pick<YieldBudget, 'stepped'>
}

/**
 * Applies the recovery strategy to missed slots. If more than `limit` slots are to run, the decision covers only the first
 * `limit` runs. The caller then calls again for the remaining slots. A slot that already has a record keeps the record, and
 * gets no run.
 */
export async function decideMissedSlots(options: MissedSlots): Promise<RecoveryDecision> {
  const { first, strategy, limit, turns } = options
  if (strategy.type === 'compressed') return decideCompressed(options)
  const recorded = new Set<number>()
  const runFrom = strategy.type === 'execute_all' ? first : await runningFrom(options, recorded)
  const before = { from: first, to: first, count: 0 }
  const entries: MissedSlotEntry[] = []
  let lastSlot = first
  let toRun = 0
  for (const slot of fromFirst(options)) {
    if (slot < runFrom) {
      before.to = slot
      before.count++
    } else {
      const isRecorded = recorded.has(slot)
      if (!isRecorded && toRun === limit) break
      // For a slot that already has a record, the storage ignores the `missed` entry and keeps the record.
      entries.push(isRecorded ? missedAlone(slot) : { kind: 'run', slot, span: null })
      if (!isRecorded) toRun++
    }
    lastSlot = slot
    const turn = turns.stepped()
    if (turn !== null) await turn
  }
  const count = before.count + entries.length
  if (before.count > 0) entries.unshift({ kind: 'missed', span: before })
  return { entries, lastSlot, count, toRun }
}

/**
 * Decides on one run for all missed slots without a record. The run gets the instant of the last of these slots. The span of
 * the run goes from the first to the last of these slots. A slot with a record that lies before or after the span gets a
 * `missed` entry.
 */
async function decideCompressed(options: MissedSlots): Promise<RecoveryDecision> {
  const { first, until, turns } = options
  const recorded = await options.recorded(first, until)
  const without: number[] = []
  let from: number | null = null
  let to = first
  let lastSlot = first
  let count = 0
  for (const slot of fromFirst(options)) {
    if (recorded.has(slot)) without.push(slot)
    else {
      from ??= slot
      to = slot
    }
    lastSlot = slot
    count++
    const turn = turns.stepped()
    if (turn !== null) await turn
  }
  if (from === null) return { entries: without.map(missedAlone), lastSlot, count, toRun: 0 }
  const start = from
  const run: MissedSlotEntry = { kind: 'run', slot: to, span: { from, to, count: count - without.length } }
  const before = without.filter((slot) => slot < start)
  const after = without.filter((slot) => slot > to)
  return { entries: [...before.map(missedAlone), run, ...after.map(missedAlone)], lastSlot, count, toRun: 1 }
}

function missedAlone(slot: number): MissedSlotEntry {
  return { kind: 'missed', span: { from: slot, to: slot, count: 1 } }
}

/**
 * Returns the instant from which the strategy runs the missed slots; infinity: the strategy runs no slot. Adds to `recorded`
 * each later slot that already has a record.
 */
async function runningFrom(options: MissedSlots, recorded: Set<number>): Promise<number> {
  const { strategy, turns } = options
  const { most, notBefore } = keptSlots(strategy, options.now)
  // A `bounded_window` without `maxOccurrences` runs all slots that are not older than its `maxAge`.
  if (most === Number.POSITIVE_INFINITY) return notBefore
  const latest = latestFirst(options, notBefore)
  let found = Number.POSITIVE_INFINITY
  for (let kept = 0; kept < most; ) {
    // Usually no missed slot has a record, so the first read asks only for the slots that the strategy runs. If that read finds
    // a record, each further read asks for {@link recoveryStep} slots.
    const wanted = recorded.size === 0 ? Math.min(most - kept, recoveryStep) : recoveryStep
    const slots = await takeSlots(latest, wanted, turns)
    const [newest, oldest] = [slots[0], slots.at(-1)]
    if (newest === undefined || oldest === undefined) break
    const gone = await options.recorded(oldest, newest)
    for (const slot of slots) {
      if (kept === most) break
      if (gone.has(slot)) recorded.add(slot)
      else {
        found = slot
        kept++
      }
    }
  }
  return found
}

/** Yields the missed slots in ascending order of time. */
function* fromFirst({ series, first, until }: MissedSlots): Generator<number> {
  for (let slot: number | null = first; slot !== null && slot <= until; slot = series.nextMs(slot)) yield slot
}

/** Yields the missed slots in descending order of time, down to `notBefore`. */
function* latestFirst({ series, first, until }: MissedSlots, notBefore: number): Generator<number> {
  for (let before = until + 1; before > first; ) {
    const previous = series.previousMs(before)
    const slot = previous !== null && previous > first ? previous : first
    if (slot < notBefore) return
    yield slot
    before = slot
  }
}

/** Takes up to `most` slots. Yields to the event loop between them. */
export async function takeSlots(
  slots: Iterator<number, void>,
  most: number,
  turns: MissedSlots['turns'],
): Promise<number[]> {
  const taken: number[] = []
  while (taken.length < most) {
    const next = slots.next()
    if (next.done === true) break
    taken.push(next.value)
    const turn = turns.stepped()
    if (turn !== null) await turn
  }
  return taken
}

function keptSlots(strategy: RecoveryStrategy, now: number): { most: number; notBefore: number } {
  const notBefore = Number.NEGATIVE_INFINITY
  if (strategy.type === 'mark_as_missed') return { most: 0, notBefore }
  if (strategy.type !== 'bounded_window') return { most: 1, notBefore }
  return {
    most: strategy.maxOccurrences ?? Number.POSITIVE_INFINITY,
    notBefore: strategy.maxAgeMs === null ? notBefore : now - strategy.maxAgeMs,
  }
}

/** Returns the function that reads which slots of a job have a record. Hardly any missed slot has one. */
export function recordedAhead({ storage, maxBatch: limit }: EngineContext, jobId: JobId): RecordedAhead {
  return async (from, to) => {
    const found = new Set<number>()
    const part = { kind: 'job', jobId, from, to: to + 1, order: 'ascending', runs: false, limit } as const
    const read = (cursor: string | null) =>
      storage.repeated('listOccurrences', (calls) => calls.listOccurrences({ ...part, cursor }))
    for await (const { id, kind, scheduledAt } of eachItem(read)) {
      // A record of a range of missed slots does not belong to a single slot, so leave it out.
      if (kind === 'slot' && id === occurrenceId(jobId, scheduledAt)) found.add(scheduledAt)
    }
    return found
  }
}
