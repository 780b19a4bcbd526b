import {
  createClient,
  createScheduler,
  defineJob,
  type JobOptions,
  type Scheduler,
  silentLogger,
  type TaskContext,
} from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everyStorage, type PlaceKind } from '../support/places.ts'
import { at, createWorld, fates, secondsOf, type World } from '../support/world.ts'

/** Defines a job with a slot each minute. `ran` lists its handler calls, such as `'slot 60'` or `'backfill -60'`. */
function minutely(
  ran: string[],
  options: Partial<JobOptions> = {},
  work: (context: TaskContext) => unknown = () => undefined,
) {
  const run = async (context: TaskContext) => {
    ran.push(`${context.backfill === null ? context.occurrence.kind : 'backfill'} ${secondsOf(context.scheduledAt)}`)
    await work(context)
  }
  return defineJob({ name: 'job', schedule: everySeconds(60), tasks: [{ name: 'work', run }], ...options })
}

const lasting =
  (seconds: number) =>
  ({ sleep }: TaskContext) =>
    sleep({ seconds })

/** The five slots before the start of the virtual clock. */
const past = { from: at(-300), to: at(0) }

const backfilled = (ran: readonly string[]) => ran.filter((entry) => entry.startsWith('backfill'))

function clientOf(world: World) {
  return createClient({ storage: world.connect(), clock: world.clock, scheduleTypes: [everyType] })
}

/** Returns the slot and state of each backfill run, in the order of the slots. */
async function runsOf(node: Scheduler): Promise<string[]> {
  const { items } = await node.occurrences({ job: 'job', limit: 10_000 })
  const runs = items.filter(({ backfill }) => backfill !== null)
  runs.sort((left, right) => Number(left.backfill?.slot) - Number(right.backfill?.slot))
  return runs.map(({ backfill, state }) => `${secondsOf(backfill?.slot ?? 0)} ${state}`)
}

