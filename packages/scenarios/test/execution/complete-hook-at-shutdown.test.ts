import { createScheduler, defineJob, type Scheduler } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { expect, test } from 'vitest'
import { everySeconds } from '../support/every.ts'

test.each([
  { which: 'in progress', taskSeconds: 0 },
  { which: 'of an occurrence that ends during the shutdown', taskSeconds: 3 },
])('a shutdown waits for an onComplete hook $which', async ({ taskSeconds }) => {
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const hookSeconds = 5
  const told: string[] = []
  const run = () => (taskSeconds === 0 ? undefined : clock.sleep({ seconds: taskSeconds }))
  const job = defineJob({
    name: 'report',
    schedule: everySeconds(60),
    tasks: [{ name: 'write', run }],
    async onComplete(report) {
      await clock.sleep({ seconds: hookSeconds })
      told.push(report.outcome)
    },
  })
  const scheduler = createScheduler({ storage: memoryStorage(), jobs: [job], clock })
  await scheduler.start()
  await clock.advance({ minutes: 1 })
  const shutdown = scheduler.shutdown().then(() => told.push('stopped'))
  await clock.advance({ seconds: taskSeconds + hookSeconds - 1 })
  expect(told).toEqual([])
  await clock.advance({ seconds: 2 })
  await shutdown
  expect(told).toEqual(['completed', 'stopped'])
})

test.each([
  { how: 'calls it', isUnderWay: false },
  { how: 'calls it while it is in progress', isUnderWay: true },
])(
  'a shutdown does not wait for an onComplete hook that itself awaits the shutdown: the hook $how',
  async ({ isUnderWay }) => {
    const clock = virtualClock('2026-01-01T00:00:00Z')
    const told: string[] = []
    const task = { name: 'write', run: () => clock.sleep({ seconds: 3 }) }
    const node: { scheduler?: Scheduler } = {}
    const job = defineJob({
      name: 'report',
      schedule: everySeconds(60),
      tasks: [task],
      async onComplete() {
        await node.scheduler?.shutdown()
        told.push(`hook over at ${clock.now() - startedAt}`)
      },
    })
    const startedAt = clock.now()
    node.scheduler = createScheduler({ storage: memoryStorage(), jobs: [job], clock })
    await node.scheduler.start()
    await clock.advance({ seconds: 61 })
    const shutdown = isUnderWay ? node.scheduler.shutdown().then(() => told.push('stopped')) : null
    await clock.advance({ seconds: 5 })
    await shutdown
    expect(told.filter((line) => line !== 'stopped')).toEqual(['hook over at 63000'])
    expect(told.length).toBe(isUnderWay ? 2 : 1)
  },
)

test.each([
  { how: 'one shutdown', isAsked: false },
  { how: 'after another shutdown', isAsked: true },
])(
  '`runDue` does not wait for an onComplete hook that itself awaits the shutdown of the scheduler: $how',
  async ({ isAsked }) => {
    const clock = virtualClock('2026-01-01T00:00:00Z')
    const node: { scheduler?: Scheduler } = {}
    const job = defineJob({
      name: 'report',
      schedule: everySeconds(60),
      tasks: [{ name: 'write', run: () => clock.sleep({ seconds: 3 }) }],
      onComplete: () => node.scheduler?.shutdown(),
    })
    const scheduler = createScheduler({ storage: memoryStorage(), jobs: [job], clock })
    node.scheduler = scheduler
    // The first call of `runDue` stores the job, and the second call runs its slot.
    await scheduler.runDue()
    await clock.advance({ seconds: 61 })
    const controller = new AbortController()
    const called = scheduler.runDue({ signal: controller.signal })
    await clock.advance({ seconds: 1 })
    controller.abort()
    const shutdown = isAsked ? scheduler.shutdown() : null
    await clock.advance({ minutes: 2 })
    await shutdown
    expect(await called).toMatchObject({ ended: 'aborted', finished: 1, durationMs: 3000 })
  },
)
