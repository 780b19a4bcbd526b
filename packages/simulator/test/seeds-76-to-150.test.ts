import { it } from 'vitest'
import { assertSeedsHold, groupsOf } from './support/seeds.ts'

it.each(groupsOf({ from: 76, to: 150 }))('the worlds of seeds $from to $to keep every promise', (range) =>
  assertSeedsHold(range),
)
