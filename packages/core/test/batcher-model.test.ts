import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { Agenda, type SlotEntry } from '../src/engine/runtime/agenda.ts'
import { Batcher } from '../src/engine/storage-access/batcher.ts'
import { callsAtOnce } from '../src/engine/storage-access/tuning.ts'
import { type Asked, RetryingStorage } from '../src/engine/storage-access/retrying-storage.ts'
import { JobistemerError } from '../src/errors.ts'
import { EventHub } from '../src/events.ts'
import { silentLogger } from '../src/logger.ts'
import type { Storage } from '../src/storage/storage.ts'
import { virtualClock } from '../src/testing/virtual-clock.ts'

const maxBatch = 4

interface Entry {
  readonly name: string
  readonly isBad: boolean
  readonly asked: Asked & { refusal: JobistemerError | null }
  outcome: 'answered' | 'rejected' | 'aborted' | null
  items: number
}

/** What happens to a call of the storage. `lost`: the call takes effect, but its answer is lost. */
type Fate = 'answer' | 'lost' | 'fail'

interface HeldCall {
  readonly end: (fate: Fate) => void
}

function caller(): Entry['asked'] {
  return {
    refusal: null,
    assertWanted() {
      if (this.refusal !== null) throw this.refusal
    },
    failed() {},
  }
}

/**
 * Makes a batcher on a storage. The test ends each call of the storage, one by one. `broken` lists the rules that were
 * violated.
 */
function world(hasCallers: boolean) {
  // Leave out the member `track`. With it, the virtual clock would wait for storage calls, which the test ends itself.
  const { track: _, ...clock } = virtualClock('2026-01-01T00:00:00Z')
  const agenda = new Agenda<SlotEntry>({ clock, wallNow: () => clock.now(), onSlotsDue() {} })
  agenda.start()
  const inner = { listJobs: async () => ({ items: [], cursor: null }) } as unknown as Storage
  const events = new EventHub(silentLogger)
  const storage = new RetryingStorage(inner, { clock, agenda, events, logger: silentLogger })
  const broken: string[] = []
  const held: HeldCall[] = []
  const entries: Entry[] = []
  const sends = new Map<string, number>()
  const state = { admitted: Number.POSITIVE_INFINITY, isHealed: false, isStopped: false, calls: 0 }
  const end = (entry: Entry, outcome: NonNullable<Entry['outcome']>): void => {
    if (entry.outcome !== null) broken.push(`${entry.name}: ${outcome} after ${entry.outcome}`)
    entry.outcome = outcome
  }
  const nameOf = (item: string) => item.split('#')[0] as string
  const isRefused = (items: readonly string[]) =>
    items.some((item) => entries.some(({ name, isBad }) => isBad && name === nameOf(item)))
  const fail = (_where: string, error: unknown) => void broken.push(String(error))
  const engine = { fail, maxBatch, now: () => clock.now(), storage }
  const batcher = new Batcher<Entry, string, string>(engine, {
    operation: 'settle',
    worthwhile: 2,
    ...(hasCallers && { callerOf: ({ asked }) => asked }),
    admit: (waiting) => Math.min(waiting, state.admitted),
    make(entry) {
      if (entry.asked.refusal !== null && hasCallers) broken.push(`${entry.name}: made for a caller who gave up`)
      if (state.isStopped) broken.push(`${entry.name}: made after the stop`)
      return `${entry.name}#${++entry.items}`
    },
    async send(_storage, items) {
      if (items.length > maxBatch) broken.push(`a call of ${items.length}`)
      for (const item of items) sends.set(item, (sends.get(item) ?? 0) + 1)
      state.calls++
      if (state.calls > 2 * callsAtOnce + entries.filter(({ isBad }) => isBad).length) broken.push('too many calls')
      try {
        const fate = state.isHealed ? 'answer' : await new Promise<Fate>((resolve) => held.push({ end: resolve }))
        if (isRefused(items)) throw new JobistemerError('STORAGE_REFUSED', { message: 'No.' })
        if (fate !== 'answer') throw new RangeError(fate)
        return items.map((item) => `${item} done`)
      } finally {
        state.calls--
      }
    },
    answered(entry, item, answer) {
      if (answer !== `${item} done` || nameOf(item) !== entry.name) broken.push(`${entry.name}: answer to ${answer}`)
      end(entry, 'answered')
    },
    rejected(entry) {
      if (!entry.isBad) broken.push(`${entry.name}: rejected`)
      end(entry, 'rejected')
    },
    aborted(entry, error) {
      if (entry.asked.refusal === null && !state.isStopped) broken.push(`${entry.name}: aborted with ${error}`)
      end(entry, 'aborted')
    },
    failed(error) {
      if (!state.isStopped) broken.push(`failed with ${error}`)
    },
  })
  const settle = async () => {
    for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  const stop = (): void => {
    state.isStopped = true
    storage.stop()
    batcher.stop()
    agenda.stop()
  }
  return { clock, batcher, broken, held, entries, state, sends, settle, stop }
}

type World = ReturnType<typeof world>

const actions = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('add' as const), isBad: fc.boolean(), count: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('give up' as const), of: fc.nat(20) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      of: fc.nat(8),
      fate: fc.constantFrom<Fate>('answer', 'answer', 'lost', 'fail'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('admit' as const), most: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(6000) }) },
)

