import { defineJob, JobistemerError, type TaskContext } from '@jobistemer/core'
import type { OverlapPolicy } from '@jobistemer/core/storage'
import type { VirtualClock } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, onlyOccurrence, secondsOf } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

const schedule = everySeconds(10, +at(10))

describe.each(everywhere)('on the storage $name', (place) => {
  it('the signal of a task is aborted at its task timeout, and the attempt ends as timed_out', async () => {
    const { clock, start } = createWorld(place)
    const reasons: [unknown, number][] = []
    const run = async ({ signal }: TaskContext) => {
      signal.addEventListener('abort', () => reasons.push([signal.reason, secondsOf(clock.now())]))
      await clock.sleep({ minutes: 10 }, signal)
    }
    const job = defineJob({ name: 'slow', schedule, taskTimeout: { seconds: 3 }, tasks: [{ name: 'work', run }] })
    const scheduler = await start({ jobs: [job] })
    await clock.advance({ minutes: 1 })
    expect(reasons).toEqual([
      [expect.objectContaining({ code: 'TASK_TIMEOUT', field: 'taskTimeout', value: 3000 }), 13],
    ])
    const { state, tasks, finishedAt } = await onlyOccurrence(scheduler, 'slow')
    expect([state, finishedAt]).toEqual(['failed', at(13)])
    expect(tasks).toMatchObject([
      { state: 'failed', error: { code: 'TASK_TIMEOUT' }, attempts: [{ state: 'timed_out', durationMs: 3000 }] },
    ])
  })

  it('an attempt without taskTimeout runs until the executionTimeout of its job', async () => {
    const { clock, start } = createWorld(place)
    const run = ({ signal, data }: TaskContext<{ minutes: number }>) => clock.sleep(data, signal)
    const jobs = [10, 30].map((minutes) =>
      defineJob({
        name: `takes-${minutes}`,
        executionTimeout: { minutes: 20 },
        tasks: [{ name: 'work', data: { minutes }, run }],
      }),
    )
    const scheduler = await start({ jobs })
    for (const { name } of jobs) await scheduler.trigger(name)
    await clock.advance({ hours: 1 })
    const [quick, slow] = await Promise.all(jobs.map(({ name }) => onlyOccurrence(scheduler, name)))
    expect(quick).toMatchObject({ state: 'completed', tasks: [{ attempts: [{ durationMs: 600_000 }] }] })
    expect(slow).toMatchObject({ state: 'failed', tasks: [{ attempts: [{ durationMs: 1_200_000 }] }] })
    expect(slow?.tasks[0]?.error).toMatchObject({ code: 'EXECUTION_TIMEOUT' })
  })

  it('the retry of an attempt that timed out has the whole task timeout', async () => {
    const { clock, start } = createWorld(place)
    const calledAt: number[] = []
    const job = defineJob({
      name: 'slow',
      schedule,
      taskTimeout: { seconds: 3 },
      retryPolicy: { maxRetries: 1, retryInterval: { seconds: 1 } },
      tasks: [
        {
          name: 'work',
          run: async ({ signal, attempt }) => {
            calledAt.push(secondsOf(clock.now()))
            await clock.sleep({ seconds: attempt === 1 ? 60 : 2 }, signal)
          },
        },
      ],
    })
    const scheduler = await start({ jobs: [job] })
    await clock.advance({ minutes: 1 })
    expect(calledAt).toEqual([10, 14])
    const { state, tasks } = await onlyOccurrence(scheduler, 'slow')
    expect(state).toBe('completed')
    expect(tasks[0]?.attempts.map((attempt) => attempt.state)).toEqual(['timed_out', 'succeeded'])
  })

  it('an attempt that succeeds after its task timeout ends as timed_out', async () => {
    const { clock, start } = createWorld(place)
    const run = () => clock.sleep({ seconds: 4 }).then(() => 'late')
    const job = defineJob({ name: 'slow', schedule, taskTimeout: { seconds: 3 }, tasks: [{ name: 'work', run }] })
    const scheduler = await start({ jobs: [job] })
    await clock.advance({ minutes: 1 })
    const { tasks, finishedAt } = await onlyOccurrence(scheduler, 'slow')
    expect(tasks).toMatchObject([{ state: 'failed', attempts: [{ state: 'timed_out', durationMs: 4000 }] }])
    expect(tasks[0]?.result).toBeUndefined()
    expect(finishedAt).toEqual(at(14))
  })

  it.each(['before', 'after'])(
    'an abandoned attempt keeps its own aborted signal, if the handler first reads `context.signal` %s the abandonment',
    async (when) => {
      const { clock, start } = createWorld(place)
      const seen: unknown[] = []
      const run = async (context: TaskContext) => {
        if (context.attempt === 2) return await clock.sleep({ minutes: 1 }, context.signal)
        if (when === 'before') expect(context.signal.aborted).toBe(false)
        // The node aborts the attempt after 3 s and abandons the attempt after 8 s, before this handler ends.
        await clock.sleep({ seconds: 9 })
        const slept = await context.sleep({ seconds: 1 }).catch((error) => error.code)
        seen.push(context.signal.aborted, context.signal.reason.code, slept)
      }
      const job = defineJob({
        name: 'deaf',
        schedule,
        taskTimeout: { seconds: 3 },
        retryPolicy: { maxRetries: 1, retryInterval: 0 },
        tasks: [{ name: 'work', run }],
      })
      await start({ jobs: [job] })
      await clock.advance({ minutes: 1 })
      expect(seen).toEqual([true, 'TASK_TIMEOUT', 'TASK_TIMEOUT'])
    },
  )

  it('a handler that ignores its signal is abandoned 5 s after the task timeout, and its late result has no effect', async () => {
    const { clock, start } = createWorld(place)
    const run = () => clock.sleep({ seconds: 30 }).then(() => 'too late')
    const job = defineJob({ name: 'deaf', schedule, taskTimeout: { seconds: 3 }, tasks: [{ name: 'work', run }] })
    const scheduler = await start({ jobs: [job], maxConcurrentJobs: 1 })
    await clock.advance({ minutes: 5 })
    const { state, tasks, finishedAt } = await onlyOccurrence(scheduler, 'deaf')
    expect([state, finishedAt]).toEqual(['failed', at(18)])
    expect(tasks).toMatchObject([{ state: 'failed', attempts: [{ state: 'timed_out', durationMs: 8000 }] }])
    await scheduler.trigger('deaf')
    await clock.settle()
    expect(await scheduler.isRunning('deaf')).toBe(true)
  })

  it('a signal that the handler accesses only after the task timeout is already aborted', async () => {
    const { clock, start } = createWorld(place)
    const seen: unknown[] = []
    const run = async (context: TaskContext) => {
      await clock.sleep({ seconds: 4 })
      seen.push(context.signal.aborted, JobistemerError.isInstance(context.signal.reason, 'TASK_TIMEOUT'))
    }
    await start({
      jobs: [defineJob({ name: 'late', schedule, taskTimeout: { seconds: 3 }, tasks: [{ name: 'work', run }] })],
    })
    await clock.advance({ minutes: 1 })
    expect(seen).toEqual([true, true])
  })

  it('an occurrence ends at its execution timeout, and its remaining tasks are canceled', async () => {
    const { clock, start } = createWorld(place)
    const reasons: unknown[] = []
    const called: string[] = []
    const job = defineJob({
      name: 'long',
      schedule,
      executionTimeout: { seconds: 5 },
      retryPolicy: { maxRetries: 3 },
      tasks: [
        { name: 'quick', run: () => 1 },
        {
          name: 'slow',
          run: async ({ signal }) => {
            called.push('slow')
            await clock.sleep({ minutes: 5 }, signal).catch((reason) => reasons.push(reason))
          },
        },
        { name: 'last', failureStrategy: 'continue', run: () => called.push('last') },
      ],
    })
    const scheduler = await start({ jobs: [job] })
    await clock.advance({ minutes: 1 })
    expect(called).toEqual(['slow'])
    expect(reasons).toEqual([expect.objectContaining({ code: 'EXECUTION_TIMEOUT' })])
    const { state, reason, tasks, finishedAt } = await onlyOccurrence(scheduler, 'long')
    expect([state, reason, finishedAt]).toEqual(['failed', 'execution_timeout', at(15)])
    expect(tasks.map((task) => [task.name, task.state, task.reason])).toEqual([
      ['quick', 'completed', null],
      ['slow', 'completed', null],
      ['last', 'canceled', 'execution_timeout'],
    ])
  })

  it('a handler that ignores its signal is abandoned 5 s after the execution timeout', async () => {
    const { clock, start } = createWorld(place)
    const run = () => clock.sleep({ minutes: 2 })
    const job = defineJob({ name: 'deaf', schedule, executionTimeout: { seconds: 5 }, tasks: [{ name: 'work', run }] })
    const scheduler = await start({ jobs: [job] })
    await clock.advance({ minutes: 5 })
    const { state, reason, tasks, finishedAt } = await onlyOccurrence(scheduler, 'deaf')
    expect([state, reason, finishedAt]).toEqual(['failed', 'execution_timeout', at(20)])
    expect(tasks).toMatchObject([
      { state: 'canceled', reason: 'execution_timeout', attempts: [{ state: 'aborted', reason: 'execution_timeout' }] },
    ])
  })

  describe('an execution timeout that is longer than the time between two slots', () => {
    const settings = { executionTimeout: { seconds: 45 }, taskTimeout: { minutes: 5 } }
    const every = everySeconds(10, +at(60))

    function slow(clock: VirtualClock, overlapPolicy: OverlapPolicy, seconds: number) {
      const run = ({ signal }: TaskContext) => clock.sleep({ seconds }, signal)
      return defineJob({ name: 'slow', schedule: every, overlapPolicy, ...settings, tasks: [{ name: 'work', run }] })
    }

    it('lets a run continue past later slots, which the overlap policy skips', async () => {
      const { clock, start } = createWorld(place)
      const scheduler = await start({ jobs: [slow(clock, 'skip', 35)] })
      await clock.advance({ minutes: 3 })
      expect(await fates(scheduler, 'slow')).toEqual([
        '10 completed',
        '20 skipped overlap',
        '30 skipped overlap',
        '40 skipped overlap',
        '50 completed',
        '60 skipped overlap',
      ])
    })

    it('ends a run at the timeout, regardless of the slots that came due during the run', async () => {
      const { clock, start } = createWorld(place)
      const scheduler = await start({ jobs: [slow(clock, 'skip', 300)] })
      await clock.advance({ minutes: 3 })
      const [first, ...others] = (await scheduler.occurrences({ job: 'slow' })).items
      expect([first?.state, first?.finishedAt]).toEqual(['failed', at(55)])
      expect(others.map((one) => one.state)).toEqual(['skipped', 'skipped', 'skipped', 'skipped', 'failed'])
    })

    it('counts from the start of each run, both for queued runs and for runs that overlap', async () => {
      const { clock, start } = createWorld(place)
      const scheduler = await start({ jobs: [slow(clock, 'queue', 300)] })
      await clock.advance({ minutes: 6 })
      const queued = (await scheduler.occurrences({ job: 'slow' })).items
      expect(queued.map((one) => one.finishedAt)).toEqual([55, 100, 145, 190, 235, 280].map(at))

      const other = createWorld(place)
      const overlapping = await other.start({ jobs: [slow(other.clock, 'allow', 300)] })
      await other.clock.advance({ minutes: 3 })
      const all = (await overlapping.occurrences({ job: 'slow' })).items
      expect(all.map((one) => one.finishedAt)).toEqual([55, 65, 75, 85, 95, 105].map(at))
    })

    it('keeps other nodes from reaping the run before the timeout has passed', async () => {
      const { clock, start } = createWorld(place)
      const job = slow(clock, 'skip', 40)
      const first = await start({ jobs: [job], nodeId: 'first' })
      await clock.advance({ seconds: 15 })
      await start({ jobs: [job], nodeId: 'second', ...tuned({ reapInterval: { seconds: 1 } }) })
      await clock.advance({ seconds: 36 })
      const [occurrence] = (await first.occurrences({ job: 'slow' })).items
      expect(occurrence).toMatchObject({ state: 'completed', node: 'first', finishedAt: at(50) })
    })
  })

  it('a retry that is due after the execution timeout does not start', async () => {
    const { clock, start } = createWorld(place)
    const calledAt: number[] = []
    const job = defineJob({
      name: 'patient',
      schedule,
      executionTimeout: { seconds: 5 },
      retryPolicy: { maxRetries: 3, retryInterval: { seconds: 3 } },
      tasks: [
        {
          name: 'work',
          run: () => {
            calledAt.push(secondsOf(clock.now()))
            throw new Error('no')
          },
        },
      ],
    })
    const scheduler = await start({ jobs: [job] })
    await clock.advance({ minutes: 1 })
    expect(calledAt).toEqual([10, 13])
    const { state, reason, tasks } = await onlyOccurrence(scheduler, 'patient')
    expect([state, reason]).toEqual(['failed', 'execution_timeout'])
    expect(tasks[0]?.attempts.map((attempt) => attempt.state)).toEqual(['failed', 'failed', 'aborted'])
  })
})
