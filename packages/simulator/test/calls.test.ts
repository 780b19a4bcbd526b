import { it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { assertCallsHold, groupsOf } from './support/seeds.ts'

it.each(groupsOf({ from: 1, to: byEffort(12, 6) }))(
  'all rules hold in the simulations with seeds $from to $to, in which processes that call runDue join or replace nodes',
  assertCallsHold,
)
