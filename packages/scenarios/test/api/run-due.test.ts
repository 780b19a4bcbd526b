import { createClient, defineJob, type RunDueReport, type Scheduler, type TaskContext } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { everyStorage, memory } from '../support/places.ts'
import { at, createWorld, fates, secondsOf, type World } from '../support/world.ts'

type Run = (context: TaskContext) => Promise<unknown>

function jobEvery(seconds: number, run: Run, options: Partial<Parameters<typeof defineJob>[0]> = {}) {
  return defineJob({ name: 'job', schedule: everySeconds(seconds), tasks: [{ name: 'work', run }], ...options })
}

/**
 * Makes a scheduler as a serverless function does. The scheduler's process ends with the call of `runDue`, or is killed.
 */
function callable(
  world: World,
  ran: string[],
  taskSeconds = 0,
  options: Partial<Parameters<typeof defineJob>[0]> = {},
) {
  const run: Run = async ({ scheduledAt, attempt, sleep }) => {
    ran.push(`${secondsOf(scheduledAt)} at ${secondsOf(world.clock.now())} attempt ${attempt}`)
    if (taskSeconds > 0) await sleep({ seconds: taskSeconds })
  }
  return world.scheduler({ jobs: [jobEvery(60, run, options)] })
}

/** Calls `runDue`, and advances the clock by `seconds`. */
async function call(world: World, scheduler: Scheduler, seconds: number, budget = 50_000): Promise<RunDueReport> {
  const called = scheduler.runDue({ budget })
  await world.clock.advance({ seconds })
  return called
}

