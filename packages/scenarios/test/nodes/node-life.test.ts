import { once as eventOf } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import {
  createClient,
  createScheduler,
  defineJob,
  JobistemerError,
  type JobSettingsInput,
  type Scheduler,
  type SchedulerOptions,
  silentLogger,
  systemClock,
} from '@jobistemer/core'
import type { HeartbeatRequest, NodeRecord, Storage } from '@jobistemer/core/storage'
import { virtualClock, wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it, onTestFinished } from 'vitest'
import { collectingLogger, type Line } from '../support/collecting-logger.ts'
import { withEmptyPages } from '../support/empty-pages.ts'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, onlyOccurrence, secondsOf, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

const life = { deadAfter: { seconds: 30 } }

/** Defines a job with one slot at 10 s, whose run takes four minutes. `called` lists the calls of the job's handler. */
function longJob(world: World, settings: JobSettingsInput = {}) {
  const called: string[] = []
  const job = defineJob({
    name: 'long',
    schedule: once(at(10)),
    ...settings,
    tasks: [
      {
        name: 'work',
        run: async ({ attempt, fencingToken, signal }) => {
          called.push(`${secondsOf(world.clock.now())} attempt ${attempt} token ${fencingToken}`)
          await world.clock.sleep({ minutes: 4 }, signal)
          return `token ${fencingToken}`
        },
      },
    ],
  })
  return { job, called }
}

/** Returns all node records of the storage. */
async function recordsIn(storage: Storage): Promise<readonly NodeRecord[]> {
  return (await storage.heartbeat({ now: 0, own: null, remove: [], profilesOf: [] })).nodes
}

/** Returns whether an instant is at most one heartbeat interval (5 s) away from the given second. */
function isAbout(instant: Date | undefined, second: number): boolean {
  return Math.abs(Number(instant) - Number(at(second))) <= 5000
}

/** Removes all node records from the storage, as a crash of a PostgreSQL server does. */
async function forgetNodes(storage: Storage): Promise<void> {
  const remove = (await recordsIn(storage)).map(({ incarnation, counter }) => ({ incarnation, counter }))
  await storage.heartbeat({ now: 0, own: null, remove, profilesOf: [] })
}

function namesIn(lines: readonly Line[], wanted: string): readonly unknown[] {
  return lines.filter(({ message }) => message === wanted).map(({ node }) => node)
}

/** Starts two nodes with the long job. The first node starts the job's slot. */
async function twoNodes(
  world: World,
  settings: JobSettingsInput = {},
  wrap: (storage: Storage) => Storage = (storage) => storage,
) {
  const { job, called } = longJob(world, settings)
  const first = await world.start({ jobs: [job], nodeId: 'first', ...life })
  await world.clock.advance({ seconds: 12 })
  const second = await world.start({ jobs: [job], nodeId: 'second', storage: wrap(world.connect()), ...life })
  return { first, second, called, heard: listen(second, 'node.joined', 'node.left', 'node.lost', 'occurrence.reaped') }
}

it('a node that sends heartbeats again before its runs are reaped keeps its runs', async () => {
  const world = createWorld()
  // Without its method `track`, the virtual clock also advances while the storage holds back an answer.
  const { track: _, ...clock } = world.clock
  const begin = async (nodeId: string, names: readonly string[]) => {
    const intercepted = new InterceptedStorage(world.connect())
    const work = { name: 'work', run: () => world.clock.sleep({ minutes: 4 }) }
    const jobs = names.map((name) => defineJob({ name, schedule: once(at(10)), onInterrupted: 'retry', tasks: [work] }))
    const { storage } = intercepted
    const scheduler = createScheduler({ storage, clock, jobs, nodeId, logger: silentLogger, ...life })
    onTestFinished(() => scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 0 }))
    await scheduler.start()
    return { scheduler, intercepted }
  }
  const gone = await begin('gone', ['first'])
  const back = await begin('back', ['second'])
  await world.clock.advance({ seconds: 12 })
  const { scheduler: reaper, intercepted: held } = await begin('reaper', [])
  await world.clock.advance({ seconds: 12 })
  const heard = listen(reaper, 'node.lost', 'node.joined', 'occurrence.reaped')
  let isAway = true
  for (const { intercepted } of [gone, back]) {
    const isCut = () => intercepted === gone.intercepted || isAway
    intercepted.intercept = (call) =>
      call.operation === 'heartbeat' && isCut() ? Promise.reject(new Error('away')) : call.proceed()
  }
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  held.intercept = async (call) => {
    const { node } = call.request as { readonly node?: string }
    if (call.operation === 'listOccurrences' && node === 'gone') await released
    return call.proceed()
  }
  await world.clock.advance({ seconds: 40 })
  expect(heard.map(({ name }) => name)).toEqual(['node.lost', 'node.lost'])
  isAway = false
  await world.clock.advance({ seconds: 10 })
  expect(heard.at(-1)).toMatchObject({ name: 'node.joined', event: { node: 'back' } })
  release()
  await world.clock.advance({ seconds: 10 })
  const reaped = heard.flatMap(({ name, event }) => (name === 'occurrence.reaped' ? [event] : []))
  expect(reaped).toMatchObject([{ jobName: 'first' }])
  await world.clock.advance({ minutes: 5 })
  expect(await fates(reaper, 'second')).toEqual(['10 completed'])
  expect((await onlyOccurrence(reaper, 'second')).fencingToken).toBe(1)
})

