import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RecoveryStrategy } from '../src/configuration/settings.ts'
import {
  type RecordedAhead,
  decideMissedSlots,
  type MissedSlotEntry,
  type RecoveryDecision,
} from '../src/engine/scheduling/missed-slots.ts'
import type { SlotSeries } from '../src/engine/definitions/slot-series.ts'
import { YieldBudget } from '../src/engine/runtime/yield-budget.ts'
import { every } from './support/every.ts'

const minute = 60_000
const schedule = every(minute)

/** A yield budget that is never used up, because its clock stands still. */
const turns = new YieldBudget({ monotonic: () => 0 })

/**
 * For a job with a slot every minute, decides the missed slots 1 to `count`. The present time is half a minute after
 * the last slot.
 */
function decide(strategy: RecoveryStrategy, count: number, limit = 1000): Promise<RecoveryDecision> {
  const until = count * minute
  const now = until + minute / 2
  return decideMissedSlots({ series: schedule, first: minute, until, now, strategy, limit, recorded: none, turns })
}

/** Makes a lookup in which the given slots have a record, because they were canceled ahead. */
function recordedAhead(slots: ReadonlySet<number> = new Set()): RecordedAhead {
  return async (from, to) => new Set([...slots].filter((slot) => slot >= from && slot <= to))
}

const none = recordedAhead()

const run = (slot: number) => ({ kind: 'run', slot: slot * minute, span: null })
const missed = (from: number, to: number) => ({
  kind: 'missed',
  span: { from: from * minute, to: to * minute, count: to - from + 1 },
})

const compressed = (from: number, to: number, count: number) => ({
  kind: 'run',
  slot: to * minute,
  span: { from: from * minute, to: to * minute, count },
})

function window(bounds: { maxOccurrences?: number; maxAgeMs?: number }): RecoveryStrategy {
  return { type: 'bounded_window', maxOccurrences: bounds.maxOccurrences ?? null, maxAgeMs: bounds.maxAgeMs ?? null }
}

describe('after five missed slots, the recovery strategy', () => {
  it('execute_all runs each of the missed slots', async () => {
    const decision = await decide({ type: 'execute_all' }, 5)
    expect(decision).toEqual({ entries: [1, 2, 3, 4, 5].map(run), lastSlot: 5 * minute, count: 5, toRun: 5 })
  })

  it('execute_last runs the last slot and records the earlier four slots as one range', async () => {
    const decision = await decide({ type: 'execute_last' }, 5)
    expect(decision).toEqual({ entries: [missed(1, 4), run(5)], lastSlot: 5 * minute, count: 5, toRun: 1 })
  })

  it('mark_as_missed runs no slot, and records the slots as one range', async () => {
    const decision = await decide({ type: 'mark_as_missed' }, 5)
    expect(decision).toEqual({ entries: [missed(1, 5)], lastSlot: 5 * minute, count: 5, toRun: 0 })
  })

  it('compressed creates one run at the last slot for the span of all five slots', async () => {
    const decision = await decide({ type: 'compressed' }, 5)
    const span = { from: minute, to: 5 * minute, count: 5 }
    expect(decision).toEqual({
      entries: [{ kind: 'run', slot: 5 * minute, span }],
      lastSlot: 5 * minute,
      count: 5,
      toRun: 1,
    })
  })

  it('bounded_window with maxOccurrences 2 runs the last two slots', async () => {
    const decision = await decide(window({ maxOccurrences: 2 }), 5)
    expect(decision).toEqual({ entries: [missed(1, 3), run(4), run(5)], lastSlot: 5 * minute, count: 5, toRun: 2 })
  })

  it('bounded_window with a maxAge of 2.5 minutes runs the slots that are at most 2.5 minutes old', async () => {
    const { entries } = await decide(window({ maxAgeMs: 2.5 * minute }), 5)
    expect(entries).toEqual([missed(1, 2), run(3), run(4), run(5)])
  })

  it('bounded_window with two bounds applies the narrower bound', async () => {
    const wide = await decide(window({ maxOccurrences: 9, maxAgeMs: 1.5 * minute }), 5)
    expect(wide.entries).toEqual([missed(1, 3), run(4), run(5)])
    const narrow = await decide(window({ maxOccurrences: 1, maxAgeMs: 9 * minute }), 5)
    expect(narrow.entries).toEqual([missed(1, 4), run(5)])
  })

  it('bounded_window runs no slot if all slots are older than its maxAge', async () => {
    const { entries, toRun } = await decide(window({ maxAgeMs: 1000 }), 5)
    expect(entries).toEqual([missed(1, 5)])
    expect(toRun).toBe(0)
  })

  it('bounded_window runs each slot if all slots lie within its bounds', async () => {
    const { entries } = await decide(window({ maxOccurrences: 100, maxAgeMs: 100 * minute }), 5)
    expect(entries).toEqual([1, 2, 3, 4, 5].map(run))
  })
})

