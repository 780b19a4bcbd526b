import { createClient, defineJob, type Job, type Scheduler, type SchedulerOptions } from '@jobistemer/core'
import { metricsCollector } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { collectingLogger } from '../support/collecting-logger.ts'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere, memory } from '../support/places.ts'
import { rarely } from '../support/rarely.ts'
import { at, createWorld, secondsOf, startMs, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

const minute = 60
const hour = 60 * minute

const nodeOptions = {
  ...rarely,
  deadAfter: { minutes: 5 },
  ...tuned({ heartbeat: { minutes: 1 }, standby: { minutes: 1 } }),
} as const

/**
 * Defines a job with a slot every minute, and with an `alertAfter` of ten minutes. The runs of the job fail while
 * `isFailing` returns true.
 */
function jobOf(isFailing: () => boolean, settings: Partial<Parameters<typeof defineJob>[0]> = {}) {
  const run = () => {
    if (isFailing()) throw new Error('no')
  }
  return defineJob({
    name: 'job',
    schedule: everySeconds(minute),
    alertAfter: { minutes: 10 },
    ...settings,
    tasks: settings.tasks ?? [{ name: 'work', run }],
  })
}

/**
 * Records the events `job.silent` and `job.heard`, and the nodes that emitted them. The times in a line such as `'job silent,
 * since 0, at 10'` are minutes.
 */
class Said {
  readonly lines: string[] = []
  readonly nodes: string[] = []
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  get #now(): number {
    return Math.floor((this.#world.clock.now() - startMs) / 60_000)
  }

  listenTo(scheduler: Scheduler): Scheduler {
    scheduler.on('job.silent', ({ jobName, since }) => {
      this.lines.push(`${jobName} silent, since ${Math.floor(secondsOf(since) / minute)}, at ${this.#now}`)
      this.nodes.push(scheduler.nodeId)
    })
    scheduler.on('job.heard', ({ jobName, succeededAt }) => {
      this.lines.push(`${jobName} heard, of ${Math.floor(secondsOf(succeededAt) / minute)}, at ${this.#now}`)
    })
    return scheduler
  }
}

async function listeningNode(world: World, said: Said, options: Partial<SchedulerOptions>): Promise<Scheduler> {
  return said.listenTo(await world.start({ ...nodeOptions, ...options }))
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('`job.silent` is emitted again after each alertAfter without a completed run, and `job.heard` after the next completed run', async () => {
    const world = createWorld(place)
    const said = new Said(world)
    const job = jobOf(() => world.clock.now() > +at(5.5 * minute) && world.clock.now() < +at(31.5 * minute))
    await listeningNode(world, said, { jobs: [job] })
    await world.clock.advance({ hours: 1 })
    expect(said.lines).toEqual([
      'job silent, since 5, at 15',
      'job silent, since 5, at 25',
      expect.stringMatching(/^job heard, of 32, at 3[23]$/),
    ])
  })

  it('for a job without a completed run, alertAfter counts from the creation of the job', async () => {
    const world = createWorld(place)
    const said = new Said(world)
    await listeningNode(world, said, { jobs: [jobOf(() => true)] })
    await world.clock.advance({ minutes: 15 })
    expect(said.lines).toEqual(['job silent, since 0, at 10'])
  })
})

it.each([
  ['without code on any node', { tasks: [{ name: 'work', handler: 'nowhere' }] }],
  ['whose next slot is far ahead', { schedule: everySeconds(24 * hour) }],
  ['whose run never ends and blocks its later slots', { executionTimeout: { hours: 9 }, tasks: endless() }],
  ['of another process among many jobs without alertAfter', {}, 600],
])('`job.silent` is emitted for a job of which no run is completed: for a job %s', async (_, settings, others = 0) => {
  const world = createWorld()
  const said = new Said(world)
  await listeningNode(world, said, {})
  const client = createClient({ storage: world.connect(), clock: world.clock })
  const many: Job[] = []
  const tasks = [{ name: 'work', handler: 'nowhere' }]
  const daily = { schedule: everySeconds(24 * hour), tasks }
  for (let index = 0; index < others; index++) many.push(defineJob({ name: `other ${index}`, ...daily }))
  await client.add(many)
  if (others > 0) await client.add(jobOf(() => true, { tasks }))
  else await listeningNode(world, said, { jobs: [jobOf(() => true, settings)] })
  await client.close()
  await world.clock.advance({ minutes: 15 })
  expect(said.lines).toEqual(['job silent, since 0, at 10'])
})

function endless() {
  return [{ name: 'work', taskTimeout: { hours: 9 }, run: () => new Promise(() => undefined) }]
}

it("`job.silent` is emitted neither without alertAfter nor if a job sets `never` over the scheduler's default", async () => {
  const world = createWorld()
  const said = new Said(world)
  await listeningNode(world, said, { jobs: [jobOf(() => true, { name: 'a', alertAfter: 'never' })] })
  await listeningNode(world, said, {
    defaults: { alertAfter: { minutes: 20 } },
    jobs: ['b', 'c'].map((name) =>
      defineJob({
        name,
        schedule: everySeconds(24 * hour),
        ...(name === 'c' && { alertAfter: 'never' as const }),
        tasks: [{ name: 'work', run: () => 1 }],
      }),
    ),
  })
  await world.clock.advance({ minutes: 30 })
  expect(said.lines).toEqual(['b silent, since 0, at 20'])
})

it('`job.silent` is not emitted for a paused job, and its alertAfter counts from `resume`', async () => {
  const world = createWorld()
  const said = new Said(world)
  const node = await listeningNode(world, said, { jobs: [jobOf(() => true)] })
  await world.clock.advance({ minutes: 8 })
  await node.pause('job')
  await world.clock.advance({ minutes: 52 })
  await node.resume('job')
  await world.clock.advance({ minutes: 15 })
  expect(said.lines).toEqual(['job silent, since 60, at 70'])
})

it('the alertAfter of a job whose pause has expired counts from the end of the pause', async () => {
  const world = createWorld()
  const said = new Said(world)
  const node = await listeningNode(world, said, { jobs: [jobOf(() => true)] })
  await world.clock.advance({ minutes: 8 })
  await node.pause('job', { for: { minutes: 52 } })
  await world.clock.advance({ minutes: 67 })
  expect(said.lines).toEqual(['job silent, since 60, at 70'])
})

it('a silent job that is updated, paused or removed is no longer silent, and no `job.heard` is emitted', async () => {
  const world = createWorld()
  const said = new Said(world)
  const node = await listeningNode(world, said, { jobs: [jobOf(() => true)] })
  await world.clock.advance({ minutes: 12 })
  await node.update('job', { alertAfter: { minutes: 30 } })
  await world.clock.advance({ minutes: 25 })
  await node.pause('job')
  await world.clock.advance({ minutes: 60 })
  await node.remove('job')
  await world.clock.advance({ minutes: 60 })
  expect(said.lines).toEqual(['job silent, since 0, at 10'])
})

describe('among the nodes of a cluster', () => {
  it('one node emits a job’s `job.silent`; if this node dies, a peer emits the further events, each exactly once', async () => {
    const world = createWorld()
    const said = new Said(world)
    const jobs = [jobOf(() => true)]
    const nodes = new Map<string, Scheduler>()
    for (const nodeId of ['a', 'b', 'c']) nodes.set(nodeId, await listeningNode(world, said, { nodeId, jobs }))
    await world.clock.advance({ minutes: 25 })
    expect(said.lines).toEqual(['job silent, since 0, at 10', 'job silent, since 0, at 20'])
    // First crash: the node that emitted the events at 10 and 20 minutes crashes just before 30 minutes. Another node must emit
    // the event of 30 minutes. Second crash: the node that emitted the event at 50 minutes crashes just after this event. No
    // node may emit this event again.
    await world.clock.advanceTo(at(29.5 * minute))
    world.crash(nodes.get(said.nodes[0] as string) as Scheduler)
    await world.clock.advanceTo(at(50.5 * minute))
    expect(said.lines.slice(2)).toEqual([
      expect.stringMatching(/since 0, at 3[0-9]$/),
      'job silent, since 0, at 40',
      'job silent, since 0, at 50',
    ])
    world.crash(nodes.get(said.nodes.at(-1) as string) as Scheduler)
    await world.clock.advanceTo(at(75 * minute))
    expect(said.lines.slice(5).at(-1)).toBe('job silent, since 0, at 70')
    expect(said.lines.length).toBeLessThanOrEqual(8)
    expect(new Set(said.nodes).size).toBe(3)
  })

  it('a new node that becomes responsible for a job does not repeat the last `job.silent`', async () => {
    const world = createWorld()
    const said = new Said(world)
    const jobs = [jobOf(() => true, { alertAfter: { hours: 2 } })]
    await listeningNode(world, said, { nodeId: 'old', jobs })
    await world.clock.advance({ hours: 3 })
    expect(said.lines).toHaveLength(1)
    for (let count = 0; count < 4; count++) await listeningNode(world, said, { nodeId: `new ${count}`, jobs })
    await world.clock.advance({ minutes: 55 })
    expect(said.lines).toHaveLength(1)
    await world.clock.advance({ minutes: 15 })
    expect(said.lines.slice(1)).toEqual(['job silent, since 0, at 240'])
    expect(said.nodes[1]).not.toBe('old')
  })
})

it('a restarted node that lives for some minutes emits `job.silent` for a job that became silent while no node lived', async () => {
  const world = createWorld()
  const said = new Said(world)
  const jobs = [jobOf(() => true, { alertAfter: { hours: 2 } })]
  const first = await listeningNode(world, said, { jobs })
  await world.clock.advance({ hours: 1 })
  await world.shutdown(first)
  await world.clock.advance({ hours: 2 })
  for (let life = 0; life < 5; life++) {
    const short = await listeningNode(world, said, { jobs })
    await world.clock.advance({ seconds: 30 })
    await world.shutdown(short)
  }
  expect(said.lines).toEqual([])
  await listeningNode(world, said, { jobs })
  await world.clock.advance({ minutes: 5 })
  expect(said.lines).toEqual([expect.stringMatching(/^job silent, since 0, at 18[0-9]$/)])
})

it('a silent job is logged as an error and counted in a gauge, and clients read its silentSince', async () => {
  const world = createWorld()
  const { logger, loud } = collectingLogger()
  const metrics = metricsCollector()
  const job = jobOf(() => world.clock.now() > +at(5.5 * minute) && world.clock.now() < +at(20.5 * minute))
  await world.start({ ...nodeOptions, jobs: [job], logger, metrics })
  const storage = world.connect()
  const client = createClient({ storage, clock: world.clock })
  expect(await metrics.readGauges()).not.toHaveProperty('scheduler_jobs_silent')
  expect(await client.job('job')).toMatchObject({ lastSuccessAt: null, silentSince: null })
  await world.clock.advance({ minutes: 14 })
  expect(await metrics.readGauges()).toMatchObject({ scheduler_jobs_silent: 0 })
  expect(await client.job('job')).toMatchObject({ lastSuccessAt: at(5 * minute), silentSince: null })
  await world.clock.advance({ minutes: 4 })
  expect(await metrics.readGauges()).toMatchObject({ scheduler_jobs_silent: 1 })
  expect(await client.job('job')).toMatchObject({ lastSuccessAt: at(5 * minute), silentSince: at(15 * minute) })
  expect(loud().filter(({ message }) => message.startsWith('job is'))).toEqual([
    {
      level: 'error',
      message: 'job is silent: no run was completed within its alertAfter',
      job: 'job',
      alertAfterMs: 600_000,
      since: at(5 * minute),
      lastSuccessAt: at(5 * minute),
    },
  ])
  await world.clock.advance({ minutes: 5 })
  expect(await metrics.readGauges()).toMatchObject({ scheduler_jobs_silent: 0 })
  expect(await client.job('job')).toMatchObject({ silentSince: null })
  await client.close()
})

it('for a job with alertAfter, a node polls for changes once a minute, and searches for completed runs once in each alertAfter', async () => {
  const world = createWorld(memory)
  const counted = new InterceptedStorage(world.connect())
  const jobs = Array.from({ length: 20 }, (_, index) =>
    jobOf(() => false, { name: `job ${index}`, ...(index > 0 && { alertAfter: 'never' }) }),
  )
  const options = { ...nodeOptions, jobs, storage: counted.storage }
  await listeningNode(world, new Said(world), options)
  await world.clock.advance({ minutes: 5 })
  counted.reset()
  await world.clock.advance({ minutes: 100 })
  const searches = counted.calls.filter(({ request }) => (request as { states?: unknown }).states !== undefined)
  expect(searches.length).toBeGreaterThanOrEqual(9)
  expect(searches.length).toBeLessThanOrEqual(11)
  const looks = counted.calls.filter(({ operation, request }) => operation === 'listJobs' && 'changedSince' in request)
  expect(looks.length).toBeLessThanOrEqual(102)
})

/** Starts a node whose storage rejects the given calls from 9.5 minutes on. The function that it returns ends the rejections. */
async function nodeWithout(
  world: World,
  said: Said,
  rejected: readonly string[],
): Promise<(operation: string) => void> {
  const intercepted = new InterceptedStorage(world.connect())
  await listeningNode(world, said, { nodeId: 'first', storage: intercepted.storage, jobs: [jobOf(() => true)] })
  await world.clock.advanceTo(at(9.5 * minute))
  const away = new Set(rejected)
  intercepted.intercept = ({ operation, proceed }) =>
    away.has(operation) ? Promise.reject(new Error('away')) : proceed()
  return (operation) => void away.delete(operation)
}

it('an alert is emitted once although the watching node changes while the first watching node searches for a success', async () => {
  const world = createWorld()
  const said = new Said(world)
  const back = await nodeWithout(world, said, ['listOccurrences'])
  await world.clock.advanceTo(at(10.5 * minute))
  // The name of this node ranks first, so this node watches from its first round on.
  await listeningNode(world, said, { nodeId: 'second' })
  await world.clock.advanceTo(at(12.5 * minute))
  back('listOccurrences')
  await world.clock.advanceTo(at(15 * minute))
  expect([said.lines, said.nodes]).toEqual([['job silent, since 0, at 11'], ['second']])
})

it('a node that is isolated when its search for a success ends emits no alert until it has rejoined', async () => {
  const world = createWorld()
  const said = new Said(world)
  const back = await nodeWithout(world, said, ['listOccurrences', 'heartbeat'])
  await world.clock.advanceTo(at(15 * minute))
  back('listOccurrences')
  await world.clock.advanceTo(at(17.5 * minute))
  expect(said.lines).toEqual([])
  back('heartbeat')
  await world.clock.advanceTo(at(19 * minute))
  expect(said.lines).toEqual([expect.stringMatching(/^job silent, since 0, at 1[78]$/)])
})
