import { expect, it } from 'vitest'
import type { Rule } from '../src/checker/violation.ts'
import { sabotageNames } from '../src/sabotage/sabotage.ts'
import { simulate } from '../src/simulate.ts'

/** For each sabotage, the rules that it breaks. The simulator must report a violation of at least one of these rules. */
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

/**
 * The seed with which the search begins, for some sabotages. Lower seeds do not reveal these sabotages, so the search would
 * take longer from the lowest seed on.
 */
const firstSeeds: Readonly<Record<string, number>> = {
  recovery: 3,
  token: 221,
  wake: 3,
  interruption: 3,
  'blind-standby': 41,
  'silence-through-outages': 21,
  'takeover-guard': 19,
  'wall-clock-deaths': 19,
}

it('the table of expected violations in this test contains each sabotage of the simulator', () => {
  expect(Object.keys(consequences).sort()).toEqual([...sabotageNames].sort())
})

it.each(sabotageNames)('the simulator reports the sabotage "%s" within 200 seeds', async (sabotage) => {
  const wanted = consequences[sabotage] ?? []
  const places = ['places', 'start-rate', 'priority'].includes(sabotage)
  const isFound = async (seed: number) =>
    (await simulate({ seed, sabotage, places })).violations.some(({ rule }) => wanted.includes(rule))
  const first = firstSeeds[sabotage] ?? 1
  let seed = first
  while (seed < first + 200 && !(await isFound(seed))) seed++
  expect(seed).toBeLessThan(first + 200)
})
