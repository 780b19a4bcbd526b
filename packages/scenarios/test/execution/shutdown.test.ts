import {
  createClient,
  createScheduler,
  defineJob,
  type ShutdownOptions,
  silentLogger,
  type TaskContext,
} from '@jobistemer/core'
import { type VirtualClock, virtualClock } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere, memory } from '../support/places.ts'
import { at, createWorld, fates, listen, onlyOccurrence, secondsOf, startMs } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

const schedule = once(at(10))

describe.each(everywhere)('on the storage $name', (place) => {
  describe('a shutdown with the default grace periods', () => {
    it('lets a run complete its further tasks and retries within the grace period', async () => {
      const world = createWorld(place)
      const called: string[] = []
      const task = (name: string, seconds: number) => ({
        name,
        run: async ({ signal, attempt }: TaskContext) => {
          called.push(`${secondsOf(world.clock.now())} ${name}/${attempt}`)
          await world.clock.sleep({ seconds }, signal)
          if (name === 'second' && attempt === 1) throw new Error('no')
        },
      })
      const retryPolicy = { maxRetries: 1, retryInterval: { seconds: 2 } }
      const tasks = [task('first', 10), task('second', 5), task('third', 1)]
      const scheduler = await world.start({ jobs: [defineJob({ name: 'chain', schedule, retryPolicy, tasks })] })
      await world.clock.advance({ seconds: 12 })
      const stopping = scheduler.shutdown({ gracePeriod: { seconds: 25 } })
      await world.clock.advance({ seconds: 25 })
      await stopping
      expect(called).toEqual(['10 first/1', '20 second/1', '27 second/2', '32 third/1'])
      expect(await onlyOccurrence(world.scheduler(), 'chain')).toMatchObject({ state: 'completed', finishedAt: at(33) })
    })

    it('aborts the signals of handlers after 20 s, and waits 5 s more for the handlers', async () => {
      const world = createWorld(place)
      const told: string[] = []
      const job = (name: string, tidiesFor: number) =>
        defineJob({
          name,
          schedule,
          tasks: [
            {
              name: 'work',
              run: async ({ signal }: TaskContext) => {
                await world.clock.sleep({ hours: 1 }, signal).catch(() => {
                  told.push(`${secondsOf(world.clock.now())} ${name}`)
                })
                await world.clock.sleep({ seconds: tidiesFor })
                throw signal.reason
              },
            },
          ],
        })
      const scheduler = await world.start({ jobs: [job('tidy', 4), job('slow', 60)] })
      const heard = listen(scheduler, 'scheduler.stopped')
      await world.clock.advance({ seconds: 20 })
      const stopping = scheduler.shutdown()
      await world.clock.advanceTo(at(44.9))
      expect(told.sort()).toEqual(['40 slow', '40 tidy'])
      expect(heard).toEqual([])
      await world.clock.advanceTo(at(45))
      await stopping
      expect(heard.map(({ event }) => event.abandoned)).toEqual([1])
      const reader = world.scheduler()
      expect(await onlyOccurrence(reader, 'tidy')).toMatchObject({ state: 'pending', reason: 'shutdown' })
      expect(await onlyOccurrence(reader, 'slow')).toMatchObject({ state: 'running' })
    })

    it('releases runs that wait for a permit, without calling their handlers', async () => {
      const world = createWorld(place)
      const called: string[] = []
      const jobs = ['a', 'b', 'c'].map((name) =>
        defineJob({
          name,
          schedule,
          tasks: [
            {
              name: 'work',
              run: () => {
                called.push(name)
                return world.clock.sleep({ seconds: 10 })
              },
            },
          ],
        }),
      )
      const scheduler = await world.start({ jobs, maxConcurrentJobs: 1 })
      await world.clock.advance({ seconds: 12 })
      const stopping = scheduler.shutdown()
      await world.clock.advance({ seconds: 25 })
      await stopping
      expect(called).toHaveLength(1)
      const reader = world.scheduler()
      const states = await Promise.all(jobs.map(async ({ name }) => (await onlyOccurrence(reader, name)).state))
      expect(states.sort()).toEqual(['completed', 'pending', 'pending'])
    })

    it('releases a run whose retry is due only after the grace period, and another node retries the run in time', async () => {
      const world = createWorld(place)
      const calledAt: number[] = []
      const run = ({ attempt }: TaskContext) => {
        calledAt.push(secondsOf(world.clock.now()))
        if (attempt === 1) throw new Error('no')
      }
      const retryPolicy = { maxRetries: 1, retryInterval: { minutes: 5 } }
      const job = defineJob({ name: 'patient', schedule, retryPolicy, tasks: [{ name: 'work', run }] })
      const first = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 15 })
      await first.shutdown()
      expect(secondsOf(world.clock.now())).toBe(15)
      const second = await world.start({ jobs: [job] })
      await world.clock.advance({ minutes: 10 })
      expect(calledAt).toEqual([10, 310])
      expect(await onlyOccurrence(second, 'patient')).toMatchObject({ state: 'completed' })
    })
  })

  describe('under `onInterrupted: fail`', () => {
    it('a handler that a shutdown interrupted is never called again for its occurrence', async () => {
      const world = createWorld(place)
      const called: string[] = []
      const task = (name: string) => ({
        name,
        run: async ({ signal, attempt }: TaskContext) => {
          called.push(`${name}/${attempt}`)
          await world.clock.sleep({ minutes: 5 }, signal)
        },
      })
      const job = defineJob({
        name: 'payment',
        schedule,
        onInterrupted: 'fail',
        retryPolicy: { maxRetries: 5, retryInterval: 0 },
        tasks: [task('pay'), task('thank')],
      })
      const first = await world.start({ jobs: [job] })
      const finished = listen(first, 'occurrence.finished')
      await world.clock.advance({ seconds: 15 })
      await world.shutdown(first)
      expect(finished.map(({ event }) => [event.report.outcome, event.report.reason])).toEqual([['failed', 'shutdown']])
      const second = await world.start({ jobs: [job] })
      await world.clock.advance({ hours: 2 })
      expect(called).toEqual(['pay/1'])
      const occurrence = await onlyOccurrence(second, 'payment')
      expect(occurrence).toMatchObject({ state: 'failed', reason: 'shutdown' })
      expect(occurrence.tasks.map(({ name, state }) => [name, state])).toEqual([
        ['pay', 'failed'],
        ['thank', 'canceled'],
      ])
      expect(occurrence.tasks[0]?.attempts.map(({ state, reason }) => [state, reason])).toEqual([
        ['aborted', 'shutdown'],
      ])
    })

    it('a handler whose signal a shutdown aborts may complete its run; a run that has not begun is released', async () => {
      const world = createWorld(place)
      const called: string[] = []
      const jobs = ['a', 'b'].map((name) =>
        defineJob({
          name,
          schedule,
          onInterrupted: 'fail',
          tasks: [
            {
              name: 'work',
              run: async ({ signal }: TaskContext) => {
                called.push(name)
                await world.clock.sleep({ minutes: 4 }, signal).catch(() => undefined)
              },
            },
          ],
        }),
      )
      const first = await world.start({ jobs, maxConcurrentJobs: 1 })
      await world.clock.advance({ seconds: 15 })
      await world.shutdown(first, 1000)
      const second = await world.start({ jobs })
      await world.clock.advance({ hours: 1 })
      expect(called.toSorted()).toEqual(['a', 'b'])
      const fatesOfAll = await Promise.all(jobs.map(async ({ name }) => (await onlyOccurrence(second, name)).state))
      expect(fatesOfAll).toEqual(['completed', 'completed'])
    })

    it('a shutdown waits for a parallel task although another task of the run was interrupted, and the occurrence fails', async () => {
      const world = createWorld(place)
      const job = defineJob({
        name: 'both',
        schedule,
        onInterrupted: 'fail',
        taskExecutionMode: 'parallel',
        tasks: [
          { name: 'quick', run: ({ signal }: TaskContext) => world.clock.sleep({ minutes: 5 }, signal) },
          {
            name: 'tidy',
            run: async ({ signal }: TaskContext) => {
              await world.clock.sleep({ minutes: 5 }, signal).catch(() => undefined)
              await world.clock.sleep({ seconds: 2 })
              return 'tidied up'
            },
          },
        ],
      })
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 15 })
      await world.shutdown(scheduler, 3000)
      const occurrence = await onlyOccurrence(world.scheduler(), 'both')
      expect(occurrence).toMatchObject({ state: 'failed', reason: 'shutdown', finishedAt: at(17) })
      expect(occurrence.tasks.map(({ name, state }) => [name, state])).toEqual([
        ['quick', 'failed'],
        ['tidy', 'completed'],
      ])
    })
  })

  it('a task that a shutdown has aborted keeps its result if it ends within the abort grace period', async () => {
    const world = createWorld(place)
    const reasons: unknown[] = []
    const run = async ({ signal }: TaskContext) => {
      await world.clock.sleep({ minutes: 5 }, signal).catch((reason) => reasons.push(reason.code))
      await world.clock.sleep({ seconds: 2 })
      return 'tidied up'
    }
    const scheduler = await world.start({
      jobs: [defineJob({ name: 'tidy', schedule, tasks: [{ name: 'work', run }] })],
    })
    await world.clock.advance({ seconds: 12 })
    await world.shutdown(scheduler, 10_000)
    expect(reasons).toEqual(['ABORTED'])
    const occurrence = await onlyOccurrence(world.scheduler(), 'tidy')
    expect(occurrence).toMatchObject({ state: 'completed', finishedAt: at(14), tasks: [{ result: 'tidied up' }] })
  })

  it('a shutdown releases an aborted run, and another node runs its next attempt', async () => {
    const world = createWorld(place)
    const attempts: unknown[] = []
    const run = async ({ signal, attempt, fencingToken }: TaskContext) => {
      attempts.push([secondsOf(world.clock.now()), attempt, fencingToken])
      await world.clock.sleep({ seconds: 30 }, signal)
    }
    const job = defineJob({ name: 'moved', schedule, tasks: [{ name: 'work', run }] })
    const first = await world.start({ jobs: [job], nodeId: 'first' })
    const heard = listen(first, 'occurrence.released')
    await world.clock.advance({ seconds: 12 })
    await world.shutdown(first, 10_000)
    expect(heard.map(({ event }) => event.reason)).toEqual(['shutdown'])
    const second = await world.start({ jobs: [job], nodeId: 'second' })
    await world.clock.advance({ minutes: 1 })
    expect(attempts).toEqual([
      [10, 1, 1],
      [22, 2, 2],
    ])
    const occurrence = await onlyOccurrence(second, 'moved')
    expect(occurrence).toMatchObject({ state: 'completed', node: 'second', fencingToken: 2 })
    expect(occurrence.tasks[0]?.attempts.map(({ number, state, reason }) => [number, state, reason])).toEqual([
      [1, 'aborted', 'shutdown'],
      [2, 'succeeded', null],
    ])
  })

  it('a run that a cancel ends stays canceled although its node shuts down before the handler has ended', async () => {
    const world = createWorld(place)
    const run = async ({ signal }: TaskContext) => {
      await world.clock.sleep({ minutes: 5 }, signal).catch(() => world.clock.sleep({ seconds: 3 }))
      throw signal.reason
    }
    const job = defineJob({ name: 'slow', schedule, tasks: [{ name: 'work', run }] })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 11 })
    await scheduler.cancel((await onlyOccurrence(scheduler, 'slow')).id)
    await world.clock.advance({ seconds: 1 })
    await world.shutdown(scheduler, 5000)
    const occurrence = await onlyOccurrence(world.scheduler(), 'slow')
    expect(occurrence).toMatchObject({ state: 'canceled', tasks: [{ state: 'canceled', reason: 'canceled' }] })
  })

  it('a cancel request during the grace period of a shutdown aborts the run, which ends as canceled', async () => {
    const world = createWorld(place)
    const reasons: unknown[] = []
    const run = async ({ signal }: TaskContext) => {
      await world.clock.sleep({ seconds: 15 }, signal).catch(() => reasons.push(signal.reason.message))
      signal.throwIfAborted()
    }
    const job = defineJob({ name: 'slow', schedule, tasks: [{ name: 'work', run }] })
    const first = await world.start({ jobs: [job] })
    const second = await world.start({ jobs: [] })
    await world.clock.advance({ seconds: 11 })
    const stopping = first.shutdown()
    await world.clock.advance({ seconds: 1 })
    await second.cancel((await onlyOccurrence(second, 'slow')).id, { reason: 'wrong day' })
    await world.clock.advance({ seconds: 15 })
    await stopping
    expect(reasons).toEqual(['The engine aborted the attempt: canceled.'])
    expect(await onlyOccurrence(second, 'slow')).toMatchObject({ state: 'canceled', reason: 'wrong day' })
  })

  it('an attempt that a shutdown aborted uses up no retry', async () => {
    const world = createWorld(place)
    const run = async ({ signal, attempt }: TaskContext) => {
      await world.clock.sleep({ seconds: 3 }, signal)
      if (attempt < 3) throw new Error('no')
    }
    const retryPolicy = { maxRetries: 1, retryInterval: 1000 }
    const job = defineJob({ name: 'moved', schedule, retryPolicy, tasks: [{ name: 'work', run }] })
    const first = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 11 })
    await world.shutdown(first, 10_000)
    const second = await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 1 })
    const { state, tasks } = await onlyOccurrence(second, 'moved')
    expect(tasks[0]?.attempts.map((attempt) => attempt.state)).toEqual(['aborted', 'failed', 'succeeded'])
    expect(state).toBe('completed')
  })

  it('the next owner of a run that a shutdown released does not run completed tasks again', async () => {
    const world = createWorld(place)
    const called: string[] = []
    const job = defineJob({
      name: 'chain',
      schedule,
      tasks: [
        {
          name: 'first',
          run: () => {
            called.push('first')
            return 7
          },
        },
        {
          name: 'second',
          run: async ({ signal, results }) => {
            called.push(`second after ${results.first}`)
            await world.clock.sleep({ seconds: 20 }, signal)
          },
        },
      ],
    })
    const first = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 15 })
    await world.shutdown(first, 1000)
    await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 1 })
    expect(called).toEqual(['first', 'second after 7', 'second after 7'])
  })

  it('a shutdown releases a run that waits for its retry, although the grace period is 0', async () => {
    const world = createWorld(place)
    const calledAt: number[] = []
    const run = ({ attempt }: TaskContext) => {
      calledAt.push(secondsOf(world.clock.now()))
      if (attempt === 1) throw new Error('no')
    }
    const retryPolicy = { maxRetries: 3, retryInterval: { minutes: 1 } }
    const job = defineJob({ name: 'patient', schedule, retryPolicy, tasks: [{ name: 'work', run }] })
    const first = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 15 })
    await world.shutdown(first, 0)
    const second = await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 3 })
    expect(calledAt).toHaveLength(2)
    const { state, tasks } = await onlyOccurrence(second, 'patient')
    expect(state).toBe('completed')
    expect(tasks[0]?.attempts.map(({ number }) => number)).toEqual([1, 2, 3])
  })

  it('a node that has shut down owns a run whose handler ignores its signal, until a peer declares the node dead', async () => {
    const world = createWorld(place)
    const startedAt: number[] = []
    const run = () => {
      startedAt.push(secondsOf(world.clock.now()))
      return new Promise(() => undefined)
    }
    const job = defineJob({
      name: 'deaf',
      schedule,
      tasks: [{ name: 'work', run }],
      onInterrupted: 'fail',
    })
    const life = { ...tuned({ heartbeat: { minutes: 1 } }), deadAfter: { minutes: 8 } }
    const first = await world.start({ jobs: [job], nodeId: 'first', ...life })
    const heard = listen(first, 'scheduler.stopped')
    await world.clock.advance({ seconds: 15 })
    await world.shutdown(first, 20_000)
    expect(heard.map(({ event }) => event.abandoned)).toEqual([1])
    const second = await world.start({ jobs: [job], nodeId: 'second', ...life })
    await world.clock.advance({ minutes: 5 })
    expect(await onlyOccurrence(second, 'deaf')).toMatchObject({ state: 'running', node: 'first' })
    await world.clock.advance({ minutes: 10 })
    expect(await onlyOccurrence(second, 'deaf')).toMatchObject({ state: 'failed_stale', reason: 'node_lost' })
    expect(startedAt).toEqual([10])
  })

  it('a scheduler that has shut down starts no slot, and rejects `trigger`', async () => {
    const world = createWorld(place)
    const called: number[] = []
    const tasks = [{ name: 'work', run: () => called.push(secondsOf(world.clock.now())) }]
    const job = defineJob({ name: 'tick', schedule: everySeconds(10), tasks })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 25 })
    await world.shutdown(scheduler)
    await world.clock.advance({ minutes: 5 })
    expect(called).toEqual([10, 20])
    await expect(scheduler.trigger('tick')).rejects.toMatchObject({ code: 'SCHEDULER_STATE', value: 'stopped' })
  })

  it('a scheduler that has shut down still answers reads', async () => {
    const world = createWorld(place)
    const job = defineJob({ name: 'tick', schedule, tasks: [{ name: 'work', run: () => 1 }] })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 25 })
    await world.shutdown(scheduler)
    expect(await fates(scheduler, 'tick')).toEqual(['10 completed'])
    expect(await scheduler.isRunning('tick')).toBe(false)
  })

  it('another node runs a run that waited for a permit when its node shut down', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const jobs = ['a', 'b'].map((name) =>
      defineJob({
        name,
        schedule,
        tasks: [
          { name: 'work', run: ({ signal }) => world.clock.sleep({ seconds: 20 }, signal).then(() => ran.push(name)) },
        ],
      }),
    )
    const first = await world.start({ jobs, maxConcurrentJobs: 1 })
    await world.clock.advance({ seconds: 15 })
    await world.shutdown(first, 5000)
    expect(ran).toEqual([])
    await world.start({ jobs, maxConcurrentJobs: 1 })
    await world.clock.advance({ minutes: 2 })
    expect(ran.sort()).toEqual(['a', 'b'])
  })
})

