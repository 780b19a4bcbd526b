import type { PruneRequest, Storage } from '@jobistemer/core/storage'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { HistoryPruner } from '../src/prune-history.ts'
import { namedTables } from '../src/table-names.ts'
import { Tables } from '../src/tables.ts'
import { addJob, finishItem, minute, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { makeScratch, type Scratch } from './scratch.ts'

const jobCount = 30
const slotCount = 12

let scratch: Scratch
let database: Database.Database
let storage: Storage

beforeEach(async () => {
  scratch = makeScratch()
  database = new Database(scratch.file)
  storage = sqliteStorage({ database, synchronous: 'normal' })
  for (let index = 0; index < jobCount; index++) {
    const { id } = await addJob(storage, `job-${index}`)
    // Every second job has few enough to keep all of them.
    for (let slot = 1; slot <= (index % 2 === 0 ? slotCount : 4); slot++) {
      await storage.createOccurrences({ now: slotAt(slot), owner, items: [slotItem(id, slot)] })
      await storage.settle({ now: slotAt(slot) + 20, items: [finishItem(id, slot)] })
    }
  }
})

afterEach(async () => {
  await storage.close()
  database.close()
  scratch.remove()
})

function rowsLeft(): unknown {
  return database.prepare('SELECT count(*) FROM history').pluck().get()
}

const request = { now: slotAt(50), jobId: null, before: slotAt(49) + minute, keep: 5, limit: 1000 } as const

it('a call that has looked at enough ends, and the next ones go on until all is done', () => {
  const pruner = new HistoryPruner(new Tables(namedTables(database, '')), 250)
  let calls = 0
  for (let more = true; more; calls++) {
    database.exec('BEGIN IMMEDIATE')
    more = pruner.prune(request).more
    database.exec('COMMIT')
    expect(calls).toBeLessThan(100)
  }
  expect(calls).toBeGreaterThan(5)
  expect(rowsLeft()).toBe((jobCount / 2) * (5 + 4))
})

it('one of another kind begins anew', () => {
  const pruner = new HistoryPruner(new Tables(namedTables(database, '')), 250)
  database.exec('BEGIN IMMEDIATE')
  expect(pruner.prune(request).more).toBe(true)
  for (let more = true; more; ) more = pruner.prune({ ...request, keep: 0 }).more
  database.exec('COMMIT')
  expect(rowsLeft()).toBe(0)
})

it('several that go on by turns all come to their end', () => {
  const pruner = new HistoryPruner(new Tables(namedTables(database, '')), 250)
  const requests = Array.from({ length: 20 }, (_, index) => ({
    ...request,
    keep: 6 + (index % 4),
    before: slotAt(40 + index),
  }))
  let left: readonly PruneRequest[] = requests
  let turns = 0
  database.exec('BEGIN IMMEDIATE')
  for (; left.length > 0; turns++) {
    left = left.filter((one) => pruner.prune(one).more)
    expect(turns).toBeLessThan(100)
  }
  database.exec('COMMIT')
  expect(turns).toBeGreaterThan(5)
  expect(rowsLeft()).toBe((jobCount / 2) * (6 + 4))
})

it('the usual effort does all of this at once', async () => {
  const { removed, more } = await storage.prune(request)
  expect({ removed, more }).toEqual({ removed: (jobCount / 2) * (slotCount - 5), more: false })
})

it('another process that removes the last rows does not keep later ones out of the indexes', async () => {
  const { id } = await addJob(storage, 'busy', 'allow')
  const run = async (first: number, count: number) => {
    const slots = Array.from({ length: count }, (_, index) => first + index)
    const now = slotAt(first + count)
    await storage.createOccurrences({ now, owner, items: slots.map((slot) => slotItem(id, slot)) })
    await storage.settle({ now, items: slots.map((slot) => finishItem(id, slot)) })
  }
  await run(1, 5_000)
  const other = sqliteStorage({ file: scratch.file })
  const { removed } = await other.prune({ ...request, before: slotAt(10_000), keep: 0, limit: 100_000 })
  expect(removed).toBeGreaterThan(5_000)
  await other.close()
  await run(5_001, 3_000)
  expect(database.prepare('SELECT count(*) FROM history_times').pluck().get()).toBeGreaterThan(2_000)
  expect(rowsLeft()).toBe(3_000)
})
