import Database from 'better-sqlite3'
import { expect, it, onTestFinished } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { addJob, owner, slotAt, triggerItem } from '@jobistemer/test-kit'
import { makeScratch } from './scratch.ts'

const count = 5_000

it('a claim on SQLite needs several transactions to move thousands of occurrences that come due at one instant, and keeps their order', async () => {
  const scratch = makeScratch()
  let transactions = 0
  const database = new Database(scratch.file, {
    verbose(text) {
      if (String(text).startsWith('BEGIN IMMEDIATE')) transactions++
    },
  })
  const storage = sqliteStorage({ database, synchronous: 'normal' })
  onTestFinished(async () => {
    await storage.close()
    database.close()
    scratch.remove()
  })
  const { id } = await addJob(storage, 'job', 'allow')
  for (let first = 0; first < count; first += 500) {
    const items = Array.from({ length: 500 }, (_, index) => {
      // Each occurrence has an earlier scheduled time than the occurrences that were created before it. So the claim
      // must take the occurrences in the reverse order of their creation.
      const key = first + index
      return { ...triggerItem(id, key, slotAt(2) - key), dueAt: slotAt(9) }
    })
    await storage.createOccurrences({ now: slotAt(2), owner, items })
  }
  const claim = async () => {
    transactions = 0
    return storage.claim({ now: slotAt(9), owner, limit: 3, exceptHandlerKeys: [], sweep: false })
  }
  const first = await claim()
  expect(first.claimed.map(({ scheduledAt }) => slotAt(2) - scheduledAt)).toEqual([count - 1, count - 2, count - 3])
  expect(first.more).toBe(true)
  expect(transactions).toBe(Math.floor(count / 2000) + 2)
  const second = await claim()
  expect(second.claimed.map(({ scheduledAt }) => slotAt(2) - scheduledAt)).toEqual([count - 4, count - 5, count - 6])
  expect(transactions).toBe(1)
  expect((await storage.get({ counts: [id] })).counts).toEqual([{ pending: count - 6, queued: 0, running: 6 }])
})