describe.each(everyStorage)('on the storage $name, a call of `runDue`', (place) => {
  it('runs due slots although no node lived between the calls, and returns the next due instant', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const first = await call(world, callable(world, ran), 60.5)
    expect(first).toMatchObject({
      ended: 'idle',
      finished: 0,
      handedBack: 0,
      leftBehind: 0,
      takenOver: 0,
      durationMs: 0,
    })
    expect(first.nextAt).toEqual(at(60))
    for (let minute = 1; minute <= 3; minute++) await call(world, callable(world, ran), 60)
    expect(ran).toEqual(['60 at 60.5 attempt 1', '120 at 120.5 attempt 1', '180 at 180.5 attempt 1'])
    const client = createClient({ storage: world.connect(), clock: world.clock, scheduleTypes: [everyType] })
    expect((await client.occurrences({ job: 'job' })).items.map(({ state }) => state)).toEqual([
      'completed',
      'completed',
      'completed',
    ])
    // Each call removes the node records of earlier calls, so only the record of the last call is left.
    expect((await client.nodes()).map(({ state }) => state)).toEqual(['ended'])
  })

  it('runs queued slots, and slots that become due during the call, until its budget ends', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const scheduler = callable(world, ran, 4, { overlapPolicy: 'queue', schedule: everySeconds(5) })
    await call(world, scheduler, 10.5)
    const report = await call(world, scheduler, 59, 20_000)
    expect(report).toMatchObject({ ended: 'budget', finished: 3, failed: 0, durationMs: 12_000 })
    expect(ran).toEqual(['5 at 10.5 attempt 1', '10 at 14.5 attempt 1', '15 at 18.5 attempt 1'])
    expect(report.nextAt).toEqual(at(22.5))
    const next = await call(world, scheduler, 20, 20_000)
    expect(next).toMatchObject({ ended: 'budget', finished: 3, handedBack: 0 })
  })

  it('releases a run that exceeds the budget of the call, and the next call continues the run', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const scheduler = callable(world, ran, 70)
    await call(world, scheduler, 60.5, 10_000)
    const report = await call(world, scheduler, 60, 10_000)
    expect(report).toMatchObject({ ended: 'budget', finished: 0, handedBack: 1, leftBehind: 0 })
    expect(report.durationMs).toBeLessThan(10_000)
    const last = await call(world, scheduler, 200, 120_000)
    expect(last).toMatchObject({ finished: 1, handedBack: 0 })
    expect(ran.slice(0, 2)).toEqual(['60 at 60.5 attempt 1', '60 at 120.5 attempt 2'])
  })

  it('rejects with STORAGE_CLOSED when the storage is closed during the call', async () => {
    const world = createWorld(place)
    const storage = world.connect()
    const run: Run = async ({ sleep }) => {
      await sleep({ seconds: 3 })
      await storage.close()
    }
    const scheduler = world.scheduler({ jobs: [jobEvery(60, run)], storage })
    await call(world, scheduler, 60.5)
    const calledAt = world.clock.now()
    let tookMs: number | null = null
    const ended = scheduler.runDue().then(
      () => 'resolved',
      (error) => {
        tookMs = world.clock.now() - calledAt
        return error
      },
    )
    await world.clock.advance({ seconds: 55 })
    expect(tookMs).not.toBe(null)
    expect(await ended).toMatchObject({ code: 'STORAGE_CLOSED' })
    expect(tookMs).toBeLessThan(10_000)
  })

  it('returns as `nextAt` when the runs of a killed call can be taken over, and a call at that instant takes them over', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const killed = callable(world, ran, 30)
    await call(world, killed, 0, 10_000)
    await world.clock.advanceTo(at(60.5))
    void killed.runDue({ budget: 20_000 })
    await world.clock.advance({ seconds: 5 })
    world.crash(killed)
    const early = await call(world, callable(world, ran), 0, 10_000)
    expect(early).toMatchObject({ ended: 'idle', takenOver: 0, nextAt: new Date(+at(85.5) + 1) })
    await world.clock.advanceTo(early.nextAt as Date)
    const next = await call(world, callable(world, ran), 0, 10_000)
    expect(next).toMatchObject({ ended: 'idle', takenOver: 1, finished: 1, nextAt: at(120) })
    expect(ran).toEqual(['60 at 60.5 attempt 1', '60 at 85.501 attempt 2'])
  })

  it('returns within its budget although a handler ignores its signal, and the next call takes over the handler’s run', async () => {
    const world = createWorld(place)
    const course: string[] = []
    const run: Run = async ({ attempt, signal }) => {
      course.push(`${attempt} begins at ${secondsOf(world.clock.now())}`)
      signal.addEventListener('abort', () => course.push(`${attempt} is aborted at ${secondsOf(world.clock.now())}`))
      if (attempt === 1) await world.clock.sleep({ minutes: 3 })
      course.push(`${attempt} ends at ${secondsOf(world.clock.now())}`)
    }
    const scheduler = world.scheduler({ jobs: [jobEvery(60, run)] })
    await call(world, scheduler, 60.5, 10_000)
    const report = await call(world, scheduler, 10, 10_000)
    expect(report).toMatchObject({ ended: 'budget', finished: 0, handedBack: 0, leftBehind: 1 })
    expect(report.durationMs).toBeLessThan(10_000)
    // At 75.5 s, 5 s after the end of the first call's budget, nodes treat this call as dead.
    await world.clock.advance({ seconds: 6 })
    const next = await call(world, scheduler, 10, 10_000)
    expect(next).toMatchObject({ ended: 'idle', takenOver: 1, finished: 1, leftBehind: 0 })
    await world.clock.advance({ minutes: 3 })
    expect(course).toEqual([
      '1 begins at 60.5',
      '1 is aborted at 67',
      '2 begins at 76.5',
      '2 ends at 76.5',
      '1 ends at 240.5',
    ])
    const client = createClient({ storage: world.connect(), clock: world.clock, scheduleTypes: [everyType] })
    const { items } = await client.occurrences({ job: 'job' })
    expect(items.at(-1)?.tasks[0]?.attempts.map(({ state }) => state)).toEqual(['lost', 'succeeded'])
  })

  it('takes over the run of a killed call 5 s after the budget of the killed call has ended', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    await call(world, callable(world, ran), 60.5)
    const killed = callable(world, ran, 30)
    void killed.runDue({ budget: 40_000 })
    await world.clock.advance({ seconds: 10 })
    world.crash(killed)
    // Nodes treat the killed call as dead at 105.5 s, which is 5 s after the end of its budget.
    const tooEarly = await call(world, callable(world, ran), 36, 30_000)
    expect(tooEarly).toMatchObject({ ended: 'idle', takenOver: 0 })
    const next = await call(world, callable(world, ran), 20, 15_000)
    expect(next).toMatchObject({ ended: 'idle', takenOver: 1, finished: 1 })
    expect(ran).toEqual(['60 at 60.5 attempt 1', '60 at 106.5 attempt 2'])
    // The takeover has removed the node record of the killed call.
    const client = createClient({ storage: world.connect(), clock: world.clock, scheduleTypes: [everyType] })
    expect(await client.nodes()).toHaveLength(1)
  })

  it('ends although the storage rejects each try to reap a run of a dead call', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    await call(world, callable(world, ran), 60.5)
    const killed = callable(world, ran, 30)
    void killed.runDue({ budget: 40_000 })
    await world.clock.advance({ seconds: 10 })
    world.crash(killed)
    await world.clock.advance({ seconds: 40 })
    let reaps = 0
    const storage = wrapStorage(world.connect(), {
      around: ({ method, proceed }) => {
        // A faulty engine would repeat `reap` forever. So after 50 rejections the storage accepts the call, and the test fails
        // because of the number of calls.
        if (method !== 'reap' || ++reaps > 50) return proceed()
        throw new RangeError('too deep')
      },
    })
    const run = jobEvery(60, async () => undefined)
    const next = world.scheduler({ jobs: [run], storage })
    expect(await call(world, next, 5)).toMatchObject({ ended: 'idle', takenOver: 0 })
    expect(reaps).toBeLessThan(5)
  })

  it('runs a due slot once although two other calls run at the same time', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const scheduler = callable(world, ran, 5)
    await call(world, scheduler, 60.5)
    const calls = [scheduler.runDue(), scheduler.runDue(), callable(world, ran, 5).runDue()]
    await world.clock.advance({ seconds: 20 })
    const reports = await Promise.all(calls)
    expect(new Set(reports.map(({ node }) => node)).size).toBe(3)
    expect(reports.map(({ finished }) => finished).sort()).toEqual([0, 0, 1])
    expect(ran).toEqual(['60 at 60.5 attempt 1'])
  })
})

