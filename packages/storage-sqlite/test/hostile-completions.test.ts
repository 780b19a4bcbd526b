import { completeLate, playCompletions } from '@jobistemer/test-kit'
import { afterEach, expect, it } from 'vitest'
import { isThorough, seedsByEffort } from '../../workspace/test-effort.ts'
import { HostileSqlite } from './hostile-sqlite.ts'
import { makeScratch } from './scratch.ts'

const ends: (() => void)[] = []

afterEach(() => {
  for (const end of ends.splice(0).reverse()) end()
})

function makeDatabase(options: ConstructorParameters<typeof HostileSqlite>[1] = {}): HostileSqlite {
  const { file, remove } = makeScratch()
  const database = new HostileSqlite(file, options)
  ends.push(remove, () => database.close())
  return database
}

const seeds = seedsByEffort(1)
/** The faults are random. With 40 occurrences, each of them occurs several times. */
const occurrences = isThorough ? 250 : 40

it('whatever fails between the statements of a transaction, the storage stores a handler’s row and the end of its task, or neither', {
  timeout: 240_000 * seeds.length,
}, async () => {
  for (const seed of seeds) {
    const database = makeDatabase()
    const { violations, tries, committed, refused, late, faults } = await playCompletions({
      database,
      occurrences,
      seed,
    })
    expect(violations).toEqual([])
    for (const count of [committed, refused, late]) expect(count).toBeGreaterThan(tries / 30)
    expect(Object.keys(faults).sort()).toEqual([...database.faults].sort())
  }
})

it('this test of completions detects a storage that does not compare the fencing token', {
  timeout: 360_000,
}, async () => {
  let found = 0
  // The number of violations depends on the speed of the disk: less than 1 of 100 occurrences is usual, and a seed may find none.
  for (let seed = 2; seed < 26 && found === 0; seed++) {
    const { violations } = await playCompletions({
      // User transactions stay open while the storage makes other calls. Each of these calls blocks the thread for the
      // busy timeout, so the timeout is short.
      database: makeDatabase({ busyTimeout: 50 }),
      // The test finds a violation only if an owner completes its task after another node has become the owner. On a fast
      // disk, most owners complete their tasks before that. So the test may need many seeds.
      occurrences: 100,
      seed,
      wrap: completeLate,
    })
    found = violations.length
  }
  expect(found).toBeGreaterThan(0)
})