/** Counts the timers of a clock that have neither fired nor been canceled. */
function countTimers(clock: VirtualClock): () => number {
  const open = new Set<object>()
  const { setTimer } = clock
  clock.setTimer = (delayMs, callback, options) => {
    const mark = {}
    open.add(mark)
    const timer = setTimer(
      delayMs,
      () => {
        open.delete(mark)
        callback()
      },
      options,
    )
    return {
      cancel() {
        open.delete(mark)
        timer.cancel()
      },
    }
  }
  return () => open.size
}

describe('after a shutdown', () => {
  it('a scheduler has no timer that keeps the process alive', async () => {
    const clock = virtualClock(startMs)
    const timers = countTimers(clock)
    const deaf = defineJob({
      name: 'deaf',
      schedule,
      tasks: [{ name: 'work', run: () => new Promise(() => undefined) }],
    })
    const tick = defineJob({ name: 'tick', schedule: everySeconds(1), tasks: [{ name: 'work', run: () => 1 }] })
    const scheduler = createScheduler({ storage: memoryStorage(), clock, jobs: [deaf, tick] })
    await scheduler.start()
    await clock.advance({ seconds: 20 })
    expect(timers()).toBe(1)
    const stopping = scheduler.shutdown({ gracePeriod: { seconds: 10 } })
    await clock.advance({ seconds: 15 })
    await stopping
    expect(timers()).toBe(0)
  })

  it('a scheduler that was never started has no timers, and cannot be started', async () => {
    const clock = virtualClock(startMs)
    const timers = countTimers(clock)
    const scheduler = createScheduler({ storage: memoryStorage(), clock })
    await scheduler.shutdown()
    expect(timers()).toBe(0)
    await expect(scheduler.start()).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
  })
})

