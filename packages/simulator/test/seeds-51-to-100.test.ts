import { it } from 'vitest'
import { assertSeedsHold, groupsOf } from './support/seeds.ts'

it.each(groupsOf({ from: 51, to: 100 }))('the worlds of seeds $from to $to keep every promise', (range) =>
  assertSeedsHold(range),
)
