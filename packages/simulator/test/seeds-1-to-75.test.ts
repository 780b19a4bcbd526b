import { it } from 'vitest'
import { assertSeedsHold, groupsOf } from './support/seeds.ts'

it.each(groupsOf({ from: 1, to: 75 }))('the worlds of seeds $from to $to keep every promise', assertSeedsHold)
