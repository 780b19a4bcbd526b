import { defineJob, type Job, JobistemerError, jobId, type Scheduler, type SchedulerOptions } from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { collectingLogger } from '../support/collecting-logger.ts'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { createWorld, listen, type World } from '../support/world.ts'

const life = { deadAfter: { seconds: 30 } }

/** Defines the job of the build with this name. The data of the job's task are the name of the build. */
function build(name: string, options: { readonly isData?: boolean; readonly job?: string } = {}): Job {
  const work = options.isData === true ? { handler: 'work' } : { run: () => undefined }
  return defineJob({
    name: options.job ?? 'job',
    schedule: everySeconds(10),
    tasks: [{ name: 'work', data: name, ...work }],
  })
}

/**
 * Returns functions for a test with several builds of one job. `start` starts a node of a build. `inForce` returns the name of
 * the build whose definition is in force.
 */
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
    /** The job versions that `inForce` has read. */
    versions: () => [...versions],
  }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('if a node of the old build restarts during a rolling deploy, the new definition is still in force', async () => {
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
      // The node `c` is the last old node that the new build replaces. Until then, `c` restarts twice with the old build: first
      // after a shutdown, then after a crash.
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

  it('a node of the old build that starts together with the first node of the new build does not restore the old definition', async () => {
    const world = createWorld(place)
    const { start, inForce } = fleetOf(world)
    await world.shutdown(await start('a', 'v1'))
    await Promise.all([start('b', 'v2'), start('c', 'v1'), start('d', 'v1')])
    await world.clock.advance({ minutes: 2 })
    expect(await inForce()).toBe('v2')
  })

  it('a node of the old build that starts while the first node of the new build is starting does not restore the old definition', async () => {
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
    // These 90 s are longer than `deadAfter`, and the new node is still starting at their end. Its definition must stay in
    // force nevertheless.
    await world.clock.advance({ seconds: 90 })
    expect(await inForce()).toBe('v2')
    isHeld = false
    await world.clock.advance({ seconds: 30 })
    await starting
    expect(await inForce()).toBe('v2')
  })

  it('after a rollback, nodes of the old build follow the new definition until the last node of the new build has left', async () => {
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
      ['this node runs the job by the stored definition, which differs from its own', 2, 'newer_build'],
      ['this node has put its earlier definition of the job back into force', 3, undefined],
    ])
  })

  it('if the last node of the new build crashes, a node of the old build restores the old definition once the crashed node is dead', async () => {
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

  it('a node of the old build that starts when no node of the new build is alive restores the old definition during its start', async () => {
    const world = createWorld(place)
    const { start, inForce } = fleetOf(world)
    await world.shutdown(await start('a', 'v1'))
    await world.shutdown(await start('a', 'v2'))
    await start('a', 'v1')
    expect(await inForce()).toBe('v1')
  })

  it('a node of the old build that starts right after the last node of the new build crashed restores the old definition after deadAfter', async () => {
    const world = createWorld(place)
    const { start, inForce } = fleetOf(world)
    await world.shutdown(await start('a', 'v1'))
    world.crash(await start('b', 'v2'))
    await start('a', 'v1')
    expect(await inForce()).toBe('v2')
    await world.clock.advance({ seconds: 60 })
    expect(await inForce()).toBe('v1')
  })

  it('a node of the old build that crashes and restarts eight times does not change the definition in force', async () => {
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

  it('a node of the new build that starts after a rollback follows the old definition until the nodes of the old build have left', async () => {
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

  it('a node without the job does not keep the newer definition of the job in force', async () => {
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

  it('a living node with an unreadable profile keeps the newer definition in force', async () => {
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

  it('a node of an old build restores its definition of a changed job, and keeps the version of an unchanged job', async () => {
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

  describe('the release of a build', () => {
    it('that is higher puts the definition of this build into force, and nodes of the lower release follow this definition', async () => {
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
      // Release 3 has the same definition as release 1, and brings this definition into force again.
      await start('c', 'v1', { release: 3 })
      expect(await inForce()).toBe('v1')
      await world.clock.advance({ minutes: 2 })
      expect(await inForce()).toBe('v1')
    })

    it('that is lower prevents its build from restoring its definition, even if no node of the higher release is alive', async () => {
      const world = createWorld(place)
      const { start, inForce } = fleetOf(world)
      await world.shutdown(await start('a', 'v1', { release: 1 }))
      await world.shutdown(await start('a', 'v2', { release: 2 }))
      await start('a', 'v1', { release: 1 })
      await start('b', 'never in force', { release: 1 })
      await world.clock.advance({ minutes: 2 })
      expect(await inForce()).toBe('v2')
    })

    it('has no effect on the definition in force if it equals the release of the other build, or if only one build has a release', async () => {
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
        // Node `c` has no release, and brings another definition into force. So the next pair of builds does not depend on the
        // releases of this pair.
        await world.shutdown(await start('c', `between ${first} ${second}`))
      }
    })

    it('that is the highest keeps its definition in force, even if a lower release had the same definition', async () => {
      const world = createWorld(place)
      const { start, inForce } = fleetOf(world)
      // Release 1 and release 3 have the same definition, `v1`. Release 2 has the definition `v2`, and starts last. Release 2
      // is lower than release 3, so `v1` must stay in force.
      await world.shutdown(await start('a', 'v1', { release: 1 }))
      const newest = await start('a', 'v1', { release: 3 })
      await start('b', 'v2', { release: 2 })
      await world.clock.advance({ seconds: 10 })
      expect(await inForce()).toBe('v1')
      await world.shutdown(newest)
    })
  })

  it('after an update, nodes of the same build follow this update until a node of another build restores its definition', async () => {
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

  it('a plan lists a return to an earlier definition as a change; after `apply`, that definition is in force on all nodes', async () => {
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

  it('if nodes add different definitions of a job, the newest is in force while the node that added it lives', async () => {
    const world = createWorld(place)
    const { inForce } = fleetOf(world)
    const nodes = await Promise.all(['a', 'b', 'c'].map((nodeId) => world.start({ nodeId, ...life })))
    for (const node of nodes) await node.add(build('v1'))
    await world.clock.advance({ seconds: 20 })
    // One node adds another definition. The peers of this node have not read the definition yet.
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

  it('a node that replaces its own definition keeps only the new definition in force, not the former definition', async () => {
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

  it('a definition with named handlers that `add` stores has precedence over the definitions of the builds', async () => {
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

  it('a node can add a job with named handlers, a peer can change the job, and the node can undo the change', async () => {
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
  'createScheduler rejects the release %s with an error that names the option',
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