describe('after five missed slots, some of them canceled ahead, the recovery strategy', () => {
  const decideWithout = (strategy: RecoveryStrategy, ...gone: number[]) => {
    const canceled = recordedAhead(new Set(gone.map((slot) => slot * minute)))
    const until = 5 * minute
    const now = until + minute / 2
    return decideMissedSlots({
      series: schedule,
      first: minute,
      until,
      now,
      strategy,
      limit: 1000,
      recorded: canceled,
      turns,
    })
  }

  it('execute_last runs the last slot that was not canceled', async () => {
    const decision = await decideWithout({ type: 'execute_last' }, 4, 5)
    expect(decision).toEqual({
      entries: [missed(1, 2), run(3), missed(4, 4), missed(5, 5)],
      lastSlot: 5 * minute,
      count: 5,
      toRun: 1,
    })
  })

  it('execute_last runs no slot if all slots were canceled', async () => {
    const { entries, toRun } = await decideWithout({ type: 'execute_last' }, 1, 2, 3, 4, 5)
    expect([entries, toRun]).toEqual([[missed(1, 5)], 0])
  })

  it('bounded_window with maxOccurrences 2 runs the last two slots that were not canceled', async () => {
    const decision = await decideWithout(window({ maxOccurrences: 2 }), 3, 5)
    expect(decision).toEqual({
      entries: [missed(1, 1), run(2), missed(3, 3), run(4), missed(5, 5)],
      lastSlot: 5 * minute,
      count: 5,
      toRun: 2,
    })
  })

  it.each<[gone: number[], entries: unknown[], toRun: number]>([
    [[5], [compressed(1, 4, 4), missed(5, 5)], 1],
    [[1, 2], [missed(1, 1), missed(2, 2), compressed(3, 5, 3)], 1],
    [[3], [compressed(1, 5, 4)], 1],
    [[1, 3, 5], [missed(1, 1), compressed(2, 4, 2), missed(5, 5)], 1],
    [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5].map((slot) => missed(slot, slot)), 0],
  ])(
    'compressed covers only slots that were not canceled (the canceled slots are %j)',
    async (gone, entries, toRun) => {
      const decision = await decideWithout({ type: 'compressed' }, ...gone)
      expect(decision).toEqual({ entries, lastSlot: 5 * minute, count: 5, toRun })
    },
  )

  it('compressed leaves canceled slots out, even from a span of thousands of slots', async () => {
    const canceled = recordedAhead(new Set([3000 * minute, 5000 * minute]))
    const until = 5000 * minute
    const options = {
      series: schedule,
      first: minute,
      until,
      now: until + minute,
      limit: 1000,
      recorded: canceled,
      turns,
    }
    const { entries } = await decideMissedSlots({ ...options, strategy: { type: 'compressed' } })
    expect(entries).toEqual([compressed(1, 4999, 4998), missed(5000, 5000)])
  })
})

describe('after one missed slot, the recovery strategy', () => {
  it.each(['execute_all', 'execute_last'] as const)('%s runs the slot', async (type) => {
    expect((await decide({ type }, 1)).entries).toEqual([run(1)])
  })

  it('mark_as_missed records the slot', async () => {
    expect((await decide({ type: 'mark_as_missed' }, 1)).entries).toEqual([missed(1, 1)])
  })

  it('compressed runs the slot as a span of one slot', async () => {
    expect((await decide({ type: 'compressed' }, 1)).entries).toEqual([
      { kind: 'run', slot: minute, span: { from: minute, to: minute, count: 1 } },
    ])
  })
})