type Action = typeof actions extends fc.Arbitrary<infer T> ? T : never

function act({ batcher, held, entries, state }: World, action: Action): void {
  switch (action.kind) {
    case 'add':
      for (let index = 0; index < action.count; index++) {
        const isBad = action.isBad && index === 0
        const entry = { name: `e${entries.length}`, isBad, asked: caller(), outcome: null, items: 0 }
        entries.push(entry)
        batcher.add(entry)
      }
      return
    case 'give up': {
      const entry = entries[action.of]
      if (entry !== undefined) entry.asked.refusal ??= new JobistemerError('ABORTED', { message: 'No.' })
      return
    }
    case 'end':
      held.splice(action.of % Math.max(held.length, 1), 1)[0]?.end(action.fate)
      return
    case 'admit':
      state.admitted = action.most
      batcher.flush()
  }
}

async function run(steps: readonly Action[], hasCallers: boolean) {
  const made = world(hasCallers)
  for (const step of steps) {
    act(made, step)
    await made.settle()
    if (step.kind === 'pass') await made.clock.advance(step.ms)
  }
  return made
}

/** Lets the storage answer all calls, and advances the clock by 60 s. */
async function heal({ clock, batcher, held, state, settle }: World): Promise<void> {
  state.isHealed = true
  state.admitted = Number.POSITIVE_INFINITY
  batcher.flush()
  for (const call of held.splice(0)) call.end('answer')
  for (let second = 0; second < 60; second++) {
    await settle()
    await clock.advance(1000)
  }
}

const plans = fc.array(actions, { maxLength: 40 })
/**
 * A sequence that a random run of this test once found: the caller of the last entry gives up, and then the storage's answer is
 * lost. Each run of the test repeats this sequence.
 */
const lastCallerGivesUp: [readonly Action[]] = [
  [
    { kind: 'add', isBad: false, count: 5 },
    { kind: 'end', of: 0, fate: 'answer' },
    { kind: 'give up', of: 4 },
    { kind: 'end', of: 0, fate: 'lost' },
  ],
]

describe.each([{ hasCallers: false }, { hasCallers: true }])(
  'a batcher (its requests have callers: $hasCallers)',
  ({ hasCallers }) => {
    it('ends each request exactly once, however the storage and the callers behave', async () => {
      const property = fc.asyncProperty(plans, async (steps) => {
        const made = await run(steps, hasCallers)
        await heal(made)
        expect(made.broken).toEqual([])
        expect(made.entries.filter(({ outcome }) => outcome === null)).toEqual([])
        made.stop()
      })
      await fc.assert(property, { numRuns: byEffort(60, 30), examples: [lastCallerGivesUp] })
    })

    it('sends no request after it was stopped, and aborts the waiting requests', async () => {
      const property = fc.asyncProperty(plans, fc.nat(5), async (steps, later) => {
        const made = await run(steps, hasCallers)
        const answered = made.entries.filter(({ outcome }) => outcome !== null)
        made.stop()
        act(made, { kind: 'add', isBad: false, count: later })
        for (const call of made.held.splice(0)) call.end('fail')
        await made.settle()
        const before = [...made.sends]
        await made.settle()
        expect(made.broken).toEqual([])
        expect([...made.sends]).toEqual(before)
        const never = made.entries.filter((entry) => !answered.includes(entry) && entry.items === 0)
        expect(never.filter(({ outcome }) => outcome !== 'aborted')).toEqual([])
      })
      await fc.assert(property, { numRuns: byEffort(60, 30) })
    })
  },
)
