import { defineJob, type Job, JobistemerError, jobId, type Scheduler, type SchedulerOptions } from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { collectingLogger } from '../support/collecting-logger.ts'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { createWorld, listen, type World } from '../support/world.ts'

const life = { deadAfter: { seconds: 30 } }

/** The job as the named build defines it. The task data name the build. */
function build(name: string, options: { readonly isData?: boolean; readonly job?: string } = {}): Job {
  const work = options.isData === true ? { handler: 'work' } : { run: () => undefined }
  return defineJob({
    name: options.job ?? 'job',
    schedule: everySeconds(10),
    tasks: [{ name: 'work', data: name, ...work }],
  })
}

/** Starts nodes of several builds of one job. `inForce` reads which build's definition is in force. */
function fleetOf(world: World) {
  const storage = world.connect()
  const versions = new Set<number>()
  return {
    start: (nodeId: string, name: string, options: Partial<SchedulerOptions> = {}): Promise<Scheduler> =>
      world.start({ jobs: [build(name)], nodeId, ...life, ...options }),
    async inForce(): Promise<unknown> {
      const { jobs } = await storage.get({ jobs: [jobId('job')] })
      const { version, definition } = jobs[0] as JobRecord
      versions.add(version)
      return (definition.tasks as { readonly data: unknown }[])[0]?.data
    },
    /** The versions that `inForce` has read. */
    versions: () => [...versions],
  }
}

