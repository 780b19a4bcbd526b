import { it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { assertCallsHold, groupsOf } from './support/seeds.ts'

it.each(groupsOf({ from: 1, to: byEffort(12) }))(
  'in the worlds of seeds $from to $to, where runDue is called beside nodes or in place of them, every promise holds',
  assertCallsHold,
)