describe.each(everyStorage)('on the storage $name, a backfill', (place: PlaceKind) => {
  it('creates the next run before the end of the previous run is stored, even if the trace of the previous run is not stored yet', async () => {
    const world = createWorld(place)
    const intercepted = new InterceptedStorage(world.connect())
    const steps: string[] = []
    intercepted.intercept = async ({ operation, request, proceed }) => {
      // The test delays each creation. A node that does not wait for the creation would send the settle of the previous run
      // first.
      if (operation === 'createOccurrences') await new Promise((resolve) => setImmediate(resolve))
      const answer = await proceed()
      if (operation === 'createOccurrences') steps.push('created')
      if (operation === 'settle') {
        const { items } = request as { readonly items: readonly { readonly change: { readonly kind: string } }[] }
        for (const { change } of items) if (change.kind === 'finish') steps.push('ended')
      }
      return answer
    }
    const context = { traceparent: `00-${'1'.repeat(32)}-${'1'.repeat(16)}-01` }
    const untold = { within: <T>(call: () => T): T => call(), logFields: () => ({}), ended: () => undefined }
    const tracing = {
      outside: <T>(call: () => T): T => call(),
      requested: () => ({ context, ended: () => undefined }),
      started: () => ({ ...untold, context, attempt: () => untold }),
    }
    const ran: string[] = []
    const node = createScheduler({
      ...{ storage: intercepted.storage, clock: world.clock, logger: silentLogger, tracing },
      ...{ scheduleTypes: [everyType], jobs: [minutely(ran)] },
    })
    await node.start()
    await node.backfill('job', past)
    steps.length = 0
    await world.clock.advance({ seconds: 5 })
    await node.shutdown()
    expect(ran).toHaveLength(5)
    // For each run, the next run must be created before the run ends. The last run has no next run, so the test checks only the
    // first four runs.
    expect(steps.slice(0, 8)).toEqual(Array.from({ length: 4 }, () => ['created', 'ended']).flat())
  })

  it('of a client lists its slots in a dry run, and then runs each slot once, even if the client requests it twice', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const node = await world.start({ jobs: [minutely(ran)] })
    const client = clientOf(world)
    const dry = await client.backfill('job', { ...past, dryRun: true })
    expect(dry).toMatchObject({ slots: 5, open: 5, passed: 0, live: 0, last: at(-60) })
    expect(dry.next.map(secondsOf)).toEqual([-300, -240, -180, -120, -60])
    expect(await client.counts('job')).toEqual({ pending: 0, queued: 0, running: 0 })
    const asked = { ...past, key: 'again', data: { why: 'test' }, actor: 'anna' }
    expect(await client.backfill('job', asked)).toMatchObject({ key: 'again', open: 4, live: 1, maxActive: 1 })
    await world.clock.advance({ seconds: 5 })
    expect(ran).toEqual(['backfill -300', 'backfill -240', 'backfill -180', 'backfill -120', 'backfill -60'])
    expect(await client.backfill('job', asked)).toMatchObject({ completed: 5, open: 0, live: 0, next: [], last: null })
    // A second backfill of missed slots does not run the slots that the first backfill has run. It counts these slots in
    // `passed`.
    expect(await client.backfill('job', past)).toMatchObject({ passed: 5, open: 0, live: 0 })
    await world.clock.advance({ seconds: 5 })
    expect(ran).toHaveLength(5)
    const { items } = await node.occurrences({ job: 'job' })
    expect(items[0]).toMatchObject({
      kind: 'trigger',
      backfill: { key: 'again', slot: at(-300) },
      requestActor: 'anna',
      input: { why: 'test' },
    })
    expect((await client.job('job')).nextAt).toEqual(at(60))
  })

  it('runs only the slots that the option `which` selects by the last run of each slot', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    let fails = true
    const job = minutely(ran, { recoveryStrategy: 'mark_as_missed' }, ({ scheduledAt, backfill }) => {
      if (fails && (secondsOf(scheduledAt) === 60 || backfill !== null)) throw new Error('no luck')
    })
    const first = await world.start({ jobs: [job] })
    await first.cancelSlot('job', at(120))
    await world.clock.advance({ seconds: 190 })
    await world.shutdown(first)
    await world.clock.advance({ seconds: 200 })
    const node = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 5 })
    const before = await fates(node, 'job')
    const span = { from: at(0), to: at(385) }
    const dry = async (which: 'all' | 'missed' | 'failed' | 'missed_and_failed') => {
      const order = 'newest_first'
      return (await node.backfill('job', { ...span, which, order, dryRun: true })).next.map(secondsOf)
    }
    expect(await dry('missed')).toEqual([300, 240, 0])
    expect(await dry('failed')).toEqual([60])
    expect(await dry('missed_and_failed')).toEqual([300, 240, 60, 0])
    expect(await dry('all')).toEqual([360, 300, 240, 180, 120, 60, 0])
    await node.backfill('job', { ...span, which: 'missed', order: 'newest_first' })
    await world.clock.advance({ seconds: 5 })
    expect(backfilled(ran)).toEqual(['backfill 300', 'backfill 240', 'backfill 0'])
    fails = false
    expect(await dry('missed')).toEqual([])
    await node.backfill('job', { ...span, which: 'failed' })
    await world.clock.advance({ seconds: 5 })
    expect(backfilled(ran).slice(3)).toEqual([0, 60, 240, 300].map((slot) => `backfill ${slot}`))
    expect(await dry('failed')).toEqual([])
    // A backfill does not change the records of the slots themselves.
    expect((await fates(node, 'job')).filter((fate) => before.includes(fate))).toEqual(before)
  })

  it('continues after each kill of its node, and stores one record for each slot', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const job = minutely(ran, {}, lasting(2))
    let node = await world.start({ jobs: [job], nodeId: 'a' })
    await node.backfill('job', { ...past, key: 'k' })
    for (const seconds of [1, 3]) {
      await world.clock.advance({ seconds })
      world.crash(node)
      node = await world.start({ jobs: [job], nodeId: 'a' })
    }
    await world.clock.advance({ seconds: 20 })
    expect(await runsOf(node)).toEqual([-300, -240, -180, -120, -60].map((slot) => `${slot} completed`))
    expect(new Set(backfilled(ran)).size).toBe(5)
  })

  it('starts no further run after it was stopped, and continues when it is requested again', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const node = await world.start({ jobs: [minutely(ran, { overlapPolicy: 'allow' }, lasting(3))] })
    const client = clientOf(world)
    await client.backfill('job', { ...past, key: 'k', maxActive: 2 })
    expect(await client.stopBackfill('job', 'k', { actor: 'anna' })).toEqual({ canceled: 2, running: 0 })
    expect((await node.occurrences({ job: 'job' })).items[0]).toMatchObject({
      reason: 'backfill_stopped',
      cancelRequest: { actor: 'anna' },
    })
    await client.backfill('job', { ...past, key: 'k' })
    await world.clock.advance({ seconds: 1 })
    expect(await client.stopBackfill('job', 'k')).toEqual({ canceled: 0, running: 2 })
    expect(await client.stopBackfill('job', 'k')).toEqual({ canceled: 0, running: 2 })
    await world.clock.advance({ seconds: 20 })
    expect(backfilled(ran)).toEqual(['backfill -300', 'backfill -240'])
    expect(await client.stopBackfill('job', 'other')).toEqual({ canceled: 0, running: 0 })
    expect(await client.backfill('job', { ...past, key: 'k', dryRun: true })).toMatchObject({ open: 3, completed: 2 })
    await client.backfill('job', { ...past, key: 'k' })
    await world.clock.advance({ seconds: 20 })
    expect(await client.backfill('job', { ...past, key: 'k' })).toMatchObject({ completed: 5, maxActive: 2 })
    expect(ran).toHaveLength(5)
    await world.shutdown(node)
  })
})

