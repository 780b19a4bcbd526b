import { createClient, defineJob } from '@jobistemer/core'
import { metricsCollector } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { createWorld } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

const names = Array.from({ length: 30 }, (_, index) => `tenant ${index}`)
const jobOf = (name: string) =>
  defineJob({ name, schedule: everySeconds(60), tasks: [{ name: 'work', handler: 'work' }] })

/** Runs 30 jobs that are data, on a node that evicts each job from memory after its runs. */
async function churn(place: (typeof everywhere)[number]) {
  const world = createWorld(place)
  const metrics = metricsCollector()
  const intercepted = new InterceptedStorage(world.connect())
  const node = { storage: intercepted.storage, handlers: { work: () => 1 }, scheduleTypes: [everyType] }
  await world.start({ ...node, ...tuned({ heldJobs: 0 }), metrics })
  const client = createClient({ storage: world.connect(), clock: world.clock })
  await client.add(names.map(jobOf))
  await world.clock.advance({ minutes: 3, seconds: 30 })
  const countOf = (job: string) => metrics.counter('scheduler_job_occurrences_total', { job })
  expect(Math.min(...names.map(countOf))).toBeGreaterThanOrEqual(2)
  const remove = async () => {
    for (const name of names) await client.remove(name)
  }
  return { world, metrics, intercepted, client, remove, countOf }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('a node removes the metric series of removed jobs, even if it did not hold these jobs at their removal', async () => {
    const { world, metrics, client, remove, countOf } = await churn(place)
    await remove()
    await world.clock.advance({ minutes: 2 })
    expect(metrics.counter('scheduler_job_occurrences_total')).toBe(0)
    expect(metrics.observations('scheduler_start_lateness_seconds')).toEqual([])
    await client.add(jobOf('tenant 0'))
    await world.clock.advance({ minutes: 4 })
    expect(countOf('tenant 0')).toBeGreaterThanOrEqual(3)
    await client.close()
  })

  it('a node that missed the removal of jobs keeps their metric series until it notices another removal of these jobs', async () => {
    const { world, metrics, intercepted, client, remove } = await churn(place)
    intercepted.intercept = async ({ operation, proceed }) => {
      const answer = await proceed()
      return operation === 'listJobs' ? { ...(answer as object), items: [] } : answer
    }
    await remove()
    await world.clock.advance({ seconds: 70 })
    expect(metrics.counter('scheduler_job_occurrences_total')).toBeGreaterThan(0)
    intercepted.intercept = ({ proceed }) => proceed()
    await client.add(names.map(jobOf))
    await remove()
    await world.clock.advance({ minutes: 1 })
    expect(metrics.counter('scheduler_job_occurrences_total')).toBe(0)
    await client.close()
  })
})
