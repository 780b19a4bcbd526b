import { it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { assertOutagesHold, groupsOf } from './support/seeds.ts'

it.each(groupsOf({ from: 1, to: byEffort(8, 5) }))(
  'no living node is declared dead in the simulated outages with seeds $from to $to',
  assertOutagesHold,
)