describe('a scheduler', () => {
  it('that is idle shuts down without waiting for its grace period', async () => {
    const world = createWorld(memory)
    const scheduler = await world.start()
    await scheduler.shutdown({ gracePeriod: { hours: 1 } })
    expect(world.clock.now()).toBe(startMs)
  })

  it('that is shut down three times stops once, and all calls resolve', async () => {
    const world = createWorld(memory)
    const run = ({ signal }: TaskContext) => world.clock.sleep({ minutes: 5 }, signal)
    const scheduler = await world.start({
      jobs: [defineJob({ name: 'long', schedule, tasks: [{ name: 'work', run }] })],
    })
    const heard = listen(scheduler, 'scheduler.stopped')
    await world.clock.advance({ seconds: 15 })
    const stopping = [scheduler.shutdown(), scheduler.shutdown(), scheduler[Symbol.asyncDispose]()]
    await world.clock.advance({ seconds: 25 })
    await Promise.all(stopping)
    expect(heard).toHaveLength(1)
  })

  it('that is declared with `await using` is shut down at the end of its block', async () => {
    const clock = virtualClock(startMs)
    const heard: string[] = []
    {
      await using scheduler = createScheduler({ storage: memoryStorage(), clock })
      scheduler.on('scheduler.stopped', () => heard.push('stopped'))
      await scheduler.start()
      expect(heard).toEqual([])
    }
    expect(heard).toEqual(['stopped'])
  })

  it('rejects a second start, both while it runs and after it has stopped', async () => {
    const world = createWorld(memory)
    const scheduler = await world.start()
    await expect(scheduler.start()).rejects.toMatchObject({ code: 'SCHEDULER_STATE', value: 'running' })
    await world.shutdown(scheduler)
    await expect(scheduler.start()).rejects.toMatchObject({ code: 'SCHEDULER_STATE', value: 'stopped' })
  })

  it('rejects calls before it is started', async () => {
    const world = createWorld(memory)
    const scheduler = world.scheduler()
    const refused = { code: 'SCHEDULER_STATE', value: 'new' }
    await expect(scheduler.trigger('any')).rejects.toMatchObject(refused)
    await expect(scheduler.pauseAll({ tag: 'any' })).rejects.toMatchObject(refused)
    await expect(scheduler.resumeAll({ tag: 'any' })).rejects.toMatchObject(refused)
    await expect(scheduler.prune({ olderThan: 0 })).rejects.toMatchObject(refused)
  })

  it('rejects unknown options of `shutdown` and `resumeAll`, which also selects no job', async () => {
    const scheduler = await createWorld(memory).start()
    const wrong = { grace: 1 } as never
    await expect(scheduler.shutdown(wrong)).rejects.toMatchObject({ code: 'UNKNOWN_OPTION' })
    await expect(scheduler.resumeAll({ tag: 'any' }, wrong)).rejects.toMatchObject({ code: 'UNKNOWN_OPTION' })
  })

  it.each<[object, string, string]>([
    [{ gracePeriod: -1 }, 'INVALID_DURATION', 'gracePeriod'],
    [{ gracePeriod: 'a while' }, 'INVALID_DURATION', 'gracePeriod'],
    [{ abortGracePeriod: -1 }, 'INVALID_DURATION', 'abortGracePeriod'],
    [{ timeout: 5 }, 'UNKNOWN_OPTION', 'shutdown.timeout'],
  ])('rejects shutdown(%j) and keeps running', async (options, code, field) => {
    const world = createWorld(memory)
    const scheduler = await world.start()
    const refused = (async () => scheduler.shutdown(options))()
    await expect(refused).rejects.toMatchObject({ code, field })
    expect(await scheduler.isRunning('any')).toBe(false)
  })
})

