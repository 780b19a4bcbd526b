import {
  defineJob,
  type Job,
  type JobOptions,
  type Schedule,
  type SchedulerOptions,
  type TaskContext,
} from '@jobistemer/core'
import { metricsCollector } from '@jobistemer/core/testing'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, listen, secondsOf, type World } from '../support/world.ts'

interface Load {
  readonly jobs: Job[]
  /** Lists the handler calls from second 19 on, each as `name/attempt second`. */
  readonly called: string[]
  readonly mostAtOnce: () => number
}

interface LoadOptions extends Partial<JobOptions> {
  /** Number of jobs. Each job has one slot at second 10, whose handler returns immediately, and one slot at second 20. */
  readonly count: number
  /** The work of the handlers at second 20. Default: none. */
  readonly handler?: (context: TaskContext) => unknown
  /** The work of an additional job, which starts at second 19.9. */
  readonly blocker?: (context: TaskContext) => unknown
}

function load(world: World, { count, handler, blocker, ...settings }: LoadOptions): Load {
  const called: string[] = []
  let running = 0
  let most = 0
  const job = (name: string, schedule: Schedule, run: LoadOptions['handler']) => {
    const counted = async (context: TaskContext) => {
      if (+context.scheduledAt > +at(19)) called.push(`${name}/${context.attempt} ${secondsOf(world.clock.now())}`)
      most = Math.max(most, ++running)
      try {
        if (+context.scheduledAt > +at(19)) await run?.(context)
      } finally {
        running--
      }
    }
    return defineJob({ name, schedule, ...settings, tasks: [{ name: 'work', run: counted }] })
  }
  const jobs = Array.from({ length: count }, (_, index) => job(`job-${index}`, everySeconds(10, +at(20)), handler))
  if (blocker !== undefined) jobs.push(job('blocker', once(at(19.9)), blocker))
  return { jobs, called, mostAtOnce: () => most }
}

/**
 * Starts a node, by default with one permit. Runs the slots of second 10, so that the node measures the latency of its
 * handlers.
 */
async function startOn(world: World, jobs: Job[], options: Partial<SchedulerOptions> = {}) {
  const intercepted = new InterceptedStorage(world.connect())
  const { storage } = intercepted
  const scheduler = await world.start({ jobs, storage, maxConcurrentJobs: 1, pollInterval: { hours: 1 }, ...options })
  await world.clock.advanceTo(at(19))
  intercepted.reset()
  const occurrenceOf = async (job: string) => {
    const [occurrence, ...others] = (await scheduler.occurrences({ job, from: at(19) })).items
    if (occurrence === undefined || others.length > 0)
      throw new Error(`${others.length + 1} occurrences instead of one`)
    return occurrence
  }
  const attemptsOf = async (job: string) =>
    (await occurrenceOf(job)).tasks[0]?.attempts.map(({ number, state, reason }) => [number, state, reason])
  return { intercepted, scheduler, occurrenceOf, attemptsOf }
}

/** Returns `name/attempt` of each handler call after the call of the blocker, sorted. */
function behindBlocker([, ...called]: readonly string[]): string[] {
  return called.map((call) => call.replace(/ .*/, '')).sort()
}