describe.each(everywhere)('on $name', (place) => {
  it('in a rolling deploy the new definition stays in force when an old node restarts midway', async () => {
    const world = createWorld(place)
    const { start, inForce, versions } = fleetOf(world)
    const old = [await start('a', 'v1'), await start('b', 'v1'), await start('c', 'v1')]
    await world.clock.advance({ seconds: 20 })
    const seen: unknown[] = []
    for (const [index, nodeId] of ['a', 'b', 'c'].entries()) {
      await world.shutdown(old[index] as Scheduler)
      await start(nodeId, 'v2')
      seen.push(await inForce())
      await world.clock.advance({ seconds: 20 })
      if (index === 2) continue
      // The old node that is replaced last restarts, first after a shutdown and then after a crash.
      if (index === 0) await world.shutdown(old[2] as Scheduler)
      else world.crash(old[2] as Scheduler)
      old[2] = await start('c', 'v1')
      seen.push(await inForce())
      await world.clock.advance({ seconds: 60 })
      seen.push(await inForce())
    }
    expect(new Set(seen)).toEqual(new Set(['v2']))
    expect(versions()).toEqual([2])
  })

  it('an old node that starts together with the first new node does not restore the old definition', async () => {
    const world = createWorld(place)
    const { start, inForce } = fleetOf(world)
    await world.shutdown(await start('a', 'v1'))
    await Promise.all([start('b', 'v2'), start('c', 'v1'), start('d', 'v1')])
    await world.clock.advance({ minutes: 2 })
    expect(await inForce()).toBe('v2')
  })

  it('an old node that starts while the first new node is still starting does not restore the old definition', async () => {
    const world = createWorld(place)
    const { start, inForce } = fleetOf(world)
    await world.shutdown(await start('a', 'v1'))
    let isHeld = true
    const storage = wrapStorage(world.connect(), {
      around: (call) =>
        isHeld && call.method === 'listOccurrences' ? Promise.reject(new Error('held')) : call.proceed(),
    })
    const young = world.scheduler({ jobs: [build('v2')], nodeId: 'b', storage, ...life })
    const starting = young.start()
    await world.clock.advance({ seconds: 3 })
    expect(await inForce()).toBe('v2')
    await start('a', 'v1')
    // The new node's start takes longer than deadAfter.
    await world.clock.advance({ seconds: 90 })
    expect(await inForce()).toBe('v2')
    isHeld = false
    await world.clock.advance({ seconds: 30 })
    await starting
    expect(await inForce()).toBe('v2')
  })

  it('after a rollback old nodes follow the new definition until the last new node has left', async () => {
    const world = createWorld(place)
    const { start, inForce } = fleetOf(world)
    await world.shutdown(await start('a', 'v1'))
    const young = [await start('a', 'v2'), await start('b', 'v2')]
    await world.clock.advance({ seconds: 20 })
    await world.shutdown(young[0] as Scheduler)
    const { logger, loud } = collectingLogger()
    const old = world.scheduler({ jobs: [build('v1')], nodeId: 'a', logger, ...life })
    const heard = listen(old, 'job.followed', 'job.registered')
    const starting = old.start()
    await world.clock.settle()
    await starting
    await world.clock.advance({ minutes: 2 })
    expect(await inForce()).toBe('v2')
    await world.shutdown(young[1] as Scheduler)
    await world.clock.advance({ seconds: 10 })
    expect(await inForce()).toBe('v1')
    expect(
      heard.map(({ name, event }) => ('reason' in event ? event.reason : 'change' in event ? event.change : name)),
    ).toEqual(expect.arrayContaining(['newer_build', 'followed', 'updated']))
    expect(heard.filter(({ name }) => name === 'job.followed')).toHaveLength(1)
    expect(loud().map(({ message, version, reason }) => [message, version, reason])).toEqual([
      ['this node follows another definition of the job than its own', 2, 'newer_build'],
      ['this node has put its earlier definition of the job back into force', 3, undefined],
    ])
  })

  it('a crash of the last new node during a deploy restores the old definition once that node is dead', async () => {
    const world = createWorld(place)
    const { start, inForce } = fleetOf(world)
    const old = [await start('a', 'v1'), await start('b', 'v1')]
    await world.clock.advance({ seconds: 20 })
    await world.shutdown(old[0] as Scheduler)
    const young = await start('a', 'v2')
    await world.clock.advance({ seconds: 20 })
    world.crash(young)
    await world.clock.advance({ seconds: 20 })
    expect(await inForce()).toBe('v2')
    await world.clock.advance({ seconds: 25 })
    expect(await inForce()).toBe('v1')
  })

  it('an old node that starts when no new node is left restores the old definition at once', async () => {
    const world = createWorld(place)
    const { start, inForce } = fleetOf(world)
    await world.shutdown(await start('a', 'v1'))
    await world.shutdown(await start('a', 'v2'))
    await start('a', 'v1')
    expect(await inForce()).toBe('v1')
  })

  it('an old node that starts right after the last new node crashed restores its definition later', async () => {
    const world = createWorld(place)
    const { start, inForce } = fleetOf(world)
    await world.shutdown(await start('a', 'v1'))
    world.crash(await start('b', 'v2'))
    await start('a', 'v1')
    expect(await inForce()).toBe('v2')
    await world.clock.advance({ seconds: 60 })
    expect(await inForce()).toBe('v1')
  })

  it('an old node that crashes and restarts repeatedly does not change the definition in force', async () => {
    const world = createWorld(place)
    const { start, inForce, versions } = fleetOf(world)
    await world.shutdown(await start('a', 'v1'))
    await start('new', 'v2')
    for (let life = 0; life < 8; life++) {
      const flapping = await start('a', 'v1')
      expect(await inForce()).toBe('v2')
      await world.clock.advance({ seconds: [1, 7, 40][life % 3] as number })
      expect(await inForce()).toBe('v2')
      world.crash(flapping)
    }
    expect(versions()).toEqual([2])
  })

  it('a restarted new build follows the restored old definition until the old nodes have left', async () => {
    const world = createWorld(place)
    const { start, inForce } = fleetOf(world)
    await world.shutdown(await start('a', 'v1'))
    await world.shutdown(await start('a', 'v2'))
    const old = await start('a', 'v1')
    await start('b', 'v2')
    await world.clock.advance({ seconds: 20 })
    expect(await inForce()).toBe('v1')
    await world.shutdown(old)
    await world.clock.advance({ seconds: 10 })
    expect(await inForce()).toBe('v2')
  })

  it('nodes without the job keep no definition in force', async () => {
    const world = createWorld(place)
    const { start, inForce } = fleetOf(world)
    await world.start({ jobs: [build('other', { job: 'other' })], nodeId: 'other', ...life })
    await world.shutdown(await start('a', 'v1'))
    const young = await start('a', 'v2')
    await world.clock.advance({ seconds: 20 })
    await world.shutdown(young)
    await start('a', 'v1')
    expect(await inForce()).toBe('v1')
  })

  it('a living node without a readable profile keeps the newer definition in force', async () => {
    const world = createWorld(place)
    const { start, inForce } = fleetOf(world)
    await world.shutdown(await start('a', 'v1'))
    await world.shutdown(await start('a', 'v2'))
    const storage = world.connect()
    let counter = 0
    const beat = async () => {
      const own = { node: 'mute', incarnation: 'mute', startedAt: 0, leaving: false, about: {} }
      await storage.heartbeat({ now: 0, own: { ...own, counter: ++counter }, remove: [], profilesOf: [] })
    }
    await beat()
    await start('a', 'v1')
    for (let round = 0; round < 12; round++) {
      await beat()
      await world.clock.advance({ seconds: 10 })
    }
    expect(await inForce()).toBe('v2')
    await world.clock.advance({ seconds: 60 })
    expect(await inForce()).toBe('v1')
  })

  it('an old build restores the job that changed, and unchanged jobs keep their version', async () => {
    const world = createWorld(place)
    const same = build('same', { job: 'same' })
    await world.shutdown(await world.start({ jobs: [build('v1'), same], nodeId: 'a', ...life }))
    await world.shutdown(await world.start({ jobs: [build('v2'), same], nodeId: 'a', ...life }))
    const node = world.scheduler({ jobs: [build('v1'), same], nodeId: 'a', ...life })
    const heard = listen(node, 'job.registered')
    const starting = node.start()
    await world.clock.settle()
    await starting
    expect(heard.map(({ event }) => [event.jobName, event.change, event.version]).sort()).toEqual([
      ['job', 'updated', 3],
      ['same', 'unchanged', 1],
    ])
  })

  describe('a release', () => {
    it('that is higher is in force at once, and living nodes of the lower release follow it and report it', async () => {
      const world = createWorld(place)
      const { start, inForce } = fleetOf(world)
      const { logger, loud } = collectingLogger()
      const old = await start('a', 'v1', { release: 1, logger })
      const heard = listen(old, 'job.followed')
      await start('b', 'v2', { release: 2 })
      await world.clock.advance({ seconds: 20 })
      expect(heard.map(({ event }) => [event.jobName, event.version, event.reason])).toEqual([
        ['job', 2, 'lower_release'],
      ])
      expect(loud()).toMatchObject([{ level: 'warn', job: 'job', version: 2, reason: 'lower_release' }])
      // Release 3 has the earlier definition again.
      await start('c', 'v1', { release: 3 })
      expect(await inForce()).toBe('v1')
      await world.clock.advance({ minutes: 2 })
      expect(await inForce()).toBe('v1')
    })

    it('that is lower never restores its definition, even if no node of the higher release is left', async () => {
      const world = createWorld(place)
      const { start, inForce } = fleetOf(world)
      await world.shutdown(await start('a', 'v1', { release: 1 }))
      await world.shutdown(await start('a', 'v2', { release: 2 }))
      await start('a', 'v1', { release: 1 })
      await start('b', 'never in force', { release: 1 })
      await world.clock.advance({ minutes: 2 })
      expect(await inForce()).toBe('v2')
    })

    it('that is equal, or set by one build only, has no effect on which definition is in force', async () => {
      const world = createWorld(place)
      const { start, inForce } = fleetOf(world)
      for (const [first, second] of [
        [1, 1],
        [undefined, 2],
        [2, undefined],
      ] as const) {
        const of = (release: number | undefined) => (release === undefined ? {} : { release })
        const names = [`old ${first} ${second}`, `new ${first} ${second}`] as const
        await world.shutdown(await start('a', names[0], of(first ?? undefined)))
        const young = await start('b', names[1], of(second))
        const old = await start('a', names[0], of(first ?? undefined))
        await world.clock.advance({ minutes: 1 })
        expect(await inForce()).toBe(names[1])
        await world.shutdown(young)
        await world.clock.advance({ seconds: 10 })
        expect(await inForce()).toBe(names[0])
        await world.shutdown(old)
        // The next pair starts with a definition that has no release.
        await world.shutdown(await start('c', `between ${first} ${second}`))
      }
    })

    it('that has the definition of an earlier release stays in force over a lower one while its node lives', async () => {
      const world = createWorld(place)
      const { start, inForce } = fleetOf(world)
      // Release 3 has the definition of release 1, which was stored with number 1.
      await world.shutdown(await start('a', 'v1', { release: 1 }))
      const newest = await start('a', 'v1', { release: 3 })
      await start('b', 'v2', { release: 2 })
      await world.clock.advance({ seconds: 10 })
      expect(await inForce()).toBe('v1')
      await world.shutdown(newest)
    })
  })

  it('an update stays in force on nodes of its build, until another build restores its own definition', async () => {
    const world = createWorld(place)
    const { start, inForce } = fleetOf(world)
    await world.shutdown(await start('a', 'v1'))
    const young = await start('a', 'v2')
    await young.update('job', { tasks: [{ name: 'work', data: 'update' }] })
    await world.shutdown(young)
    const heirs = await start('a', 'v2')
    await world.clock.advance({ minutes: 2 })
    expect(await inForce()).toBe('update')
    const old = await start('b', 'v1')
    await world.clock.advance({ minutes: 1 })
    expect(await inForce()).toBe('update')
    await world.shutdown(heirs)
    await world.clock.advance({ seconds: 10 })
    expect(await inForce()).toBe('v1')
    await world.shutdown(old)
  })

  it('a plan lists an earlier definition as a change, and once applied it stays in force on all nodes', async () => {
    const world = createWorld(place)
    const { start, inForce } = fleetOf(world)
    const owned = (name: string) => ({ ...build(name), owner: 'team' })
    await world.shutdown(await start('a', '', { jobs: [owned('v1')] }))
    const young = await start('b', '', { jobs: [owned('v2')] })
    const plan = await young.plan([build('v1')], { owner: 'team' })
    expect(plan.changed.map(({ name }) => name)).toEqual(['job'])
    await young.apply(plan)
    await start('c', '', { jobs: [owned('v2')] })
    await world.clock.advance({ minutes: 2 })
    expect(await inForce()).toBe('v1')
  })

  it('of builds that add their jobs after start, the newer definition stays in force while its node lives', async () => {
    const world = createWorld(place)
    const { inForce } = fleetOf(world)
    const nodes = await Promise.all(['a', 'b', 'c'].map((nodeId) => world.start({ nodeId, ...life })))
    for (const node of nodes) await node.add(build('v1'))
    await world.clock.advance({ seconds: 20 })
    // One node adds another definition, which its peers do not know yet.
    await nodes[0]?.add(build('v2'))
    await world.clock.advance({ seconds: 3 })
    expect(await inForce()).toBe('v2')
    await nodes[1]?.add(build('v1'))
    await world.clock.advance({ minutes: 2 })
    expect(await inForce()).toBe('v2')
    await world.shutdown(nodes[0] as Scheduler)
    await world.clock.advance({ seconds: 10 })
    expect(await inForce()).toBe('v1')
  })

  it('a node that has replaced its own definition no longer counts as a node with the earlier one', async () => {
    const world = createWorld(place)
    const { inForce } = fleetOf(world)
    const node = await world.start({ nodeId: 'a', ...life })
    for (const name of ['v1', 'v2', 'v1']) {
      await node.add(build(name))
      expect(await inForce()).toBe(name)
      await world.clock.advance({ seconds: 20 })
    }
    const other = await world.start({ nodeId: 'b', ...life })
    await other.add(build('v2'))
    expect(await inForce()).toBe('v1')
  })

  it('a job that is data and is added at runtime stays in force over the builds, also when it is changed back', async () => {
    const world = createWorld(place)
    const { inForce } = fleetOf(world)
    const options = { handlers: { work: () => undefined }, jobs: [build('v1', { isData: true })], ...life }
    const nodes = [await world.start(options), await world.start(options)]
    for (const [index, name] of ['one', 'v1', 'one', 'two'].entries()) {
      await nodes[index % 2]?.add(build(name, { isData: true }))
      await world.clock.advance({ minutes: 1 })
      expect(await inForce()).toBe(name)
    }
  })

  it('a job that is data can be added, changed and changed back on different nodes', async () => {
    const world = createWorld(place)
    const { inForce } = fleetOf(world)
    const handlers = { work: () => undefined }
    const nodes = [await world.start({ handlers, ...life }), await world.start({ handlers, ...life })]
    for (const [index, name] of ['one', 'two', 'one'].entries()) {
      await nodes[index % 2]?.add(build(name, { isData: true }))
      expect(await inForce()).toBe(name)
      await world.clock.advance({ seconds: 20 })
      expect(await inForce()).toBe(name)
    }
  })
})

it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '42', null])(
  'a release of %s is rejected with the name of the option',
  (release) => {
    const world = createWorld()
    const create = () => world.scheduler({ release: release as number })
    expect(create).toThrow(JobistemerError)
    try {
      create()
    } catch (error) {
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'release', value: release })
      expect((error as JobistemerError).remedy).toMatch(/from 0/)
    }
  },
)
