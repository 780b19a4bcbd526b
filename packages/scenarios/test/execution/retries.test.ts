import { defineJob, type RetryPolicyInput, type TaskContext } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, onlyOccurrence, secondsOf, type World } from '../support/world.ts'

/** Defines a job with one slot whose first `times` attempts fail. `calledAt` lists the seconds of its handler calls. */
function failing(world: World, times: number, retryPolicy?: RetryPolicyInput) {
  const calledAt: number[] = []
  const job = defineJob({
    name: 'flaky',
    schedule: everySeconds(10, +at(10)),
    ...(retryPolicy !== undefined && { retryPolicy }),
    tasks: [
      {
        name: 'work',
        run: ({ attempt }) => {
          calledAt.push(secondsOf(world.clock.now()))
          if (attempt <= times) throw new Error(`attempt ${attempt}`)
          return attempt
        },
      },
    ],
  })
  return { job, calledAt }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('a failed task is retried after growing intervals until it succeeds', async () => {
    const world = createWorld(place)
    const { job, calledAt } = failing(world, 3, { maxRetries: 5, retryInterval: { seconds: 2 }, backoffFactor: 3 })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 2 })
    expect(calledAt).toEqual([10, 12, 18, 36])
    const { state, tasks } = await onlyOccurrence(scheduler, 'flaky')
    expect(state).toBe('completed')
    expect(tasks).toMatchObject([{ state: 'completed', result: 4, durationMs: 26_000 }])
    expect(
      tasks[0]?.attempts.map(({ number, state: ended, startedAt }) => [number, ended, secondsOf(startedAt)]),
    ).toEqual([
      [1, 'failed', 10],
      [2, 'failed', 12],
      [3, 'failed', 18],
      [4, 'succeeded', 36],
    ])
  })

  it('a task without retries left fails with the error of its last attempt', async () => {
    const world = createWorld(place)
    const { job, calledAt } = failing(world, 9, { maxRetries: 2, retryInterval: 1000 })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 2 })
    expect(calledAt).toEqual([10, 11, 12])
    const { state, reason, tasks } = await onlyOccurrence(scheduler, 'flaky')
    expect([state, reason]).toEqual(['failed', 'fail_fast'])
    expect(tasks).toMatchObject([{ state: 'failed', error: { name: 'Error', message: 'attempt 3' } }])
    expect(tasks[0]?.attempts.map(({ error }) => error?.message)).toEqual(['attempt 1', 'attempt 2', 'attempt 3'])
  })

  it('a failed task without a retry policy is not retried', async () => {
    const world = createWorld(place)
    const { job, calledAt } = failing(world, 1)
    await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 2 })
    expect(calledAt).toEqual([10])
  })

  it('no retry interval of a task exceeds maxInterval', async () => {
    const world = createWorld(place)
    const policy = { maxRetries: 4, retryInterval: { seconds: 1 }, backoffFactor: 10, maxInterval: { seconds: 20 } }
    const { job, calledAt } = failing(world, 9, policy)
    await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 2 })
    expect(calledAt).toEqual([10, 11, 21, 41, 61])
  })

  it('`jitter: 0.2` shortens retry intervals by at most 20 %', async () => {
    const world = createWorld(place)
    const { job, calledAt } = failing(world, 99, { maxRetries: 20, retryInterval: { seconds: 10 }, jitter: 0.2 })
    await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 4 })
    const intervals = calledAt.slice(1).map((second, index) => second - (calledAt[index] as number))
    expect(intervals).toHaveLength(20)
    for (const interval of intervals) {
      expect(interval).toBeGreaterThanOrEqual(8)
      expect(interval).toBeLessThanOrEqual(10.001)
    }
    expect(new Set(intervals).size).toBeGreaterThan(1)
  })

  it('a task with a retryInterval of 0 is retried at once', async () => {
    const world = createWorld(place)
    const { job, calledAt } = failing(world, 2, { maxRetries: 2, retryInterval: 0 })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 10 })
    expect(calledAt).toEqual([10, 10, 10])
    expect((await onlyOccurrence(scheduler, 'flaky')).state).toBe('completed')
  })

  it('the record of a task with a thousand retries has a limited size, and states the number of all attempts', async () => {
    const world = createWorld(place)
    const { job, calledAt } = failing(world, 1000, { maxRetries: 1000, retryInterval: 100, backoffFactor: 1 })
    let written = 0
    const storage = wrapStorage(world.connect(), {
      around(call) {
        if (call.method === 'settle') written += JSON.stringify(call.request).length
        return call.proceed()
      },
    })
    const scheduler = await world.start({ jobs: [job], storage })
    await world.clock.advance({ minutes: 5 })
    expect(calledAt).toHaveLength(1001)
    const { state, tasks } = await onlyOccurrence(scheduler, 'flaky')
    expect(state).toBe('completed')
    expect(tasks[0]).toMatchObject({ attemptCount: 1001, result: 1001 })
    const numbers = tasks[0]?.attempts.map(({ number }) => number)
    expect(numbers).toEqual([1, 2, 3, 4, 5, ...Array.from({ length: 15 }, (_, index) => 987 + index)])
    // Each of the 1,001 attempts is written twice, in 2,002 writes. So the quotient is the average number of characters per
    // write.
    expect(written / 2002).toBeLessThan(20_000)
  })

  it('the next owner of a run continues to count the attempts of its task', async () => {
    const world = createWorld(place)
    const { job, calledAt } = failing(world, 1000, { maxRetries: 40, retryInterval: 1000, backoffFactor: 1 })
    const first = await world.start({ jobs: [job], nodeId: 'a' })
    await world.clock.advance({ seconds: 40 })
    world.crash(first)
    const second = await world.start({ jobs: [job], nodeId: 'a' })
    await world.clock.advance({ minutes: 2 })
    const { state, tasks } = await onlyOccurrence(second, 'flaky')
    // The attempt that was lost with the first node does not count as a retry.
    expect([state, calledAt.length, tasks[0]?.attemptCount]).toEqual(['failed', 41, 42])
  })

  it.each([
    ['dies', ['crash'], ['lost']],
    ['shuts down', ['shutdown'], ['aborted']],
    ['dies, and the next one shuts down', ['crash', 'shutdown'], ['lost', 'aborted']],
    // The first node hands the run back, so the run is pending until its retry is due. The second node never owns the run,
    // so its crash loses no attempt.
    ['shuts down, and the next one dies', ['shutdown', 'crash'], ['aborted']],
  ] as const)(
    'the next owner of a run waits for the rest of a retry interval if the present owner %s',
    async (_, ends, instead) => {
      const world = createWorld(place)
      const { job, calledAt } = failing(world, 1, { maxRetries: 3, retryInterval: { minutes: 10 }, jitter: 0.5 })
      let node = await world.start({ jobs: [job], nodeId: 'a' })
      await world.clock.advanceTo(at(15))
      const dueAt = (await onlyOccurrence(node, 'flaky')).tasks[0]?.attempts[1]?.startedAt as Date
      for (const end of ends) {
        if (end === 'crash') world.crash(node)
        else await world.shutdown(node)
        node = await world.start({ jobs: [job], nodeId: 'a' })
        await world.clock.advance({ seconds: 20 })
      }
      await world.clock.advance({ minutes: 15 })
      expect(calledAt).toEqual([10, secondsOf(dueAt)])
      const { state, tasks } = await onlyOccurrence(node, 'flaky')
      expect(state).toBe('completed')
      const attempts = tasks[0]?.attempts ?? []
      expect(attempts.map((attempt) => attempt.state)).toEqual(['failed', ...instead, 'succeeded'])
      // Attempts whose handler was never called have a duration of 0.
      expect(attempts.slice(1, -1).map(({ durationMs }) => durationMs)).toEqual(instead.map(() => 0))
    },
  )

  it('if an attempt ended during the shutdown of its owner, the next owner of the run waits for the retry interval', async () => {
    const world = createWorld(place)
    const calledAt: number[] = []
    const run = async ({ attempt }: TaskContext) => {
      calledAt.push(secondsOf(world.clock.now()))
      if (attempt === 1) await world.clock.sleep({ seconds: 5 })
    }
    const retryPolicy = { maxRetries: 1, retryInterval: { minutes: 10 } }
    const tasks = [{ name: 'work', taskTimeout: { seconds: 2 }, retryPolicy, run }]
    const job = defineJob({ name: 'slow', schedule: everySeconds(10, +at(10)), tasks })
    const first = await world.start({ jobs: [job] })
    await world.clock.advanceTo(at(13))
    await world.shutdown(first, 4000)
    const second = await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 12 })
    expect(calledAt).toEqual([10, 615])
    expect((await onlyOccurrence(second, 'slow')).state).toBe('completed')
  })

  it('the next owner of a run retries parallel tasks after their own intervals', async () => {
    const world = createWorld(place)
    const called: string[] = []
    const task = (name: string, minutes: number) => ({
      name,
      retryPolicy: { maxRetries: 1, retryInterval: { minutes } },
      run: ({ attempt }: TaskContext) => {
        called.push(`${secondsOf(world.clock.now())} ${name}`)
        if (attempt === 1) throw new Error('no')
      },
    })
    const tasks = [task('long', 10), task('short', 2)]
    const settings = { taskExecutionMode: 'parallel', failureStrategy: 'continue' } as const
    const job = defineJob({ name: 'fan', schedule: everySeconds(10, +at(10)), ...settings, tasks })
    const first = await world.start({ jobs: [job] })
    await world.clock.advanceTo(at(15))
    await world.shutdown(first)
    await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 15 })
    expect(called).toEqual(['10 long', '10 short', '130 short', '610 long'])
  })

  it('a run that waits for its retry ends at once when it is canceled', async () => {
    const world = createWorld(place)
    const { job, calledAt } = failing(world, 1, { maxRetries: 3, retryInterval: { minutes: 10 } })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advanceTo(at(15))
    await scheduler.cancel((await onlyOccurrence(scheduler, 'flaky')).id)
    await world.clock.advance({ minutes: 15 })
    expect(calledAt).toEqual([10])
    const { tasks } = await onlyOccurrence(scheduler, 'flaky')
    expect(tasks).toMatchObject([
      {
        state: 'canceled',
        durationMs: 5000,
        attempts: [{ state: 'failed' }, { state: 'aborted', startedAt: at(15), endedAt: at(15), durationMs: 0 }],
      },
    ])
  })

  it('each task has its own retries, and later tasks wait for these retries', async () => {
    const world = createWorld(place)
    const log: string[] = []
    const task = (name: string, failures: number) => ({
      name,
      run: ({ attempt }: { attempt: number }) => {
        log.push(`${secondsOf(world.clock.now())} ${name} ${attempt}`)
        if (attempt <= failures) throw new Error('no')
      },
    })
    const tasks = [
      task('first', 1),
      { ...task('second', 2), retryPolicy: { maxRetries: 2, retryInterval: 3000 } },
      task('third', 0),
    ]
    const retryPolicy = { maxRetries: 1, retryInterval: 1000 }
    await world.start({ jobs: [defineJob({ name: 'chain', schedule: everySeconds(10, +at(10)), retryPolicy, tasks })] })
    await world.clock.advance({ minutes: 1 })
    expect(log).toEqual(['10 first 1', '11 first 2', '11 second 1', '14 second 2', '17 second 3', '17 third 1'])
  })

  it('a parallel task is retried while other tasks run', async () => {
    const world = createWorld(place)
    const log: string[] = []
    const job = defineJob({
      name: 'fan',
      schedule: everySeconds(10, +at(10)),
      taskExecutionMode: 'parallel',
      tasks: [
        {
          name: 'slow',
          run: async () => {
            await world.clock.sleep({ seconds: 5 })
            log.push(`${secondsOf(world.clock.now())} slow`)
          },
        },
        {
          name: 'flaky',
          retryPolicy: { maxRetries: 2 },
          run: ({ attempt }) => {
            log.push(`${secondsOf(world.clock.now())} flaky ${attempt}`)
            if (attempt < 3) throw new Error('no')
          },
        },
      ],
    })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 1 })
    expect(log).toEqual(['10 flaky 1', '11 flaky 2', '12 flaky 3', '15 slow'])
    expect((await onlyOccurrence(scheduler, 'fan')).state).toBe('completed')
  })

  it('every attempt is stored before its handler is called', async () => {
    const world = createWorld(place)
    const witness = world.connect()
    const stored: unknown[] = []
    const job = defineJob({
      name: 'careful',
      schedule: everySeconds(10, +at(10)),
      retryPolicy: { maxRetries: 2, retryInterval: { seconds: 1 } },
      tasks: [
        {
          name: 'work',
          run: async ({ occurrence, attempt }) => {
            const { occurrences } = await witness.get({ occurrences: [occurrence.id] })
            stored.push(
              occurrences[0]?.runs.map(({ attempts }) => attempts.map(({ number, state }) => [number, state])),
            )
            if (attempt < 3) throw new Error('no')
          },
        },
      ],
    })
    await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 1 })
    expect(stored).toEqual([
      [[[1, 'running']]],
      [
        [
          [1, 'failed'],
          [2, 'waiting'],
        ],
      ],
      [
        [
          [1, 'failed'],
          [2, 'failed'],
          [3, 'waiting'],
        ],
      ],
    ])
  })

  it('a node does not call the handler of a retry before the storage has accepted the attempt', async () => {
    const world = createWorld(place)
    const { job, calledAt } = failing(world, 1, { maxRetries: 1, retryInterval: { seconds: 1 } })
    const intercepted = new InterceptedStorage(world.connect())
    const scheduler = await world.start({ jobs: [job], storage: intercepted.storage })
    intercepted.fail('settle', 6, 'before its effect')
    await world.clock.advance({ minutes: 1 })
    expect(calledAt[0]).toBe(10)
    expect(calledAt[1]).toBeGreaterThan(15)
    const { tasks } = await onlyOccurrence(scheduler, 'flaky')
    expect(tasks[0]?.attempts.map(({ state }) => state)).toEqual(['failed', 'succeeded'])
  })
})
