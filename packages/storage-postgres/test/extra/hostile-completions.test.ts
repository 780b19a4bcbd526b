import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { completeLate, playCompletions } from '@jobistemer/test-kit'
import { HostilePostgres } from '@jobistemer/test-kit/hostile-postgres'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest'
import { byEffort, seedsByEffort } from '../../../workspace/test-effort.ts'
import { postgresStorage } from '../../src/index.ts'
import { useSchemas } from '../schemas.ts'

const { schema: newSchema } = useSchemas()

let pool: pg.Pool
const databases: HostilePostgres[] = []

beforeAll(() => {
  pool = new pg.Pool({ connectionString: inject('postgres').url, max: 12 })
  pool.on('error', () => {})
})

afterEach(async () => {
  for (const database of databases.splice(0)) await database.remove()
})

afterAll(() => pool.end())

async function makeDatabase(): Promise<HostilePostgres> {
  const database = await HostilePostgres.make({
    pool,
    url: inject('postgres').url,
    schema: newSchema(),
    storage: postgresStorage,
  })
  databases.push(database)
  return database
}

const seeds = seedsByEffort(1)

it('whatever fails between the statements of a transaction, the storage stores a handler’s row and the end of its task, or neither', {
  timeout: 120_000 * seeds.length,
}, async () => {
  for (const seed of seeds) {
    const database = await makeDatabase()
    const { violations, tries, committed, refused, late, faults } = await playCompletions({
      database,
      occurrences: byEffort(250, 150),
      seed,
    })
    expect(violations).toEqual([])
    for (const count of [committed, refused, late]) expect(count).toBeGreaterThan(tries / 30)
    expect(Object.keys(faults).sort()).toEqual([...database.faults].sort())
  }
})

it('this test of completions detects a storage that does not compare the fencing token', {
  timeout: 120_000,
}, async () => {
  let isFound = false
  // With some seeds, another check fails first and ends the simulation before the expected violation.
  for (let seed = 2; seed < 8 && !isFound; seed++) {
    const database = await makeDatabase()
    const { violations } = await playCompletions({ database, occurrences: 100, seed, wrap: completeLate })
    isFound = violations.some((line) => line.endsWith('came too late, but was committed'))
  }
  expect(isFound).toBe(true)
})

it('this test of completions detects an occurrence that never ends, even on a slow machine', {
  timeout: 120_000,
}, async () => {
  const forgetful = (storage: Storage) =>
    wrapStorage(storage, { claim: async () => ({ claimed: [], cancelRequested: [], more: false, nextDueAt: null }) })
  const database = await makeDatabase()
  const { violations } = await playCompletions({ database, occurrences: 30, seed: 1, wrap: forgetful })
  expect(violations).toEqual([
    expect.stringMatching(/^\d+ occurrences have not ended, but the nodes claim none: pending$/),
  ])
})
