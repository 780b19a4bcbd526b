import {
  defineJob,
  type ExecutionReport,
  type Job,
  type JobSettingsInput,
  type Scheduler,
  type TaskContext,
} from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere, memory } from '../support/places.ts'
import { at, createWorld, fates, onlyOccurrence, secondsOf, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

const rarely = { pollInterval: { hours: 1 }, ...tuned({ definitionInterval: { hours: 1 } }) }
const quickLife = { deadAfter: { seconds: 6 } }

interface Asked {
  readonly job: Job
  /** Lists the handler calls: task, second of the call, attempt and token, such as `'work 0 attempt 1 token 1'`. */
  readonly calls: string[]
}

/** Defines a job that runs on request and takes `seconds`. */
function asked(
  world: World,
  seconds: number,
  settings: JobSettingsInput = {},
  tasks: readonly string[] = ['work'],
): Asked {
  const calls: string[] = []
  const run = async ({ task, attempt, fencingToken, signal }: TaskContext) => {
    calls.push(`${task.name} ${secondsOf(world.clock.now())} attempt ${attempt} token ${fencingToken}`)
    if (seconds > 0) await world.clock.sleep({ seconds }, signal)
  }
  const job = defineJob({
    name: 'asked',
    schedule: everySeconds(86_400),
    ...settings,
    tasks: tasks.map((name) => ({ name, run })),
  })
  return { job, calls }
}

/** Starts a node whose only permit is taken, so that runs requested through this node stay pending. */
async function fullNode(world: World, job: Job): Promise<Scheduler> {
  const blocker = defineJob({
    name: 'blocker',
    schedule: everySeconds(86_400),
    executionTimeout: { hours: 5 },
    tasks: [{ name: 'work', taskTimeout: { hours: 5 }, run: () => world.clock.sleep({ hours: 4 }) }],
  })
  const scheduler = await world.start({
    jobs: [job, blocker],
    nodeId: 'full',
    maxConcurrentJobs: 1,
    ...rarely,
    ...quickLife,
  })
  expect(await scheduler.trigger('blocker')).toMatchObject({ state: 'running' })
  return scheduler
}

const attemptsOf = async (scheduler: Scheduler) => {
  const { tasks } = await onlyOccurrence(scheduler, 'asked')
  return tasks.map(({ name, state, attempts }) => [name, state, ...attempts.map((one) => `${one.number} ${one.state}`)])
}

describe.each(everywhere)('on the storage $name, a claimed run', (place) => {
  it('starts without a write for its first attempt: its storage calls are the claim and one settle', async () => {
    const world = createWorld(place)
    const { job, calls } = asked(world, 0)
    const full = await fullNode(world, job)
    await full.trigger('asked')
    const counted = new InterceptedStorage(world.connect())
    await world.start({ jobs: [job], storage: counted.storage, ...rarely })
    expect(calls).toEqual(['work 0 attempt 1 token 1'])
    expect(counted.count('settle')).toBe(1)
    expect(await attemptsOf(full)).toEqual([['work', 'completed', '1 succeeded']])
  })

  it('lists its tasks one second after its claim', async () => {
    const world = createWorld(place)
    const { job } = asked(world, 10)
    const full = await fullNode(world, job)
    await full.trigger('asked')
    await world.start({ jobs: [job], ...rarely })
    expect(await attemptsOf(full)).toEqual([])
    await world.clock.advance({ seconds: 1 })
    expect(await attemptsOf(full)).toEqual([['work', 'running', '1 running']])
    await world.clock.advance({ seconds: 10 })
    expect(await attemptsOf(full)).toEqual([['work', 'completed', '1 succeeded']])
  })

  it('whose node died before the first settle has a lost first attempt, and continues with the second', async () => {
    const world = createWorld(place)
    const { job, calls } = asked(world, 0.5)
    const full = await fullNode(world, job)
    await full.trigger('asked')
    const node = await world.start({ jobs: [job], nodeId: 'dies', ...rarely, ...quickLife })
    await world.clock.advance(200)
    world.crash(node)
    await world.start({ jobs: [job], nodeId: 'goes on', ...quickLife })
    await world.clock.advance({ seconds: 20 })
    expect(calls).toEqual(['work 0 attempt 1 token 1', expect.stringMatching(/^work .* attempt 2 token 2$/)])
    expect(await attemptsOf(full)).toEqual([['work', 'completed', '1 lost', '2 succeeded']])
  })

  it.each([
    ['sequential', undefined, [['one', 'canceled', '1 lost']]],
    [
      'parallel',
      undefined,
      [
        ['one', 'canceled', '1 lost'],
        ['two', 'canceled', '1 lost'],
      ],
    ],
    ['parallel', ['two'], [['two', 'canceled', '1 lost']]],
  ] as const)(
    'with %s tasks, of which the trigger chose %s, lists its first attempts if it is canceled by force right after its start',
    async (...row) => {
      const [taskExecutionMode, tasks, shown] = row
      const world = createWorld(place)
      const reports: ExecutionReport[] = []
      const asking = asked(world, 30, { taskExecutionMode }, ['one', 'two'])
      const job = { ...asking.job, onComplete: (report: ExecutionReport) => void reports.push(report) }
      const full = await fullNode(world, job)
      await world.clock.advance(100)
      const { id } = await full.trigger('asked', tasks === undefined ? {} : { tasks })
      await world.start({ jobs: [job], ...rarely })
      await world.clock.advance(200)
      expect(asking.calls).toHaveLength(shown.length)
      await full.cancel(id, { force: true })
      await world.clock.advance({ seconds: 60 })
      expect(await attemptsOf(full)).toEqual(shown)
      const { tasks: listed } = await onlyOccurrence(full, 'asked')
      expect(listed[0]?.attempts).toMatchObject([{ number: 1, startedAt: at(0.1), endedAt: at(0.3) }])
      expect((await full.occurrence(id)).tasks).toEqual(listed)
      expect((await full.waitFor(id)).tasks).toEqual(listed)
      expect(reports[0]?.tasks).toEqual(listed)
      expect((await full.occurrences({ job: 'asked', tasks: false })).items[0]?.tasks).toEqual([])
    },
  )

  it('that was queued lists its first attempt if a forced cancel ends it right after its start', async () => {
    const world = createWorld(place)
    const run = ({ signal }: TaskContext) => world.clock.sleep({ seconds: 15 }, signal)
    const tasks = [{ name: 'work', run }]
    const job = defineJob({ name: 'asked', schedule: everySeconds(10, +at(20)), overlapPolicy: 'queue', tasks })
    const node = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 25.2 })
    const { occurrence } = await node.explain('asked', at(20))
    expect(occurrence).toMatchObject({ state: 'running', tasks: [] })
    if (occurrence !== null) await node.cancel(occurrence.id, { force: true })
    const ended = { number: 1, state: 'lost', startedAt: at(25), endedAt: at(25.2) }
    expect((await node.explain('asked', at(20))).occurrence).toMatchObject({
      state: 'canceled',
      tasks: [{ name: 'work', state: 'canceled', attempts: [ended] }],
    })
  })

  it('lists attempts, but a run that was canceled by force before any claim lists none', async () => {
    const world = createWorld(place)
    const { job } = asked(world, 30)
    const full = await fullNode(world, job)
    const { id } = await full.trigger('asked')
    await full.cancel(id, { force: true })
    expect(await attemptsOf(full)).toEqual([])
  })

  it('lists its first attempt if the next run displaces it right after its start', async () => {
    const world = createWorld(place)
    const { job, calls } = asked(world, 30, { overlapPolicy: 'cancel_running' })
    const full = await fullNode(world, job)
    const { id } = await full.trigger('asked')
    await world.start({ jobs: [job], ...rarely })
    await world.clock.advance(200)
    await full.trigger('asked')
    await world.clock.advance({ seconds: 60 })
    expect(calls).toHaveLength(2)
    const { state, reason, tasks } = await full.occurrence(id)
    expect([state, reason]).toEqual(['canceled', 'displaced'])
    expect(tasks).toMatchObject([{ name: 'work', state: 'canceled', attempts: [{ number: 1, state: 'aborted' }] }])
  })

  it('never runs again under `onInterrupted: fail` if its node died before the first settle', async () => {
    const world = createWorld(place)
    const { job, calls } = asked(world, 0.5, { onInterrupted: 'fail' })
    const full = await fullNode(world, job)
    await full.trigger('asked')
    const node = await world.start({ jobs: [job], nodeId: 'dies', ...rarely, ...quickLife })
    await world.clock.advance(200)
    world.crash(node)
    await world.start({ jobs: [job], nodeId: 'goes on', ...quickLife })
    await world.clock.advance({ seconds: 20 })
    expect(calls).toEqual(['work 0 attempt 1 token 1'])
    expect(await fates(full, 'asked')).toEqual(['0 failed_stale node_lost'])
    expect(await attemptsOf(full)).toEqual([['work', 'failed', '1 lost']])
  })

  it.each([
    ['sequential', undefined, [['one', 'failed', '1 lost']]],
    [
      'parallel',
      undefined,
      [
        ['one', 'failed', '1 lost'],
        ['two', 'failed', '1 lost'],
        ['three', 'failed', '1 lost'],
      ],
    ],
    ['sequential', ['two', 'three'], [['two', 'failed', '1 lost']]],
    [
      'parallel',
      ['two', 'three'],
      [
        ['two', 'failed', '1 lost'],
        ['three', 'failed', '1 lost'],
      ],
    ],
  ] as const)(
    'with %s tasks, of which the trigger chose %j, lists a lost attempt for each task that its dead owner may have begun',
    async (taskExecutionMode, tasks, expected) => {
      const world = createWorld(place)
      const { job } = asked(world, 0.5, { onInterrupted: 'fail', taskExecutionMode }, ['one', 'two', 'three'])
      const full = await fullNode(world, job)
      await full.trigger('asked', tasks === undefined ? {} : { tasks: [...tasks] })
      const node = await world.start({ jobs: [job], nodeId: 'dies', ...rarely, ...quickLife })
      await world.clock.advance(200)
      world.crash(node)
      // This node takes over the run although it does not know the job.
      await world.start({ jobs: [], nodeId: 'goes on', ...quickLife })
      await world.clock.advance({ seconds: 20 })
      expect(await attemptsOf(full)).toEqual(expected)
    },
  )

  it('is not released when the storage rejects its end, because its handler was called', async () => {
    const world = createWorld(place)
    const { job, calls } = asked(world, 0.1)
    const full = await fullNode(world, job)
    await full.trigger('asked')
    const choking = new InterceptedStorage(world.connect())
    choking.intercept = (call) => {
      const text = JSON.stringify(call.request)
      const isPoisoned = call.operation === 'settle' && text.includes(job.id) && text.includes('"kind":"finish"')
      if (isPoisoned) throw new RangeError('too deep')
      return call.proceed()
    }
    const ticking = defineJob({ name: 'ticking', schedule: everySeconds(10), tasks: [{ name: 'work', run: () => 1 }] })
    await world.start({
      jobs: [job, ticking],
      storage: choking.storage,
      nodeId: 'chokes',
      pollInterval: { seconds: 1 },
    })
    await world.clock.advance({ minutes: 2 })
    choking.fail('claim', 1, 'before its effect')
    await world.clock.advance({ minutes: 2 })
    expect(calls).toHaveLength(1)
    expect(await fates(full, 'asked')).toEqual(['0 running'])
  })

  it('is confirmed by its node before its handler is called, if the answer to the claim took more than a second', async () => {
    const world = createWorld(place)
    const { job, calls } = asked(world, 0.5, { onInterrupted: 'fail' })
    const full = await fullNode(world, job)
    await full.trigger('asked')
    const late = new InterceptedStorage(world.connect())
    late.intercept = async (call) => {
      const answer = await call.proceed()
      if (call.operation === 'claim') world.freeze(node)
      return answer
    }
    const node = world.scheduler({ jobs: [job], nodeId: 'late', storage: late.storage, ...rarely })
    void node.start()
    await world.clock.advance({ seconds: 2 })
    const { id, state, fencingToken } = await onlyOccurrence(full, 'asked')
    expect([state, fencingToken]).toEqual(['running', 1])
    await full.cancel(id, { force: true })
    await world.thaw(node)
    await world.clock.advance({ seconds: 5 })
    expect(calls).toEqual([])
  })
})

