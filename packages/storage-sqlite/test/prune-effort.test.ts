import type { JobRecord, PruneRequest, Storage } from '@jobistemer/core/storage'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { HistoryPruner } from '../src/prune-history.ts'
import { namedTables } from '../src/table-names.ts'
import { Tables } from '../src/tables.ts'
import { addJob, finishItem, minute, owner, slotAt, slotItem, triggerItem } from '@jobistemer/test-kit'
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
    // Every second job has at most four occurrences, so that a prune keeps all occurrences of these jobs.
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

it('a prune call stops at its effort limit, and the next calls continue until all is removed', () => {
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

it('a prune call with another request starts from the beginning', () => {
  const pruner = new HistoryPruner(new Tables(namedTables(database, '')), 250)
  database.exec('BEGIN IMMEDIATE')
  expect(pruner.prune(request).more).toBe(true)
  for (let more = true; more; ) more = pruner.prune({ ...request, keep: 0 }).more
  database.exec('COMMIT')
  expect(rowsLeft()).toBe(0)
})

it('several alternating prune requests all complete', () => {
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

/** Returns how many prune calls are needed until nothing is left to do, each in a separate transaction. */
function callsOf(pruner: HistoryPruner, one: PruneRequest): number {
  let calls = 0
  for (let more = true; more; calls++) {
    database.exec('BEGIN IMMEDIATE')
    more = pruner.prune(one).more
    database.exec('COMMIT')
    expect(calls).toBeLessThan(200)
  }
  return calls
}

async function replaceAll(overrides: { readonly now: number }): Promise<void> {
  const { items } = await storage.listJobs({ limit: jobCount, cursor: null })
  const changes = items.map(
    ({ id, version, watermark, name, owner: tag, definition, handlerKey, overlap, timeline, nextAt }) => {
      const content = {
        name,
        owner: tag,
        definition,
        handlerKey,
        overlap,
        timeline,
        nextAt,
        fingerprint: `print ${version + 1}`,
      }
      return {
        kind: 'replace',
        id,
        content,
        expectedVersion: version,
        expectedWatermark: watermark,
        waiting: 'keep',
      } as const
    },
  )
  await storage.saveJobs({ ...overrides, changes })
}

function versionsLeft(): unknown {
  return database.prepare('SELECT version, count(*) FROM versions GROUP BY version ORDER BY version').raw().all()
}

it('several prune calls remove unused job versions, and keep versions that the history uses', async () => {
  await replaceAll({ now: slotAt(30) })
  await replaceAll({ now: slotAt(31) })
  expect(versionsLeft()).toEqual([1, 2, 3].map((version) => [version, jobCount]))
  const pruner = new HistoryPruner(new Tables(namedTables(database, '')), 500)
  expect(callsOf(pruner, { ...request, before: slotAt(0) })).toBeGreaterThan(5)
  expect(versionsLeft()).toEqual([1, 3].map((version) => [version, jobCount]))
  expect(callsOf(pruner, { ...request, keep: 0 })).toBeGreaterThan(5)
  expect(versionsLeft()).toEqual([[3, jobCount]])
})

it('a prune keeps the job version of a waiting occurrence, although several calls are needed to search the occurrences', async () => {
  const { items } = await storage.listJobs({ limit: 1, cursor: null })
  const job = items[0] as JobRecord
  const late = { ...triggerItem(job.id, 1, slotAt(25)), jobVersion: 1 }
  await storage.createOccurrences({ now: slotAt(25), owner, items: [late] })
  await replaceAll({ now: slotAt(30) })
  const pruner = new HistoryPruner(new Tables(namedTables(database, '')), 150)
  callsOf(pruner, { ...request, keep: 0 })
  expect(versionsLeft()).toEqual([
    [1, 1],
    [2, jobCount],
  ])
})

it('several prune calls remove tombstones, and a call for one job reads no other tombstones', async () => {
  const { items } = await storage.listJobs({ limit: jobCount, cursor: null })
  const changes = items.map(({ id }) => ({ kind: 'delete', id, expectedVersion: null }) as const)
  await storage.saveJobs({ now: slotAt(30), changes: changes.slice(0, 10) })
  await storage.saveJobs({ now: slotAt(31), changes: changes.slice(10, 20) })
  await storage.saveJobs({ now: slotAt(60), changes: changes.slice(20) })
  const left = () => database.prepare('SELECT count(*) FROM jobs').pluck().get()
  const pruner = new HistoryPruner(new Tables(namedTables(database, '')), 500)
  expect(callsOf(pruner, { ...request, jobId: items[3]?.id ?? null, keep: 0 })).toBe(1)
  expect(left()).toBe(jobCount - 1)
  expect(callsOf(pruner, { ...request, before: slotAt(31), keep: 0 })).toBeGreaterThan(3)
  expect(left()).toBe(jobCount - 10)
  expect(callsOf(pruner, { ...request, keep: 0 })).toBeGreaterThan(1)
  expect(left()).toBe(jobCount - 20)
})

it('no prune call scans all jobs, whether the call is for one job or for all jobs', async () => {
  await replaceAll({ now: slotAt(30) })
  const statements: string[] = []
  const watched = new Database(scratch.file, { verbose: (text) => statements.push(String(text)) })
  const pruner = new HistoryPruner(new Tables(namedTables(watched, '')))
  const { items } = await storage.listJobs({ limit: 1, cursor: null })
  pruner.prune({ ...request, jobId: items[0]?.id ?? null })
  pruner.prune(request)
  const plans = statements
    .filter((text) => text.startsWith('SELECT'))
    .flatMap((text) => database.prepare(`EXPLAIN QUERY PLAN ${text}`).all() as { readonly detail: string }[])
    .map(({ detail }) => detail)
  watched.close()
  expect(plans.filter((detail) => detail.includes('jobs'))).not.toEqual([])
  expect(plans.filter((detail) => /SCAN (jobs|heads|versions)\b/.test(detail))).toEqual([])
})

it('a prune with the default effort limit removes all old occurrences in one call', async () => {
  const { removed, more } = await storage.prune(request)
  expect({ removed, more }).toEqual({ removed: (jobCount / 2) * (slotCount - 5), more: false })
})

it('new occurrences are indexed although another process has removed the last rows of the history', async () => {
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
