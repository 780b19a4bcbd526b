import { defineJob, type JobSettingsInput, silentLogger, type TaskContext } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everyStorage, everywhere, memory } from '../support/places.ts'
import { at, createWorld, fates, listen, onlyOccurrence, secondsOf, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

/** Defines a job with a chain of two tasks of 5 s each. `called` lists the calls of their handlers. */
function chain(world: World, settings: JobSettingsInput = {}) {
  const called: string[] = []
  const task = (name: string) => ({
    name,
    run: async ({ attempt, fencingToken, signal }: TaskContext) => {
      called.push(`${secondsOf(world.clock.now())} ${name} attempt ${attempt} token ${fencingToken}`)
      await world.clock.sleep({ seconds: 5 }, signal)
      return name
    },
  })
  const job = defineJob({ name: 'chain', schedule: once(at(10)), ...settings, tasks: [task('first'), task('second')] })
  return { job, called }
}

// In these cases the storage selects the runs of a dead node, or rejects a late result.
describe.each(everyStorage)('on the storage $name', (place) => {
  it('under `onInterrupted: fail`, a node that died during a run ends it as failed_stale when the node restarts', async () => {
    const world = createWorld(place)
    const { job, called } = chain(world, { onInterrupted: 'fail' })
    const first = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ seconds: 17 })
    world.crash(first)
    await world.clock.advance({ seconds: 3 })
    const second = world.scheduler({ jobs: [job], nodeId: 'node' })
    const heard = listen(second, 'occurrence.reaped')
    await second.start()
    expect(heard.map(({ event }) => [event.jobName, event.action, event.reason])).toEqual([
      ['chain', 'fail', 'owner_restarted'],
    ])
    const occurrence = await onlyOccurrence(second, 'chain')
    expect(occurrence).toMatchObject({ state: 'failed_stale', reason: 'owner_restarted', finishedAt: at(20) })
    expect(
      occurrence.tasks.map(({ name, state, attempts }) => [name, state, attempts.map((one) => one.state)]),
    ).toEqual([
      ['first', 'completed', ['succeeded']],
      ['second', 'failed', ['lost']],
    ])
    await world.clock.advance({ minutes: 5 })
    expect(called).toEqual(['10 first attempt 1 token 1', '15 second attempt 1 token 1'])
  })

  it('a restarted node reaps all runs of its earlier incarnation, even if this takes several storage calls', async () => {
    const world = createWorld(place)
    const run = ({ signal }: TaskContext) => world.clock.sleep({ hours: 1 }, signal)
    const job = defineJob({
      name: 'wide',
      schedule: everySeconds(3600),
      overlapPolicy: 'allow',
      onInterrupted: 'fail',
      tasks: [{ name: 'sleep', run }],
    })
    const first = await world.start({ jobs: [job], nodeId: 'node' })
    for (let count = 0; count < 5; count++) await first.trigger('wide')
    world.crash(first)
    const storage = world.connect()
    const capabilities = { ...storage.capabilities, maxBatch: 2 }
    const second = await world.start({ jobs: [job], nodeId: 'node', storage: wrapStorage(storage, { capabilities }) })
    const states = (await second.occurrences({ job: 'wide' })).items.map(({ state }) => state)
    expect(states).toEqual(Array(5).fill('failed_stale'))
  })

  it('the storage rejects the result of an owner whose run was reaped, and the owner emits `occurrence.lost`', async () => {
    const world = createWorld(place)
    const log: string[] = []
    const run = async ({ signal, attempt }: TaskContext) => {
      signal.addEventListener('abort', () => log.push(`${attempt} aborted: ${signal.reason.code}`))
      await world.clock.sleep({ minutes: attempt === 1 ? 4 : 1 })
      log.push(`${attempt} ends`)
      return attempt
    }
    const schedule = once(at(10))
    const settings = {
      onInterrupted: 'retry',
      executionTimeout: { minutes: 10 },
      taskTimeout: { minutes: 10 },
    } as const
    const job = defineJob({
      name: 'long',
      schedule,
      ...settings,
      tasks: [
        { name: 'work', run },
        { name: 'more', run: () => 1 },
      ],
    })
    const first = await world.start({ jobs: [job], nodeId: 'twin' })
    const lost = listen(first, 'occurrence.lost')
    await world.clock.advance({ seconds: 20 })
    // A second process with the same nodeId starts, and reaps the runs of the first process.
    const second = await world.start({ jobs: [job], nodeId: 'twin' })
    await world.clock.advance({ minutes: 6 })
    expect(lost.map(({ event }) => event.fencingToken)).toEqual([1])
    expect(log).toEqual(['2 ends', '1 ends'])
    const { state, tasks, fencingToken } = await onlyOccurrence(second, 'long')
    expect([state, fencingToken, tasks[0]?.result]).toEqual(['completed', 2, 2])
  })
})