it('`nodes` lists a dead node for a day, with the time of its death and the node that took over its runs', async () => {
  const world = createWorld()
  const { first, second } = await twoNodes(world)
  await world.clock.advance({ seconds: 18 })
  world.crash(first)
  await world.clock.advance({ minutes: 2 })
  const client = createClient({ storage: world.connect(), clock: world.clock, logger: silentLogger })
  const dead = async () => (await client.nodes()).filter(({ state }) => state === 'dead')
  const [found, ...others] = await dead()
  expect(others).toEqual([])
  expect(found).toMatchObject({ node: 'first', dead: { takenOverBy: 'second' } })
  expect(isAbout(found?.dead?.since, 30)).toBe(true)
  expect((await second.nodes())[0]).toMatchObject({ node: 'first', state: 'dead', dead: found?.dead })
  // No node runs for 23 hours, so that the virtual day takes little real time.
  await world.shutdown(second)
  await world.clock.jumpTo(at(23 * 3600))
  await world.start({ nodeId: 'third' })
  expect(await dead()).toHaveLength(1)
  await world.clock.advance({ hours: 1, minutes: 5 })
  expect(await dead()).toEqual([])
  await client.close()
})

// This test uses a storage with a long minimum heartbeat interval, as DynamoDB has.
it("a dead node's run is taken over within 75 s if heartbeats are 10 s apart", async () => {
  const took: number[] = []
  for (const phase of [0.1, 2.5, 5, 7.5, 9.9]) {
    const world = createWorld()
    const rare = () => {
      const storage = world.connect()
      return wrapStorage(storage, {
        capabilities: { ...storage.capabilities, heartbeatMs: 10_000 },
        subscribe: undefined,
      })
    }
    const { job, called } = longJob(world)
    const byDefault = {
      jobs: [job],
      deadAfter: undefined,
    } as unknown as Partial<SchedulerOptions>
    const first = await world.start({ ...byDefault, nodeId: 'first', storage: rare() })
    await world.clock.advanceTo(at(20 + phase))
    await world.start({ ...byDefault, nodeId: 'second', storage: rare() })
    // The first node crashes right after a heartbeat. The peer reads this heartbeat when the peer sends its own next
    // heartbeat.
    await world.clock.advanceTo(at(40.1))
    world.crash(first)
    await world.clock.advance({ seconds: 90 })
    took.push(Number.parseInt(called[1] as string, 10) - 40)
  }
  // Peers declare a node dead after five missed heartbeats at the earliest, because a few heartbeats may fail.
  expect(Math.min(...took)).toBeGreaterThanOrEqual(50)
  // In production, a takeover may take up to 75 s. In this test, the peer reads the node records exactly once per heartbeat
  // interval of 10 s. So here, a takeover takes at least one interval less.
  expect(Math.max(...took)).toBeLessThanOrEqual(75 - 10)
})

it.each<[heartbeats: number, deadAfter: { readonly seconds: number }, capabilities: { readonly heartbeatMs?: number }]>(
  [
    [6, { seconds: 12 }, {}],
    [5, { seconds: 12 }, { heartbeatMs: 10_000 }],
    [60, { seconds: 3600 }, {}],
  ],
)(
  'a node sends %i heartbeats in a deadAfter of %o on a storage with the capabilities %o',
  async (heartbeats, deadAfter, capabilities) => {
    const world = createWorld()
    const storage = world.connect()
    const rare = wrapStorage(storage, { capabilities: { ...storage.capabilities, ...capabilities } })
    const intercepted = new InterceptedStorage(rare)
    await world.start({ storage: intercepted.storage, deadAfter })
    await world.clock.advance(deadAfter)
    intercepted.reset()
    await world.clock.advance(deadAfter)
    expect(intercepted.count('heartbeat')).toBe(heartbeats)
  },
)