/** Starts a node with one running and `length` queued runs of a job. `calls` lists the number and the token of each run. */
async function queue(world: World, length: number, storage: Storage) {
  const calls: string[] = []
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const run = async ({ fencingToken, input }: TaskContext) => {
    calls.push(`${input} token ${fencingToken}`)
    if (calls.length === 1) await held
  }
  const job = defineJob({
    name: 'queue',
    schedule: everySeconds(86_400),
    overlapPolicy: 'queue',
    tasks: [{ name: 'work', run }],
  })
  const node = await world.start({ jobs: [job], storage, nodeId: 'node', ...rarely })
  for (let n = 0; n <= length; n++) {
    await node.trigger('queue', { data: n })
    await world.clock.advance(1)
  }
  return { node, calls, release }
}

const tokens = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => `${first + index} token 1`)

describe.each(everywhere)('on the storage $name, the queue of a job', (place) => {
  it('costs one settle for each run, once the node has learned that further runs are queued', async () => {
    const world = createWorld(place)
    const counted = new InterceptedStorage(world.connect())
    const { node, calls, release } = await queue(world, 20, counted.storage)
    counted.reset()
    release()
    await world.clock.advance({ seconds: 1 })
    expect(calls).toEqual(tokens(0, 20))
    expect(counted.count('settle')).toBe(21)
    expect(counted.count('claim')).toBeLessThanOrEqual(3)
    expect(new Set((await fates(node, 'queue')).map((fate) => fate.split(' ')[1]))).toEqual(new Set(['completed']))
  })

  it.each(['before its effect', 'after its effect'] as const)(
    'starts each run once and in order although the settle that takes the next run fails %s',
    async (when) => {
      const world = createWorld(place)
      const intercepted = new InterceptedStorage(world.connect())
      const { calls, release } = await queue(world, 6, intercepted.storage)
      const takes = (request: { items: { takeNext?: unknown }[] }) =>
        request.items.some((item) => item.takeNext !== undefined)
      intercepted.fail('settle', 2, when, takes as (request: never) => boolean)
      release()
      await world.clock.advance({ seconds: 10 })
      expect(calls.map((call) => call.split(' ')[0])).toEqual(['0', '1', '2', '3', '4', '5', '6'])
    },
  )

  it('leaves the permit of an ended run to a pending run of another job, if this pending run is older than the queued run', async () => {
    const world = createWorld(place)
    const calls: string[] = []
    const run = async ({ input }: TaskContext) => {
      calls.push(String(input))
      await world.clock.sleep({ seconds: 1 })
    }
    const schedule = everySeconds(86_400)
    const jobs = ['queue', 'other'].map((name) =>
      defineJob({ name, schedule, overlapPolicy: 'queue', tasks: [{ name: 'work', run }] }),
    )
    const node = await world.start({ jobs, maxConcurrentJobs: 1, ...rarely })
    const ask = async (name: string, data: string) => {
      await node.trigger(name, { data })
      await world.clock.advance(1)
    }
    for (const data of ['1', '2', '3', '4']) await ask('queue', data)
    await world.clock.advance({ seconds: 2.5 })
    expect(calls).toEqual(['1', '2', '3'])
    await ask('other', 'older than 5')
    for (const data of ['5', '6']) await ask('queue', data)
    await world.clock.advance({ seconds: 10 })
    expect(calls).toEqual(['1', '2', '3', '4', 'older than 5', '5', '6'])
  })
})

