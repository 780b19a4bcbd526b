import { jobId } from '@jobistemer/core'
import Database from 'better-sqlite3'
import { expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { addJob, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { makeScratch } from './scratch.ts'

it('a claim with the option `sweep` wakes a queued occurrence if its job has no active occurrence, as in a damaged file', async () => {
  const scratch = makeScratch()
  const storage = sqliteStorage({ file: scratch.file })
  try {
    await addJob(storage, 'report', 'queue')
    const job = jobId('report')
    const items = [slotItem(job, 1), slotItem(job, 2), slotItem(job, 3)]
    await storage.createOccurrences({ now: slotAt(3), owner, items })
    const damage = new Database(scratch.file)
    damage.exec('DELETE FROM running')
    damage.close()
    const request = { now: slotAt(3), owner, limit: 5, exceptHandlerKeys: [] }
    expect((await storage.claim({ ...request, sweep: false })).claimed).toEqual([])
    const { claimed } = await storage.claim({ ...request, sweep: true })
    expect(claimed.map(({ scheduledAt }) => scheduledAt)).toEqual([slotAt(2)])
    expect((await storage.claim({ ...request, sweep: true })).claimed).toEqual([])
  } finally {
    await storage.close()
    scratch.remove()
  }
})
