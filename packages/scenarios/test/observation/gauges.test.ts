import { defineJob, JobistemerError } from '@jobistemer/core'
import { type MetricsCollector, metricsCollector } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { createWorld, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

const ofOthers = ['scheduler_jobs_silent', 'scheduler_nodes', 'scheduler_jobs_in_queue']

/** Returns the names of the reported gauges that concern other nodes or the storage. */
async function shown(metrics: MetricsCollector): Promise<readonly string[]> {
  const gauges = await metrics.readGauges()
  return ofOthers.filter((name) => name in gauges)
}

/** Starts a node that has scanned for silent jobs and so reports all gauges. */
async function lookingNode(world: World) {
  const metrics = metricsCollector()
  const intercepted = new InterceptedStorage(world.connect())
  const job = defineJob({
    name: 'job',
    alertAfter: { hours: 1 },
    schedule: everySeconds(60),
    tasks: [{ name: 'work', run: () => 1 }],
  })
  const options = { storage: intercepted.storage, metrics, jobs: [job] }
  const scheduler = await world.start({
    ...options,
    ...tuned({ heartbeat: { seconds: 5 } }),
    deadAfter: { seconds: 20 },
  })
  await world.clock.advance({ minutes: 3 })
  expect(await shown(metrics)).toEqual(ofOthers)
  return { metrics, intercepted, scheduler }
}

describe('gauges about other nodes and the storage are omitted when a scheduler', () => {
  it('is not started yet', async () => {
    const metrics = metricsCollector()
    createWorld().scheduler({ metrics })
    expect(await shown(metrics)).toEqual(['scheduler_jobs_in_queue'])
  })

  it('has not finished its constructor', async () => {
    const metrics = metricsCollector()
    let first: Promise<object> | undefined
    const gauges: MetricsCollector['gauges'] = (read) => {
      metrics.gauges?.(read)
      first = read()
    }
    createWorld().scheduler({ metrics: { ...metrics, gauges } })
    expect(Object.keys((await first) ?? {}).filter((name) => ofOthers.includes(name))).toEqual([
      'scheduler_jobs_in_queue',
    ])
  })

  it('has shut down', async () => {
    const world = createWorld()
    const { metrics, scheduler } = await lookingNode(world)
    await world.shutdown(scheduler)
    expect(await shown(metrics)).toEqual([])
    expect(await metrics.readGauges()).toMatchObject({ scheduler_jobs_running: 0 })
  })

  it.each(['STORAGE_REPLACED', 'STORAGE_CLOSED'] as const)(
    'has stopped because of the storage error %s',
    async (code) => {
      const world = createWorld()
      const { metrics, intercepted } = await lookingNode(world)
      intercepted.intercept = () =>
        Promise.reject(new JobistemerError(code, { message: 'The storage is unavailable.' }))
      await world.clock.advance({ minutes: 3 })
      expect(await shown(metrics)).toEqual([])
    },
  )

  it('is isolated, and are reported again once the scheduler has rejoined the cluster', async () => {
    const world = createWorld()
    const { metrics, intercepted } = await lookingNode(world)
    intercepted.intercept = ({ operation, proceed }) =>
      operation === 'heartbeat' ? Promise.reject(new Error('refused')) : proceed()
    await world.clock.advance({ minutes: 3 })
    expect(await metrics.readGauges()).toMatchObject({ scheduler_node_isolated: 1 })
    expect(await shown(metrics)).not.toContain('scheduler_jobs_silent')
    intercepted.intercept = ({ proceed }) => proceed()
    await world.clock.advance({ minutes: 3 })
    expect(await shown(metrics)).toEqual(ofOthers)
  })
})

it('the gauge `scheduler_jobs_running` includes the runs of `runDue`', async () => {
  const world = createWorld()
  const metrics = metricsCollector()
  const run = () => world.clock.sleep({ seconds: 10 })
  const job = defineJob({ name: 'job', schedule: everySeconds(30), tasks: [{ name: 'work', run }] })
  const scheduler = world.scheduler({ metrics, jobs: [job] })
  const storing = scheduler.runDue()
  await world.clock.advance({ seconds: 31 })
  await storing
  const call = scheduler.runDue()
  await world.clock.advance({ seconds: 1 })
  expect(await metrics.readGauges()).toMatchObject({ scheduler_jobs_running: 1 })
  await world.clock.advance({ minutes: 1 })
  await call
  expect(await metrics.readGauges()).toMatchObject({ scheduler_jobs_running: 0 })
})
