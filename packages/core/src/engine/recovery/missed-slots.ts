import type { RecoveryStrategy } from '../../configuration/settings.ts'
import type { SlotSpan } from '../../storage/occurrence-record.ts'
import { afterThisTurn } from '../../system-clock.ts'
import type { SlotSeries } from '../jobs/timeline.ts'

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

/** Which of these slots were canceled ahead. */
export type CanceledAmong = (slots: readonly number[]) => Promise<ReadonlySet<number>>

// Counting the slots of a long outage must not hold up the event loop: a pause after so many.
const slotsPerTurn = 50_000

// Once one turns out to be canceled, at least so many more are looked up together.
const slotsPerLook = 100

const none: ReadonlySet<number> = new Set()

/** Slots that nobody ran in time, and how they are to be judged. */
export interface MissedSlots {
  readonly series: SlotSeries
  /** The first of them, whatever the series says of it. */
  readonly first: number
  /** No slot after this is missed. */
  readonly until: number
  readonly now: number
  readonly strategy: RecoveryStrategy
  /** Bounds the runs of one decision. */
  readonly limit: number
  readonly canceledAmong: CanceledAmong
}

/**
 * Decides what becomes of missed slots. Of more that are to run than the limit allows, the first are decided, and the
 * caller comes back for the rest. Where a strategy wants a number of the latest, those that were canceled ahead do not
 * count.
 */
export async function decideMissedSlots(options: MissedSlots): Promise<RecoveryDecision> {
  const { series, first, until, strategy, limit } = options
  const canceled = new Set<number>()
  const runFrom = strategy.type === 'execute_all' ? first : await firstToRun(options, canceled)
  const before = await countSpan(series, first, runFrom === null ? until : runFrom - 1)
  if (strategy.type === 'compressed' && runFrom !== null) {
    const count = (before?.count ?? 0) + 1
    const span = { from: first, to: runFrom, count }
    return { entries: [{ kind: 'run', slot: runFrom, span }], lastSlot: runFrom, count, toRun: 1 }
  }
  const entries: MissedSlotEntry[] = before === null ? [] : [{ kind: 'missed', span: before }]
  let lastSlot = before?.to ?? first
  let count = before?.count ?? 0
  let toRun = 0
  for (let slot = runFrom; slot !== null && slot <= until; slot = series.nextMs(slot)) {
    const isCanceled = canceled.has(slot)
    if (!isCanceled && toRun === limit) break
    // One that was canceled has its record, and keeps that.
    entries.push(isCanceled ? missedAlone(slot) : { kind: 'run', slot, span: null })
    if (!isCanceled) toRun++
    count++
    lastSlot = slot
  }
  return { entries, lastSlot, count, toRun }
}

function missedAlone(slot: number): MissedSlotEntry {
  return { kind: 'missed', span: { from: slot, to: slot, count: 1 } }
}

/** The last missed slot, whatever became of it. */
export function lastMissedSlot({ series, first, until }: Pick<MissedSlots, 'series' | 'first' | 'until'>): number {
  return Math.max(series.previousMs(until + 1) ?? first, first)
}

/**
 * The earliest of the latest slots that the strategy wants to run; `null` when it wants none. Adds those among them that
 * were canceled ahead to `canceled`.
 */
async function firstToRun(options: MissedSlots, canceled: Set<number>): Promise<number | null> {
  const { strategy } = options
  const { most, notBefore } = keptSlots(strategy, options.now)
  const looks = countsSlots(strategy)
  const latest = latestFirst(options, notBefore)
  let found: number | null = null
  for (let kept = 0; kept < most; ) {
    const fewest = canceled.size === 0 ? 1 : slotsPerLook
    const slots = take(latest, Math.min(Math.max(most - kept, fewest), slotsPerTurn))
    if (slots.length === 0) break
    const gone = looks ? await options.canceledAmong(slots) : none
    for (const slot of slots) {
      if (kept === most) break
      if (gone.has(slot)) canceled.add(slot)
      else {
        found = slot
        kept++
      }
    }
    if (slots.length === slotsPerTurn) await nextTurn()
  }
  return found
}

/** The missed slots from the last to the first, down to a bound. */
function* latestFirst({ series, first, until }: MissedSlots, notBefore: number): Generator<number> {
  for (let before = until + 1; before > first; ) {
    const previous = series.previousMs(before)
    const slot = previous !== null && previous > first ? previous : first
    if (slot < notBefore) return
    yield slot
    before = slot
  }
}

function take(slots: Generator<number>, most: number): number[] {
  const taken: number[] = []
  while (taken.length < most) {
    const next = slots.next()
    if (next.done === true) break
    taken.push(next.value)
  }
  return taken
}

/**
 * Whether the strategy wants a number of the latest slots. A run that covers the whole span is none of them, and a window
 * without a number takes all that lie in it.
 */
export function countsSlots(strategy: RecoveryStrategy): boolean {
  return strategy.type === 'bounded_window' ? strategy.maxOccurrences !== null : strategy.type === 'execute_last'
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
