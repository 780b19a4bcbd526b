import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type FaultKind, planFaults, usualCounts } from '../src/driver/fault-plan.ts'

const options = fc.record({
  seed: fc.string(),
  kills: fc.integer({ min: 0, max: 400 }),
  nodes: fc.integer({ min: 1, max: 8 }),
  durationMs: fc.integer({ min: 5000, max: 600_000 }),
  hasServer: fc.boolean(),
  isSkewed: fc.boolean(),
})

function plan({ seed, ...mixture }: { seed: string } & Parameters<typeof usualCounts>[0]) {
  return planFaults({ seed, durationMs: mixture.durationMs, counts: usualCounts(mixture) })
}

const onFile = { hasServer: false, isSkewed: false }

it('fault plans with the same seed are equal, and fault plans with different seeds differ', () => {
  const one = { seed: 'a', kills: 100, nodes: 4, durationMs: 40_000, ...onFile }
  expect(plan(one)).toEqual(plan(one))
  expect(plan({ ...one, seed: 'b' })).not.toEqual(plan(one))
})

it('a fault plan has the requested number of kills; a kill of all nodes is one kill of each node', () => {
  fc.assert(
    fc.property(options, (one) => {
      const faults = plan(one)
      const count = (kind: FaultKind) => faults.filter((fault) => fault.kind === kind).length
      const kills = count('kill') + count('blackout') * one.nodes + count('outlive') + count('kill-and-crash')
      expect(kills).toBeGreaterThanOrEqual(one.kills)
      expect(kills).toBeLessThanOrEqual(one.kills + one.nodes)
    }),
  )
})

it('the faults of a plan are ordered by time and lie within its duration', () => {
  fc.assert(
    fc.property(options, (one) => {
      const times = plan(one).map((fault) => fault.atMs)
      expect(times).toEqual([...times].sort((first, second) => first - second))
      for (const at of times) expect(at >= 0 && at <= one.durationMs).toBe(true)
    }),
  )
})

it('a process that is stopped beyond its timeouts resumes before the fault plan ends', () => {
  fc.assert(
    fc.property(options, (one) => {
      for (const fault of plan(one)) {
        if (fault.kind === 'stop' && fault.beyondTimeout) expect(fault.atMs + fault.forMs).toBeLessThan(one.durationMs)
      }
    }),
  )
})

it('a fault plan of 30 s with 100 kills also stops a process for longer than its timeouts, and kills all nodes at once', () => {
  const kinds = plan({ seed: 'a', kills: 100, nodes: 4, durationMs: 30_000, ...onFile })
  expect(kinds.some((fault) => fault.kind === 'stop' && fault.beyondTimeout)).toBe(true)
  expect(kinds.some((fault) => fault.kind === 'blackout')).toBe(true)
})

it('a fault plan contains faults of network and server only for a storage with a server', () => {
  const ofServer: readonly FaultKind[] = ['break', 'lose-answers', 'cut', 'restart']
  fc.assert(
    fc.property(options, (one) => {
      const kinds = new Set(plan(one).map((fault) => fault.kind))
      for (const kind of ofServer) expect(kinds.has(kind)).toBe(one.hasServer)
    }),
  )
})

it('a fault plan contains clock changes only if the options of the torture run give nodes wrong clocks', () => {
  fc.assert(
    fc.property(options, (one) => {
      expect(plan(one).some((fault) => fault.kind === 'jump')).toBe(one.isSkewed)
    }),
  )
})