describe.each(everywhere)('on the storage $name', (place) => {
  it('if a delayed claim gives a run to a node that has shut down, a peer takes the run over', async () => {
    const world = createWorld(place)
    const { job, called } = longJob(world)
    const first = await world.start({ jobs: [job], nodeId: 'first', ...life })
    const storage = world.connect()
    const [record] = await recordsIn(storage)
    const { node, incarnation } = record as NodeRecord
    await first.shutdown()
    const client = createClient({ storage, clock: world.clock })
    await client.trigger('long')
    // The node sent this claim before it ended. The claim takes effect now, but its answer reaches no node.
    const request = { now: world.clock.now(), owner: { node, incarnation }, limit: 1, sweep: false }
    expect((await storage.claim({ ...request, exceptHandlerKeys: [] })).claimed).toHaveLength(1)
    await world.start({ jobs: [job], nodeId: 'second', ...life })
    await world.clock.advance({ seconds: 50 })
    expect(called.map((call) => call.replace(/^\d+ /, ''))).toEqual(['attempt 2 token 2'])
    expect(await recordsIn(storage)).toHaveLength(1)
  })

  it("a dead node's run is taken over after deadAfter, and continues with its next attempt", async () => {
    const world = createWorld(place)
    const { first, second, called, heard } = await twoNodes(world)
    await world.clock.advanceTo(at(63))
    world.crash(first)
    await world.clock.advanceTo(at(103))
    expect(heard.map(({ name, event }) => [name, 'node' in event ? event.node : event.reason])).toEqual([
      ['node.joined', 'first'],
      ['node.lost', 'first'],
      ['occurrence.reaped', 'node_lost'],
    ])
    const [, again, ...others] = called
    expect(again).toMatch(/^\d+ attempt 2 token 2$/)
    expect(others).toEqual([])
    expect(Number.parseInt(again as string, 10)).toBeGreaterThanOrEqual(90)
    await world.clock.advance({ minutes: 6 })
    const { state, tasks } = await onlyOccurrence(second, 'long')
    expect([state, tasks[0]?.result, tasks[0]?.attempts.map((attempt) => attempt.state)]).toEqual([
      'completed',
      'token 2',
      ['lost', 'succeeded'],
    ])
  })

  it("a dead owner's run is taken over within twice deadAfter even if the owner has no node record", async () => {
    const world = createWorld(place)
    const { job, called } = longJob(world)
    const first = await world.start({ jobs: [job], nodeId: 'first', ...life })
    await world.clock.advance({ seconds: 12 })
    const { logger, lines } = collectingLogger()
    await world.start({ jobs: [job], nodeId: 'second', logger, ...life })
    await world.clock.advanceTo(at(21))
    world.crash(first)
    await forgetNodes(world.connect())
    // At 81 s, twice `deadAfter` has passed since the crash, so the peer must have taken over the run.
    await world.clock.advanceTo(at(81))
    expect(called.map((call) => call.replace(/^\S+ /, ''))).toEqual(['attempt 1 token 1', 'attempt 2 token 2'])
    expect(namesIn(lines, 'node declared dead; taking over its runs')).toEqual(['first'])
    expect(lines.filter(({ message }) => message === 'took over the runs of a dead node')).toMatchObject([
      { node: 'first', runs: 1 },
    ])
  })

  it('a peer logs no warning about a node that was killed and has restarted under its nodeId', async () => {
    const world = createWorld(place)
    const { job } = longJob(world)
    const { logger, lines } = collectingLogger()
    await world.start({ jobs: [job], nodeId: 'peer', logger, ...life })
    const first = await world.start({ jobs: [job], nodeId: 'restarted', ...life })
    await world.clock.advance({ seconds: 12 })
    world.crash(first)
    await world.start({ jobs: [job], nodeId: 'restarted', ...life })
    await world.clock.advance({ minutes: 3 })
    const dead = lines.filter(({ message }) => message === 'node declared dead; taking over its runs')
    expect(dead.map(({ level, node }) => [level, node])).toEqual([['info', 'restarted']])
  })

  it("a node that starts after the owner's death takes over a run whose owner has no node record", async () => {
    const world = createWorld(place)
    const { job, called } = longJob(world)
    const first = await world.start({ jobs: [job], nodeId: 'first', ...life })
    await world.clock.advanceTo(at(12))
    world.crash(first)
    await forgetNodes(world.connect())
    await world.start({ jobs: [job], nodeId: 'second', ...life })
    await world.clock.advanceTo(at(72))
    expect(called.map((call) => call.replace(/^\S+ /, ''))).toEqual(['attempt 1 token 1', 'attempt 2 token 2'])
  })

  it('if the storage repeatedly loses all node records, the nodes keep their runs, and none is declared dead', async () => {
    const world = createWorld(place)
    const { job, called } = longJob(world)
    const { logger, lines } = collectingLogger()
    await world.start({ jobs: [job], nodeId: 'first', logger, ...life })
    await world.clock.advance({ seconds: 12 })
    await world.start({ jobs: [job], nodeId: 'second', logger, ...life })
    const storage = world.connect()
    for (let losses = 0; losses < 6; losses++) {
      await world.clock.advance({ seconds: 17 })
      await forgetNodes(storage)
    }
    await world.clock.advance({ minutes: 6 })
    expect(called).toHaveLength(1)
    expect(namesIn(lines, 'node declared dead; taking over its runs')).toEqual([])
  })

  it('if the storage fails repeatedly, a dead node’s run is taken over before the storage has worked for 60 s in total', async () => {
    const world = createWorld(place)
    const { job, called } = longJob(world)
    const first = await world.start({ jobs: [job], nodeId: 'first', ...life })
    await world.clock.advance({ seconds: 12 })
    let isAway = false
    const storage = wrapStorage(world.connect(), {
      around: (call) => (isAway ? Promise.reject(new Error('away')) : call.proceed()),
    })
    await world.start({ jobs: [job], nodeId: 'second', storage, ...life })
    await world.clock.advanceTo(at(20))
    world.crash(first)
    // The storage repeats a cycle of 32 s: it answers for 12 s, and then it is unavailable for 20 s.
    let connectedMs = 0
    while (called.length === 1 && connectedMs < 60_000) {
      isAway = false
      await world.clock.advance({ seconds: 12 })
      connectedMs += 12_000
      isAway = true
      await world.clock.advance({ seconds: 20 })
    }
    expect(called.map((call) => call.replace(/^\S+ /, ''))).toEqual(['attempt 1 token 1', 'attempt 2 token 2'])
    isAway = false
  })

  it('a run under `onInterrupted: fail` ends as failed_stale when its node dies', async () => {
    const world = createWorld(place)
    const { first, second, called } = await twoNodes(world, { onInterrupted: 'fail' })
    world.crash(first)
    await world.clock.advance({ seconds: 50 })
    expect(await fates(second, 'long')).toEqual(['10 failed_stale node_lost'])
    expect(called).toHaveLength(1)
  })

  it('the record of a dead node states the node’s death only after the node’s runs have been taken over', async () => {
    const world = createWorld(place)
    const { job } = longJob(world)
    const first = await world.start({ jobs: [job], nodeId: 'first', ...life })
    await world.clock.advance({ seconds: 12 })
    const storage = world.connect()
    let refuses = true
    const reaping = wrapStorage(world.connect(), {
      around: (call) => {
        if (call.method === 'reap' && refuses) throw new JobistemerError('STORAGE_BUSY', { message: 'Not now.' })
        return call.proceed()
      },
    })
    await world.start({ jobs: [job], nodeId: 'second', storage: reaping, ...life })
    world.crash(first)
    await world.clock.advance({ minutes: 2 })
    expect((await recordsIn(storage)).map(({ node, about }) => [node, about.dead]).sort()).toEqual([
      ['first', undefined],
      ['second', undefined],
    ])
    refuses = false
    await world.clock.advance({ seconds: 20 })
    expect((await recordsIn(storage)).map(({ node, about }) => [node, about.dead !== undefined]).sort()).toEqual([
      ['first', true],
      ['second', false],
    ])
  })

  it("if a peer stops during a takeover, the dead node's record states no death, and a later node takes over the runs", async () => {
    const world = createWorld(place)
    const { first, second, called } = await twoNodes(world, { onInterrupted: 'retry' }, withEmptyPages)
    world.crash(first)
    const lost = new Promise<void>((resolve) => {
      second.on('node.lost', () => {
        void second.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
        resolve()
      })
    })
    await world.clock.advance({ seconds: 45 })
    await lost
    const records = await recordsIn(world.connect())
    expect(records.find(({ node }) => node === 'first')?.about.dead).toBe(undefined)
    const { job, called: calledAgain } = longJob(world, { onInterrupted: 'retry' })
    await world.start({ jobs: [job], nodeId: 'third', ...life })
    await world.clock.advance({ seconds: 60 })
    expect([called.length, calledAgain.length]).toEqual([1, 1])
  })

  it('no node is declared dead after an outage in which no node reached the storage', async () => {
    const world = createWorld(place)
    let isAway = false
    const storage = () =>
      wrapStorage(world.connect(), {
        around: (call) => (isAway ? Promise.reject(new Error('away')) : call.proceed()),
      })
    const { job, called } = longJob(world)
    const nodes: Scheduler[] = []
    for (const nodeId of ['first', 'second', 'third']) {
      nodes.push(await world.start({ jobs: [job], nodeId, storage: storage(), ...life }))
    }
    const heard = nodes.map((node) => listen(node, 'node.lost', 'occurrence.reaped'))
    await world.clock.advance({ seconds: 20 })
    for (const seconds of [1, 20, 31, 120]) {
      isAway = true
      await world.clock.advance({ seconds })
      isAway = false
      await world.clock.advance({ seconds: 12 })
    }
    expect(heard.flat()).toEqual([])
    expect(called).toHaveLength(1)
  })

  it('a node with long heartbeat intervals declares no peer dead if the storage fails between two reads of the node records', async () => {
    const world = createWorld(place)
    let isAway = false
    const storage = () =>
      wrapStorage(world.connect(), {
        around: (call) => (isAway ? Promise.reject(new Error('away')) : call.proceed()),
      })
    const { job } = longJob(world)
    const quick = { ...tuned({ heartbeat: 200 }), deadAfter: { milliseconds: 800 } }
    await world.start({ jobs: [job], nodeId: 'quick', storage: storage(), ...quick })
    await world.clock.advance({ milliseconds: 100 })
    const slow = { deadAfter: { seconds: 60 } }
    const watching = await world.start({ jobs: [job], nodeId: 'slow', storage: storage(), ...slow })
    const heard = listen(watching, 'node.lost')
    // The slow node reads the node records at 30.1 s, 40.1 s, and so on. After each of these reads, the storage rejects all
    // calls until shortly before the next read.
    for (const seconds of [30, 40, 50]) {
      await world.clock.advanceTo(at(seconds + 0.11))
      isAway = true
      await world.clock.advanceTo(at(seconds + 10.05))
      isAway = false
    }
    await world.clock.advanceTo(at(80))
    expect(heard).toEqual([])
  })

  it('a node that was frozen for 100 s does not declare its peers dead because of its own freeze', async () => {
    const world = createWorld(place)
    const { first, second, heard } = await twoNodes(world)
    await world.clock.advance({ seconds: 20 })
    world.freeze(second)
    await world.clock.advance({ seconds: 100 })
    await world.thaw(second, 'ran on')
    await world.clock.advance({ seconds: 20 })
    expect(heard.map(({ name }) => name)).toEqual(['node.joined'])
    world.crash(first)
    await world.clock.advance({ seconds: 40 })
    expect(heard.map(({ name }) => name)).toEqual(['node.joined', 'node.lost', 'occurrence.reaped'])
  })

  it('a node that was wrongly declared dead rejoins, and the storage rejects the settle of its old run', async () => {
    const world = createWorld(place)
    const { first, second, called, heard } = await twoNodes(world)
    const lost = listen(first, 'occurrence.lost')
    await world.clock.advance({ seconds: 20 })
    world.freeze(first)
    await world.clock.advance({ seconds: 60 })
    expect(called).toHaveLength(2)
    await world.thaw(first, 'ran on')
    await world.clock.advance({ minutes: 6 })
    expect(heard.map(({ name }) => name)).toEqual(['node.joined', 'node.lost', 'occurrence.reaped', 'node.joined'])
    expect(lost.map(({ event }) => event.fencingToken)).toEqual([1])
    expect((await onlyOccurrence(second, 'long')).tasks[0]?.result).toBe('token 2')
  })

  it("after a crashed node has restarted, the storage has no record of the node's earlier incarnation any more", async () => {
    const world = createWorld(place)
    const { first, heard } = await twoNodes(world)
    const storage = world.connect()
    const incarnations = async () =>
      (await recordsIn(storage)).filter(({ node }) => node === 'first').map(({ incarnation }) => incarnation)
    const [earlier] = await incarnations()
    world.crash(first)
    await world.start({ jobs: [longJob(world).job], nodeId: 'first', ...life })
    const [present, ...others] = await incarnations()
    expect(others).toEqual([])
    expect(present).not.toBe(earlier)
    await world.clock.advance({ minutes: 1 })
    const lost = heard
      .filter(({ name }) => name === 'node.lost')
      .map(({ event }) => 'node' in event && event.incarnation)
    expect(lost).toEqual([earlier])
  })

  it('a node that was wrongly declared dead stores its profile again', async () => {
    const world = createWorld(place)
    const { first, second } = await twoNodes(world)
    await world.clock.advance({ seconds: 20 })
    world.freeze(first)
    await world.clock.advance({ seconds: 60 })
    const storage = world.connect()
    expect((await second.nodes()).map(({ node, state }) => `${node} ${state}`)).toEqual([
      'first dead',
      'second working',
    ])
    await world.thaw(first, 'ran on')
    await world.clock.advance({ seconds: 10 })
    const profilesOf = (await recordsIn(storage)).map(({ incarnation }) => incarnation)
    const { profiles } = await storage.heartbeat({ now: 0, own: null, remove: [], profilesOf })
    expect(profiles).toMatchObject([{ handlers: [] }, { handlers: [] }])
  })

  it('a node that shuts down is listed as leaving, is never declared dead, and its record is removed later', async () => {
    const world = createWorld(place)
    const { first, second, heard } = await twoNodes(world)
    await world.clock.advance({ seconds: 20 })
    const stopping = first.shutdown({ gracePeriod: { seconds: 20 }, abortGracePeriod: { seconds: 1 } })
    await world.clock.advance({ seconds: 10 })
    const stateOf = async () => (await second.nodes()).map(({ node, state }) => `${node} ${state}`)
    expect(await stateOf()).toEqual(['first leaving', 'second working'])
    await world.clock.advance({ seconds: 15 })
    await stopping
    expect(await stateOf()).toEqual(['first ended', 'second working'])
    await world.clock.advance({ seconds: 60 })
    expect(await stateOf()).toEqual(['second working'])
    expect(heard.map(({ name }) => name)).toEqual(['node.joined', 'node.left'])
  })

  it('`nodes` lists a dead node that had no runs with `takenOverBy: null`', async () => {
    const world = createWorld(place)
    const first = await world.start({ nodeId: 'first', ...life })
    const second = await world.start({ nodeId: 'second', ...life })
    await world.clock.advance({ seconds: 20 })
    world.crash(first)
    await world.clock.advance({ minutes: 2 })
    const nodes = await second.nodes()
    expect(nodes).toMatchObject([
      { node: 'first', state: 'dead', dead: { takenOverBy: null } },
      { node: 'second', state: 'working', dead: null },
    ])
    expect(isAbout(nodes[0]?.dead?.since, 20)).toBe(true)
  })

  it('`nodes` states which of two peers took over the runs of a dead node', async () => {
    const world = createWorld(place)
    const { first, second } = await twoNodes(world)
    const third = await world.start({ nodeId: 'a third', ...life })
    await world.clock.advance({ seconds: 20 })
    const reaped = [second, third].map((node) => listen(node, 'occurrence.reaped'))
    world.crash(first)
    await world.clock.advance({ minutes: 2 })
    const takers = ['second', 'a third'].filter((_, index) => reaped[index]?.length === 1)
    expect(takers).toHaveLength(1)
    for (const node of [second, third]) {
      const dead = (await node.nodes()).filter(({ state }) => state === 'dead')
      expect(dead.map(({ dead: death }) => death?.takenOverBy)).toEqual(takers)
    }
  })

  it('a node that restarted before peers declared it dead is listed once by `nodes`, also after `deadAfter`', async () => {
    const world = createWorld(place)
    const { first, second } = await twoNodes(world)
    world.crash(first)
    await world.start({ nodeId: 'first', ...life })
    await world.clock.advance({ minutes: 3 })
    const states = (await second.nodes()).map(({ node, state }) => `${node} ${state}`)
    expect(states).toEqual(['first working', 'second working'])
  })

  it('a node that died and restarted is listed once by `nodes`', async () => {
    const world = createWorld(place)
    const { first, second } = await twoNodes(world)
    world.crash(first)
    await world.clock.advance({ minutes: 2 })
    await world.start({ nodeId: 'first', ...life })
    await world.clock.advance({ minutes: 1 })
    const states = (await second.nodes()).map(({ node, state }) => `${node} ${state}`)
    expect(states).toEqual(['first working', 'second working'])
  })

  it('the storage keeps the records of at most 20 dead nodes', async () => {
    const world = createWorld(place)
    const survivor = await world.start({ nodeId: 'survivor', ...life })
    for (let count = 1; count <= 24; count++) world.crash(await world.start({ nodeId: `dies ${count}`, ...life }))
    await world.clock.advance({ minutes: 2 })
    expect((await survivor.nodes()).filter(({ state }) => state === 'dead')).toHaveLength(20)
  })

  it('a client lists nodes as dead, and does not log their death', async () => {
    const world = createWorld(place)
    const { first } = await twoNodes(world)
    const log = collectingLogger()
    const { logger } = log
    const client = createClient({ storage: world.connect(), clock: world.clock, logger })
    const stateOf = async () =>
      (await client.nodes()).map(({ node, state, silentForMs }) => `${node} ${state} ${silentForMs}`)
    expect(await stateOf()).toEqual(['first working null', 'second working null'])
    world.crash(first)
    for (let seconds = 0; seconds < 120; seconds += 5) {
      await world.clock.advance({ seconds: 5 })
      await client.nodes()
    }
    expect(await stateOf()).toEqual([
      expect.stringMatching(/^first dead \d{6}$/),
      expect.stringMatching(/^second working \d{1,4}$/),
    ])
    expect(log.loud()).toEqual([])
    await client.close()
  })

  it('`nodes` returns the version of the time zone data of each node', async () => {
    const world = createWorld(place)
    const storage = world.connect()
    const node = await world.start({ nodeId: 'here', ...life })
    const versions = { node: '20.0.0', jobistemer: '0.1.0', timeZones: '1999z' }
    const own: NodeRecord = {
      ...{ node: 'there', incarnation: 'there 1', counter: 1, startedAt: +at(0), leaving: false },
      about: { versions, maxConcurrentJobs: 1, host: 'machine', pid: 7, running: 0 },
    }
    await storage.heartbeat({ now: +at(0), own, remove: [], profilesOf: [] })
    expect((await node.nodes()).map((one) => one.versions.timeZones)).toEqual([process.versions.tz, '1999z'])
  })

  it('the incarnation of a scheduler identifies its record among records with the same nodeId', async () => {
    const world = createWorld(place)
    const first = await world.start({ nodeId: 'same', ...life })
    await first.shutdown()
    const second = await world.start({ nodeId: 'same', ...life })
    const nodes = await second.nodes()
    expect(nodes.map(({ incarnation, state }) => ({ [incarnation]: state }))).toContainEqual({
      [second.incarnation]: 'working',
    })
    expect(second.incarnation).not.toBe(first.incarnation)
  })

  it('a node that shuts down with an unfinished run counts as dead for its peers, and a peer takes the run over', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const run = async ({ fencingToken }: { readonly fencingToken: number }) => {
      ran.push(`token ${fencingToken}`)
      await world.clock.sleep({ minutes: 5 })
    }
    const job = defineJob({ name: 'deaf', schedule: once(at(10)), tasks: [{ name: 'work', run }] })
    const first = await world.start({ jobs: [job], nodeId: 'first', ...life })
    await world.clock.advance({ seconds: 12 })
    const second = await world.start({ jobs: [job], nodeId: 'second', ...life })
    const heard = listen(second, 'node.lost')
    await world.shutdown(first, 1000)
    world.crash(first)
    await world.clock.advance({ seconds: 50 })
    expect(heard.map(({ event }) => event.node)).toEqual(['first'])
    expect(ran).toEqual(['token 1', 'token 2'])
  })

  it('a node whose heartbeats are rejected emits `node.isolated`, and takes no new work until a heartbeat succeeds', async () => {
    const world = createWorld(place)
    const ran: number[] = []
    const job = defineJob({
      name: 'often',
      schedule: everySeconds(10, +at(300)),
      tasks: [{ name: 'work', run: ({ scheduledAt }) => void ran.push(secondsOf(scheduledAt)) }],
    })
    let isRefused = false
    const storage = wrapStorage(world.connect(), {
      around: (call) =>
        call.method === 'heartbeat' && isRefused ? Promise.reject(new Error('refused')) : call.proceed(),
    })
    const { logger, loud } = collectingLogger()
    const node = await world.start({ jobs: [job], storage, logger, ...life })
    const heard = listen(node, 'node.isolated', 'node.rejoined')
    await world.clock.advanceTo(at(42))
    isRefused = true
    await world.clock.advanceTo(at(105))
    expect(heard.map(({ name }) => name)).toEqual(['node.isolated'])
    // The last accepted heartbeat of the node was at 40 s, so the node takes no new work from 64 s on.
    expect(ran).toEqual([10, 20, 30, 40, 50, 60])
    expect((await node.trigger('often')).state).toBe('pending')
    isRefused = false
    await world.clock.advanceTo(at(125))
    expect(heard.map(({ name }) => name)).toEqual(['node.isolated', 'node.rejoined'])
    expect(ran.slice(-2)).toEqual([110, 120])
    expect(loud().map(({ message }) => message)).toContain(
      'the storage accepts no heartbeat of this node: the node takes no new work, and peers may declare the node dead',
    )
    const [first] = loud()
    expect(first?.message).toBe('the storage fails: retrying until it answers')
    expect(first).toMatchObject({ operation: 'heartbeat', err: new Error('refused') })
    expect(loud().map(({ message }) => message)).toContain('the storage answers again')
  })

  it('a starting node takes no work before the storage accepts its heartbeat', async () => {
    const world = createWorld(place)
    const { job, called } = longJob(world)
    const first = await world.start({ jobs: [job], nodeId: 'same', ...life })
    await world.clock.advance({ seconds: 12 })
    world.crash(first)
    let isRefused = true
    const storage = wrapStorage(world.connect(), {
      around: (call) =>
        call.method === 'heartbeat' && call.request.own !== null && isRefused
          ? Promise.reject(new Error('refused'))
          : call.proceed(),
    })
    // The node reaps the run of its earlier incarnation, and can run it only after a new claim.
    const again = world.scheduler({ jobs: [job], nodeId: 'same', storage, ...life })
    const starting = again.start()
    await world.clock.advance({ seconds: 20 })
    expect(called).toHaveLength(1)
    isRefused = false
    await world.clock.advance({ seconds: 10 })
    await starting
    expect(called).toHaveLength(2)
  })

  it("a claim that is repeated while the node's heartbeats are rejected takes no run", async () => {
    const world = createWorld(place)
    const ran: number[] = []
    const work = { name: 'work', run: () => void ran.push(secondsOf(world.clock.now())) }
    const job = defineJob({ name: 'asked', schedule: once(at(1000)), tasks: [work] })
    const refused = new Set<string>()
    const storage = wrapStorage(world.connect(), {
      around: (call) => (refused.has(call.method) ? Promise.reject(new Error('refused')) : call.proceed()),
    })
    const node = await world.start({ jobs: [job], storage, pollInterval: 1000, ...life })
    await world.clock.advanceTo(at(42))
    refused.add('heartbeat').add('claim')
    // The last accepted heartbeat was at 40 s, so the node takes no new work from 64 s on. The node still repeats the claim
    // that the storage has rejected before.
    await world.clock.advanceTo(at(70))
    expect((await node.trigger('asked')).state).toBe('pending')
    refused.delete('claim')
    await world.clock.advanceTo(at(100))
    expect(ran).toEqual([])
    refused.delete('heartbeat')
    await world.clock.advanceTo(at(110))
    expect(ran).toHaveLength(1)
  })
})

