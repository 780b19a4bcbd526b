import { it } from 'vitest'
import { assertOutagesHold, groupsOf } from './support/seeds.ts'

it.each(groupsOf({ from: 1, to: 25 }))(
  'in the worlds of seeds $from to $to, whose storage is away for everybody, nobody is taken for dead',
  assertOutagesHold,
)
