import {
  type Clock,
  createClient,
  defineJob,
  JobistemerError,
  type Occurrence,
  type TaskContext,
  type WaitOptions,
} from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { createWorld, type World } from '../support/world.ts'

const slow = defineJob({
  name: 'slow',
  tasks: [
    {
      name: 'work',
      run: async ({ sleep, input }: TaskContext) => {
        await sleep({ seconds: 30 })
        return { of: input ?? null }
      },
    },
  ],
})

async function scene(world: World) {
  const node = await world.start({ jobs: [slow], pollInterval: { seconds: 1 } })
  const client = createClient({ storage: world.connect(), clock: world.clock, scheduleTypes: [everyType] })
  return { node, client }
}

/**
 * Returns the world's clock as a clock that a client does not recognize as virtual. The virtual clock does not wait for storage
 * calls of such a client, so that these calls may take virtual time.
 */
function plainClock({ clock }: World): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
  }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('`waitFor` resolves with the ended occurrence and its tasks, both on the occurrence’s node and on a client', async () => {
    const world = createWorld(place)
    const { node, client } = await scene(world)
    const { id } = await node.trigger('slow', { data: 5 })
    const ends: number[] = []
    const noted = async (waiting: Promise<Occurrence>) => {
      const occurrence = await waiting
      ends.push(world.clock.now())
      return occurrence
    }
    const waiting = [noted(node.waitFor(id)), noted(client.waitFor(id))]
    const began = world.clock.now()
    await world.clock.advance({ seconds: 33 })
    for (const occurrence of await Promise.all(waiting)) {
      expect(occurrence).toMatchObject({ id, state: 'completed', tasks: [{ name: 'work', result: { of: 5 } }] })
    }
    const [here, there] = ends.map((end) => end - began)
    // On the node, `waitFor` resolves when the run ends. On the client, `waitFor` resolves at the client's next poll after
    // the end.
    expect(here).toBe(30_000)
    expect(there).toBeGreaterThan(30_000)
    expect(there).toBeLessThanOrEqual(32_000)
    expect((await client.waitFor(id)).state).toBe('completed')
  })

  it("`waitFor` rejects at its timeout, at its signal's abort and at its scheduler's shutdown; the run continues", async () => {
    const world = createWorld(place)
    const { node, client } = await scene(world)
    const { id } = await client.trigger('slow')
    const controller = new AbortController()
    const ends = [
      client.waitFor(id, { timeout: { seconds: 5 } }),
      client.waitFor(id, { signal: controller.signal }),
      node.waitFor(id),
    ].map((waiting) => waiting.catch((error: { code: string }) => error.code))
    await world.clock.advance({ seconds: 6 })
    controller.abort()
    expect(await Promise.all(ends.slice(0, 2))).toEqual(['WAIT_TIMEOUT', 'ABORTED'])
    expect((await client.occurrence(id)).state).toBe('running')
    await world.shutdown(node)
    expect(await ends[2]).toBe('SCHEDULER_STATE')
    await expect(client.waitFor('occ_none' as never)).rejects.toMatchObject({ code: 'OCCURRENCE_NOT_FOUND' })
  })

  it('`waitFor` continues while the storage fails, and rejects with WAIT_TIMEOUT if the storage still fails at its timeout', async () => {
    const world = createWorld(place)
    await scene(world)
    const intercepted = new InterceptedStorage(world.connect())
    const client = createClient({ storage: intercepted.storage, clock: world.clock, scheduleTypes: [everyType] })
    const { id } = await client.trigger('slow', { data: 5 })
    const through = intercepted.intercept
    intercepted.intercept = async () => {
      throw new JobistemerError('STORAGE_UNREACHABLE', { message: 'The server is away.' })
    }
    const unlimited = client.waitFor(id)
    const limited = client.waitFor(id, { timeout: { seconds: 5 } }).catch((error: JobistemerError) => error)
    await world.clock.advance({ seconds: 20 })
    expect(await limited).toMatchObject({
      code: 'WAIT_TIMEOUT',
      message: expect.stringContaining(`${id} has not ended within 5000 ms: the storage does not answer.`),
    })
    intercepted.intercept = through
    await world.clock.advance({ seconds: 20 })
    expect(await unlimited).toMatchObject({ id, state: 'completed' })
  })

  it('`waitFor` resolves for an occurrence that has ended, although each read takes longer than its timeout', async () => {
    const world = createWorld(place)
    const { node } = await scene(world)
    const { id } = await node.trigger('slow')
    await world.clock.advance({ seconds: 31 })
    const storage = wrapStorage(world.connect(), {
      around: async (call) => {
        if (call.method === 'get') await world.clock.sleep(5)
        return call.proceed()
      },
    })
    const ended = createClient({ storage, clock: plainClock(world) }).waitFor(id, { timeout: 3 })
    await world.clock.advance({ seconds: 1 })
    expect(await ended).toMatchObject({ id, state: 'completed' })
  })

  it('`waitFor` repeats a read that gets no answer within `callTimeout`', async () => {
    const world = createWorld(place)
    const { node } = await scene(world)
    const { id } = await node.trigger('slow')
    await world.clock.advance({ seconds: 31 })
    let lost = 1
    const storage = wrapStorage(world.connect(), {
      around: (call) => (call.method === 'get' && lost-- > 0 ? new Promise(() => {}) : call.proceed()),
    })
    const client = createClient({ storage, clock: plainClock(world), callTimeout: { seconds: 1 } })
    const ended = client.waitFor(id, { timeout: { minutes: 5 } })
    await world.clock.advance({ seconds: 3 })
    expect(await ended).toMatchObject({ id, state: 'completed' })
  })

  it('`waitFor` of a client that still connects to its storage rejects at its timeout and at its signal’s abort', async () => {
    const world = createWorld(place)
    const { id } = await (await scene(world)).client.trigger('slow')
    const { clock } = world
    // The client compares its clock with the storage's clock, in three reads of 3 s each. The client is connected only after
    // these reads.
    const own = plainClock(world)
    const storage = wrapStorage(world.connect(), {
      serverTime: async () => {
        await clock.sleep({ seconds: 3 })
        return clock.now()
      },
    })
    const began = clock.now()
    const controller = new AbortController()
    const endOf = (options?: WaitOptions) =>
      createClient({ storage, clock: own })
        .waitFor(id, options)
        .then(String, ({ code }: { code: string }) => `${code} after ${Math.round(clock.now() - began)} ms`)
    const ends = [
      endOf({ timeout: { seconds: 3 } }),
      endOf({ signal: controller.signal }),
      endOf({ timeout: { seconds: 12 } }),
    ]
    await clock.advance({ seconds: 5 })
    controller.abort()
    await clock.advance({ seconds: 20 })
    expect(await Promise.all(ends)).toEqual([
      'STORAGE_TIMEOUT after 3000 ms',
      'ABORTED after 5000 ms',
      'WAIT_TIMEOUT after 12000 ms',
    ])
  })

  it('`versions` returns each version of a job with its changes, newest first', async () => {
    const world = createWorld(place)
    const { client } = await scene(world)
    await world.clock.advance({ seconds: 10 })
    await client.update('slow', { schedule: everySeconds(60), tags: ['eu'] })
    await client.update('slow', { schedule: null, maxQueued: 5, description: 'Sleeps.' })
    const versions = await client.versions('slow')
    expect(versions).toMatchObject([
      { version: 3, schedule: null, description: 'Sleeps.', settings: { maxQueued: 5 }, tags: ['eu'] },
      {
        version: 2,
        schedule: { type: 'every', intervalMs: 60_000 },
        description: null,
        settings: { maxQueued: 100_000 },
      },
      { version: 1, schedule: null, tags: [], tasks: [{ name: 'work', handler: null }], changes: [] },
    ])
    expect(versions.map(({ changes }) => changes.map(({ part }) => part).sort())).toEqual([
      ['description', 'maxQueued', 'overlapPolicy', 'schedule'],
      ['overlapPolicy', 'schedule', 'tags'],
      [],
    ])
    expect((await client.versions('slow', { limit: 1 })).map(({ changes }) => changes.length)).toEqual([4])
    expect(versions[1]?.changes).toEqual([
      { part: 'schedule', before: null, after: { type: 'every', intervalMs: 60_000, endMs: null } },
      { part: 'tags', before: [], after: ['eu'] },
      { part: 'overlapPolicy', before: 'allow', after: 'skip' },
    ])
    await expect(client.versions('none')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  })

  it('`versions` returns the reason and the actor of each update', async () => {
    const world = createWorld(place)
    const { client } = await scene(world)
    await client.update('slow', { maxQueued: 5 }, { reason: 'the queue was full', actor: 'ann' })
    await client.update('slow', { maxQueued: 6 })
    const versions = await client.versions('slow')
    expect(versions.map(({ reason, actor }) => [reason, actor])).toEqual([
      [null, null],
      ['the queue was full', 'ann'],
      [null, null],
    ])
    await expect(client.update('slow', { maxQueued: 7 }, { actor: '' })).rejects.toMatchObject({ code: 'INVALID_NAME' })
  })

  it('`pauseAll` and `resumeAll` apply to all jobs with the given tag or owner', async () => {
    const world = createWorld(place)
    const { client } = await scene(world)
    const tasks = [{ name: 'work', handler: 'note' }]
    await client.add([
      defineJob({ name: 'a', tags: ['eu'], owner: 'ops', tasks }),
      defineJob({ name: 'b', tags: ['eu'], tasks }),
      defineJob({ name: 'c', owner: 'ops', tasks }),
    ])
    expect([...(await client.pauseAll({ tag: 'eu' }, { reason: 'move', actor: 'kim' }))].sort()).toEqual(['a', 'b'])
    expect((await client.job('b')).paused).toMatchObject({ reason: 'move', actor: 'kim' })
    expect(await client.pauseAll({ owner: 'ops' })).toEqual(['c'])
    expect(await client.resumeAll({ owner: 'ops', tag: 'eu' })).toEqual(['a'])
    expect((await client.jobs({ paused: true })).items.map(({ name }) => name).sort()).toEqual(['b', 'c'])
    await expect(client.pauseAll({})).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'filter' })
  })
})