describe('if a storage call of a node is in progress when the node shuts down', () => {
  it.each(['createOccurrences', 'claim'] as const)(
    'the node releases the runs in the answer to the call `%s`, and calls none of their handlers',
    async (operation) => {
      const world = createWorld(memory)
      const called: string[] = []
      const names = ['a', 'b']
      const jobs = names.map((name) =>
        defineJob({
          name,
          schedule,
          tasks: [
            {
              name: 'work',
              run: () => {
                called.push(name)
                return world.clock.sleep({ seconds: 1 })
              },
            },
          ],
        }),
      )
      const intercepted = new InterceptedStorage(world.connect())
      let release: () => void = () => undefined
      const begun = new Promise<void>((resolve) => {
        intercepted.intercept = async (call) => {
          const concerned = call.operation === operation && (operation !== 'claim' || called.length === 1)
          const answer = await call.proceed()
          if (!concerned) return answer
          intercepted.intercept = (other) => other.proceed()
          resolve()
          await new Promise<void>((go) => {
            release = go
          })
          return answer
        }
      })
      const scheduler = await world.start({
        jobs,
        maxConcurrentJobs: operation === 'claim' ? 1 : 2,
        storage: intercepted.storage,
      })
      const advancing = world.clock.advance({ seconds: 20 })
      await begun
      const before = called.length
      const stopping = scheduler.shutdown({ gracePeriod: { seconds: 5 } })
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
      release()
      await advancing
      await stopping
      expect(called).toHaveLength(before)
      const reader = world.scheduler()
      const states = await Promise.all(names.map(async (job) => (await reader.occurrences({ job })).items[0]?.state))
      expect(states.filter((state) => state === 'running')).toEqual([])
      await world.start({ jobs })
      await world.clock.advance({ minutes: 1 })
      expect(new Set(called)).toEqual(new Set(names))
    },
  )
})