it('a continued backfill keeps the options of its first request, except options that the new request sets', async () => {
  const world = createWorld()
  const ran: string[] = []
  const node = await world.start({ maxConcurrentJobs: 1 })
  const note = (name: string) => ({
    name,
    run: async ({ sleep, backfill, input }: TaskContext) => {
      ran.push(`${secondsOf(backfill?.slot ?? 0)} ${name} ${JSON.stringify(input)}`)
      await sleep({ seconds: 2 })
    },
  })
  // The schema doubles the number `of`, so the result shows whether data were parsed twice.
  const twice = (value: unknown) => ({ value: { of: 2 * (value as { of: number }).of } })
  const payload = { '~standard': { version: 1 as const, vendor: 'test', validate: twice } }
  const job = defineJob({
    name: 'job',
    schedule: everySeconds(60),
    overlapPolicy: 'allow',
    priority: 2,
    payload,
    tasks: [note('load'), note('mail')],
  })
  await node.add(job)
  const client = clientOf(world)
  const span = { from: at(-420), to: at(0) }
  const overrides = { executionTimeout: { minutes: 7 } }
  await node.backfill('job', { ...span, key: 'k', data: { of: 1 }, tasks: ['load'], priority: -5, overrides })
  await world.clock.advance({ seconds: 3 })
  await client.stopBackfill('job', 'k')
  await world.clock.advance({ seconds: 3 })
  expect(await client.backfill('job', { ...span, key: 'k', actor: 'anna' })).toMatchObject({ live: 1, completed: 2 })
  await world.clock.advance({ seconds: 3 })
  await client.stopBackfill('job', 'k')
  await world.clock.advance({ seconds: 3 })
  await client.backfill('job', { ...span, key: 'k', tasks: ['mail'], priority: 0 })
  await world.clock.advance({ seconds: 3 })
  await client.stopBackfill('job', 'k')
  await world.clock.advance({ seconds: 3 })
  await client.backfill('job', { ...span, key: 'k' })
  await world.clock.advance({ seconds: 3 })
  expect(ran).toEqual([
    '-420 load {"of":2}',
    '-360 load {"of":2}',
    '-300 load {"of":2}',
    '-240 load {"of":2}',
    '-180 mail {"of":2}',
    '-120 mail {"of":2}',
    '-60 mail {"of":2}',
  ])
  const { items } = await node.occurrences({ job: 'job' })
  const runs = items.filter(({ state }) => state === 'completed')
  expect(runs.map(({ priority }) => priority)).toEqual([-5, -5, -5, -5, 0, 0, 0])
  expect(runs.map(({ requestActor }) => requestActor)).toEqual([null, null, 'anna', 'anna', null, null, null])
})