describe.each(everywhere)('on the storage $name', (place) => {
  it('a restarted node repeats no parallel task that was completed before the crash', async () => {
    const world = createWorld(place)
    const called: string[] = []
    const task = (name: string, seconds: number) => ({
      name,
      run: async ({ attempt, signal }: TaskContext) => {
        called.push(`${secondsOf(world.clock.now())} ${name} attempt ${attempt}`)
        await world.clock.sleep({ seconds }, signal)
      },
    })
    const job = defineJob({
      name: 'both',
      schedule: once(at(10)),
      taskExecutionMode: 'parallel',
      tasks: [task('quick', 1), task('slow', 60)],
    })
    const first = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ seconds: 13 })
    world.crash(first)
    const second = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ minutes: 5 })
    expect(called).toEqual(['10 quick attempt 1', '10 slow attempt 1', '13 slow attempt 2'])
    expect((await onlyOccurrence(second, 'both')).state).toBe('completed')
  })

  it('under onInterrupted retry, a restarted node runs the next attempt of the interrupted task, and no completed task again', async () => {
    const world = createWorld(place)
    const { job, called } = chain(world, { onInterrupted: 'retry' })
    const first = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ seconds: 17 })
    world.crash(first)
    const second = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ minutes: 5 })
    expect(called).toEqual(['10 first attempt 1 token 1', '15 second attempt 1 token 1', '17 second attempt 2 token 2'])
    const { state, tasks } = await onlyOccurrence(second, 'chain')
    expect(state).toBe('completed')
    expect(tasks.map(({ attempts, result }) => [result, attempts.map((one) => one.state)])).toEqual([
      ['first', ['succeeded']],
      ['second', ['lost', 'succeeded']],
    ])
  })

  it('a run is rescued three times by default', async () => {
    const world = createWorld(place)
    const { job, called } = chain(world, { onInterrupted: 'retry' })
    const lives = async (count: number) => {
      for (let life = 0; life < count; life++) {
        const scheduler = await world.start({ jobs: [job], nodeId: 'node' })
        await world.clock.advance({ seconds: life === 0 ? 12 : 1 })
        world.crash(scheduler)
      }
    }
    await lives(5)
    const last = await world.start({ jobs: [job], nodeId: 'node' })
    expect(called).toHaveLength(4)
    expect(await onlyOccurrence(last, 'chain')).toMatchObject({ state: 'failed_stale' })
  })

  it('a run that is released at a shutdown uses up no rescue', async () => {
    const world = createWorld(place)
    const { job, called } = chain(world, { onInterrupted: 'retry', maxRescues: 1 })
    for (let life = 0; life < 3; life++) {
      const scheduler = await world.start({ jobs: [job], nodeId: 'node' })
      await world.clock.advance({ seconds: life === 0 ? 12 : 2 })
      await world.shutdown(scheduler)
    }
    const crashing = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ seconds: 2 })
    world.crash(crashing)
    const last = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ minutes: 5 })
    expect(called.map((call) => call.replace(/^\d+ /, ''))).toEqual([
      'first attempt 1 token 1',
      'first attempt 2 token 2',
      'first attempt 3 token 3',
      'first attempt 4 token 4',
      'first attempt 5 token 5',
      'second attempt 1 token 5',
    ])
    expect(await fates(last, 'chain')).toEqual(['10 completed'])
  })

  it('a run that is released for lack of a handler uses up no rescue', async () => {
    const world = createWorld(place)
    const { job, called } = chain(world, { onInterrupted: 'retry', maxRescues: 1 })
    const first = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ seconds: 12 })
    await world.shutdown(first)
    for (const nodeId of ['stranger-1', 'stranger-2', 'stranger-3']) {
      const stranger = await world.start({ jobs: [], nodeId })
      await world.clock.advance({ seconds: 2 })
      expect(await onlyOccurrence(stranger, 'chain')).toMatchObject({ state: 'pending', reason: 'no_handler' })
      await world.shutdown(stranger)
    }
    const crashing = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ seconds: 2 })
    world.crash(crashing)
    const last = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ minutes: 5 })
    expect(called.map((call) => call.replace(/^\d+ /, ''))).toEqual([
      'first attempt 1 token 1',
      'first attempt 2 token 5',
      'first attempt 3 token 6',
      'second attempt 1 token 6',
    ])
    expect(await fates(last, 'chain')).toEqual(['10 completed'])
  })

  it('a run is rescued at most maxRescues times, and fails at the next interruption', async () => {
    const world = createWorld(place)
    const { job, called } = chain(world, { onInterrupted: 'retry', maxRescues: 2 })
    for (let life = 0; life < 5; life++) {
      const scheduler = await world.start({ jobs: [job], nodeId: 'node' })
      await world.clock.advance({ seconds: life === 0 ? 12 : 2 })
      world.crash(scheduler)
    }
    const last = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ minutes: 5 })
    expect(called).toEqual(['10 first attempt 1 token 1', '12 first attempt 2 token 2', '14 first attempt 3 token 3'])
    expect(await fates(last, 'chain')).toEqual(['10 failed_stale owner_restarted'])
  })

  it('a lost attempt uses up no retry', async () => {
    const world = createWorld(place)
    const calls: number[] = []
    const run = async ({ attempt }: TaskContext) => {
      calls.push(attempt)
      await world.clock.sleep({ seconds: 5 })
      if (attempt < 4) throw new Error('no')
    }
    const settings = { onInterrupted: 'retry', retryPolicy: { maxRetries: 2, retryInterval: 1000 } } as const
    const job = defineJob({ name: 'flaky', schedule: once(at(10)), ...settings, tasks: [{ name: 'work', run }] })
    world.crash(
      await world.start({ jobs: [job], nodeId: 'node' }).then(async (node) => {
        await world.clock.advance({ seconds: 12 })
        return node
      }),
    )
    const second = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ minutes: 1 })
    expect(calls).toEqual([1, 2, 3, 4])
    const { state, tasks } = await onlyOccurrence(second, 'flaky')
    expect(tasks[0]?.attempts.map((one) => one.state)).toEqual(['lost', 'failed', 'failed', 'succeeded'])
    expect(state).toBe('completed')
  })

  it('after a crash, parallel tasks that had not ended run again, and completed tasks do not', async () => {
    const world = createWorld(place)
    const called: string[] = []
    const task = (name: string, seconds: number) => ({
      name,
      run: async ({ attempt }: TaskContext) => {
        called.push(`${name} ${attempt}`)
        await world.clock.sleep({ seconds })
      },
    })
    const job = defineJob({
      name: 'fan',
      schedule: once(at(10)),
      taskExecutionMode: 'parallel',
      onInterrupted: 'retry',
      // The node stores the completion of the task `quick` only with its next settle of the occurrence.
      tasks: [task('quick', 1), task('slow', 20), { ...task('flaky', 2), retryPolicy: { maxRetries: 1 } }],
    })
    const first = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ seconds: 15 })
    world.crash(first)
    const second = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ minutes: 1 })
    expect(called.filter((call) => call.startsWith('slow'))).toEqual(['slow 1', 'slow 2'])
    expect((await onlyOccurrence(second, 'fan')).state).toBe('completed')
  })

  it('a peer takes over the run of a dead node after the execution timeout', async () => {
    const world = createWorld(place)
    const { job, called } = chain(world, { onInterrupted: 'retry', executionTimeout: { minutes: 2 } })
    const first = await world.start({ jobs: [job], nodeId: 'first' })
    await world.clock.advance({ seconds: 12 })
    const second = await world.start({ jobs: [job], nodeId: 'second' })
    const heard = listen(second, 'occurrence.reaped')
    world.crash(first)
    await world.clock.advance({ seconds: 120 })
    expect(heard).toEqual([])
    await world.clock.advance({ minutes: 2 })
    expect(heard.map(({ event }) => [event.action, event.reason])).toEqual([['retry', 'execution_timeout']])
    expect(called).toHaveLength(3)
    expect(await onlyOccurrence(second, 'chain')).toMatchObject({ state: 'completed', node: 'second' })
  })

  it("a node that does not know a job releases a dead node's run of it, and `occurrence.reaped` names the job", async () => {
    const world = createWorld(place)
    const { job, called } = chain(world, { onInterrupted: 'retry', executionTimeout: { minutes: 2 } })
    const lines: unknown[] = []
    const warn = (fields: object) => void lines.push(fields)
    const first = await world.start({ jobs: [job], nodeId: 'first' })
    await world.clock.advance({ seconds: 12 })
    const stranger = await world.start({ logger: { ...silentLogger, warn } })
    const heard = listen(stranger, 'occurrence.reaped')
    world.crash(first)
    await world.clock.advance({ minutes: 4 })
    expect(heard.map(({ event }) => [event.jobId, event.jobName, event.action])).toEqual([[job.id, 'chain', 'retry']])
    expect(lines[0]).toMatchObject({ job: 'chain', action: 'retry', reason: 'execution_timeout' })
    const second = await world.start({ jobs: [job], nodeId: 'second' })
    await world.clock.advance({ minutes: 1 })
    expect(called).toHaveLength(3)
    expect(await onlyOccurrence(second, 'chain')).toMatchObject({ state: 'completed', node: 'second' })
  })

  it("a node that lacks code of a job releases a dead node's run of this job, and a third node retries the run", async () => {
    const world = createWorld(place)
    const { job } = chain(world, { onInterrupted: 'retry', executionTimeout: { minutes: 2 } })
    const old = await world.start({ jobs: [{ ...job, tasks: job.tasks.slice(0, 1) }], nodeId: 'old' })
    const heard = listen(old, 'occurrence.reaped')
    const first = await world.start({ jobs: [job], nodeId: 'first' })
    await world.clock.advance({ seconds: 12 })
    expect(await onlyOccurrence(old, 'chain')).toMatchObject({ state: 'running', node: 'first', jobVersion: 2 })
    world.crash(first)
    await world.clock.advance({ minutes: 4 })
    expect(heard.map(({ event }) => [event.jobName, event.action])).toEqual([['chain', 'retry']])
    await world.start({ jobs: [job], nodeId: 'second' })
    await world.clock.advance({ minutes: 1 })
    expect(await onlyOccurrence(old, 'chain')).toMatchObject({ state: 'completed', node: 'second' })
  })

  it("a queued slot that waits for the end of a dead node's run starts when this run is reaped", async () => {
    const world = createWorld(place)
    const started: number[] = []
    const job = defineJob({
      name: 'queued',
      schedule: everySeconds(10, +at(30)),
      overlapPolicy: 'queue',
      onInterrupted: 'fail',
      tasks: [
        {
          name: 'work',
          run: async ({ scheduledAt }) => {
            started.push(secondsOf(scheduledAt))
            if (started.length === 1) await world.clock.sleep({ hours: 5 })
          },
        },
      ],
    })
    const first = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ seconds: 35 })
    world.crash(first)
    const second = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ seconds: 5 })
    expect(started).toEqual([10, 20, 30])
    expect(await fates(second, 'queued')).toEqual(['10 failed_stale owner_restarted', '20 completed', '30 completed'])
  })

  it('a rescued occurrence that ends before its tasks start again has no unfinished tasks', async () => {
    const world = createWorld(place)
    let starts = 0
    const job = defineJob({
      name: 'fan',
      schedule: once(at(10)),
      taskExecutionMode: 'parallel',
      onInterrupted: 'retry',
      executionTimeout: { seconds: 30 },
      onStart: () => (starts++ === 0 ? undefined : new Promise(() => undefined)),
      tasks: ['a', 'b'].map((name) => ({ name, run: () => world.clock.sleep({ hours: 1 }) })),
    })
    const first = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ seconds: 15 })
    world.crash(first)
    const second = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ minutes: 1 })
    const { state, reason, tasks } = await onlyOccurrence(second, 'fan')
    expect([state, reason]).toEqual(['failed', 'execution_timeout'])
    expect(tasks.map((task) => [task.state, task.reason])).toEqual([
      ['canceled', 'execution_timeout'],
      ['canceled', 'execution_timeout'],
    ])
  })

  it('slots that were missed while their node was dead are recovered', async () => {
    const world = createWorld(place)
    const ran: number[] = []
    const tasks = [{ name: 'work', run: ({ scheduledAt }: TaskContext) => ran.push(secondsOf(scheduledAt)) }]
    const job = defineJob({ name: 'tick', schedule: everySeconds(60, +at(300)), tasks })
    const first = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 65 })
    world.crash(first)
    await world.clock.advanceTo(at(400))
    const second = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 1 })
    expect(ran).toEqual([60, 300])
    expect(await fates(second, 'tick')).toEqual(['60 completed', '120-240 (3) missed execute_last', '300 completed'])
  })
})

