import {
  defineJob,
  jobId,
  occurrenceId,
  type Job,
  type JobOptions,
  type Scheduler,
  type TaskContext,
} from '@jobistemer/core'
import type { JobRecord } from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { at, createWorld, fates, listen, secondsOf, type World } from '../support/world.ts'

// After a long outage, a job has many missed slots, and a node decides about them for a long time. The decision takes many
// turns of the event loop, or the node reads the storage slowly.

const startedAt = 2100

interface CreateRequest {
  readonly items?: readonly { readonly kind: string; readonly jobId: string; readonly entries?: readonly unknown[] }[]
}

/** Defines a job that records the slots that it ran. */
function noting(ran: string[], name: string, every: number, options: Partial<JobOptions> = {}) {
  const run = ({ scheduledAt }: TaskContext) => void ran.push(`${name} ${secondsOf(scheduledAt)}`)
  return defineJob({ name, schedule: everySeconds(every), tasks: [{ name: 'work', run }], ...options })
}

/** Defines a job with two million missed slots, and another job with five due slots. */
function lateAndOther(ran: string[], schedule = everySeconds(0.001, +at(2000))) {
  const late = noting(ran, 'late', 1, { schedule })
  const other = noting(ran, 'other', 10, { schedule: everySeconds(10, +at(50)), misfireThreshold: { hours: 2 } })
  return [late, other]
}

/** Stores the jobs through a node that shuts down, and sets the clock to the end of the outage. */
async function afterOutage(
  jobs: readonly Job[],
  before: (node: Scheduler) => Promise<unknown> = async () => undefined,
): Promise<World> {
  const world = createWorld()
  const node = await world.start({ jobs })
  await before(node)
  await world.shutdown(node)
  await world.clock.jumpTo(at(startedAt))
  return world
}

/** Calls `act` at the n-th call of the schedule's `nextMs`, where n is `call`. Returns a function that counts the calls. */
function onCall(schedule: ReturnType<typeof everySeconds>, call: number, act: () => void): () => number {
  const nextMs = schedule.nextMs.bind(schedule)
  let calls = 0
  schedule.nextMs = (afterMs) => {
    if (++calls === call) act()
    return nextMs(afterMs)
  }
  return () => calls
}

const isRecovery = ({ items }: CreateRequest) => items?.some(({ kind }) => kind === 'recovery') ?? false

it('a node launches slots of other jobs while it counts the missed slots of one job', async () => {
  const ran: string[] = []
  const jobs = lateAndOther(ran)
  const world = await afterOutage(jobs)
  const { calls, storage } = new InterceptedStorage(world.connect())
  const scheduler = await world.start({ jobs, storage })
  await world.clock.advance({ seconds: 1 })
  expect(ran).toEqual(['other 10', 'other 20', 'other 30', 'other 40', 'other 50', 'late 2000'])
  expect(await fates(scheduler, 'late')).toEqual(['0.001-1999.999 (1999999) missed execute_last', '2000 completed'])
  const created = calls.filter(({ operation }) => operation === 'createOccurrences')
  expect(created.map(({ request }) => isRecovery(request))).toEqual([false, false, false, false, false, true])
})

it('`runDue` runs other jobs during a recovery, and returns when the recovered slots have run', async () => {
  const ran: string[] = []
  const jobs = lateAndOther(ran)
  const world = await afterOutage(jobs)
  const called = world.scheduler({ jobs }).runDue({ budget: { seconds: 60 } })
  await world.clock.advance({ seconds: 60 })
  expect(await called).toMatchObject({ ended: 'idle', finished: 6, nextAt: null })
  expect(ran).toEqual(['other 10', 'other 20', 'other 30', 'other 40', 'other 50', 'late 2000'])
})

it('a node recovers 12 jobs in calls of at most 3,000 runs: a first part of every job, then second parts', async () => {
  const all = { recoveryStrategy: 'execute_all', overlapPolicy: 'queue' } as const
  const names = Array.from({ length: 12 }, (_, index) => `late ${index}`)
  const late = names.map((name) => noting([], name, 1.5, all))
  // The two jobs have the lowest priority, so the node reaches them after all other jobs.
  const none = noting([], 'none to run', 10, { priority: -10, recoveryStrategy: 'mark_as_missed' })
  const few = noting([], 'few to run', 200, { priority: -10, ...all })
  const jobs = [...late, none, few]
  const world = await afterOutage(jobs)
  const { calls, storage } = new InterceptedStorage(world.connect())
  const node = world.scheduler({ jobs, storage })
  const heard = listen(node, 'recovery.decided')
  await node.start()
  await world.clock.advance({ seconds: 1 })
  await node.shutdown({ gracePeriod: 0 })

  const recoveries = calls
    .filter(({ operation, request }) => operation === 'createOccurrences' && isRecovery(request))
    .map(({ request }) => (request as CreateRequest).items ?? [])
  const sizes = recoveries.map((items) => items.reduce((sum, { entries }) => sum + (entries?.length ?? 0), 0))
  expect(Math.max(...sizes)).toBeLessThanOrEqual(3000)
  const firstOf = (name: string) => recoveries.findIndex((items) => items.some((item) => item.jobId === jobId(name)))
  for (const name of ['none to run', 'few to run']) {
    expect(firstOf(name)).toBeGreaterThanOrEqual(0)
    expect(firstOf(name)).toBeLessThan(3)
  }

  // The node decides about some missed slots of every job before it decides about further slots of any job.
  const decided = heard
    .map(({ event }) => ({ name: event.jobName, toRun: event.toRun }))
    .filter(({ name }) => names.includes(name))
  expect(new Set(decided.slice(0, names.length).map(({ name }) => name)).size).toBe(names.length)
  const toRun = names.map((name) => decided.reduce((sum, one) => (one.name === name ? sum + one.toRun : sum), 0))
  expect(toRun).toEqual(names.map(() => 1359))
})

