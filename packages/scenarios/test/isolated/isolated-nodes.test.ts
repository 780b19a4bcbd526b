import { defineJob, type JobSettingsInput, type SchedulerOptions, type TaskContext } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, onlyOccurrence, secondsOf, type World } from '../support/world.ts'

const life = { deadAfter: { seconds: 30 } }

/** Makes a node whose connection to the storage can be cut. */
function nodeOf(world: World, nodeId: string) {
  let isAway = false
  const storage = wrapStorage(world.connect(), {
    around: (call) => (isAway ? Promise.reject(new Error('away')) : call.proceed()),
  })
  return {
    start: (options: Partial<SchedulerOptions>) => world.start({ nodeId, storage, ...life, ...options }),
    cutOff: () => {
      isAway = true
    },
    reconnect: () => {
      isAway = false
    },
  }
}

/** Defines a job with one slot at 10 s, whose run takes ten minutes. `did` lists the steps of the job's handler. */
function longJob(world: World, name: string, settings: JobSettingsInput = {}) {
  const did: string[] = []
  const run = async ({ attempt, signal }: TaskContext) => {
    did.push(`${attempt} starts`)
    signal.addEventListener('abort', () => did.push(`${attempt} stops: ${signal.reason.code} ${signal.reason.value}`))
    await world.clock.sleep({ minutes: 10 }, signal)
    did.push(`${attempt} ends`)
    return attempt
  }
  const tasks = [{ name: 'work', taskTimeout: { hours: 1 }, run }]
  return { job: defineJob({ name, schedule: everySeconds(10, +at(10)), ...settings, tasks }), did }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('a node that is cut off from the storage aborts runs with `whileIsolated: abort` before a peer takes these runs over', async () => {
    const world = createWorld(place)
    const { job, did } = longJob(world, 'careful', { whileIsolated: 'abort' })
    const { job: beside, did: didBeside } = longJob(world, 'beside')
    const node = nodeOf(world, 'cut off')
    const first = await node.start({ jobs: [job, beside] })
    const told = listen(first, 'node.isolated', 'occurrence.lost')
    await world.clock.advanceTo(at(12))
    const second = await world.start({ jobs: [job, beside], nodeId: 'peer', ...life })
    node.cutOff()
    await world.clock.advanceTo(at(39))
    expect(did).toEqual(['1 starts', '1 stops: ABORTED isolated'])
    expect(didBeside).toEqual(['1 starts'])
    expect(told.map(({ name }) => name)).toEqual(['node.isolated'])
    await world.clock.advanceTo(at(60))
    expect(did).toEqual(['1 starts', '1 stops: ABORTED isolated', '2 starts'])
    expect(didBeside).toEqual(['1 starts', '2 starts'])
    node.reconnect()
    await world.clock.advanceTo(at(70))
    // After its reconnection the node learns that a peer took over its runs, and aborts the handler that still runs.
    expect(didBeside).toEqual(['1 starts', '2 starts', '1 stops: OCCURRENCE_LOST lost'])
    await world.clock.advance({ minutes: 12 })
    expect(told.filter(({ name }) => name === 'occurrence.lost')).toHaveLength(2)
    for (const name of ['careful', 'beside']) {
      const { state, node, tasks } = await onlyOccurrence(second, name)
      expect([state, node, tasks[0]?.attempts.map((attempt) => attempt.state)]).toEqual([
        'completed',
        'peer',
        ['lost', 'succeeded'],
      ])
    }
  })

  it('an aborted run of a cut-off node is released after the reconnection, and runs again on this node if the node has no peer', async () => {
    const world = createWorld(place)
    const { job, did } = longJob(world, 'careful')
    const node = nodeOf(world, 'cut off')
    const scheduler = await node.start({ jobs: [job], defaults: { whileIsolated: 'abort' } })
    const released = listen(scheduler, 'occurrence.released')
    await world.clock.advanceTo(at(12))
    node.cutOff()
    await world.clock.advanceTo(at(60))
    node.reconnect()
    await world.clock.advance({ minutes: 12 })
    expect(did).toEqual(['1 starts', '1 stops: ABORTED isolated', '2 starts', '2 ends'])
    expect(released.map(({ event }) => event.reason)).toEqual(['isolated'])
    const { state, tasks } = await onlyOccurrence(scheduler, 'careful')
    expect([state, tasks[0]?.attempts.map((attempt) => [attempt.state, attempt.reason])]).toEqual([
      'completed',
      [
        ['aborted', 'isolated'],
        ['succeeded', null],
      ],
    ])
  })

  it('an aborted run of a cut-off node fails under `onInterrupted: fail`, and its handler is not called again', async () => {
    const world = createWorld(place)
    const { job, did } = longJob(world, 'careful', { whileIsolated: 'abort', onInterrupted: 'fail' })
    const node = nodeOf(world, 'cut off')
    const scheduler = await node.start({ jobs: [job] })
    await world.clock.advanceTo(at(12))
    node.cutOff()
    await world.clock.advanceTo(at(60))
    node.reconnect()
    await world.clock.advance({ minutes: 12 })
    expect(did).toEqual(['1 starts', '1 stops: ABORTED isolated'])
    expect(await fates(scheduler, 'careful')).toEqual(['10 failed isolated'])
  })

  it.each([
    { event: 'its execution timeout', after: 45, ends: 'failed execution_timeout', finishedAt: 135 },
    { event: 'a cancellation', after: 60, ends: 'canceled canceled', finishedAt: 65 },
  ])(
    'a node that reconnects to the storage after $event ends the run of a handler that ignored its signal',
    async (how) => {
      const world = createWorld(place)
      const run = () => world.clock.sleep({ minutes: 30 })
      const tasks = [{ name: 'work', taskTimeout: { minutes: 1 }, run }]
      const settings = { whileIsolated: 'abort', executionTimeout: { minutes: 2 } } as const
      const job = defineJob({ name: 'deaf', schedule: everySeconds(10, +at(10)), ...settings, tasks })
      const node = nodeOf(world, 'cut off')
      const scheduler = await node.start({ jobs: [job] })
      const told = listen(scheduler, 'node.isolated')
      await world.clock.advanceTo(at(12))
      node.cutOff()
      // At 45 s the node has aborted the handler, and the grace period of the aborted handler has ended.
      await world.clock.advanceTo(at(45))
      expect(told).toHaveLength(1)
      node.reconnect()
      await world.clock.advanceTo(at(how.after))
      if (how.event === 'a cancellation') await scheduler.cancel((await onlyOccurrence(scheduler, 'deaf')).id)
      await world.clock.advance({ minutes: 5 })
      const { state, reason, finishedAt } = await onlyOccurrence(scheduler, 'deaf')
      expect([`${state} ${reason}`, secondsOf(finishedAt as Date)]).toEqual([how.ends, how.finishedAt])
    },
  )

  it.each(['fail', 'retry'] as const)(
    'under onInterrupted %s an aborted run of a cut-off node fails although one parallel task ignores its signal',
    async (onInterrupted) => {
      const world = createWorld(place)
      const stops = async ({ signal }: TaskContext) => {
        // This task stops 8 s after its abort. The task `ignores` never stops, and the node waits for it only 5 s after the
        // abort.
        await world.clock.sleep({ minutes: 30 }, signal).catch(() => world.clock.sleep({ seconds: 8 }))
        signal.throwIfAborted()
      }
      const ignores = () => world.clock.sleep({ minutes: 30 })
      const job = defineJob({
        name: 'pair',
        schedule: everySeconds(10, +at(10)),
        whileIsolated: 'abort',
        onInterrupted,
        taskExecutionMode: 'parallel',
        executionTimeout: { minutes: 4 },
        tasks: [
          { name: 'stops', taskTimeout: { minutes: 4 }, run: stops },
          { name: 'ignores', taskTimeout: { minutes: 4 }, run: ignores },
        ],
      })
      const node = nodeOf(world, 'cut off')
      const scheduler = await node.start({ jobs: [job] })
      const isolated = listen(scheduler, 'node.isolated')
      await world.clock.advanceTo(at(12))
      node.cutOff()
      await world.clock.advanceTo(at(42))
      expect(isolated).toHaveLength(1)
      node.reconnect()
      await world.clock.advance({ minutes: 2 })
      const early = await onlyOccurrence(scheduler, 'pair')
      expect(early.state).toBe(onInterrupted === 'fail' ? 'failed' : 'running')
      await world.clock.advance({ minutes: 5 })
      expect((await onlyOccurrence(scheduler, 'pair')).state).toBe('failed')
    },
  )

  it('a node that is cut off for less than 80 % of deadAfter aborts no run', async () => {
    const world = createWorld(place)
    const { job, did } = longJob(world, 'careful', { whileIsolated: 'abort' })
    const node = nodeOf(world, 'cut off')
    const scheduler = await node.start({ jobs: [job] })
    await world.clock.advanceTo(at(12))
    node.cutOff()
    await world.clock.advanceTo(at(28))
    node.reconnect()
    await world.clock.advance({ minutes: 12 })
    expect(did).toEqual(['1 starts', '1 ends'])
    expect(secondsOf((await onlyOccurrence(scheduler, 'careful')).finishedAt as Date)).toBe(610)
  })
})