it('a completed backfill can be requested again after one of its tasks was removed from the job', async () => {
  const world = createWorld()
  const tasks = ['load', 'mail'].map((name) => ({ name, run: () => undefined }))
  const first = await world.start({ jobs: [defineJob({ name: 'job', schedule: everySeconds(60), tasks })] })
  await first.backfill('job', { ...past, key: 'k', tasks: ['load'] })
  await world.clock.advance({ seconds: 5 })
  await world.shutdown(first)
  const left = tasks.slice(1)
  const second = await world.start({ jobs: [defineJob({ name: 'job', schedule: everySeconds(60), tasks: left })] })
  expect(await second.backfill('job', { ...past, key: 'k' })).toMatchObject({ completed: 5, open: 0, live: 0 })
})

it('a backfill omits due slots that no node has created yet, because the nodes will run these slots by the schedule', async () => {
  const world = createWorld()
  const node = await world.start({ jobs: [minutely([])] })
  await world.shutdown(node)
  await world.clock.advance({ seconds: 130 })
  const asked = { from: at(-60), to: at(125), which: 'all' } as const
  expect(await clientOf(world).backfill('job', asked)).toMatchObject({ slots: 4, passed: 2, open: 1, live: 1 })
})

it('after a shutdown has released a run of a backfill, no next run of the backfill starts while the released run is pending', async () => {
  const world = createWorld()
  const node = await world.start({ jobs: [minutely([], {}, lasting(60))] })
  await node.backfill('job', { ...past, key: 'k' })
  await world.clock.advance({ seconds: 1 })
  await world.shutdown(node)
  expect(await clientOf(world).counts('job')).toEqual({ pending: 1, queued: 0, running: 0 })
})

it('a backfill continues although its node dies between the end of one run and the start of the next', async () => {
  const world = createWorld()
  const ran: string[] = []
  const intercepted = new InterceptedStorage(world.connect())
  const first = await world.start({ jobs: [minutely(ran)], nodeId: 'a', storage: intercepted.storage })
  await first.backfill('job', { ...past, key: 'k' })
  // The node crashes during the call that creates the next run. All earlier calls of the node take effect.
  intercepted.intercept = async (call) => {
    if (call.operation !== 'createOccurrences') return call.proceed()
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    world.crash(first)
    return new Promise(() => undefined)
  }
  await world.clock.advance({ seconds: 1 })
  expect(ran).toEqual(['backfill -300'])
  const second = await world.start({ jobs: [minutely(ran)], nodeId: 'a' })
  await world.clock.advance({ seconds: 10 })
  expect(await runsOf(second)).toEqual([-300, -240, -180, -120, -60].map((slot) => `${slot} completed`))
})

it('a backfill that was stopped and requested again can be stopped while runs of both requests are active', async () => {
  const world = createWorld()
  const node = await world.start({ jobs: [minutely([], { overlapPolicy: 'allow' }, lasting(30))] })
  await node.backfill('job', { ...past, key: 'k' })
  await world.clock.advance({ seconds: 1 })
  await node.stopBackfill('job', 'k')
  await node.backfill('job', { ...past, key: 'k' })
  await world.clock.advance({ seconds: 1 })
  expect(await node.stopBackfill('job', 'k')).toEqual({ canceled: 0, running: 2 })
})