describe.each(['before', 'after'] as const)('a crash of a node just %s the effect of a storage call', (when) => {
  it.each(['createOccurrences', 'settle', 'claim'] as const)(
    'of the operation %s does not prevent the node, once restarted, from completing the run with one success of each task',
    async (operation) => {
      // The first incarnation crashes at its n-th call of the operation, where n is `fatal`.
      for (let fatal = 1; fatal <= 4; fatal++) {
        const world = createWorld(memory)
        const { job, called } = chain(world, { onInterrupted: 'retry' })
        const intercepted = new InterceptedStorage(world.connect())
        const first = await world.start({ jobs: [job], nodeId: 'node', storage: intercepted.storage })
        let calls = 0
        intercepted.intercept = async (call) => {
          if (call.operation !== operation || ++calls !== fatal) return call.proceed()
          if (when === 'after') await call.proceed()
          world.crash(first)
          return new Promise(() => undefined)
        }
        await world.clock.advance({ seconds: 30 })
        world.crash(first)
        const second = await world.start({ jobs: [job], nodeId: 'node' })
        await world.clock.advance({ minutes: 5 })
        const { state, tasks } = await onlyOccurrence(second, 'chain')
        expect(state).toBe('completed')
        for (const { name, attempts, result } of tasks) {
          expect(result).toBe(name)
          expect(attempts.map(({ number }) => number)).toEqual(attempts.map((_, index) => index + 1))
          expect(attempts.filter((attempt) => attempt.state === 'succeeded')).toHaveLength(1)
          // A handler is called at most once for each stored attempt.
          const calls = called.filter((entry) => entry.includes(` ${name} `)).map((entry) => entry.split(' ')[3])
          expect(new Set(calls).size).toBe(calls.length)
        }
      }
    },
  )
})