describe('after more missed slots than one decision may contain, the recovery strategy', () => {
  it('execute_all decides about the first slots, and leaves the remaining slots to the next decision', async () => {
    const decision = await decide({ type: 'execute_all' }, 5, 2)
    expect(decision).toEqual({ entries: [run(1), run(2)], lastSlot: 2 * minute, count: 2, toRun: 2 })
  })

  it('bounded_window decides about the first slots, and leaves the remaining slots to the next decision', async () => {
    const decision = await decide(window({ maxOccurrences: 4 }), 6, 2)
    expect(decision).toEqual({ entries: [missed(1, 2), run(3), run(4)], lastSlot: 4 * minute, count: 4, toRun: 2 })
  })
})

it('execute_last counts 2,592,000 missed slots, and runs only the last of them', async () => {
  const month = 30 * 86_400_000
  const decision = await decideMissedSlots({
    series: every(1000),
    first: 1000,
    until: month,
    now: month + 500,
    strategy: { type: 'execute_last' },
    limit: 1000,
    recorded: none,
    turns,
  })
  expect(decision.entries).toEqual([
    { kind: 'missed', span: { from: 1000, to: month - 1000, count: 2_591_999 } },
    { kind: 'run', slot: month, span: null },
  ])
})

it('counting a million missed slots yields to other work of the event loop', async () => {
  let passed = 0
  let counting = true
  const countTurns = () => {
    passed++
    if (counting) setImmediate(countTurns)
  }
  setImmediate(countTurns)
  const strategy: RecoveryStrategy = { type: 'mark_as_missed' }
  const until = 1_000_000
  await decideMissedSlots({
    series: every(1),
    first: 1,
    until,
    now: until + 1,
    strategy,
    limit: 10,
    recorded: none,
    turns,
  })
  counting = false
  expect(passed).toBeGreaterThanOrEqual(10)
})

/** Makes a series with a slot each millisecond. Each call of the series moves its clock by `stepMs`. */
function slowSeries(stepMs: number) {
  let now = 0
  const took = <T>(answer: T): T => {
    now += stepMs
    return answer
  }
  const fast = every(1)
  const series: SlotSeries = {
    nextMs: (afterMs) => took(fast.nextMs(afterMs)),
    previousMs: (beforeMs) => took(fast.previousMs(beforeMs)),
  }
  return { series, clock: { monotonic: () => now } }
}

/** Returns the longest turn of the event loop, by the given clock, until the work has ended. */
async function longestTurn(clock: { monotonic(): number }, work: Promise<unknown>): Promise<number> {
  let longest = 0
  let beganAt = clock.monotonic()
  let isOver = false
  const look = (): void => {
    longest = Math.max(longest, clock.monotonic() - beganAt)
    beganAt = clock.monotonic()
    if (!isOver) setImmediate(look)
  }
  setImmediate(look)
  await work
  isOver = true
  return Math.max(longest, clock.monotonic() - beganAt)
}

describe('missed slots that take 1 ms each to compute', () => {
  it.each<[RecoveryStrategy]>([
    [{ type: 'mark_as_missed' }],
    [{ type: 'execute_all' }],
    [{ type: 'execute_last' }],
    [{ type: 'compressed' }],
    [window({ maxOccurrences: 2000 })],
    [window({ maxAgeMs: 2000 })],
  ])('do not block the event loop for more than 10 ms under the recovery strategy %j', async (strategy) => {
    const { series, clock } = slowSeries(1)
    const until = 3000
    const options = { series, first: 1, until, now: until + 1, strategy, limit: 5000, recorded: none }
    const deciding = decideMissedSlots({ ...options, turns: new YieldBudget(clock) })
    expect(await longestTurn(clock, deciding)).toBeLessThanOrEqual(10)
    expect(await deciding).toMatchObject({ count: until, lastSlot: until })
  })
})