it.each(['createOccurrences', 'claim'] as const)(
  'a shutdown with the grace period 0 waits for a call `%s` that the node repeats, and releases the run in its answer',
  async (operation) => {
    const world = createWorld(memory)
    const called: number[] = []
    const tasks = [{ name: 'work', run: () => called.push(secondsOf(world.clock.now())) }]
    const job = defineJob({ name: 'work', ...(operation !== 'claim' && { schedule: once(at(1)) }), tasks })
    const intercepted = new InterceptedStorage(world.connect())
    const node = await world.start({ jobs: [job], storage: intercepted.storage })
    intercepted.fail(operation, 1, 'after its effect')
    intercepted.reset()
    const client = createClient({ storage: world.connect(), clock: world.clock, logger: silentLogger })
    if (operation === 'claim') await client.trigger('work')
    while (intercepted.count(operation) === 0) await world.clock.advance(10)
    const stopping = node.shutdown({ gracePeriod: 0, abortGracePeriod: { seconds: 5 } })
    await world.clock.advance({ seconds: 5 })
    await stopping
    expect(called).toEqual([])
    const reason = operation === 'claim' ? 'unanswered' : 'shutdown'
    expect((await client.occurrences({ job: 'work' })).items).toMatchObject([{ state: 'pending', reason }])
    await client.close()
  },
)

