import { it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { assertOutagesHold, groupsOf } from './support/seeds.ts'

it.each(groupsOf({ from: 1, to: byEffort(8) }))(
  'in the worlds of seeds $from to $to, whose storage is away for everybody, nobody is taken for dead',
  assertOutagesHold,
)
