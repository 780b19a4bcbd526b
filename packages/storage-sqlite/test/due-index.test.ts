import type { JobRecord, Storage } from '@jobistemer/core/storage'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { addJob, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { makeScratch, type Scratch } from './scratch.ts'

let scratch: Scratch
let storage: Storage
let observer: Database.Database

beforeEach(() => {
  scratch = makeScratch()
  storage = sqliteStorage({ file: scratch.file })
  observer = new Database(scratch.file)
})

afterEach(async () => {
  observer.close()
  await storage.close()
  scratch.remove()
})

/** Starts the slots of a job one after the other, each in a separate transaction. */
async function startSlots({ id }: JobRecord, first: number, last: number): Promise<void> {
  for (let index = first; index <= last; index++) {
    const [answer] = await storage.createOccurrences({ now: slotAt(index), owner, items: [slotItem(id, index)] })
    expect(answer).toMatchObject({ outcome: 'created', state: 'running' })
  }
}

const noted = (): unknown => observer.prepare('SELECT count(*) FROM moved_jobs').pluck().get()

async function lookForDue(upTo: number): Promise<readonly (number | null)[]> {
  const { items } = await storage.listJobs({ due: { upTo }, limit: 100, cursor: null })
  return items.map(({ nextAt }) => nextAt)
}

it('the start of a slot adds the job’s next instant to a list; the next search for due jobs moves this instant into the index', async () => {
  const job = await addJob(storage, 'alpha', 'allow')
  await startSlots(job, 1, 20)
  expect(noted()).toBe(20)
  expect(await lookForDue(slotAt(20))).toEqual([])
  expect(noted()).toBe(0)
  expect(await lookForDue(slotAt(21))).toEqual([slotAt(21)])
})

it('if no node searches for due jobs, the list of next instants outside the index of due jobs still stays short', async () => {
  const job = await addJob(storage, 'alpha', 'allow')
  await startSlots(job, 1, 200)
  expect(noted()).toBeLessThanOrEqual(64)
  expect(await lookForDue(slotAt(201))).toEqual([slotAt(201)])
})

it('a search for due jobs does not wait for a writer if the index of due jobs already has all next instants', async () => {
  const job = await addJob(storage, 'alpha', 'allow')
  await startSlots(job, 1, 1)
  await lookForDue(slotAt(9))
  observer.exec('BEGIN IMMEDIATE')
  expect(await lookForDue(slotAt(9))).toEqual([slotAt(2)])
  observer.exec('ROLLBACK')
})
