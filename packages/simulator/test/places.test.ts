import { it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { assertPlacesHold, groupsOf } from './support/seeds.ts'

it.each(groupsOf({ from: 1, to: byEffort(15) }))(
  'in the worlds of seeds $from to $to, whose jobs have places, no more than so many run at once, and none waits for ever',
  assertPlacesHold,
)

it('what a replaced job left to cancel may be canceled by calls that tell nobody, when whoever asked for it was refused', async () => {
  await assertPlacesHold({ from: 5509, to: 5509 })
})

it('slots that a node has begun to launch for a dead one are found again by its next look, which nodes that come and go do not put off', async () => {
  await assertPlacesHold({ from: 20315, to: 20315 })
})

it('a slot that has its record keeps its order when its job is set back, and recovered under another priority', async () => {
  await assertPlacesHold({ from: 2133, to: 2133 })
})

it('a node that takes up jobs which it had left to others passes over no slot that these have not launched', async () => {
  for (const seed of [4018, 5627]) await assertPlacesHold({ from: seed, to: seed })
})

it('what a node has claimed that crashed with its last heartbeat is taken over without that it was taken for dead', async () => {
  await assertPlacesHold({ from: 7475, to: 7475 })
})

it('so is what one has claimed that stands still behind its last heartbeat', async () => {
  await assertPlacesHold({ from: 4018, to: 4018 })
})

it('a node that sets jobs back goes through all of their slots ahead, page by page', async () => {
  await assertPlacesHold({ from: 4979, to: 4979 })
})
