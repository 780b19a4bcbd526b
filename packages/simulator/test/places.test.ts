import { it } from 'vitest'
import { byEffort, isThorough } from '../../workspace/test-effort.ts'
import { assertPlacesHold, groupsOf, oneByOne } from './support/seeds.ts'

/** On 2026-12-01, these seeds covered the same faults, operations and states as seeds 1 to 8, at half of their cost. */
const cheapSeeds = [1, 2, 4, 5, 6]

it.each(isThorough ? groupsOf({ from: 1, to: byEffort(15) }) : oneByOne(cheapSeeds))(
  'jobs respect maxConcurrency and no occurrence waits forever in the simulations with seeds $from to $to',
  assertPlacesHold,
)

it('a scan finds overdue slots of a dead node even if other nodes forgot these slots when they reloaded the job', async () => {
  await assertPlacesHold({ from: 20315, to: 20315 })
})

it('a node that takes over jobs of other nodes launches every slot that those nodes have not launched', async () => {
  await assertPlacesHold({ from: 5627, to: 5627 })
})

it('a recovery reads the records of all slots that ran while the job was ahead, over more than 60 pages', async () => {
  await assertPlacesHold({ from: 6111, to: 6111 })
})
