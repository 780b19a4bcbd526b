import type { RecoveryStrategy } from '../../configuration/settings.ts'
import type { SlotSpan } from '../../storage/occurrence-record.ts'
import { afterThisTurn } from '../../system-clock.ts'
import type { SlotSeries } from '../jobs/slot-series.ts'

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

/** Which slots have a record of their own: they were canceled ahead, or decided before the job was set back. */
export interface RecordedAhead {
  /** Those of these slots. */
  among(slots: readonly number[]): Promise<ReadonlySet<number>>
  /** All from the one slot to the other, both inclusive, however many slots lie between them. */
  between(from: number, to: number): Promise<ReadonlySet<number>>
}

// Counting the slots of a long outage must not hold up the event loop: a pause after so many.
const slotsPerTurn = 50_000

// Once one turns out to have a record, at least so many more are looked up together. What a compressed run covers is
// looked up one by one up to so many, and listed beyond.
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
  readonly recorded: RecordedAhead
}

/**
 * Decides what becomes of missed slots. Of more that are to run than the limit allows, the first are decided, and the
 * caller comes back for the rest. Where a strategy wants a number of the latest, those that have their record do not
 * count; a compressed run covers none of them.
 */
export async function decideMissedSlots(options: MissedSlots): Promise<RecoveryDecision> {
  const { series, first, until, strategy, limit } = options
  if (strategy.type === 'compressed') return decideCompressed(options)
  const recorded = new Set<number>()
  const runFrom = strategy.type === 'execute_all' ? first : await firstToRun(options, recorded)
  const before = await countSpan(series, first, runFrom === null ? until : runFrom - 1)
  const entries: MissedSlotEntry[] = before === null ? [] : [{ kind: 'missed', span: before }]
  let lastSlot = before?.to ?? first
  let count = before?.count ?? 0
  let toRun = 0
  for (let slot = runFrom; slot !== null && slot <= until; slot = series.nextMs(slot)) {
    const isRecorded = recorded.has(slot)
    if (!isRecorded && toRun === limit) break
    // One that has its record keeps that.
    entries.push(isRecorded ? missedAlone(slot) : { kind: 'run', slot, span: null })
    if (!isRecorded) toRun++
    count++
    lastSlot = slot
  }
  return { entries, lastSlot, count, toRun }
}

/**
 * One run, at the last slot that has no record, for all that have none. Those that have one are listed where the span of
 * the run leaves them out.
 */
async function decideCompressed(options: MissedSlots): Promise<RecoveryDecision> {
  const { first, until } = options
  const fewest = take(fromFirst(options), slotsPerLook + 1)
  const isFew = fewest.length <= slotsPerLook
  const recorded = await (isFew ? options.recorded.among(fewest) : options.recorded.between(first, until))
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
    if (count % slotsPerTurn === 0) await nextTurn()
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
 * The slots of which a decision needs to know at least whether they have a record: what can be asked for many jobs
 * together.
 */
export function slotsToLookAt(missed: Pick<MissedSlots, 'series' | 'first' | 'until' | 'strategy'>): readonly number[] {
  const { series, first, until, strategy } = missed
  if (strategy.type === 'compressed') {
    const slots = take(fromFirst(missed), slotsPerLook + 1)
    return slots.length <= slotsPerLook ? slots : []
  }
  return countsSlots(strategy) ? [Math.max(series.previousMs(until + 1) ?? first, first)] : []
}

/**
 * The earliest of the latest slots that the strategy wants to run; `null` when it wants none. Adds those among them that
 * have a record to `recorded`.
 */
async function firstToRun(options: MissedSlots, recorded: Set<number>): Promise<number | null> {
  const { strategy } = options
  const { most, notBefore } = keptSlots(strategy, options.now)
  const looks = countsSlots(strategy)
  const latest = latestFirst(options, notBefore)
  let found: number | null = null
  for (let kept = 0; kept < most; ) {
    const fewest = recorded.size === 0 ? 1 : slotsPerLook
    const slots = take(latest, Math.min(Math.max(most - kept, fewest), slotsPerTurn))
    if (slots.length === 0) break
    const gone = looks ? await options.recorded.among(slots) : none
    for (const slot of slots) {
      if (kept === most) break
      if (gone.has(slot)) recorded.add(slot)
      else {
        found = slot
        kept++
      }
    }
    if (slots.length === slotsPerTurn) await nextTurn()
  }
  return found
}

type SlotStretch = Pick<MissedSlots, 'series' | 'first' | 'until'>

/** The missed slots in their order. */
function* fromFirst({ series, first, until }: SlotStretch): Generator<number> {
  for (let slot: number | null = first; slot !== null && slot <= until; slot = series.nextMs(slot)) yield slot
}

/** The missed slots from the last to the first, down to a bound. */
function* latestFirst({ series, first, until }: SlotStretch, notBefore: number): Generator<number> {
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

/** Whether the strategy wants a number of the latest slots. A window without a number takes all that lie in it. */
function countsSlots(strategy: RecoveryStrategy): boolean {
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
  for (const slot of fromFirst({ series, first, until })) {
    to = slot
    count++
    if (count % slotsPerTurn === 0) await nextTurn()
  }
  return { from: first, to, count }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => afterThisTurn(resolve))
}
