import { createScheduler, defineJob, silentLogger } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { expect, it, onTestFinished } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { memory } from '../support/places.ts'
import { createWorld } from '../support/world.ts'

it('a node that scans 3,000 jobs for old history and for silent jobs is idle for most of the time', async () => {
  const world = createWorld(memory)
  const takesMs = 5
  // Without its method `track`, the virtual clock also advances while storage calls are pending.
  const { track: _, ...clock } = world.clock
  const lookedAt = new Map<number, number[]>()
  const storage = wrapStorage(world.connect(), {
    serverTime: undefined,
    around: async (call) => {
      if (call.method !== 'listJobs' || call.request.due !== undefined) return call.proceed()
      const { limit } = call.request
      lookedAt.set(limit, [...(lookedAt.get(limit) ?? []), clock.monotonic()])
      await world.clock.sleep(takesMs)
      return call.proceed()
    },
  })
  const schedule = everySeconds(86_400)
  const jobs = Array.from({ length: 3000 }, (_, index) =>
    defineJob({ name: `job ${index}`, schedule, tasks: [{ name: 'work', run: () => undefined }] }),
  )
  const node = createScheduler({ storage, clock, jobs, nodeId: 'node', logger: silentLogger })
  let isStarted = false
  const starting = node.start().then(() => {
    isStarted = true
  })
  // The clock does not wait for the storage calls of the start, so the start takes an unknown number of virtual seconds.
  while (!isStarted) await world.clock.advance({ seconds: 1 })
  await starting
  onTestFinished(async () => {
    const stopping = node.shutdown()
    await world.clock.advance({ seconds: 5 })
    await stopping
  })
  lookedAt.clear()
  await world.clock.advance({ minutes: 10 })
  const [history = [], silent = []] = [100, 500].map((limit) => lookedAt.get(limit))
  // The scan for old history reads 30 pages of 100 jobs. The scan for silent jobs reads at least 6 pages of 500 jobs.
  expect([history.length, silent.length >= 6]).toEqual([30, true])
  const restsAfter = (looks: readonly number[]) =>
    looks.slice(1).map((instant, index) => instant - (looks[index] as number) - takesMs)
  expect(Math.min(...restsAfter(history), ...restsAfter(silent))).toBeGreaterThanOrEqual(50 * takesMs)
})
