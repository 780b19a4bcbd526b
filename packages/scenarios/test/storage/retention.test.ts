import { createClient, defineJob, type RetentionInput, silentLogger } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { withEmptyPages } from '../support/empty-pages.ts'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everyStorage, everywhere } from '../support/places.ts'
import { rarely } from '../support/rarely.ts'
import { at, createWorld, secondsOf } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

const minute = 60
const hour = 60 * minute
const day = 24 * hour

const handlers = { note: () => undefined }

function every(seconds: number, retention?: RetentionInput, name = 'job') {
  return defineJob({
    name,
    schedule: everySeconds(seconds),
    ...(retention !== undefined && { retention }),
    tasks: [{ name: 'work', run: () => undefined }],
  })
}

describe.each(everywhere)('on the storage $name, with nodes that run for hours,', (place) => {
  it('a job’s history stays within its retention while three nodes run one after another for 4 h each, and no slot runs again', async () => {
    const world = createWorld(place)
    const started: number[] = []
    const run = ({ scheduledAt }: { scheduledAt: Date }) => {
      started.push(secondsOf(scheduledAt))
    }
    const retention = { olderThan: { hours: 2 }, keep: 3 }
    const schedule = everySeconds(10 * minute)
    const job = defineJob({ name: 'job', schedule, retention, tasks: [{ name: 'work', run }] })
    for (let life = 0; life < 3; life++) {
      const node = await world.start({ ...rarely, jobs: [job] })
      await world.clock.advance({ hours: 4 })
      const left = (await node.occurrences({ job: 'job', limit: 1000 })).items
      // The storage keeps the 12 occurrences of the last two hours, and at most 7 older occurrences until retention runs
      // again.
      expect(left.length).toBeGreaterThanOrEqual(12)
      expect(left.length).toBeLessThanOrEqual(12 + 7)
      await world.shutdown(node)
    }
    expect(started).toEqual(
      Array.from({ length: (3 * 4 * hour) / (10 * minute) }, (_, slot) => (slot + 1) * 10 * minute),
    )
  })

  it('by default thirty days of history and at least the latest ten occurrences stay, and `retention: forever` keeps all history', async () => {
    const world = createWorld(place)
    const days = 90
    const jobs = [
      every(2 * day, undefined, 'every 2 days'),
      every(6 * day, undefined, 'every 6 days'),
      every(6 * day, 'forever', 'forever'),
    ]
    // A node runs around each slot. The last node runs for 26 hours, because nodes remove old history once a day.
    for (let today = 2; today <= days; today += 2) {
      await world.clock.jumpTo(at(today * day - minute))
      const node = await world.start({ ...rarely, jobs })
      await world.clock.advance({ minutes: 2, ...(today === days && { hours: 26 }) })
      if (today < days) await world.shutdown(node)
      else {
        const left = async (job: string) =>
          (await node.occurrences({ job, states: ['completed'], limit: 1000 })).items.map(
            ({ scheduledAt }) => secondsOf(scheduledAt) / day,
          )
        expect(await left('every 2 days')).toEqual([62, 64, 66, 68, 70, 72, 74, 76, 78, 80, 82, 84, 86, 88, 90])
        expect(await left('every 6 days')).toEqual([36, 42, 48, 54, 60, 66, 72, 78, 84, 90])
        expect(await left('forever')).toHaveLength(15)
      }
    }
  })

  it('one of three nodes prunes history for all nodes, and another node continues to prune after the shutdown of the first node', async () => {
    const world = createWorld(place)
    const prunes = new Map<string, number>()
    const start = (nodeId: string) => {
      const intercepted = new InterceptedStorage(world.connect())
      intercepted.intercept = ({ operation, proceed }) => {
        if (operation === 'prune') prunes.set(nodeId, (prunes.get(nodeId) ?? 0) + 1)
        return proceed()
      }
      const jobs = [every(10 * minute, { olderThan: { hours: 1 }, keep: 0 })]
      const often = { deadAfter: { minutes: 4 }, ...tuned({ heartbeat: { minutes: 1 }, standby: { minutes: 1 } }) }
      return world.start({ ...rarely, ...often, nodeId, jobs, storage: intercepted.storage })
    }
    const nodes = new Map([['first', await start('first')]])
    for (const name of ['second', 'third']) nodes.set(name, await start(name))
    await world.clock.advance({ hours: 3 })
    const pruning = [...prunes.keys()]
    expect(pruning).toHaveLength(1)
    const one = nodes.get(pruning[0] as string)
    expect(one).toBeDefined()
    if (one !== undefined) await world.shutdown(one)
    await world.clock.advance({ hours: 2 })
    expect(prunes.size).toBe(2)
  })
})