it('bounded_window with only `maxAge` calls `previousMs` fewer than 1,000 times to decide 86,400 missed slots', async () => {
  let calls = 0
  const second = every(1000)
  const series: SlotSeries = {
    nextMs: (afterMs) => second.nextMs(afterMs),
    previousMs(beforeMs) {
      calls++
      return second.previousMs(beforeMs)
    },
  }
  const day = 86_400_000
  const options = { series, until: day, now: day, strategy: window({ maxAgeMs: day / 2 }), limit: 1000, recorded: none }
  let toRun = 0
  for (let first: number | null = 1000; first !== null && first <= day; ) {
    const decision: RecoveryDecision = await decideMissedSlots({ ...options, first, turns })
    toRun += decision.toRun
    first = series.nextMs(decision.lastSlot)
  }
  expect(toRun).toBe(day / 2000 + 1)
  expect(calls).toBeLessThan(1000)
})

describe('a first missed slot that is not in this node’s schedule', () => {
  // An instant that is the job's next instant, but no slot in this node's schedule. The job's head applies to all nodes,
  // although the time zone data of a node may differ.
  const foreign = 90_000

  it.each<[RecoveryStrategy, unknown[]]>([
    [{ type: 'execute_all' }, [{ kind: 'run', slot: foreign, span: null }]],
    [{ type: 'execute_last' }, [{ kind: 'run', slot: foreign, span: null }]],
    [window({ maxOccurrences: 2 }), [{ kind: 'run', slot: foreign, span: null }]],
    [{ type: 'mark_as_missed' }, [{ kind: 'missed', span: { from: foreign, to: foreign, count: 1 } }]],
  ])(
    'is decided by the recovery strategy %j in the same way as the slots of the schedule',
    async (strategy, entries) => {
      const decision = await decideMissedSlots({
        series: schedule,
        first: foreign,
        until: 2 * minute - 1,
        now: 3 * minute,
        strategy,
        limit: 10,
        recorded: none,
        turns,
      })
      expect(decision.entries).toEqual(entries)
    },
  )
})

interface Case {
  readonly strategy: RecoveryStrategy
  readonly series: SlotSeries
  readonly first: number
  readonly until: number
  readonly now: number
  readonly limit: number
  readonly canceled: ReadonlySet<number>
}

const strategies: fc.Arbitrary<RecoveryStrategy> = fc.oneof(
  fc.constantFrom('execute_all', 'execute_last', 'mark_as_missed', 'compressed').map((type) => ({ type })),
  fc.record({
    type: fc.constant('bounded_window' as const),
    maxOccurrences: fc.option(fc.integer({ min: 1, max: 30 })),
    maxAgeMs: fc.option(fc.integer({ min: 1, max: 400 })),
  }),
)

const cases: fc.Arbitrary<Case> = fc
  .record({
    strategy: strategies,
    interval: fc.integer({ min: 1, max: 20 }),
    offset: fc.integer({ min: 0, max: 19 }),
    count: fc.integer({ min: 1, max: 50 }),
    beyond: fc.nat({ max: 19 }),
    threshold: fc.integer({ min: 1, max: 60 }),
    limit: fc.integer({ min: 1, max: 60 }),
    canceledPlaces: fc.array(fc.nat({ max: 49 })),
  })
  .map(({ strategy, interval, offset, count, beyond, threshold, limit, canceledPlaces }) => {
    const series = every(interval, { offsetMs: offset })
    const first = series.nextMs(0) as number
    const until = first + (count - 1) * interval + (beyond % interval)
    const canceled = new Set<number>(canceledPlaces.map((place) => first + place * interval))
    return { strategy, series, first, until, now: until + threshold, limit, canceled }
  })

/** Returns all missed slots of a generated test case, found one by one. */
function slotsOf({ series, first, until }: Case): number[] {
  const slots: number[] = []
  for (let slot: number | null = first; slot !== null && slot <= until; slot = series.nextMs(slot)) slots.push(slot)
  return slots
}

/**
 * Returns for each slot how the decision treats the slot, in the order of the slots:
 * - `run`: the slot has its own run.
 * - `covered`: one run covers several slots.
 * - `missed`: the slot does not run.
 */
