import { it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { assertOutagesHold, groupsOf } from './support/seeds.ts'

it.each(groupsOf({ from: 1, to: byEffort(8) }))(
  'in the outages of seeds $from to $to no living node is declared dead',
  assertOutagesHold,
)