it('if a node that shuts down takes a queued run in the step that ends another run, the node releases the queued run', async () => {
  const world = createWorld(memory)
  const intercepted = new InterceptedStorage(world.connect())
  const { node, calls, release } = await queue(world, 4, intercepted.storage)
  let stopping: Promise<void> | undefined
  intercepted.intercept = async (call) => {
    const answer = await call.proceed()
    const { items } = call.request as { items?: { takeNext?: unknown }[] }
    if (call.operation === 'settle' && items?.some(({ takeNext }) => takeNext !== undefined) === true) {
      stopping ??= node.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
      // This `settle` takes the next queued run for the node. The test delays its answer until the shutdown has stopped the
      // claims of the node.
      await new Promise((resolve) => setImmediate(resolve))
    }
    return answer
  }
  release()
  await world.clock.advance({ seconds: 1 })
  await stopping
  const called = calls.length
  expect(called).toBeLessThan(5)
  const query = { kind: 'live', runs: false, limit: 10, cursor: null } as const
  const storage = world.connect()
  expect((await storage.listOccurrences({ ...query, state: 'running' })).items).toEqual([])
  const { items } = await storage.listOccurrences({ ...query, state: 'pending' })
  expect(items.map(({ token, reason, details }) => [details.data, token, reason])).toEqual([[called, 1, 'shutdown']])
})