function coverageOf(decision: RecoveryDecision, slots: readonly number[], canceled: ReadonlySet<number>) {
  return decision.entries.flatMap((entry): [number, string][] => {
    if (entry.kind === 'run' && entry.span === null) return [[entry.slot, 'run']]
    const { from, to, count } = entry.span as NonNullable<typeof entry.span>
    const covered = slots.filter((slot) => slot >= from && slot <= to)
    const isRun = entry.kind === 'run'
    expect(covered.filter((slot) => !isRun || !canceled.has(slot))).toHaveLength(count)
    expect([covered[0], covered.at(-1)]).toEqual([from, to])
    return covered.map((slot) => [slot, isRun && !canceled.has(slot) ? 'covered' : 'missed'])
  })
}

/** Decides until no missed slot is left, as the engine does: each decision begins after the last decided slot. */
async function decideAll(one: Case): Promise<{ fates: [number, string][]; decisions: RecoveryDecision[] }> {
  const slots = slotsOf(one)
  const decisions: RecoveryDecision[] = []
  const fates: [number, string][] = []
  for (let first: number | null = one.first; first !== null && first <= one.until; ) {
    const canceled = recordedAhead(one.canceled)
    const decision: RecoveryDecision = await decideMissedSlots({ ...one, first, recorded: canceled, turns })
    decisions.push(decision)
    fates.push(...coverageOf(decision, slots, one.canceled))
    first = one.series.nextMs(decision.lastSlot)
  }
  return { fates, decisions }
}

describe('the decisions about missed slots', () => {
  it('cover every missed slot exactly once, in order', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async (one) => {
        const { fates } = await decideAll(one)
        expect(fates.map(([slot]) => slot)).toEqual(slotsOf(one))
      }),
    )
  })

  it('run exactly the slots that the recovery strategy selects, whatever the number of decisions', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async (one) => {
        const slots = slotsOf(one)
        const { fates } = await decideAll(one)
        const { strategy, now, canceled } = one
        const latest = slots.filter((slot) => !canceled.has(slot)).reverse()
        const wanted = slots.filter((slot) => {
          if (strategy.type === 'execute_all') return true
          if (strategy.type === 'execute_last') return latest.indexOf(slot) === 0
          if (strategy.type !== 'bounded_window') return false
          const { maxOccurrences, maxAgeMs } = strategy
          const isAmongLatest = maxOccurrences === null || latest.slice(0, maxOccurrences).includes(slot)
          return isAmongLatest && (maxAgeMs === null || slot >= now - maxAgeMs)
        })
        expect(fates.filter(([, fate]) => fate === 'run').map(([slot]) => slot)).toEqual(wanted)
        const covered = fates.filter(([, fate]) => fate === 'covered').map(([slot]) => slot)
        expect(covered).toEqual(strategy.type === 'compressed' ? latest.reverse() : [])
      }),
    )
  })

  it('contain at most `limit` runs each, and state the number of slots that each decision covers', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async (one) => {
        const { decisions } = await decideAll(one)
        for (const { entries, count, toRun, lastSlot } of decisions) {
          const runs = entries.filter(({ kind }) => kind === 'run').length
          expect(runs).toBe(toRun)
          expect(runs).toBeLessThanOrEqual(one.limit)
          expect(entries.length).toBeLessThanOrEqual(one.limit + 1 + one.canceled.size)
          const sizes = entries.map(({ span }) => span?.count ?? 1)
          const inRun = ({ kind, span }: MissedSlotEntry) =>
            kind === 'run' && span !== null
              ? [...one.canceled].filter((slot) => slot > span.from && slot < span.to).length
              : 0
          const leftOut = entries.reduce((sum, entry) => sum + inRun(entry), 0)
          expect(sizes.reduce((sum, size) => sum + size, 0) + leftOut).toBe(count)
          const last = entries.at(-1)
          expect(last?.kind === 'run' ? last.slot : last?.span.to).toBe(lastSlot)
        }
        expect(decisions.reduce((sum, { count }) => sum + count, 0)).toBe(slotsOf(one).length)
      }),
    )
  })
})