describe('on the real clock', () => {
  const quick = { ...tuned({ heartbeat: 50 }), deadAfter: 200, logger: silentLogger, clock: systemClock }

  it('`start` rejects while another node with its nodeId lives in the same process', async () => {
    const database = memoryDatabase()
    const first = createScheduler({ storage: memoryStorage({ database }), nodeId: 'same', ...quick })
    await first.start()
    onTestFinished(() => first.shutdown())
    const second = createScheduler({ storage: memoryStorage({ database }), nodeId: 'same', ...quick })
    await expect(second.start()).rejects.toMatchObject({ code: 'NODE_ID_IN_USE', field: 'nodeId', value: 'same' })
    await first.shutdown()
    const third = createScheduler({ storage: memoryStorage({ database }), nodeId: 'same', ...quick })
    await third.start()
    await third.shutdown()
  })

  it('`start` rejects while another node with its nodeId lives in another thread of the process', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'jobistemer-threads-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'jobs.db')
    const worker = new Worker(new URL('../fixtures/threaded-node.mjs', import.meta.url), { workerData: { file } })
    onTestFinished(async () => void (await worker.terminate()))
    expect(await eventOf(worker, 'message')).toEqual(['running'])
    const storage = sqliteStorage({ file })
    onTestFinished(() => storage.close())
    // The second node waits for two of its own heartbeat intervals. The intervals are long, so that the node in the other
    // thread can send a heartbeat on a busy machine.
    const second = createScheduler({
      storage,
      nodeId: 'same',
      ...quick,
      ...tuned({ heartbeat: 1000 }),
      deadAfter: 5000,
    })
    await expect(second.start()).rejects.toMatchObject({ code: 'NODE_ID_IN_USE', value: 'same' })
    const client = createClient({ storage, logger: silentLogger })
    expect((await client.occurrences({ job: 'long' })).items).toMatchObject([{ state: 'running', fencingToken: 1 }])
  })

  it('a node logs an error when another node with its nodeId sends heartbeats', async () => {
    const storage = memoryStorage()
    const { logger, lines } = collectingLogger()
    const node = createScheduler({ storage, nodeId: 'same', ...quick, logger })
    await node.start()
    onTestFinished(() => node.shutdown())
    const other = { node: 'same', incarnation: 'elsewhere', startedAt: 0, leaving: false, about: {} }
    let counter = 1
    const timer = setInterval(() => {
      void storage.heartbeat({ now: 0, own: { ...other, counter: ++counter }, remove: [], profilesOf: [] })
    }, 20)
    onTestFinished(() => clearInterval(timer))
    await expect
      .poll(() => lines.map(({ message }) => message), { timeout: 30_000 })
      .toContain('another living node has the nodeId of this node')
  })

  it('`start` rejects while another node with its nodeId sends heartbeats, and succeeds afterwards', async () => {
    const storage = memoryStorage()
    const own: NodeRecord = {
      node: 'same',
      incarnation: 'elsewhere',
      counter: 1,
      startedAt: 0,
      leaving: false,
      about: {},
    }
    const say = (counter: number): Promise<unknown> =>
      storage.heartbeat({ now: 0, own: { ...own, counter }, remove: [], profilesOf: [] } satisfies HeartbeatRequest)
    await say(1)
    let counter = 1
    const timer = setInterval(() => void say(++counter), 20)
    const second = createScheduler({ storage, nodeId: 'same', ...quick })
    await expect(second.start()).rejects.toMatchObject({ code: 'NODE_ID_IN_USE' })
    clearInterval(timer)
    const third = createScheduler({ storage, nodeId: 'same', ...quick })
    await third.start()
    await third.shutdown()
  })
})

