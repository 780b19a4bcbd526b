import type { RecoveryStrategy } from '../../configuration/settings.ts'
import type { SlotSpan } from '../../storage/occurrence-record.ts'
import type { SlotSeries } from '../definitions/slot-series.ts'
import type { YieldBudget } from '../runtime/yield-budget.ts'
import { fewRuns, slotsPerLook, slotsTogether } from './tuning.ts'

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
  /** Asked after each slot. What it rejects with ends the decision: it is not wanted any more. */
  readonly turns: Pick<YieldBudget, 'stepped'>
  /** Asked once, before there are more than a few runs. `null`: go on at once. What it rejects with ends the decision. */
  readonly roomForMany?: () => Promise<void> | null
}

/**
 * Decides what becomes of missed slots. Of more that are to run than the limit allows, the first are decided, and the
 * caller comes back for the rest. Where a strategy wants a number of the latest, those that have their record do not
 * count; a compressed run covers none of them.
 */
export async function decideMissedSlots(options: MissedSlots): Promise<RecoveryDecision> {
  const { series, first, until, strategy, limit, turns } = options
  if (strategy.type === 'compressed') return decideCompressed(options)
  const recorded = new Set<number>()
  const runFrom = strategy.type === 'execute_all' ? first : await firstToRun(options, recorded)
  const before = await countSpan(options, runFrom === null ? until : runFrom - 1)
  const entries: MissedSlotEntry[] = before === null ? [] : [{ kind: 'missed', span: before }]
  let lastSlot = before?.to ?? first
  let count = before?.count ?? 0
  let toRun = 0
  for (let slot = runFrom; slot !== null && slot <= until; slot = series.nextMs(slot)) {
    const isRecorded = recorded.has(slot)
    if (!isRecorded && toRun === limit) break
    if (!isRecorded && toRun === fewRuns) await options.roomForMany?.()
    // One that has its record keeps that.
    entries.push(isRecorded ? missedAlone(slot) : { kind: 'run', slot, span: null })
    if (!isRecorded) toRun++
    count++
    lastSlot = slot
    const turn = turns.stepped()
    if (turn !== null) await turn
  }
  return { entries, lastSlot, count, toRun }
}

/**
 * One run, at the last slot that has no record, for all that have none. Those that have one are listed where the span of
 * the run leaves them out.
 */
async function decideCompressed(options: MissedSlots): Promise<RecoveryDecision> {
  const { first, until, turns } = options
  const fewest = await take(fromFirst(options), slotsPerLook + 1, turns)
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
 * The slots of which a decision needs to know at least whether they have a record: what can be asked for many jobs
 * together.
 */
export async function slotsToLookAt(
  missed: Pick<MissedSlots, 'series' | 'first' | 'until' | 'strategy' | 'turns'>,
): Promise<readonly number[]> {
  const { series, first, until, strategy, turns } = missed
  if (strategy.type === 'compressed') {
    const slots = await take(fromFirst(missed), slotsPerLook + 1, turns)
    return slots.length <= slotsPerLook ? slots : []
  }
  if (!countsSlots(strategy)) return []
  const last = Math.max(series.previousMs(until + 1) ?? first, first)
  const turn = turns.stepped()
  if (turn !== null) await turn
  return [last]
}

/**
 * The earliest of the latest slots that the strategy wants to run; `null` when it wants none. Adds those among them that
 * have a record to `recorded`.
 */
async function firstToRun(options: MissedSlots, recorded: Set<number>): Promise<number | null> {
  const { strategy, turns } = options
  const { most, notBefore } = keptSlots(strategy, options.now)
  if (!countsSlots(strategy)) return most === 0 ? null : firstNotBefore(options, notBefore)
  const latest = latestFirst(options, notBefore)
  let found: number | null = null
  for (let kept = 0; kept < most; ) {
    const fewest = recorded.size === 0 ? 1 : slotsPerLook
    const slots = await take(latest, Math.min(Math.max(most - kept, fewest), slotsTogether), turns)
    if (slots.length === 0) break
    const gone = await options.recorded.among(slots)
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

/** The first missed slot from a bound on. */
function firstNotBefore({ series, first, until }: SlotStretch, notBefore: number): number | null {
  const slot = first >= notBefore ? first : series.nextMs(notBefore - 1)
  return slot !== null && slot <= until ? slot : null
}

async function take(slots: Generator<number>, most: number, turns: MissedSlots['turns']): Promise<number[]> {
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

async function countSpan({ series, first, turns }: MissedSlots, until: number): Promise<SlotSpan | null> {
  if (first > until) return null
  let count = 0
  let to = first
  for (const slot of fromFirst({ series, first, until })) {
    to = slot
    count++
    const turn = turns.stepped()
    if (turn !== null) await turn
  }
  return { from: first, to, count }
}
