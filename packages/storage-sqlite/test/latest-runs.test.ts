import { readFileSync, writeFileSync } from 'node:fs'
import type { Storage } from '@jobistemer/core/storage'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { addJob, finishItem, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { makeScratch, type Scratch } from './scratch.ts'

let scratch: Scratch
let storage: Storage

beforeEach(() => {
  scratch = makeScratch()
  storage = sqliteStorage({ file: scratch.file, synchronous: 'normal' })
})

afterEach(async () => {
  await storage.close()
  scratch.remove()
})

/**
 * Adds a job. The run of its first slot has ended. The run of its second slot continues, so that the following slots were
 * skipped.
 */
async function skipping(name: string, skipped: number) {
  const { id } = await addJob(storage, name, 'skip')
  await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(id, 1)] })
  await storage.settle({ now: slotAt(1), items: [finishItem(id, 1)] })
  for (let first = 2; first <= skipped + 2; first += 500) {
    const count = Math.min(500, skipped + 3 - first)
    const items = Array.from({ length: count }, (_, index) => slotItem(id, first + index))
    await storage.createOccurrences({ now: slotAt(first + count), owner, items })
  }
  return id
}

/** Adds the newest rows of the history, which are not indexed yet, to the indexes. A prune that removes nothing does this. */
async function index(): Promise<void> {
  await storage.prune({ now: slotAt(1), jobId: null, before: slotAt(0), keep: 0, limit: 1 })
}

it('the latest run is found although hundreds of skipped slots followed it, both before and after the history is indexed', async () => {
  const id = await skipping('job', 900)
  const expected = { id: slotItem(id, 1).id, state: 'completed' }
  expect((await storage.get({ latest: [id] })).latest).toMatchObject([expected])
  await index()
  expect((await storage.get({ latest: [id] })).latest).toMatchObject([expected])
})

it('the search for the latest run returns null behind thousands of skipped slots, until a newer run follows these slots', async () => {
  const id = await skipping('job', 3000)
  await index()
  expect((await storage.get({ latest: [id] })).latest).toEqual([null])
  await storage.settle({ now: slotAt(4000), items: [finishItem(id, 2)] })
  // The run is older than the skipped slots and not indexed, so the search does not find it.
  expect((await storage.get({ latest: [id] })).latest).toEqual([null])
  await storage.createOccurrences({ now: slotAt(4000), owner, items: [slotItem(id, 3003)] })
  await storage.settle({ now: slotAt(4000), items: [finishItem(id, 3003)] })
  const expected = [{ id: slotItem(id, 3003).id }]
  expect((await storage.get({ latest: [id] })).latest).toMatchObject(expected)
  await index()
  expect((await storage.get({ latest: [id] })).latest).toMatchObject(expected)
})

it('a read of ended runs without their task runs does not read the results of tasks from the file', async () => {
  const { id } = await addJob(storage, 'job')
  await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(id, 1)] })
  const finish = finishItem(id, 1)
  const runs = finish.runs.map((run) => ({ ...run, result: 'x'.repeat(100_000) }))
  const change = { kind: 'finish', state: 'failed', reason: null } as const
  await storage.settle({ now: slotAt(1), items: [{ ...finish, runs, change }] })
  await storage.close()
  damagePagesOfX(scratch.file)
  storage = sqliteStorage({ file: scratch.file })
  const page = { jobId: id, order: 'ascending', limit: 10, cursor: null } as const
  for (const kind of ['job', 'failed'] as const) {
    await expect(storage.listOccurrences({ ...page, kind, runs: true })).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
    })
    const { items } = await storage.listOccurrences({ ...page, kind, runs: false })
    expect(items).toMatchObject([{ id: finish.id, state: 'failed', runs: [] }])
  }
  expect((await storage.get({ latest: [id] })).latest).toMatchObject([{ id: finish.id, runs: [] }])
})

/** Damages the pages that contain a part of a long text of "x", so that SQLite cannot read the text. */
function damagePagesOfX(file: string): void {
  const bytes = readFileSync(file)
  for (let page = 0; page < bytes.length; page += 4096) {
    // The first four bytes of such a page are the number of the next page of the text.
    if (bytes.subarray(page + 4, page + 4096).every((byte) => byte === 0x78)) bytes.writeUInt32BE(0xffff_ffff, page)
  }
  writeFileSync(file, bytes)
}