it('an isolated node whose claim is answered late calls no handler of a job with `whileIsolated: abort`', async () => {
  // Without its method `track`, the virtual clock does not wait for the pending claim.
  const { track: _, ...clock } = virtualClock(at(0))
  const place = memoryStorage()
  const ran: string[] = []
  const job = defineJob({
    name: 'late',
    whileIsolated: 'abort',
    tasks: [{ name: 'work', run: () => void ran.push('') }],
  })
  let isRefused = false
  let isHeld = false
  const held: (() => void)[] = []
  const storage = wrapStorage(place, {
    around: async (call) => {
      if (call.method === 'heartbeat' && isRefused) throw new Error('refused')
      if (call.method !== 'claim') return call.proceed()
      const value = await place.claim(call.request)
      if (isHeld && value.claimed.length > 0) await new Promise<void>((resolve) => held.push(resolve))
      return value
    },
  })
  const node = createScheduler({ storage, jobs: [job], clock, logger: silentLogger, ...life })
  const starting = node.start()
  await clock.settle()
  await starting
  const answer = (): void => {
    for (const resolve of held.splice(0)) resolve()
  }
  node.on('node.isolated', () => heard.push('isolated'))
  const heard: string[] = []
  await clock.advance({ seconds: 42 })
  isRefused = true
  // The last accepted heartbeat was at 40 s, so the node is isolated from 64 s on. At that time, the node's claim still has
  // no answer.
  await clock.advance({ seconds: 21.5 })
  isHeld = true
  const { id } = await node.trigger('late', { delay: 100 })
  await clock.advance(700)
  expect([heard, held.length]).toEqual([['isolated'], 1])
  answer()
  isHeld = false
  await clock.settle()
  expect(ran).toEqual([])
  expect(await node.occurrence(id)).toMatchObject({ state: 'pending' })
  isRefused = false
  await clock.advance({ seconds: 20 })
  expect(ran).toHaveLength(1)
  await node.shutdown()
})