it('a run whose trigger is in progress when a shutdown begins is released', async () => {
  const world = createWorld(memory)
  const called: number[] = []
  const tasks = [{ name: 'work', run: () => called.push(secondsOf(world.clock.now())) }]
  const job = defineJob({ name: 'asked', schedule: everySeconds(3600), tasks })
  const intercepted = new InterceptedStorage(world.connect())
  const scheduler = await world.start({ jobs: [job], storage: intercepted.storage })
  let release: () => void = () => undefined
  const begun = new Promise<void>((resolve) => {
    intercepted.intercept = async (call) => {
      const answer = await call.proceed()
      if (call.operation !== 'createOccurrences') return answer
      resolve()
      await new Promise<void>((go) => {
        release = go
      })
      return answer
    }
  })
  const asked = scheduler.trigger('asked')
  await begun
  const stopping = scheduler.shutdown()
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  release()
  await stopping
  expect(await asked).toMatchObject({ created: true })
  expect(called).toEqual([])
  expect(await onlyOccurrence(scheduler, 'asked')).toMatchObject({ state: 'pending', reason: 'shutdown' })
})

it('a shutdown aborts running tasks although the storage does not answer', async () => {
  const world = createWorld(memory)
  const toldAt: number[] = []
  const run = async ({ signal }: TaskContext) => {
    signal.addEventListener('abort', () => toldAt.push(secondsOf(world.clock.now())))
    await world.clock.sleep({ hours: 1 }, signal)
  }
  const long = defineJob({ name: 'long', schedule, tasks: [{ name: 'work', run }] })
  const tick = defineJob({ name: 'tick', schedule: everySeconds(10), tasks: [{ name: 'work', run: () => 1 }] })
  const intercepted = new InterceptedStorage(world.connect())
  const scheduler = await world.start({ jobs: [long, tick], storage: intercepted.storage })
  await world.clock.advance({ seconds: 15 })
  intercepted.intercept = async () => {
    throw new Error('down')
  }
  await world.clock.advance({ seconds: 10 })
  await world.shutdown(scheduler, 30_000)
  expect(toldAt).toEqual([25])
})