describe('a storage call of a dead node that takes effect after the restart of the node', () => {
  /** Kills a node while its trigger is in progress. `takeEffect` completes the storage call of this trigger. */
  async function dieWhileAsking(world: World) {
    const attempts: string[] = []
    const run = async ({ attempt, signal }: TaskContext) => {
      attempts.push(`${secondsOf(world.clock.now())} attempt ${attempt}`)
      await world.clock.sleep({ seconds: 5 }, signal)
    }
    const job = defineJob({ name: 'asked', schedule: everySeconds(86_400), tasks: [{ name: 'work', run }] })
    const intercepted = new InterceptedStorage(world.connect())
    const first = await world.start({ jobs: [job], nodeId: 'node', storage: intercepted.storage })
    await world.clock.advance({ seconds: 10 })
    let takeEffect: () => Promise<unknown> = () => Promise.reject(new Error('nothing was sent'))
    intercepted.intercept = (call) => {
      if (call.operation !== 'createOccurrences') return call.proceed()
      takeEffect = () => call.proceed()
      return new Promise(() => undefined)
    }
    void first.trigger('asked')
    await new Promise((resolve) => setImmediate(resolve))
    world.crash(first)
    return { job, attempts, takeEffect: () => takeEffect() }
  }

  it.each([
    [0.1, 1],
    [0.6, 1],
    [4, 1],
    // The next search for owners without a node record follows one hour after the first one.
    [29, 62],
  ])(
    'creates a run %s seconds after the restart, and the node takes over this run of an unknown owner within %s minutes',
    async (delay, minutes) => {
      const world = createWorld(memory)
      const { job, attempts, takeEffect } = await dieWhileAsking(world)
      const life = { deadAfter: { seconds: 30 } }
      const second = await world.start({ jobs: [job], nodeId: 'node', ...life })
      await world.clock.advance({ seconds: delay })
      await takeEffect()
      await world.clock.advance({ minutes })
      expect(attempts).toHaveLength(1)
      expect(attempts[0]).toMatch(/ attempt 2$/)
      expect((await onlyOccurrence(second, 'asked')).state).toBe('completed')
    },
  )

  it('causes no further scans by the restarted node', async () => {
    const world = createWorld(memory)
    const { job } = await dieWhileAsking(world)
    const counted = new InterceptedStorage(world.connect())
    const life = { deadAfter: { seconds: 30 }, ...tuned({ reapInterval: { hours: 1 } }) }
    await world.start({ jobs: [job], nodeId: 'node', storage: counted.storage, ...life })
    await world.clock.advance({ minutes: 1 })
    expect(counted.count('listOccurrences')).toBe(1)
  })
})

