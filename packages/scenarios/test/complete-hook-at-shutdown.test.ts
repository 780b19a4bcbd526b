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
  const shutdown = scheduler.shutdown()
  expect(told).toEqual([])
  await clock.advance({ seconds: 6 })
  await shutdown
  expect(told).toEqual(['completed'])
})
