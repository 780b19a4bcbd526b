import { createClient, defineJob, jobId, type TaskContext } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { everyStorage, type PlaceKind } from '../support/places.ts'
import { at, createWorld, secondsOf } from '../support/world.ts'

/**
 * Starts a node. A process whose clock is five minutes ahead then triggers and cancels a run, and this run is pruned.
 * Returns a client that is made after the prune.
 */
async function scene(place: PlaceKind) {
  const world = createWorld(place)
  const ran: number[] = []
  const run = ({ scheduledAt }: TaskContext) => void ran.push(secondsOf(scheduledAt))
  const job = defineJob({ name: 'job', schedule: everySeconds(3600), tasks: [{ name: 'work', run }] })
  const node = await world.start({ jobs: [job] })
  const storage = world.connect()
  const ahead = createClient({ storage, clock: { ...world.clock, now: () => world.clock.now() + 300_000 } })
  await node.pause('job')
  const { id } = await ahead.trigger('job')
  await ahead.cancel(id)
  await node.resume('job')
  const all = { now: world.clock.now(), jobId: jobId('job'), before: Number(at(400)), keep: 0, limit: 10 }
  expect((await storage.prune(all)).removed).toBe(1)
  const client = createClient({ storage: world.connect(), clock: world.clock, scheduleTypes: [everyType] })
  return { world, client, ran }
}

describe.each(everyStorage)(
  'on the storage $name, after a process whose clock was ahead has pruned history,',
  (place) => {
    it('a triggered job runs', async () => {
      const { world, client, ran } = await scene(place)
      expect(await client.trigger('job')).toMatchObject({ state: 'pending', created: true })
      await world.clock.advance({ seconds: 5 })
      expect(ran).toHaveLength(1)
    })

    it('a backfill runs its slots', async () => {
      const { world, client, ran } = await scene(place)
      expect(await client.backfill('job', { from: at(-7200), to: at(0), which: 'all' })).toMatchObject({ slots: 2 })
      await world.clock.advance({ seconds: 5 })
      expect(ran).toEqual([-7200, -3600])
    })
  },
)