describe("while a job with many missed slots waits until the node has stored other jobs' slots", () => {
  const all = { recoveryStrategy: 'execute_all', overlapPolicy: 'queue' } as const

  /** Recovers four jobs, and calls `act` while the slots of the first two jobs are being stored. */
  async function during(act: (node: Scheduler) => Promise<unknown>) {
    const names = ['first', 'second', 'third', 'fourth']
    const jobs = names.map((name, index) => noting([], name, 1.5, { ...all, priority: -index }))
    const world = await afterOutage(jobs)
    const intercepted = new InterceptedStorage(world.connect())
    const node = world.scheduler({ jobs, storage: intercepted.storage })
    const heard = listen(node, 'recovery.decided')
    let acting: Promise<unknown> | undefined
    intercepted.intercept = async (call) => {
      if (acting === undefined && call.operation === 'createOccurrences' && isRecovery(call.request)) acting = act(node)
      return call.proceed()
    }
    await node.start()
    await world.clock.advance({ seconds: 5 })
    await acting
    return { world, jobs, heard }
  }

  it('a pause of the job prevents its recovered runs', async () => {
    const { heard } = await during((node) => node.pause('fourth'))
    const decided = heard.map(({ event }) => `${event.jobName}: ${event.strategy} ${event.toRun}`)
    const steps = [1000, 359]
    const ofOthers = ['first', 'second', 'third'].flatMap((name) =>
      steps.map((count) => `${name}: execute_all ${count}`),
    )
    expect(decided.toSorted()).toEqual([...ofOthers, 'fourth: mark_as_missed 0'].toSorted())
  })

  it('a shutdown ends the wait, and the next node that starts decides about the slots', async () => {
    const { world, jobs, heard } = await during((node) => node.shutdown({ gracePeriod: 0 }))
    expect(heard.length).toBeLessThan(4)
    const next = world.scheduler({ jobs })
    const heardOfNext = listen(next, 'recovery.decided')
    await next.start()
    await world.clock.advance({ seconds: 5 })
    const decided = [...heard, ...heardOfNext].map(({ event }) => event)
    const toRun = jobs.map(({ name }) =>
      decided.reduce((sum, event) => (event.jobName === name ? sum + event.toRun : sum), 0),
    )
    // Each job had 1,359 missed slots when the first node started. Before the second node decided about the slots, each job
    // missed four more.
    expect(toRun).toEqual([1363, 1363, 1363, 1363])
  })
})

it('if a pause ends while a node counts missed slots, the slots are recovered as if the job had not been paused', async () => {
  const ran: string[] = []
  const schedule = everySeconds(0.001, +at(2000))
  const jobs = [noting(ran, 'late', 1, { schedule })]
  const world = await afterOutage(jobs, (node) => node.pause('late'))
  let resumed: Promise<void> | undefined
  const node = world.scheduler({ jobs })
  const heard = listen(node, 'recovery.decided')
  await node.start()
  onCall(schedule, 200_000, () => {
    resumed = node.resume('late')
  })
  await world.clock.advance({ seconds: 1 })
  await resumed
  expect(heard.map(({ event }) => [event.strategy, event.missed])).toEqual([['execute_last', 2_000_000]])
  expect(ran).toEqual(['late 2000'])
})

it('a shutdown stops the count of missed slots, and the next node that starts decides about these slots', async () => {
  const schedule = everySeconds(0.001, +at(2000))
  const jobs = lateAndOther([], schedule)
  const world = await afterOutage(jobs)
  const node = world.scheduler({ jobs })
  await node.start()
  let stopping: Promise<void> | undefined
  const calls = onCall(schedule, 200_000, () => {
    stopping = node.shutdown({ gracePeriod: 0 })
  })
  await world.clock.advance({ seconds: 1 })
  expect(stopping).toBeDefined()
  await stopping
  expect(calls()).toBeLessThan(1_000_000)
  // The next node decides about all missed slots.
  const next = await world.start({ jobs })
  await world.clock.advance({ seconds: 1 })
  expect(await fates(next, 'late')).toEqual(['0.001-1999.999 (1999999) missed execute_last', '2000 completed'])
})

