import { createClient, defineJob, type TaskContext } from '@jobistemer/core'
import type { OverlapPolicy } from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, secondsOf } from '../support/world.ts'

function minutely(ran: string[], overlapPolicy: OverlapPolicy = 'skip', taskSeconds = 0) {
  const run = async ({ scheduledAt, latenessMs, occurrence, sleep }: TaskContext) => {
    ran.push(`${occurrence.kind} ${secondsOf(scheduledAt)} +${latenessMs}`)
    if (taskSeconds > 0) await sleep({ seconds: taskSeconds })
  }
  return defineJob({ name: 'job', schedule: everySeconds(60), overlapPolicy, tasks: [{ name: 'work', run }] })
}

describe.each(everywhere)('on the storage $name, a delayed trigger', (place) => {
  it('starts at its time and causes no skipped slot, under every overlap policy that prevents overlaps', async () => {
    for (const policy of ['skip', 'queue', 'queue_one', 'cancel_running'] as const) {
      const world = createWorld(place)
      const ran: string[] = []
      const node = await world.start({ jobs: [minutely(ran, policy)] })
      const client = createClient({ storage: world.connect(), clock: world.clock, scheduleTypes: [everyType] })
      expect(await client.trigger('job', { at: at(150) })).toMatchObject({ state: 'pending', reason: 'delayed' })
      expect(await node.triggerMany([{ job: 'job', delay: { seconds: 210 } }])).toMatchObject([{ reason: 'delayed' }])
      const { verdict, reason, occurrence } = await client.explain('job', at(150))
      expect([verdict, occurrence?.kind]).toEqual(['recorded', 'trigger'])
      expect(reason).toContain(
        'pending (delayed): requested at 2026-01-01T00:00:00.000Z, to start at 2026-01-01T00:02:30',
      )
      await world.clock.advance({ seconds: 250 })
      expect(ran).toEqual([
        'slot 60 +0',
        'slot 120 +0',
        'trigger 150 +0',
        'slot 180 +0',
        'trigger 210 +0',
        'slot 240 +0',
      ])
      await world.shutdown(node)
    }
  })

  it('is queued if a run of the job is active at the requested time', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const node = await world.start({ jobs: [minutely(ran, 'skip', 20)] })
    const { id } = await node.trigger('job', { at: at(70) })
    await world.clock.advance({ seconds: 75 })
    expect((await node.occurrence(id)).state).toBe('queued')
    await world.clock.advance({ seconds: 30 })
    expect(ran).toEqual(['slot 60 +0', 'trigger 70 +10000'])
    expect(await node.occurrence(id)).toMatchObject({ state: 'completed' })
  })

  it('runs although the node that accepted it has died, and can be canceled before its time', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const first = await world.start({ jobs: [minutely(ran)] })
    const { id } = await first.trigger('job', { delay: 30_000 })
    const canceled = await first.trigger('job', { delay: 'PT40S' })
    expect(await first.cancel(canceled.id)).toMatchObject({ outcome: 'canceled' })
    world.crash(first)
    const second = await world.start({ jobs: [minutely(ran)] })
    await world.clock.advance({ seconds: 50 })
    expect(ran).toEqual(['trigger 30 +0'])
    expect(await second.occurrence(id)).toMatchObject({ state: 'completed', node: 'node 2' })
  })
})

it('a trigger with a past `at` runs without a delay', async () => {
  const world = createWorld()
  const ran: string[] = []
  const node = await world.start({ jobs: [minutely(ran)] })
  await world.clock.advance({ seconds: 10 })
  expect(await node.trigger('job', { at: at(5) })).toMatchObject({ state: 'running', reason: null })
  await world.clock.advance({ seconds: 1 })
  expect(ran).toEqual(['trigger 10 +0'])
})

it('a trigger with both `at` and `delay`, or with an invalid value of either, is rejected', async () => {
  const world = createWorld()
  const node = await world.start({ jobs: [minutely([])] })
  const both = { at: at(5), delay: 5 }
  await expect(node.trigger('job', both)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'delay', value: 5 })
  await expect(node.trigger('job', { delay: -1 })).rejects.toMatchObject({ code: 'INVALID_DURATION', field: 'delay' })
  await expect(node.triggerMany([{ job: 'job' }, { job: 'job', at: 'soon' }])).rejects.toMatchObject({
    code: 'INVALID_INSTANT',
    field: 'items[1].at',
  })
  expect((await node.occurrences({ job: 'job' })).items).toEqual([])
})