it('under the overlap policy skip, the runs of a backfill wait while slots run, and no slot is skipped', async () => {
  const world = createWorld()
  const ran: string[] = []
  const node = await world.start({ jobs: [minutely(ran, {}, lasting(25))] })
  await world.clock.advance({ seconds: 61 })
  await node.backfill('job', past)
  await world.clock.advance({ seconds: 300 })
  expect(ran).toEqual([
    'slot 60',
    'backfill -300',
    'slot 120',
    'backfill -240',
    'slot 180',
    'backfill -180',
    'slot 240',
    'backfill -120',
    'slot 300',
    'backfill -60',
    'slot 360',
  ])
  expect((await fates(node, 'job')).filter((fate) => fate.includes('skipped'))).toEqual([])
})

it('a backfill has `maxActive` active runs under the overlap policy allow, and one active run under the policy skip', async () => {
  for (const [overlapPolicy, most, seconds] of [
    ['allow', 3, 6],
    ['skip', 1, 15],
  ] as const) {
    const world = createWorld()
    let running = 0
    let peak = 0
    const job = minutely([], { overlapPolicy }, async (context) => {
      peak = Math.max(peak, ++running)
      await context.sleep({ seconds: 1 })
      running--
    })
    const node = await world.start({ jobs: [job] })
    const asked = { from: at(-600), to: at(0), maxActive: 3, key: 'k' }
    expect(await node.backfill('job', asked)).toMatchObject({ live: most, maxActive: most })
    await world.clock.advance({ seconds })
    expect(await node.backfill('job', asked)).toMatchObject({ completed: 10 })
    expect(peak).toBe(most)
  }
})

it('a backfill continues after a canceled run, a run canceled by force and a stale run', async () => {
  const world = createWorld()
  const ran: string[] = []
  const job = minutely(ran, { onInterrupted: 'fail' }, lasting(5))
  let node = await world.start({ jobs: [job], nodeId: 'a' })
  const liveOf = async (state: 'pending' | 'running') => (await node.live({ state })).items[0]?.id ?? 'occ_none'
  await node.backfill('job', { ...past, key: 'k' })
  expect(await node.cancel(await liveOf('pending'))).toMatchObject({ outcome: 'canceled' })
  await world.clock.advance({ seconds: 1 })
  expect(await node.cancel(await liveOf('running'), { force: true })).toMatchObject({ outcome: 'canceled' })
  await world.clock.advance({ seconds: 1 })
  world.crash(node)
  node = await world.start({ jobs: [job], nodeId: 'a' })
  await world.clock.advance({ seconds: 20 })
  expect(await runsOf(node)).toEqual([
    '-300 canceled',
    '-240 canceled',
    '-180 failed_stale',
    '-120 completed',
    '-60 completed',
  ])
  // A new backfill passes over the two slots whose runs a person canceled.
  const dry = await node.backfill('job', { ...past, which: 'missed_and_failed', dryRun: true })
  expect(dry.next.map(secondsOf)).toEqual([-180])
})

it('a backfill continues after a run of a dead node whose cancel by force took effect although its answer was lost', async () => {
  const world = createWorld()
  const ran: string[] = []
  const jobs = [minutely(ran, {}, lasting(40))]
  const dead = await world.start({ jobs, nodeId: 'a' })
  await dead.backfill('job', { ...past, key: 'k' })
  await world.clock.advance({ seconds: 1 })
  const { items } = await dead.live({ state: 'running' })
  world.crash(dead)
  const intercepted = new InterceptedStorage(world.connect())
  // The driver of the storage repeats the request, and then finds the run canceled.
  intercepted.intercept = async ({ operation, proceed }) => {
    if (operation === 'cancel') await proceed()
    return await proceed()
  }
  const node = await world.start({ storage: intercepted.storage, jobs, nodeId: 'b' })
  const canceled = await node.cancel(items[0]?.id ?? 'occ_none', { force: true })
  expect(canceled).toMatchObject({ outcome: 'final', state: 'canceled' })
  await world.clock.advance({ minutes: 20 })
  expect((await runsOf(node)).map((run) => run.split(' ')[1])).toEqual(['canceled', ...Array(4).fill('completed')])
})