describe.each(everywhere)('on the storage $name, a shutdown during the start', (place) => {
  const job = () => defineJob({ name: 'work', schedule: everySeconds(10), tasks: [{ name: 'work', run: () => 1 }] })

  /**
   * Shuts a scheduler down during the n-th storage call of its start. Returns how the start ended, and whether the start or the
   * shutdown ended first.
   */
  async function shutDownAt(call: number, answers: 'answers' | 'never answers') {
    const world = createWorld(place)
    const intercepted = new InterceptedStorage(world.connect())
    // Without its method `track`, the virtual clock advances although a storage call is never answered.
    const { track: _, ...clock } = world.clock
    const scheduler = createScheduler({ jobs: [job()], storage: intercepted.storage, clock, logger: silentLogger })
    const order: string[] = []
    let stopping: Promise<unknown> | null = null
    intercepted.intercept = async ({ proceed }) => {
      if (intercepted.calls.length === call) {
        stopping = scheduler.shutdown().then(() => order.push('shutdown'))
        if (answers === 'never answers') return await new Promise(() => undefined)
      }
      return await proceed()
    }
    let code: unknown = null
    const starting = scheduler
      .start()
      .catch((error) => {
        code = error.code
      })
      .finally(() => order.push('start'))
    await world.clock.advance({ seconds: 5 })
    await Promise.all([starting, stopping ?? scheduler.shutdown()])
    return { order, code, isShutDown: stopping !== null, calls: intercepted.calls.length }
  }

  it.each(['answers', 'never answers'] as const)(
    'that begins during any storage call of `start` resolves after `start` has rejected: the storage %s this call',
    async (answers) => {
      const ends: unknown[] = []
      for (let call = 1; ; call++) {
        const { order, code, isShutDown } = await shutDownAt(call, answers)
        if (!isShutDown || code === null) break
        ends.push({ order, code })
      }
      expect(ends.length).toBeGreaterThan(3)
      expect(new Set(ends.map((end) => JSON.stringify(end)))).toEqual(
        new Set([JSON.stringify({ order: ['start', 'shutdown'], code: 'SCHEDULER_STATE' })]),
      )
    },
  )
})

