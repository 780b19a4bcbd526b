import { it } from 'vitest'
import { byEffort, isThorough } from '../../workspace/test-effort.ts'
import { assertCallsHold, groupsOf, oneByOne } from './support/seeds.ts'

/** On 2026-12-01, these seeds covered the same faults, operations and states as seeds 1 to 6, at two thirds of their cost. */
const cheapSeeds = [1, 2, 4, 5, 10, 12, 22]

it.each(isThorough ? groupsOf({ from: 1, to: byEffort(12) }) : oneByOne(cheapSeeds))(
  'all rules hold in the simulations with seeds $from to $to, in which processes that call runDue join or replace nodes',
  assertCallsHold,
)