/** Returns how many runs each `createOccurrences` call started. */
function startedPerCall({ calls }: InterceptedStorage): number[] {
  return calls
    .filter(({ operation }) => operation === 'createOccurrences')
    .map(({ request }) => (request as { items: { runs: unknown }[] }).items.filter(({ runs }) => runs !== null).length)
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('a node with one permit starts 40 due slots with quick handlers in one call, and runs one handler at a time', async () => {
    const world = createWorld(place)
    const { jobs, called, mostAtOnce } = load(world, { count: 40 })
    const { intercepted, attemptsOf } = await startOn(world, jobs)
    await world.clock.advance({ seconds: 2 })
    expect(startedPerCall(intercepted)).toEqual([40])
    expect(intercepted.count('claim')).toBe(0)
    expect(called.sort()).toEqual(jobs.map(({ name }) => `${name}/1 20`).sort())
    expect(mostAtOnce()).toBe(1)
    for (const { name } of jobs) expect(await attemptsOf(name)).toEqual([[1, 'succeeded', null]])
  })

  it('a node prefetches slots only after its first handler has ended', async () => {
    const world = createWorld(place)
    const { jobs } = load(world, { count: 20 })
    const intercepted = new InterceptedStorage(world.connect())
    await world.start({ jobs, storage: intercepted.storage, maxConcurrentJobs: 2 })
    await world.clock.advance({ seconds: 11 })
    expect(startedPerCall(intercepted)).toEqual([2, 18])
  })

  it('a node prefetches at most `prefetch` slots', async () => {
    const world = createWorld(place)
    const { jobs, called } = load(world, { count: 9 })
    const { intercepted } = await startOn(world, jobs, { prefetch: 3 })
    await world.clock.advance({ seconds: 2 })
    expect(startedPerCall(intercepted)[0]).toBe(4)
    expect(Math.max(...startedPerCall(intercepted))).toBe(4)
    expect(called).toHaveLength(9)
  })

  it('a node prefetches no slots under `onInterrupted: fail`, so a crash of the node fails only the run whose handler was called', async () => {
    const world = createWorld(place)
    const { jobs, called } = load(world, {
      count: 10,
      onInterrupted: 'fail',
      handler: () => world.clock.sleep({ seconds: 1 }),
    })
    const { scheduler } = await startOn(world, jobs)
    await world.clock.advanceTo(at(20.5))
    expect(called).toHaveLength(1)
    world.crash(scheduler)
    const other = await world.start({ jobs, nodeId: scheduler.nodeId })
    await world.clock.advance({ minutes: 5 })
    expect(called.map((call) => call.replace(/ .*/, '')).sort()).toEqual(jobs.map(({ name }) => `${name}/1`).sort())
    const stale = await Promise.all(
      jobs.map(async ({ name }) => (await other.occurrences({ job: name, states: ['failed_stale'] })).items),
    )
    expect(stale.flat()).toHaveLength(1)
  })

  it('a node with a `prefetch` of 0 creates and starts due slots only for its free permits', async () => {
    const world = createWorld(place)
    const { jobs, called, mostAtOnce } = load(world, { count: 10 })
    const { intercepted } = await startOn(world, jobs, { prefetch: 0, maxConcurrentJobs: 2 })
    await world.clock.advance({ seconds: 2 })
    expect(startedPerCall(intercepted)).toEqual([2, 2, 2, 2, 2])
    expect(called).toHaveLength(10)
    expect(mostAtOnce()).toBe(2)
  })

  it.each([
    { handlerMs: 1, places: 1, ahead: 5 },
    { handlerMs: 3, places: 1, ahead: 1 },
    { handlerMs: 6, places: 1, ahead: 0 },
    { handlerMs: 6, places: 4, ahead: 3 },
    { handlerMs: 100, places: 10, ahead: 0 },
  ])('a node with $places permits and handlers of $handlerMs ms prefetches $ahead slots', async (pace) => {
    const { places, ahead } = pace
    const world = createWorld(place)
    const work = () => world.clock.sleep(pace.handlerMs)
    const count = 2 * (places + ahead)
    const { jobs, called, mostAtOnce } = load(world, { count, handler: work })
    const shown = defineJob({ name: 'shown', schedule: once(at(15)), tasks: [{ name: 'work', run: work }] })
    const { intercepted } = await startOn(world, [...jobs, shown], { maxConcurrentJobs: places })
    await world.clock.advance({ seconds: 2 })
    expect(startedPerCall(intercepted)[0]).toBe(places + ahead)
    expect(called).toHaveLength(count)
    expect(mostAtOnce()).toBe(places)
  })

  it('a node releases prefetched slots that have waited 0.1 s for a slow handler, and another node runs these slots', async () => {
    const world = createWorld(place)
    const { jobs, called } = load(world, { count: 4, blocker: () => world.clock.sleep({ minutes: 1 }) })
    const { intercepted, scheduler, occurrenceOf } = await startOn(world, jobs, { nodeId: 'busy' })
    const released = listen(scheduler, 'occurrence.released')
    await world.clock.advanceTo(at(20))
    expect(startedPerCall(intercepted)).toEqual([1, 4])
    await world.start({ jobs, nodeId: 'idle', pollInterval: 10 })
    await world.clock.advance(99)
    expect(released).toEqual([])
    expect(called).toEqual(['blocker/1 19.9'])
    await world.clock.advance(11)
    expect(released.map(({ event }) => `${event.jobName} ${event.reason}`).sort()).toEqual(
      [0, 1, 2, 3].map((index) => `job-${index} no_capacity`),
    )
    expect(behindBlocker(called)).toEqual(['job-0/2', 'job-1/2', 'job-2/2', 'job-3/2'])
    for (const { name } of jobs.slice(0, 4)) {
      const occurrence = await occurrenceOf(name)
      expect(occurrence).toMatchObject({ state: 'completed', node: 'idle', fencingToken: 2, reason: null })
      expect(occurrence.tasks).toMatchObject([{ state: 'completed', reason: null }])
      expect(occurrence.tasks[0]?.attempts).toMatchObject([
        { number: 1, state: 'aborted', reason: 'no_capacity', startedAt: at(20), endedAt: at(20.1) },
        { number: 2, state: 'succeeded', reason: null },
      ])
    }
  })

  it('the gauge of running jobs does not count a prefetched slot that waits for a permit', async () => {
    const world = createWorld(place)
    const { jobs } = load(world, { count: 4, blocker: () => world.clock.sleep({ minutes: 1 }) })
    const metrics = metricsCollector()
    const { scheduler } = await startOn(world, jobs, { metrics })
    await world.clock.advanceTo(at(20.05))
    expect(await scheduler.isRunning('job-0')).toBe(true)
    expect(await metrics.readGauges()).toMatchObject({ scheduler_jobs_running: 1 })
  })

  it('a prefetched slot that was released runs on the same node if no other node has claimed it', async () => {
    const world = createWorld(place)
    const { jobs, called, mostAtOnce } = load(world, { count: 3, blocker: () => world.clock.sleep(1100) })
    await startOn(world, jobs)
    await world.clock.advanceTo(at(21))
    expect(called.sort()).toEqual(['blocker/1 19.9', 'job-0/2 21', 'job-1/2 21', 'job-2/2 21'])
    expect(mostAtOnce()).toBe(1)
  })

  it('a prefetched slot that was released keeps all of its retries', async () => {
    const world = createWorld(place)
    const handler = ({ attempt }: TaskContext) => {
      if (attempt < 3) throw new Error('no')
    }
    const retryPolicy = { maxRetries: 1, retryInterval: 100 }
    const { jobs } = load(world, { count: 1, handler, blocker: () => world.clock.sleep(1000), retryPolicy })
    const { attemptsOf } = await startOn(world, jobs)
    await world.clock.advanceTo(at(25))
    expect(await attemptsOf('job-0')).toEqual([
      [1, 'aborted', 'no_capacity'],
      [2, 'failed', null],
      [3, 'succeeded', null],
    ])
  })

  it('a prefetched slot that was released keeps all of its rescues', async () => {
    const world = createWorld(place)
    const handler = ({ attempt }: TaskContext) => (attempt === 2 ? world.clock.sleep({ hours: 1 }) : undefined)
    const blocker = () => world.clock.sleep({ minutes: 1 })
    const settings = { onInterrupted: 'retry', maxRescues: 1, executionTimeout: { minutes: 5 } } as const
    const { jobs } = load(world, { count: 1, handler, blocker, ...settings })
    const { attemptsOf } = await startOn(world, jobs)
    await world.clock.advanceTo(at(20))
    const taker = await world.start({ jobs, pollInterval: 10 })
    await world.clock.advance(200)
    world.crash(taker)
    await world.clock.advance({ minutes: 6 })
    expect(await attemptsOf('job-0')).toEqual([
      [1, 'aborted', 'no_capacity'],
      [2, 'lost', null],
      [3, 'succeeded', null],
    ])
  })

  it('a run keeps all of its rescues if its node hands it back at a shutdown or because no permit is free', async () => {
    const world = createWorld(place)
    const { jobs } = load(world, { count: 1, blocker: () => world.clock.sleep({ minutes: 1 }) })
    const run = ({ signal, attempt }: TaskContext) =>
      attempt < 3 ? world.clock.sleep({ hours: 1 }, signal) : undefined
    const tasks = [
      { name: 'quick', run: () => undefined },
      { name: 'slow', run },
    ]
    const settings = { onInterrupted: 'retry', maxRescues: 1, executionTimeout: { minutes: 5 } } as const
    const all = [...jobs, defineJob({ name: 'moved', schedule: once(at(20)), ...settings, tasks })]
    const { occurrenceOf } = await startOn(world, all)
    await world.clock.advanceTo(at(20))
    const second = await world.start({ jobs: all, pollInterval: 10 })
    await world.clock.advanceTo(at(25))
    await world.shutdown(second)
    const third = await world.start({ jobs: all })
    world.crash(third)
    await world.start({ jobs: all })
    await world.clock.advance({ minutes: 6 })
    const { state, fencingToken, tasks: runs } = await occurrenceOf('moved')
    expect(runs.map(({ attempts }) => attempts.map((one) => one.reason ?? one.state))).toEqual([
      ['no_capacity', 'succeeded'],
      ['shutdown', 'lost', 'succeeded'],
    ])
    expect([state, fencingToken]).toEqual(['completed', 4])
  })

  it.each(['before its effect', 'after its effect'] as const)(
    'if a settle fails %s, the node releases prefetched slots later, and each slot still runs',
    async (when) => {
      const world = createWorld(place)
      const { jobs, called, mostAtOnce } = load(world, { count: 3, blocker: () => world.clock.sleep(1000) })
      const { intercepted, attemptsOf } = await startOn(world, jobs)
      intercepted.fail('settle', 14, when)
      await world.clock.advanceTo(at(21))
      expect(called).toEqual(['blocker/1 19.9'])
      await world.clock.advanceTo(at(30))
      expect(behindBlocker(called)).toEqual(['job-0/2', 'job-1/2', 'job-2/2'])
      expect(mostAtOnce()).toBe(1)
      expect(await attemptsOf('job-0')).toEqual([
        [1, 'aborted', 'no_capacity'],
        [2, 'succeeded', null],
      ])
    },
  )

  it('a prefetched slot can be canceled, and other prefetched slots run', async () => {
    const world = createWorld(place)
    const { jobs, called } = load(world, { count: 3, blocker: () => world.clock.sleep(150) })
    const { scheduler, occurrenceOf, attemptsOf } = await startOn(world, jobs)
    await world.clock.advanceTo(at(20.02))
    const finished = listen(scheduler, 'occurrence.finished')
    const { id } = await occurrenceOf('job-1')
    expect(await scheduler.cancel(id)).toMatchObject({ outcome: 'requested' })
    await world.clock.settle()
    expect(finished.map(({ event }) => [event.jobName, event.report.outcome])).toEqual([['job-1', 'canceled']])
    await world.clock.advance({ seconds: 2 })
    expect(called.sort()).toEqual(['blocker/1 19.9', 'job-0/1 20.05', 'job-2/1 20.05'])
    expect(await attemptsOf('job-1')).toEqual([[1, 'aborted', 'canceled']])
  })

  it.each<[what: string, blocker: (context: TaskContext) => unknown]>([
    ['runs', ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', reject))],
    ['waits for its retry', () => Promise.reject(new Error('no'))],
  ])(
    'a shutdown releases prefetched slots that wait for an occurrence that %s, and calls none of their handlers',
    async (_, blocker) => {
      const world = createWorld(place)
      const retryPolicy = { maxRetries: 1, retryInterval: { minutes: 1 } }
      const { jobs, called } = load(world, { count: 3, blocker, retryPolicy })
      const { scheduler } = await startOn(world, jobs)
      const released = listen(scheduler, 'occurrence.released')
      await world.clock.advanceTo(at(20.05))
      await world.shutdown(scheduler, 1000)
      expect(called).toEqual(['blocker/1 19.9'])
      expect(released.map(({ event }) => `${event.jobName} ${event.reason}`).sort()).toEqual(
        ['blocker', 'job-0', 'job-1', 'job-2'].map((name) => `${name} shutdown`),
      )
      const next = await world.start({ jobs, maxConcurrentJobs: 10 })
      expect(called).toEqual(expect.arrayContaining(['job-0/2 21.05', 'job-1/2 21.05', 'job-2/2 21.05']))
      const [occurrence] = (await next.occurrences({ job: 'job-1', from: at(20) })).items
      expect(occurrence).toMatchObject({ state: 'completed', tasks: [{ state: 'completed', reason: null }] })
      expect(occurrence?.tasks[0]?.attempts).toMatchObject([
        { state: 'aborted', reason: 'shutdown' },
        { state: 'succeeded', reason: null },
      ])
    },
  )

  it('a node does not prefetch a slot with an execution timeout of less than a second', async () => {
    const world = createWorld(place)
    const { jobs, called } = load(world, { count: 6, executionTimeout: 999 })
    const { intercepted, scheduler } = await startOn(world, jobs)
    const created = listen(scheduler, 'occurrence.created')
    await world.clock.advance({ seconds: 2 })
    expect(startedPerCall(intercepted)).toEqual([1, 1, 1, 1, 1, 1])
    expect(created.map(({ event }) => event.state)).toEqual(jobs.map(() => 'running'))
    expect(called).toHaveLength(6)
  })

  it('a node prefetches a slot with an execution timeout of a second', async () => {
    const world = createWorld(place)
    const { jobs } = load(world, { count: 6, executionTimeout: 1000 })
    const { intercepted } = await startOn(world, jobs)
    await world.clock.advance({ seconds: 2 })
    expect(startedPerCall(intercepted)).toEqual([6])
  })

  it('the attempt of a prefetched slot starts, and emits `occurrence.started`, only when its handler is called', async () => {
    const world = createWorld(place)
    const { jobs } = load(world, {
      count: 1,
      handler: () => world.clock.sleep(7),
      blocker: () => world.clock.sleep(150),
    })
    const { scheduler, occurrenceOf } = await startOn(world, jobs)
    const started = listen(scheduler, 'occurrence.started')
    await world.clock.advanceTo(at(20.049))
    expect(started.map(({ event }) => event.jobName)).toEqual(['blocker'])
    await world.clock.advanceTo(at(20.05))
    expect(started.map(({ event }) => event.jobName)).toEqual(['blocker', 'job-0'])
    await world.clock.advanceTo(at(21))
    const occurrence = await occurrenceOf('job-0')
    expect(occurrence).toMatchObject({ startedAt: at(20), finishedAt: at(20.057) })
    expect(occurrence.tasks).toMatchObject([{ durationMs: 7 }])
    expect(occurrence.tasks[0]?.attempts).toMatchObject([{ startedAt: at(20.05), endedAt: at(20.057) }])
  })
})