describe('the duration of a shutdown', () => {
  /** Returns the seconds that a shutdown takes while storage calls fail or hang. */
  async function secondsOfShutdown(away: 'fails' | 'hangs', options: ShutdownOptions, run: TaskRun) {
    const world = createWorld(memory)
    const intercepted = new InterceptedStorage(world.connect())
    // Without its method `track`, the virtual clock advances although storage calls are never answered.
    const { track: _, ...clock } = world.clock
    const job = defineJob({ name: 'long', schedule, tasks: [{ name: 'work', run: (context) => run(world, context) }] })
    const scheduler = createScheduler({ jobs: [job], storage: intercepted.storage, clock, logger: silentLogger })
    await scheduler.start()
    await world.clock.advance({ seconds: 20 })
    intercepted.intercept = async () => {
      if (away === 'fails') throw new Error('down')
      return await new Promise(() => undefined)
    }
    let endedAt = Number.NaN
    const begun = world.clock.now()
    const stopping = scheduler.shutdown(options).then(() => {
      endedAt = world.clock.now()
    })
    await world.clock.advance({ minutes: 2 })
    await stopping
    return (endedAt - begun) / 1000
  }
  type TaskRun = (world: ReturnType<typeof createWorld>, context: TaskContext) => Promise<void>
  const deaf: TaskRun = () => new Promise(() => undefined)
  const obedient: TaskRun = (world, { signal }) => world.clock.sleep({ hours: 1 }, signal)

  it.each([
    ['fails', 'deaf', {}, 26],
    ['hangs', 'deaf', {}, 26],
    ['fails', 'obedient', {}, 26],
    ['hangs', 'obedient', { gracePeriod: { seconds: 30 } }, 36],
    ['fails', 'deaf', { gracePeriod: { seconds: 30 }, abortGracePeriod: { seconds: 60 } }, 91],
  ] as const)(
    'is at most 1 s longer than both grace periods if the storage %s; the handler is %s to its abort signal, and the options are %j',
    async (...given) => {
      const [away, handler, options, mostSeconds] = given
      const seconds = await secondsOfShutdown(away, options, handler === 'deaf' ? deaf : obedient)
      expect(seconds).toBeLessThanOrEqual(mostSeconds)
    },
  )

  it('is at most 29 s with the default grace periods if the storage answers', async () => {
    const world = createWorld(memory)
    const job = defineJob({
      name: 'deaf',
      schedule,
      tasks: [{ name: 'work', run: () => new Promise(() => undefined) }],
    })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 20 })
    const stopping = scheduler.shutdown()
    await world.clock.advance({ seconds: 29 })
    await stopping
    expect(secondsOf(world.clock.now())).toBe(49)
  })
})