it('a cancel of a run that a stop of its backfill or another run has canceled creates no further run', async () => {
  const world = createWorld()
  const ran: string[] = []
  const node = await world.start({ jobs: [minutely(ran, {}, lasting(40))] })
  await node.backfill('job', { ...past, key: 'k' })
  await world.clock.advance({ seconds: 1 })
  await node.stopBackfill('job', 'k')
  const { items } = await node.occurrences({ job: 'job' })
  const stopped = items.filter(({ state }) => state === 'canceled')
  expect(stopped.length).toBeGreaterThan(0)
  for (const { id } of stopped) {
    expect(await node.cancel(id)).toEqual({ id, outcome: 'final', state: 'canceled' })
  }
  await world.clock.advance({ minutes: 10 })
  expect(backfilled(ran)).toEqual(['backfill -300'])
})

it('under queue_one, if a queued slot displaces (cancels) a run of a backfill, the backfill creates this run again', async () => {
  const world = createWorld()
  const ran: string[] = []
  let seconds = 90
  const job = minutely(ran, { overlapPolicy: 'queue_one' }, (context) => lasting(seconds)(context))
  const node = await world.start({ jobs: [job] })
  await world.clock.advance({ seconds: 65 })
  await node.backfill('job', { from: at(-120), to: at(0), key: 'k' })
  await world.clock.advance({ seconds: 60 })
  expect(await runsOf(node)).toContain('-120 canceled')
  seconds = 1
  await world.clock.advance({ seconds: 300 })
  expect(backfilled(ran)).toEqual(['backfill -120', 'backfill -60'])
  expect(await node.backfill('job', { from: at(-120), to: at(0), key: 'k' })).toMatchObject({ completed: 2, live: 0 })
})

it('under cancel_running, a backfill does not repeat a run that a slot has displaced (canceled), and continues with the next run', async () => {
  const world = createWorld()
  const ran: string[] = []
  const node = await world.start({ jobs: [minutely(ran, { overlapPolicy: 'cancel_running' }, lasting(40))] })
  await world.clock.advance({ seconds: 30 })
  await node.backfill('job', { from: at(-120), to: at(0), key: 'k' })
  await world.clock.advance({ seconds: 200 })
  expect(backfilled(ran)).toEqual(['backfill -120', 'backfill -60'])
  expect((await runsOf(node))[0]).toBe('-120 canceled')
  expect(await node.backfill('job', { from: at(-120), to: at(0), key: 'k' })).toMatchObject({ open: 0 })
})

it('only a backfill with `which: all` runs pruned slots, and its runs are not pruned by the age of their slots', async () => {
  const world = createWorld()
  const ran: string[] = []
  const node = await world.start({ jobs: [minutely(ran)] })
  await world.clock.advance({ seconds: 200 })
  await node.prune({ job: 'job', olderThan: { seconds: 50 } })
  const span = { from: at(60), to: at(181) }
  expect(await node.backfill('job', { ...span, dryRun: true })).toMatchObject({ slots: 3, passed: 3 })
  await node.backfill('job', { ...span, which: 'all' })
  await world.clock.advance({ seconds: 5 })
  expect(backfilled(ran)).toEqual(['backfill 60', 'backfill 120', 'backfill 180'])
  await node.prune({ job: 'job', olderThan: { seconds: 50 } })
  expect(await runsOf(node)).toHaveLength(3)
})

