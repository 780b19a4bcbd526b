import { expect, it } from 'vitest'
import type { Rule } from '../src/checker/violation.ts'
import { sabotageNames } from '../src/sabotage/sabotage.ts'
import { simulate } from '../src/simulate.ts'

/** The promises of which at least one must be seen broken: what each fault is about. */
const consequences: Readonly<Record<string, readonly Rule[]>> = {
  'unique-key': ['created twice'],
  token: ['stale write'],
  overlap: ['overlap'],
  places: ['overlap'],
  'start-rate': ['start rate'],
  priority: ['order'],
  wake: ['stuck'],
  'early-deletion': ['lost record'],
  'watermark-back': ['watermark back'],
  recovery: ['recovery'],
  interruption: ['interrupted'],
  'every-reading': ['clock'],
  'wall-clock-deaths': ['false death'],
  'silence-through-outages': ['false death'],
  'takeover-guard': ['token', 'stale write'],
  'all-first': ['created twice'],
  'blind-standby': ['late slot'],
}

/** Where the search begins, for faults that no early seed shows: it need not go through all of them each time. */
const firstSeeds: Readonly<Record<string, number>> = {
  token: 205,
  wake: 3,
  interruption: 3,
  'blind-standby': 41,
  'silence-through-outages': 21,
  'takeover-guard': 30,
  'wall-clock-deaths': 19,
}

it('each way to break the storage or the clocks has a consequence to look for', () => {
  expect(Object.keys(consequences).sort()).toEqual([...sabotageNames].sort())
})

it.each(sabotageNames)('the sabotage "%s" is found out within 200 seeds', async (sabotage) => {
  const wanted = consequences[sabotage] ?? []
  const places = ['places', 'start-rate', 'priority'].includes(sabotage)
  const isFound = async (seed: number) =>
    (await simulate({ seed, sabotage, places })).violations.some(({ rule }) => wanted.includes(rule))
  const first = firstSeeds[sabotage] ?? 1
  let seed = first
  while (seed < first + 200 && !(await isFound(seed))) seed++
  expect(seed).toBeLessThan(first + 200)
})
