import type { RecoveryStrategy } from '../configuration/settings.ts'
import { afterThisTurn } from '../system-clock.ts'
import type { SlotSpan } from '../storage/occurrence-record.ts'
import type { SlotSeries } from './timeline.ts'

/** What is to become of missed slots: the decision of one recovery. */
export interface RecoveryDecision {
  /** In the order of time; `run` ones are created to be run, `missed` ones are recorded. */
  readonly entries: readonly MissedSlotEntry[]
  readonly lastSlot: number
  /** Missed slots that this decision is about. */
  readonly count: number
  readonly toRun: number
}

export type MissedSlotEntry =
  | { readonly kind: 'run'; readonly slot: number; readonly span: SlotSpan | null }
  | { readonly kind: 'missed'; readonly span: SlotSpan }

// Counting the slots of a long outage must not hold up the event loop: a pause after so many.
const slotsPerTurn = 50_000

/**
 * Decides about the slots from `first` up to `until`, inclusive.
 *
 * `limit` bounds the entries of one decision: of more missed slots that are all to run, the first `limit` are decided,
 * and the caller comes back for the rest.
 */
export async function decideMissedSlots(options: {
  readonly series: SlotSeries
  readonly first: number
  readonly until: number
  readonly now: number
  readonly strategy: RecoveryStrategy
  readonly limit: number
}): Promise<RecoveryDecision> {
  const { series, first, until, strategy, limit } = options
  if (strategy.type === 'execute_all') return runAll(series, first, until, limit)
  const keep = keptSlots(strategy, options.now)
  // The latest slots, newest first: how many can run at most, and none before the window.
  const latest: number[] = []
  for (let slot = series.previousMs(until + 1); slot !== null && slot >= first; slot = series.previousMs(slot)) {
    if (latest.length === Math.min(keep.most, limit) || slot < keep.notBefore) break
    latest.push(slot)
  }
  latest.reverse()
  const firstToRun = latest[0]
  const before = await countSpan(series, first, firstToRun === undefined ? until : firstToRun - 1)
  const lastSlot = latest.at(-1) ?? (before as SlotSpan).to
  if (strategy.type === 'compressed') {
    const count = (before?.count ?? 0) + 1
    const span = { from: first, to: lastSlot, count }
    return { entries: [{ kind: 'run', slot: lastSlot, span }], lastSlot, count, toRun: 1 }
  }
  const entries: MissedSlotEntry[] = before === null ? [] : [{ kind: 'missed', span: before }]
  for (const slot of latest) entries.push({ kind: 'run', slot, span: null })
  return { entries, lastSlot, count: (before?.count ?? 0) + latest.length, toRun: latest.length }
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

function runAll(series: SlotSeries, first: number, until: number, limit: number): RecoveryDecision {
  const entries: MissedSlotEntry[] = []
  let lastSlot = first
  for (let slot: number | null = first; slot !== null && slot <= until; slot = series.nextMs(slot)) {
    if (entries.length === limit) break
    entries.push({ kind: 'run', slot, span: null })
    lastSlot = slot
  }
  return { entries, lastSlot, count: entries.length, toRun: entries.length }
}

async function countSpan(series: SlotSeries, first: number, until: number): Promise<SlotSpan | null> {
  if (first > until) return null
  let count = 0
  let to = first
  for (let slot: number | null = first; slot !== null && slot <= until; slot = series.nextMs(slot)) {
    to = slot
    count++
    if (count % slotsPerTurn === 0) await new Promise<void>((resolve) => afterThisTurn(resolve))
  }
  return { from: first, to, count }
}
