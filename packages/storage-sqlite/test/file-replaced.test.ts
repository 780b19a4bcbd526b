import { copyFileSync, existsSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { jobId } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { addJob, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { makeScratch, type Scratch } from './scratch.ts'

let scratch: Scratch
let storages: Storage[]

beforeEach(() => {
  scratch = makeScratch()
  storages = []
})

afterEach(async () => {
  for (const storage of storages) await storage.close()
  scratch.remove()
})

function open(options: Parameters<typeof sqliteStorage>[0] = { file: scratch.file }): Storage {
  const storage = sqliteStorage(options)
  storages.push(storage)
  return storage
}

function removeFiles(): void {
  for (const ending of ['', '-wal', '-shm']) rmSync(`${scratch.file}${ending}`, { force: true })
}

/** Ways in which the database file can disappear while a storage has the file open. */
const ways: readonly [how: string, replace: () => void][] = [
  ['deleted', removeFiles],
  [
    'deleted, and made anew by another node',
    () => {
      removeFiles()
      open()
    },
  ],
  [
    'replaced by a copy of itself, as a restored backup is',
    () => {
      const copy = `${scratch.file}.copy`
      copyFileSync(scratch.file, copy)
      renameSync(copy, scratch.file)
    },
  ],
  ['moved', () => renameSync(scratch.file, `${scratch.file}.old`)],
]

describe.each(ways)('an SQLite file that was %s', (_how, replace) => {
  const calls: readonly [name: string, call: (storage: Storage) => Promise<unknown>][] = [
    ['creates', (storage) => storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(jobId('a'), 1)] })],
    ['claims', (storage) => storage.claim({ now: slotAt(1), owner, limit: 1, exceptHandlerKeys: [], sweep: false })],
    ['reads', (storage) => storage.get({ jobs: [jobId('a')] })],
    ['prunes', (storage) => storage.prune({ now: slotAt(1), jobId: null, before: slotAt(1), keep: 0, limit: 10 })],
  ]

  it.each(calls)('causes STORAGE_REPLACED at the next call that %s', async (_name, call) => {
    const storage = open()
    await addJob(storage, 'a')
    await call(storage)
    replace()
    await expect(call(storage)).rejects.toMatchObject({
      code: 'STORAGE_REPLACED',
      field: 'file',
      value: scratch.file,
      remedy: expect.stringContaining('Stop all nodes'),
    })
  })

  it('makes the next call reject if the storage uses a connection of its caller', async () => {
    const database = new Database(scratch.file)
    const storage = open({ database })
    await addJob(storage, 'a')
    replace()
    await expect(storage.get({})).rejects.toMatchObject({ code: 'STORAGE_REPLACED' })
    await storage.close()
    database.close()
  })
})

it('a storage keeps refusing a file that was moved away and back, because other processes may have lost writes meanwhile', async () => {
  const storage = open()
  const aside = `${scratch.file}.aside`
  renameSync(scratch.file, aside)
  await expect(storage.get({})).rejects.toMatchObject({ code: 'STORAGE_REPLACED' })
  renameSync(aside, scratch.file)
  await expect(storage.get({})).rejects.toMatchObject({ code: 'STORAGE_REPLACED' })
})

it('a call rejects with STORAGE_FAILED if the path of the file has become a symbolic link to itself', async () => {
  const storage = open()
  rmSync(scratch.file)
  symlinkSync(scratch.file, scratch.file)
  await expect(storage.get({})).rejects.toMatchObject({ code: 'STORAGE_FAILED', cause: { code: 'ELOOP' } })
})

it('a storage in memory does not check for a replaced file', async () => {
  const storage = open({ file: ':memory:' })
  expect(existsSync(':memory:')).toBe(false)
  await addJob(storage, 'a')
  expect((await storage.get({ jobs: [jobId('a')] })).jobs[0]?.name).toBe('a')
})
