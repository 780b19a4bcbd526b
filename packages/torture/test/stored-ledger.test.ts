import { createScheduler, defineJob, silentLogger } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'
import { expect, it } from 'vitest'
import { checkedJob, checkStoredLedger } from '../src/checker/check-stored-ledger.ts'

const everySecond = (end?: Date) => cron('* * * * * *', { timezone: 'UTC', ...(end !== undefined && { end }) })
const job = defineJob({ name: 'job', schedule: everySecond(), tasks: [{ name: 'work', run: () => undefined }] })
const checked = checkedJob({ name: 'job', cron: '* * * * * *', settings: { overlapPolicy: 'skip' }, tasks: [] })

function* halfSeconds(after: number, until: number): Iterable<number> {
  for (let at = Math.floor(after / 1000) * 1000 + 500; at <= until; at += 1000) if (at > after) yield at
}

it('the torture test reports each slot that has no record in the ledger, unless the schedule ended before that slot', async () => {
  const storage = sqliteStorage({ file: ':memory:' })
  const clock = virtualClock(Date.UTC(2026, 0, 1))
  const scheduler = createScheduler({ storage, jobs: [job], clock, logger: silentLogger })
  await scheduler.start()
  await clock.advance({ seconds: 3.5 })
  await scheduler.update('job', { schedule: everySecond(new Date(clock.now())) })
  await clock.advance({ seconds: 4 })
  await scheduler.update('job', { schedule: everySecond() })
  await clock.advance({ seconds: 3 })
  await scheduler.shutdown()
  expect(await checkStoredLedger(storage, [checked])).toEqual([])
  // All slots of the job are at whole seconds, and this check expects slots at half seconds. So the check reports each
  // half second as a missing slot, except while the schedule had ended.
  const holes = await checkStoredLedger(storage, [{ ...checked, slots: halfSeconds }])
  expect(holes.map(({ message }) => /:(\d\d\.\d)\d\dZ has no entry/.exec(message)?.[1])).toEqual([
    '00.5',
    '01.5',
    '02.5',
    '03.5',
    '08.5',
    '09.5',
  ])
  await storage.close()
})