it('if a job has a payload schema, the runs of a backfill receive the parsed data of the request, or no data if the request has none', async () => {
  const world = createWorld()
  const inputs: unknown[] = []
  const payload = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: (value: unknown) =>
        typeof value === 'number' ? { value: value * 2 } : { issues: [{ message: 'not a number' }] },
    },
  }
  const run = ({ input }: { readonly input: unknown }) => void inputs.push(input)
  const job = defineJob({ name: 'job', schedule: everySeconds(60), payload, tasks: [{ name: 'work', run }] })
  const node = await world.start({ jobs: [job] })
  await node.backfill('job', { from: at(-120), to: at(0) })
  await world.clock.advance({ seconds: 1 })
  await expect(node.backfill('job', { ...past, data: 'x' })).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' })
  // A client has no schema, so the node that runs a slot parses the data.
  await clientOf(world).backfill('job', { from: at(-120), to: at(0), which: 'all', data: 1 })
  await world.clock.advance({ seconds: 1 })
  expect(inputs).toEqual([undefined, undefined, 2, 2])
})

it('a backfill uses the schedule that is in force at its request', async () => {
  const world = createWorld()
  const node = await world.start({ jobs: [minutely([])] })
  const slots = async () => (await node.backfill('job', { ...past, which: 'all', dryRun: true })).slots
  const schedule = everySeconds(30)
  await node.update('job', { schedule }, { policy: { type: 'windowed', from: at(600), to: at(1200) } })
  expect(await slots()).toBe(5)
  await world.clock.advanceTo(at(900))
  expect(await slots()).toBe(10)
  await world.clock.advanceTo(at(1300))
  expect(await slots()).toBe(5)
  await node.update('job', { schedule }, { policy: { type: 'graceful', until: at(2000) } })
  expect(await slots()).toBe(5)
  await world.clock.advanceTo(at(2001))
  expect(await slots()).toBe(10)
})

it('an invalid backfill is rejected with an error that names the field, and stores nothing', async () => {
  const world = createWorld()
  const job = minutely([])
  const idle = defineJob({ name: 'idle', tasks: [{ name: 'work', run: () => undefined }] })
  const node = await world.start({ jobs: [job, idle] })
  const { backfill } = { backfill: (options: object, name = 'job') => node.backfill(name, { ...past, ...options }) }
  const refused = async (answer: Promise<unknown>, code: string, field: string) =>
    expect(answer).rejects.toMatchObject({ code, field, remedy: expect.any(String) })
  await refused(backfill({ from: 'soon' }), 'INVALID_INSTANT', 'from')
  await refused(backfill({ to: at(1) }), 'INVALID_ARGUMENT', 'to')
  await refused(backfill({ from: at(0) }), 'INVALID_ARGUMENT', 'to')
  await refused(backfill({ from: at(-60 * 10_001) }), 'INVALID_ARGUMENT', 'to')
  await refused(backfill({ which: 'some' }), 'INVALID_ARGUMENT', 'which')
  await refused(backfill({ order: 'any' }), 'INVALID_ARGUMENT', 'order')
  await refused(backfill({ maxActive: 0 }), 'INVALID_ARGUMENT', 'maxActive')
  await refused(backfill({ key: '' }), 'INVALID_NAME', 'key')
  await refused(backfill({ dryRun: 'yes' }), 'INVALID_ARGUMENT', 'dryRun')
  await refused(backfill({ tasks: ['other'] }), 'TASK_NOT_FOUND', 'tasks')
  await refused(backfill({ at: at(0) }), 'UNKNOWN_OPTION', 'options.at')
  await refused(backfill({}, 'idle'), 'INVALID_ARGUMENT', 'name')
  await refused(backfill({}, 'gone'), 'JOB_NOT_FOUND', 'name')
  await refused(node.stopBackfill('gone', 'k'), 'JOB_NOT_FOUND', 'name')
  await refused(node.stopBackfill('job', ''), 'INVALID_NAME', 'key')
  const ignorant = createClient({ storage: world.connect(), clock: world.clock })
  await refused(ignorant.backfill('job', past), 'UNKNOWN_SCHEDULE_TYPE', 'scheduleTypes')
  expect(await node.counts('job')).toEqual({ pending: 0, queued: 0, running: 0 })
  await backfill({ key: 'k' })
  await refused(backfill({ key: 'k', to: at(-60) }), 'INVALID_ARGUMENT', 'key')
})
