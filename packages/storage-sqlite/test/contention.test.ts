import { jobId } from '@jobistemer/core'
import type { JobRecord, Storage } from '@jobistemer/core/storage'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { storageError } from '../src/sqlite-errors.ts'
import { addJob, finishItem, minute, owner, slotAt, slotItem, start } from '@jobistemer/test-kit'
import { makeScratch, type Scratch } from './scratch.ts'

let scratch: Scratch
let storage: Storage
let other: Database.Database
let job: JobRecord

beforeEach(async () => {
  scratch = makeScratch()
  storage = sqliteStorage({ file: scratch.file })
  other = new Database(scratch.file)
  job = await addJob(storage, 'nightly')
})

afterEach(async () => {
  await storage.close()
  other.close()
  scratch.remove()
})

/** Waits for `count` turns of the event loop. A step that does not wait for the file's lock ends during these turns. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

async function startSlot(index: number): Promise<string> {
  const [answer] = await storage.createOccurrences({ now: slotAt(index), owner, items: [slotItem(job.id, index)] })
  return answer?.outcome ?? 'no answer'
}

describe('while another process has locked the SQLite file', () => {
  it('a call waits for the lock without blocking the event loop, and continues once the lock is released', async () => {
    other.exec('BEGIN IMMEDIATE')
    let settled = false
    const call = startSlot(1).finally(() => {
      settled = true
    })
    await turns(50)
    expect(settled).toBe(false)
    other.exec('COMMIT')
    expect(await call).toBe('created')
  })

  it('waiting calls take effect in the order in which they were made', async () => {
    other.exec('BEGIN IMMEDIATE')
    const first = startSlot(1)
    const second = startSlot(2)
    const third = storage.settle({ now: slotAt(2), items: [finishItem(job.id, 1)] })
    await turns(20)
    other.exec('COMMIT')
    expect(await first).toBe('created')
    expect(await second).toBe('created')
    expect((await third)[0]?.outcome).toBe('ok')
    const { occurrences } = await storage.get({ occurrences: [slotItem(job.id, 1).id, slotItem(job.id, 2).id] })
    expect(occurrences.map((record) => record?.state)).toEqual(['completed', 'skipped'])
  })

  it('calls that only read do not wait for the lock', async () => {
    other.exec('BEGIN IMMEDIATE')
    other.exec("UPDATE jobs SET name = 'changed'")
    expect((await storage.get({ jobs: [job.id] })).jobs[0]?.name).toBe('nightly')
    other.exec('ROLLBACK')
  })

  it('a claim that finds no occurrence to claim does not wait for the lock', async () => {
    other.exec('BEGIN IMMEDIATE')
    const answer = await storage.claim({ now: start, owner, limit: 10, exceptHandlerKeys: [], sweep: true })
    expect(answer).toEqual({ claimed: [], cancelRequested: [], more: false, nextDueAt: null })
    other.exec('ROLLBACK')
  })

  it('a call and the calls that wait for it reject with STORAGE_BUSY at the time limit, and later calls succeed', async () => {
    const impatient = sqliteStorage({ file: scratch.file, busyTimeout: 20 })
    other.exec('BEGIN IMMEDIATE')
    const calls = [1, 2].map((index) =>
      impatient.createOccurrences({ now: slotAt(index), owner, items: [slotItem(job.id, index)] }),
    )
    const outcomes = await Promise.allSettled(calls)
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'STORAGE_BUSY', field: 'busyTimeout' } })
    }
    other.exec('COMMIT')
    const [answer] = await impatient.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] })
    expect(answer?.outcome).toBe('created')
    await impatient.close()
  })

  it('opening a storage waits for busyTimeout, and then throws STORAGE_BUSY', async () => {
    const fresh = `${scratch.directory}/fresh.db`
    const holder = new Database(fresh)
    holder.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    expect(() => sqliteStorage({ file: fresh, busyTimeout: 40 })).toThrow(
      expect.objectContaining({ code: 'STORAGE_BUSY' }),
    )
    holder.close()
    await sqliteStorage({ file: fresh, busyTimeout: 40 }).close()
  })
})

describe('a closed SQLite storage', () => {
  it('rejects every call with STORAGE_CLOSED, and may be closed again', async () => {
    await storage.close()
    await storage.close()
    const closed = { code: 'STORAGE_CLOSED' }
    const items: never[] = []
    await expect(storage.saveJobs({ now: start, changes: [] })).rejects.toMatchObject(closed)
    await expect(storage.createOccurrences({ now: start, owner, items })).rejects.toMatchObject(closed)
    await expect(
      storage.claim({ now: start, owner, limit: 1, exceptHandlerKeys: [], sweep: false }),
    ).rejects.toMatchObject(closed)
    await expect(storage.settle({ now: start, items })).rejects.toMatchObject(closed)
    await expect(storage.cancel({ now: start, items })).rejects.toMatchObject(closed)
    await expect(storage.reap({ now: start, items })).rejects.toMatchObject(closed)
    await expect(storage.get({})).rejects.toMatchObject(closed)
    await expect(storage.listJobs({ limit: 1, cursor: null })).rejects.toMatchObject(closed)
    await expect(
      storage.listOccurrences({ kind: 'live', state: 'pending', limit: 1, cursor: null, runs: false }),
    ).rejects.toMatchObject(closed)
    await expect(storage.prune({ now: start, jobId: null, before: start, keep: 0, limit: 1 })).rejects.toMatchObject(
      closed,
    )
  })

  it('rejects the calls that still wait for the file', async () => {
    other.exec('BEGIN IMMEDIATE')
    const call = startSlot(1)
    await turns(5)
    await storage.close()
    await expect(call).rejects.toMatchObject({ code: 'STORAGE_CLOSED' })
    other.exec('ROLLBACK')
  })
})

describe('a full disk under SQLite', () => {
  it('makes a call reject with STORAGE_FULL and change nothing; later calls succeed once the disk has space', async () => {
    const file = `${scratch.directory}/small.db`
    const database = new Database(file)
    const small = sqliteStorage({ database })
    const crowded = await addJob(small, 'crowded', 'allow')
    const filler = 'x'.repeat(20_000)
    const pages = database.pragma('page_count', { simple: true }) as number
    database.pragma(`max_page_count = ${pages + 20}`)
    const indexes = Array.from({ length: 10 }, (_, index) => index + 1)
    const items = indexes.map((index) => ({ ...slotItem(crowded.id, index), details: { data: filler } }))
    await expect(small.createOccurrences({ now: slotAt(10), owner, items })).rejects.toMatchObject({
      code: 'STORAGE_FULL',
      field: 'file',
      remedy: expect.stringMatching(/^Free room on the disk.*prune\(\).*needs some room itself/),
      cause: { code: 'SQLITE_FULL' },
    })
    const query = { kind: 'job', jobId: crowded.id, order: 'ascending', limit: 100, cursor: null, runs: true } as const
    expect((await small.listOccurrences(query)).items).toEqual([])
    expect((await small.get({ jobs: [crowded.id] })).jobs).toEqual([crowded])
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok')

    database.pragma('max_page_count = 100000')
    const answers = await small.createOccurrences({ now: slotAt(10), owner, items })
    expect(answers.map(({ outcome }) => outcome)).toEqual(Array(10).fill('created'))
    await small.close()
    database.close()
  })

  it('makes the opening of a file fail with STORAGE_FULL if SQLite cannot extend the side file `-shm`', () => {
    const cause = Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR_SHMSIZE' })
    expect(storageError(cause, 'jobs.db')).toMatchObject({ code: 'STORAGE_FULL', cause })
  })

  it('does not let a later call reuse the fencing token that a rolled-back call had assigned', async () => {
    const database = new Database(`${scratch.directory}/small.db`)
    const small = sqliteStorage({ database })
    const crowded = await addJob(small, 'crowded', 'allow')
    const pages = database.pragma('page_count', { simple: true }) as number
    database.pragma(`max_page_count = ${pages + 5}`)
    const items = [1, 2].map((index) => ({ ...slotItem(crowded.id, index), details: { data: 'x'.repeat(20_000) } }))
    const late = { node: 'node-b', incarnation: 'node-b-1' }
    await expect(small.createOccurrences({ now: slotAt(2), owner: late, items })).rejects.toMatchObject({
      code: 'STORAGE_FULL',
    })
    database.pragma('max_page_count = 100000')
    await small.createOccurrences({ now: slotAt(2), owner, items: [slotItem(crowded.id, 1)] })
    await small.createOccurrences({ now: slotAt(2), owner: late, items: [slotItem(crowded.id, 2)] })
    const { items: running } = await small.listOccurrences({
      kind: 'live',
      state: 'running',
      limit: 10,
      cursor: null,
      runs: false,
    })
    expect(running.map((record) => record.owner)).toEqual([owner, late])
    await small.close()
    database.close()
  })
})

describe('an unexpected error of SQLite', () => {
  it('makes the call reject as STORAGE_FAILED, with the SQLite error as the cause', async () => {
    other.exec('DROP TABLE running')
    await expect(startSlot(1)).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      cause: { code: 'SQLITE_ERROR' },
    })
  })

  it('rolls back the whole call even if it occurs in only one item of the call', async () => {
    other.exec(`CREATE TRIGGER fault BEFORE INSERT ON running WHEN new.scheduled_at = ${slotAt(1) + 30 * minute}
      BEGIN SELECT RAISE(ABORT, 'a fault of the disk'); END`)
    const second = await addJob(storage, 'second')
    const broken = { ...slotItem(second.id, 1), scheduledAt: slotAt(31) }
    other.exec(`UPDATE heads SET next_at = ${slotAt(31)} WHERE row = (SELECT row FROM jobs WHERE name = 'second')`)
    await expect(
      storage.createOccurrences({ now: slotAt(40), owner, items: [slotItem(job.id, 1), broken] }),
    ).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    const { occurrences, jobs } = await storage.get({
      occurrences: [slotItem(job.id, 1).id],
      jobs: [jobId('nightly')],
    })
    expect(occurrences).toEqual([null])
    expect(jobs[0]?.nextAt).toBe(slotAt(1))
  })
})
