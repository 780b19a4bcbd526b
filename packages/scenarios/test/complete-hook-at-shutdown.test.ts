import { createScheduler, defineJob } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { expect, test } from 'vitest'
import { everySeconds } from './support/every.ts'

test('a shutdown waits for an onComplete hook that is under way', async () => {
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const told: string[] = []
  const job = defineJob({
    name: 'report',
    schedule: everySeconds(60),
    tasks: [{ name: 'write', run: () => undefined }],
    async onComplete(report) {
      await clock.sleep({ seconds: 5 })
      told.push(report.outcome)
    },
  })
  const scheduler = createScheduler({ storage: memoryStorage(), jobs: [job], clock })
  await scheduler.start()
  await clock.advance({ minutes: 1 })
  const shutdown = scheduler.shutdown().then(() => told.push('stopped'))
  await clock.advance({ seconds: 4 })
  expect(told).toEqual([])
  await clock.advance({ seconds: 2 })
  await shutdown
  expect(told).toEqual(['completed', 'stopped'])
})

test('a shutdown waits for the onComplete hook of an occurrence that ends meanwhile', async () => {
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const told: string[] = []
  const job = defineJob({
    name: 'report',
    schedule: everySeconds(60),
    tasks: [{ name: 'write', run: () => clock.sleep({ seconds: 3 }) }],
    async onComplete(report) {
      await clock.sleep({ seconds: 5 })
      told.push(report.outcome)
    },
  })
  const scheduler = createScheduler({ storage: memoryStorage(), jobs: [job], clock })
  await scheduler.start()
  await clock.advance({ minutes: 1 })
  const shutdown = scheduler.shutdown().then(() => told.push('stopped'))
  await clock.advance({ seconds: 7 })
  expect(told).toEqual([])
  await clock.advance({ seconds: 2 })
  await shutdown
  expect(told).toEqual(['completed', 'stopped'])
})