describe('a call of `runDue`', () => {
  it('waits for a retry that is due within its budget, and releases a run whose retry is due later', async () => {
    const world = createWorld(memory)
    const ran: string[] = []
    const run: Run = async ({ attempt }) => {
      ran.push(`${attempt} at ${secondsOf(world.clock.now())}`)
      if (attempt < 3) throw new Error('not yet')
    }
    const retryPolicy = { maxRetries: 2, retryInterval: { seconds: 5 }, backoffFactor: 20 }
    const scheduler = world.scheduler({ jobs: [jobEvery(60, run, { retryPolicy })] })
    await call(world, scheduler, 60.5)
    const report = await call(world, scheduler, 100)
    expect(ran).toEqual(['1 at 60.5', '2 at 65.5'])
    expect(report).toMatchObject({ ended: 'idle', finished: 0, handedBack: 1 })
    expect(secondsOf(report.nextAt as Date)).toBe(120)
    expect(await call(world, scheduler, 5)).toMatchObject({ ended: 'idle', nextAt: at(165.5) })
    await call(world, scheduler, 1)
    expect(ran.slice(2)).toEqual(['4 at 165.5'])
  })

  it('ends when its signal is aborted or its scheduler is shut down; after the shutdown, the scheduler rejects further calls', async () => {
    const world = createWorld(memory)
    const ran: string[] = []
    const scheduler = callable(world, ran, 30)
    await call(world, scheduler, 60.5)
    const controller = new AbortController()
    const called = scheduler.runDue({ signal: controller.signal })
    await world.clock.advance({ seconds: 3 })
    controller.abort()
    await world.clock.advance({ seconds: 1 })
    const report = await called
    expect(report).toMatchObject({ ended: 'aborted', handedBack: 1, durationMs: 3000 })
    await expect(scheduler.runDue({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    const second = scheduler.runDue()
    await world.clock.advance({ seconds: 1 })
    await world.shutdown(scheduler)
    expect(await second).toMatchObject({ ended: 'aborted', handedBack: 1 })
    await expect(scheduler.runDue()).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
  })

  it('rejects if its scheduler was started as a node', async () => {
    const world = createWorld(memory)
    const node = await world.start({ jobs: [] })
    await expect(node.runDue()).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
  })

  it('rejects within its budget if the storage does not answer', async () => {
    const world = createWorld(memory)
    const storage = world.connect()
    const away = wrapStorage(storage, { around: () => Promise.reject(new Error('away')) })
    const scheduler = world.scheduler({ jobs: [], storage: away })
    let endedAt = 0
    const refused = expect(
      scheduler.runDue({ budget: 8000 }).finally(() => {
        endedAt = world.clock.now()
      }),
    ).rejects.toMatchObject({ code: 'STORAGE_TIMEOUT', field: 'budget', value: 8000 })
    await world.clock.advance({ seconds: 8 })
    await refused
    expect(secondsOf(endedAt)).toBeLessThan(8)
  })

  it('delays no slot of a living node, because the nodes assign no jobs to a call of `runDue`', async () => {
    const world = createWorld(memory)
    const ran: string[] = []
    const run: Run = async ({ scheduledAt }) => {
      ran.push(`${secondsOf(scheduledAt)} at ${secondsOf(world.clock.now())}`)
    }
    const jobs = Array.from({ length: 20 }, (_, index) => jobEvery(10, run, { name: `job ${index}` }))
    await world.start({ jobs })
    const scheduler = world.scheduler({
      jobs: [...jobs, jobEvery(1, async ({ sleep }) => sleep(900), { name: 'busy' })],
    })
    const called = scheduler.runDue({ budget: 60_000 })
    await world.clock.advance({ seconds: 35 })
    // All slots at 10, 20 and 30 s run at their instant, on the node or in the call.
    expect(ran.filter((line) => line === line.replace(/(\d+) at .*/, '$1 at $1'))).toHaveLength(60)
    expect(ran).toHaveLength(60)
    await world.clock.advance({ seconds: 30 })
    await called
  })

  it('emits its events to the listeners of its scheduler', async () => {
    const world = createWorld(memory)
    const scheduler = callable(world, [])
    const heard: string[] = []
    scheduler.on('scheduler.started', ({ node }) => heard.push(`started ${node.split('/')[0]}`))
    scheduler.on('scheduler.stopped', () => heard.push('stopped'))
    scheduler.on('occurrence.finished', ({ report }) => heard.push(report.outcome))
    await call(world, scheduler, 60.5)
    await call(world, scheduler, 1)
    expect(heard).toEqual(['started node 1', 'stopped', 'started node 1', 'completed', 'stopped'])
    expect(await fates(scheduler, 'job')).toEqual(['60 completed'])
  })
})