it('a restarted node starts no slot before it has reaped the runs of its earlier incarnation', async () => {
  const world = createWorld(memory)
  const ran: number[] = []
  const run = async ({ scheduledAt }: TaskContext) => {
    ran.push(secondsOf(scheduledAt))
    if (ran.length === 1) await world.clock.sleep({ hours: 5 })
  }
  const job = defineJob({
    name: 'tick',
    schedule: everySeconds(10, +at(40)),
    onInterrupted: 'fail',
    tasks: [{ name: 'work', run }],
  })
  const first = await world.start({ jobs: [job], nodeId: 'node' })
  await world.clock.advance({ seconds: 15 })
  world.crash(first)
  const intercepted = new InterceptedStorage(world.connect())
  // The scan for runs of the earlier incarnation fails for five seconds. The slot at 20 s comes due in this time.
  intercepted.fail('listOccurrences', 6, 'before its effect')
  await world.clock.advance({ seconds: 3 })
  const second = world.scheduler({ jobs: [job], nodeId: 'node', storage: intercepted.storage })
  const starting = second.start()
  await world.clock.advance({ seconds: 30 })
  await starting
  expect(ran).toEqual([10, 20, 30, 40])
  expect(await fates(second, 'tick')).toEqual([
    '10 failed_stale owner_restarted',
    '20 completed',
    '30 completed',
    '40 completed',
  ])
})
