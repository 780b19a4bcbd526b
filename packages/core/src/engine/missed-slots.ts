import type { RecoveryStrategy } from '../configuration/settings.ts'
import type { SlotSpan } from '../storage/occurrence-record.ts'
import { afterThisTurn } from '../system-clock.ts'
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
 * Decides about the slots from `first` up to `until`, inclusive; `first` is one, whatever the series says of it.
 *
 * `limit` bounds the runs of one decision: of more missed slots that are to run, the first `limit` are decided, and the
 * caller comes back for the rest.
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
  const runFrom = strategy.type === 'execute_all' ? first : await firstToRun(options)
  const before = await countSpan(series, first, runFrom === null ? until : runFrom - 1)
  if (strategy.type === 'compressed' && runFrom !== null) {
    const count = (before?.count ?? 0) + 1
    const span = { from: first, to: runFrom, count }
    return { entries: [{ kind: 'run', slot: runFrom, span }], lastSlot: runFrom, count, toRun: 1 }
  }
  const entries: MissedSlotEntry[] = before === null ? [] : [{ kind: 'missed', span: before }]
  let lastSlot = before?.to ?? first
  let toRun = 0
  for (let slot = runFrom; slot !== null && slot <= until && toRun < limit; slot = series.nextMs(slot)) {
    entries.push({ kind: 'run', slot, span: null })
    lastSlot = slot
    toRun++
  }
  return { entries, lastSlot, count: (before?.count ?? 0) + toRun, toRun }
}

/** The earliest of the latest slots that the strategy wants to run; `null` when it wants none. */
async function firstToRun(options: {
  readonly series: SlotSeries
  readonly first: number
  readonly until: number
  readonly now: number
  readonly strategy: RecoveryStrategy
}): Promise<number | null> {
  const { series, first, until } = options
  const { most, notBefore } = keptSlots(options.strategy, options.now)
  let found: number | null = null
  let before = until + 1
  for (let count = 0; count < most && before > first; count++) {
    const previous = series.previousMs(before)
    const slot = previous !== null && previous > first ? previous : first
    if (slot < notBefore) break
    found = slot
    before = slot
    if (count % slotsPerTurn === slotsPerTurn - 1) await nextTurn()
  }
  return found
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

async function countSpan(series: SlotSeries, first: number, until: number): Promise<SlotSpan | null> {
  if (first > until) return null
  let count = 0
  let to = first
  for (let slot: number | null = first; slot !== null && slot <= until; slot = series.nextMs(slot)) {
    to = slot
    count++
    if (count % slotsPerTurn === 0) await nextTurn()
  }
  return { from: first, to, count }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => afterThisTurn(resolve))
}