// These tests depend on how the storage prunes and pages, so they run on each storage.
describe.each(everyStorage)('on the storage $name', (place) => {
  it('a job that is data is removed together with its history after its last slot, while a job with code stays', async () => {
    const world = createWorld(place)
    const tasks = [{ name: 'work', handler: 'note' }]
    const retention = { olderThan: { hours: 2 }, keep: 3 }
    const node = await world.start({
      ...rarely,
      handlers,
      jobs: [
        defineJob({
          name: 'code',
          schedule: once(at(minute)),
          retention,
          tasks: [{ name: 'work', run: () => undefined }],
        }),
      ],
    })
    await node.add([
      defineJob({ name: 'over', schedule: once(at(minute)), retention, tasks }),
      defineJob({ name: 'to come', schedule: once(at(day)), retention, tasks }),
      defineJob({ name: 'asked for', schedule: once(at(minute)), retention, tasks }),
      defineJob({ name: 'rested', schedule: once(at(minute)), retention, tasks }),
    ])
    await world.clock.advance({ minutes: 90 })
    // The pause expires after one hour. An expired pause does not keep retention from removing the job.
    await node.pause('rested', { for: { hours: 1 } })
    expect((await node.occurrences({ job: 'over' })).items).toHaveLength(1)
    await node.trigger('asked for')
    await world.clock.advance({ minutes: 105 })
    expect((await node.occurrences({ job: 'over' })).items).toEqual([])
    expect((await node.occurrences({ job: 'asked for' })).items).toHaveLength(1)
    await world.clock.advance({ hours: 3 })
    const storage = world.connect()
    const { items } = await storage.listJobs({ limit: 10, cursor: null })
    expect(items.map(({ name }) => name).sort()).toEqual(['code', 'to come'])
    expect((await node.occurrences({ job: 'code' })).items).toHaveLength(1)
  })

  it('a job without further slots keeps its latest run if an update adds a slot while retention reads jobs', async () => {
    const world = createWorld(place)
    const tasks = [{ name: 'work', handler: 'note' }]
    const retention = { olderThan: { hours: 2 }, keep: 3 }
    const define = (instant: Date) => defineJob({ name: 'over', schedule: once(instant), retention, tasks })
    const node = await world.start({ ...rarely, handlers, jobs: [] })
    await node.add([define(at(minute))])
    await world.clock.advance({ minutes: 90 })
    await node.shutdown()
    let isRescheduled = false
    const storage = wrapStorage(world.connect(), {
      around: async ({ method, request, proceed }) => {
        const answer = await proceed()
        const isPage = method === 'listJobs' && !('due' in request) && !('changedSince' in request)
        // From 2.1 h on, the only run is older than the retention of its job. When retention has then listed the jobs, the test
        // gives the job a new schedule.
        if (isPage && !isRescheduled && +world.clock.now() > +at(2.1 * hour)) {
          isRescheduled = true
          await editor.update('over', { schedule: once(at(3 * day)) })
        }
        return answer
      },
    })
    const editor = createClient({ storage: world.connect(), clock: world.clock, logger: silentLogger })
    const later = await world.start({ ...rarely, handlers, jobs: [], storage })
    await world.clock.advance({ hours: 3 })
    expect(isRescheduled).toBe(true)
    expect((await later.occurrences({ job: 'over' })).items).toHaveLength(1)
  })

  it('a job without further slots stays while it has history, even if an empty page precedes this history', async () => {
    const world = createWorld(place)
    const tasks = [{ name: 'work', handler: 'note' }]
    const retention = { olderThan: { hours: 2 }, keep: 3 }
    const node = await world.start({ ...rarely, handlers, jobs: [], storage: withEmptyPages(world.connect()) })
    await node.add([defineJob({ name: 'over', schedule: once(at(minute)), retention, tasks })])
    await world.clock.advance({ minutes: 90 })
    await node.trigger('over')
    // At this instant retention has removed the first run, and not the second.
    await world.clock.advance({ minutes: 105 })
    expect((await node.occurrences({ job: 'over' })).items).toHaveLength(1)
    const { items } = await world.connect().listJobs({ limit: 10, cursor: null })
    expect(items.map(({ name }) => name)).toEqual(['over'])
    await world.clock.advance({ hours: 3 })
    expect((await world.connect().listJobs({ limit: 10, cursor: null })).items).toEqual([])
  })
})