it('a node repeats a read of missed slots that fails', async () => {
  const ran: string[] = []
  const jobs = [noting(ran, 'late', 10, { recoveryStrategy: 'compressed' })]
  const world = await afterOutage(jobs)
  const intercepted = new InterceptedStorage(world.connect())
  intercepted.fail('listOccurrences', 2, 'before its effect', ({ kind }: { kind: string }) => kind === 'job')
  await world.start({ jobs, storage: intercepted.storage })
  await world.clock.advance({ seconds: 5 })
  expect(ran).toContain('late 2030')
})

describe('while a node decides about the missed slots of a job,', () => {
  const lateOptions: Partial<JobOptions> = {
    recoveryStrategy: 'compressed',
    overlapPolicy: 'queue',
    misfireThreshold: { seconds: 5 },
  }

  /** Recovers one job, and calls `act` during the first read of the job's missed slots. */
  async function during(act: (node: Scheduler, world: World) => Promise<unknown>) {
    const ran: string[] = []
    const job = noting(ran, 'late', 10, lateOptions)
    const world = await afterOutage([job])
    const intercepted = new InterceptedStorage(world.connect())
    let node: Scheduler | undefined
    let acted = 0
    intercepted.intercept = async (call) => {
      const isLook = call.operation === 'listOccurrences' && (call.request as { kind: string }).kind === 'job'
      if (isLook && acted++ === 0) await act(node as Scheduler, world)
      return call.proceed()
    }
    node = world.scheduler({ jobs: [job], storage: intercepted.storage, nodeId: 'first' })
    const heard = listen(node, 'recovery.decided', 'engine.failed')
    await node.start()
    await world.clock.advance({ seconds: 9.5 })
    expect(acted).toBeGreaterThan(0)
    const recoveries = intercepted.calls.filter(({ request }) => isRecovery(request)).length
    return { world, job, node, ran, recoveries, told: heard.map(({ name }) => name) }
  }

  it('a pause of the job prevents its recovered runs', async () => {
    const { node, ran, recoveries } = await during((self) => self.pause('late'))
    expect(ran).toEqual([])
    expect(recoveries).toBe(1)
    expect(await fates(node, 'late')).toEqual(['10-2090 (209) missed paused', '2100 skipped paused'])
  })

  it('an update of the job applies to its missed slots', async () => {
    const { node, ran, recoveries } = await during((self) =>
      self.update('late', { recoveryStrategy: 'mark_as_missed' }),
    )
    expect(ran).toEqual(['late 2100'])
    expect(recoveries).toBe(1)
    expect(await fates(node, 'late')).toEqual(['10-2090 (209) missed mark_as_missed', '2100 completed'])
  })

  it('a removal of the job leaves no slot to decide about', async () => {
    const { ran, recoveries, told } = await during((self) => self.remove('late'))
    expect([ran, recoveries, told]).toEqual([[], 0, []])
  })

  it('a removal and a new addition of the job leave no missed slot, and later slots of the job run', async () => {
    const again: string[] = []
    const { node, world, ran, recoveries, told } = await during(async (self) => {
      await self.remove('late')
      await self.add(noting(again, 'late', 10))
    })
    await world.clock.advance({ seconds: 10 })
    expect([ran, recoveries, told]).toEqual([[], 0, []])
    expect(again).toEqual(['late 2110'])
    expect((await fates(node, 'late')).at(-1)).toBe('2110 completed')
  })

  it('an earlier decision of another node about these slots is final, and the first node continues after them', async () => {
    const { node, ran, told } = await during(async (_, world) => {
      const storage = world.connect()
      const id = jobId('late')
      const { jobs } = await storage.get({ jobs: [id] })
      const { version, watermark } = jobs[0] as JobRecord
      const slot = +at(2090)
      const details = { span: { from: +at(10), to: slot, count: 209 } }
      const [answer] = await storage.createOccurrences({
        now: world.clock.now(),
        owner: { node: 'quicker', incarnation: 'one' },
        items: [
          {
            kind: 'recovery',
            id: occurrenceId(id, slot),
            jobId: id,
            scheduledAt: slot,
            jobVersion: version,
            expectedWatermark: watermark,
            watermark: slot,
            nextAt: +at(2100),
            entries: [
              { kind: 'run', id: occurrenceId(id, slot), scheduledAt: slot, executionTimeoutMs: 60_000, details },
            ],
          },
        ],
      })
      expect(answer?.outcome).toBe('created')
    })
    expect(told).toEqual([])
    expect(ran).toEqual(['late 2090', 'late 2100'])
    expect(await fates(node, 'late')).toEqual(['10-2090 (209) completed', '2100 completed'])
  })
})
