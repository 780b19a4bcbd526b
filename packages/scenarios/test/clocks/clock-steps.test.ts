import { createScheduler, defineJob, type Scheduler, silentLogger } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { virtualClock, wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'

function twoNodes() {
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const database = memoryDatabase()
  const aborted: unknown[] = []
  const job = defineJob({
    name: 'long',
    schedule: everySeconds(600),
    executionTimeout: { minutes: 30 },
    taskTimeout: { minutes: 40 },
    onInterrupted: 'fail',
    tasks: [
      {
        name: 'work',
        async run({ signal }) {
          signal.addEventListener('abort', () => aborted.push(signal.reason))
          await clock.sleep({ minutes: 20 })
        },
      },
    ],
  })
  const node = (nodeId: string, storage: Storage = memoryStorage({ database })) =>
    createScheduler({ storage, jobs: [job], clock, nodeId, logger: silentLogger })
  /** Shuts the nodes down. Handlers ignore their abort signal, so each shutdown lasts until its abort grace period ends. */
  async function stop(...nodes: readonly Scheduler[]) {
    const stopped = nodes.map((one) => one.shutdown({ gracePeriod: 0, abortGracePeriod: 0 }))
    await clock.advance({ seconds: 1 })
    await Promise.all(stopped)
  }
  /** A node that cannot store the end of its runs. */
  const stuck = () => {
    const storage = wrapStorage(memoryStorage({ database }), {
      around: ({ method, proceed }) => (method === 'settle' ? Promise.reject(new Error('no settle')) : proceed()),
    })
    return node('stuck', storage)
  }
  return { clock, aborted, left: node('left'), right: node('right'), stuck, stop }
}

it('a forward step of the clock by two hours does not make a node reap a running occurrence', async () => {
  const { clock, aborted, left, right, stop } = twoNodes()
  await left.start()
  await right.start()
  await clock.advance({ minutes: 11 })
  await clock.jumpTo(clock.now() + 7_200_000)
  await clock.advance({ minutes: 20 })
  const [first] = (await left.occurrences({ job: 'long' })).items
  expect(first?.state).toBe('completed')
  expect(aborted).toEqual([])
  await stop(left, right)
})

it('a node reaps a stopped peer’s run at the run’s deadline, even if the clock was set forward before the run', async () => {
  const { clock, left, right, stop } = twoNodes()
  await right.start()
  await clock.advance({ minutes: 1 })
  await clock.jumpTo(clock.now() + 7_200_000)
  await left.start()
  await clock.settle()
  const asked = await left.trigger('long')
  expect(asked.state).toBe('running')
  await stop(left)
  await clock.advance({ minutes: 31 })
  const found = (await right.occurrences({ job: 'long' })).items.find(({ id }) => id === asked.id)
  expect(found?.state).toBe('failed_stale')
  await stop(right)
})

it('a node reaps the run of a stuck peer soon after the run’s deadline, although its clock steps forward by 3 s every 5 minutes', async () => {
  const { clock, right, stuck, stop } = twoNodes()
  const owner = stuck()
  await owner.start()
  await right.start()
  await clock.settle()
  const asked = await owner.trigger('long')
  for (let steps = 0; steps < 7; steps++) {
    await clock.advance({ minutes: 5 })
    await clock.jumpTo(clock.now() + 3000)
  }
  const found = (await right.occurrences({ job: 'long' })).items.find(({ id }) => id === asked.id)
  expect(found).toMatchObject({ state: 'failed_stale', reason: 'execution_timeout' })
  await stop(owner, right)
})

it('a node reaps the run of a stuck peer at its deadline, although the run began just after the clock was set forward', async () => {
  const { clock, right, stuck, stop } = twoNodes()
  const owner = stuck()
  await owner.start()
  await right.start()
  await clock.advance({ minutes: 2 })
  await clock.jumpTo(clock.now() + 24 * 3_600_000)
  const asked = await owner.trigger('long')
  await clock.advance({ hours: 1 })
  const found = (await right.occurrences({ job: 'long', limit: 1000 })).items.find(({ id }) => id === asked.id)
  expect(found).toMatchObject({ state: 'failed_stale', reason: 'execution_timeout' })
  await stop(owner, right)
})

it('a node reaps no healthy run that began while the clock was set back by an hour', async () => {
  const { clock, left, right, stop } = twoNodes()
  await left.start()
  await right.start()
  await clock.advance({ minutes: 2 })
  await clock.jumpTo(clock.now() - 3_600_000)
  await clock.advance({ minutes: 5 })
  const { id } = await left.trigger('long')
  await clock.advance({ minutes: 5 })
  await clock.jumpTo(clock.now() + 3_600_000)
  await clock.advance({ minutes: 20 })
  const found = (await right.occurrences({ job: 'long', limit: 1000 })).items.find((one) => one.id === id)
  expect(found).toMatchObject({ state: 'completed' })
  await stop(left, right)
})

it('a node reaps the run of a stuck peer, although its clock is repeatedly set forward by an hour and back', async () => {
  const { clock, right, stuck, stop } = twoNodes()
  const owner = stuck()
  await owner.start()
  await right.start()
  await clock.advance({ minutes: 2 })
  const asked = await owner.trigger('long')
  for (let steps = 0; steps < 12; steps++) {
    await clock.advance({ minutes: 5 })
    await clock.jumpTo(clock.now() + (steps % 2 === 0 ? 3_600_000 : -3_600_000))
  }
  const found = (await right.occurrences({ job: 'long', limit: 1000 })).items.find(({ id }) => id === asked.id)
  expect(found).toMatchObject({ state: 'failed_stale', reason: 'execution_timeout' })
  await stop(owner, right)
})
