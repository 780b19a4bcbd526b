import { defineJob, type JobSettingsInput, type TaskContext, type UpdatePolicy } from '@jobistemer/core'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { at, createWorld, listen, onlyOccurrence, secondsOf } from '../support/world.ts'

const schedule = once(at(10))

it('the late result of an abandoned attempt does not end the next attempt, which is running', async () => {
  const world = createWorld()
  const run = async ({ attempt }: TaskContext) => {
    // The node aborts the first attempt at 20 s and abandons it at 25 s. The handler of the first attempt ends at 30 s,
    // during the second attempt.
    await world.clock.sleep({ seconds: attempt === 1 ? 20 : 9 })
    return `of attempt ${attempt}`
  }
  const retryPolicy = { maxRetries: 1, retryInterval: 1000, jitter: 0 }
  const settings = { taskTimeout: { seconds: 10 }, retryPolicy }
  const job = defineJob({ name: 'deaf', schedule, ...settings, tasks: [{ name: 'work', run }] })
  const scheduler = await world.start({ jobs: [job] })
  await world.clock.advance({ minutes: 1 })
  const { tasks, finishedAt } = await onlyOccurrence(scheduler, 'deaf')
  expect(tasks[0]).toMatchObject({
    result: 'of attempt 2',
    attempts: [{ state: 'timed_out' }, { state: 'succeeded', startedAt: at(26) }],
  })
  expect(finishedAt).toEqual(at(35))
})

describe('if a node crashes while a task runs after a failed task', () => {
  it.each([
    ['fail_fast', 'failed', ['broken', 'tidy up', 'tidy up']],
    ['continue', 'completed_with_errors', ['broken', 'tidy up', 'tidy up', 'send']],
  ] as const)(
    'the next owner, under the failure strategy %s, ends the occurrence as %s',
    async (failureStrategy, state, expected) => {
      const world = createWorld()
      const called: string[] = []
      const tasks = [
        {
          name: 'broken',
          run: () => {
            called.push('broken')
            throw new Error('no')
          },
        },
        {
          name: 'tidy up',
          failureStrategy: 'continue' as const,
          run: async ({ signal }: TaskContext) => {
            called.push('tidy up')
            await world.clock.sleep({ seconds: 5 }, signal)
          },
        },
        { name: 'send', run: () => void called.push('send') },
      ]
      const job = defineJob({ name: 'chain', schedule, failureStrategy, onInterrupted: 'retry', tasks })
      const first = await world.start({ jobs: [job], nodeId: 'node' })
      await world.clock.advance({ seconds: 12 })
      world.crash(first)
      const second = await world.start({ jobs: [job], nodeId: 'node' })
      await world.clock.advance({ minutes: 1 })
      expect(called).toEqual(expected)
      expect(await onlyOccurrence(second, 'chain')).toMatchObject({ state })
    },
  )
})

it('the execution timeout aborts a run even during the grace period of a shutdown', async () => {
  const world = createWorld()
  const run = () => world.clock.sleep({ seconds: 40 })
  const job = defineJob({ name: 'deaf', schedule, executionTimeout: { seconds: 30 }, tasks: [{ name: 'work', run }] })
  const scheduler = await world.start({ jobs: [job] })
  await world.clock.advance({ seconds: 12 })
  await world.shutdown(scheduler, 60_000)
  const occurrence = await onlyOccurrence(world.scheduler(), 'deaf')
  // The handler ignores its abort signal, so the node abandons the attempt 5 s after the execution timeout. The shutdown of the
  // node does not change this.
  expect(occurrence).toMatchObject({ state: 'failed', reason: 'execution_timeout', finishedAt: at(45) })
})

it('the next owner retries a task whose handler timed out before a shutdown and returned during the shutdown', async () => {
  const world = createWorld()
  const run = ({ attempt }: TaskContext) => world.clock.sleep({ seconds: attempt === 1 ? 8 : 1 })
  const retryPolicy = { maxRetries: 1, retryInterval: 1000 }
  const settings = { taskTimeout: { seconds: 5 }, retryPolicy }
  const job = defineJob({ name: 'slow', schedule, ...settings, tasks: [{ name: 'work', run }] })
  const first = await world.start({ jobs: [job], nodeId: 'first' })
  // The node aborts the attempt at 15 s and shuts down at 16 s. The handler ends at 18 s.
  await world.clock.advance({ seconds: 16 })
  await world.shutdown(first, 10_000)
  const second = await world.start({ jobs: [job], nodeId: 'second' })
  await world.clock.advance({ minutes: 1 })
  const { state, node, tasks } = await onlyOccurrence(second, 'slow')
  expect(tasks[0]?.attempts.map((attempt) => attempt.state)).toEqual(['timed_out', 'succeeded'])
  expect([state, node]).toEqual(['completed', 'second'])
})

describe('a run whose owner has died', () => {
  const asked: [before: JobSettingsInput, after: JobSettingsInput, state: string][] = [
    [{ onInterrupted: 'fail' }, { onInterrupted: 'retry' }, 'failed_stale'],
    [{ onInterrupted: 'retry' }, { onInterrupted: 'fail' }, 'completed'],
  ]
  it.each(asked)(
    'is reaped by the settings that the run had at its start, %o, although a later update of the job has set %o',
    async (before, after, state) => {
      const world = createWorld()
      const run = ({ signal }: TaskContext) => world.clock.sleep({ seconds: 20 }, signal)
      const job = defineJob({ name: 'moved', schedule, ...before, tasks: [{ name: 'work', run }] })
      const first = await world.start({ jobs: [job], nodeId: 'node' })
      await world.clock.advance({ seconds: 12 })
      expect(await first.update('moved', after)).toMatchObject({ changed: true })
      world.crash(first)
      const second = await world.start({ jobs: [job], nodeId: 'node' })
      await world.clock.advance({ minutes: 1 })
      expect(await onlyOccurrence(second, 'moved')).toMatchObject({ state })
    },
  )
})

describe('a replay', () => {
  function chain() {
    const seen: unknown[] = []
    const task = (name: string) => ({
      name,
      run: ({ input, results, replayOf }: TaskContext) => {
        if (replayOf !== null) seen.push([name, input, { ...results }])
        return `result of ${name}`
      },
    })
    const tasks = [task('first'), task('second'), task('third')]
    return { seen, job: defineJob({ name: 'chain', schedule: everySeconds(3600), tasks }) }
  }

  it('has the data of the original, and its tasks receive old results only of tasks that do not run again', async () => {
    const world = createWorld()
    const { job, seen } = chain()
    const scheduler = await world.start({ jobs: [job] })
    const { id } = await scheduler.trigger('chain', { data: { order: 7 } })
    await world.clock.settle()
    const replay = await scheduler.replay(id, { from: 'second' })
    await world.clock.settle()
    const first = { first: 'result of first' }
    expect(seen).toEqual([
      ['second', { order: 7 }, first],
      ['third', { order: 7 }, { ...first, second: 'result of second' }],
    ])
    const both = scheduler.replay(id, { from: 'second', tasks: ['first'] })
    await expect(both).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'from' })
    seen.length = 0
    await scheduler.replay(replay.id, { tasks: ['third'] })
    await world.clock.settle()
    expect(seen).toEqual([['third', { order: 7 }, { ...first, second: 'result of second' }]])
  })
})

describe('an update of a job', () => {
  const byFifteen = everySeconds(15, +at(120))
  const byTwenty = everySeconds(20, +at(120))

  it('creates a version if the update makes a schedule with a time window permanent, or changes only this window', async () => {
    const world = createWorld()
    const ran: number[] = []
    const run = ({ scheduledAt }: TaskContext) => void ran.push(secondsOf(scheduledAt))
    const job = defineJob({ name: 'tick', schedule: byTwenty, tasks: [{ name: 'work', run }] })
    const scheduler = await world.start({ jobs: [job] })
    const update = async (policy: UpdatePolicy, schedule = byFifteen) =>
      (await scheduler.update('tick', { schedule }, { policy })).changed
    expect(await update({ type: 'windowed', from: at(10), to: at(35) }, byTwenty)).toBe(false)
    expect(await update({ type: 'windowed', from: at(10), to: at(35) })).toBe(true)
    expect(await update({ type: 'windowed', from: at(10), to: at(35) })).toBe(false)
    expect(await update({ type: 'windowed', from: at(10), to: at(50) })).toBe(true)
    expect(await update('immediate')).toBe(true)
    await world.clock.advance({ minutes: 3 })
    expect(ran).toEqual([15, 30, 45, 60, 75, 90, 105, 120])
  })

  it('that sets the schedule of a newer build is the only change: the later start of that build changes nothing', async () => {
    const world = createWorld()
    const tasks = [{ name: 'work', run: () => undefined }]
    const scheduler = await world.start({ jobs: [defineJob({ name: 'tick', schedule: byTwenty, tasks })] })
    await scheduler.update('tick', { schedule: byFifteen }, { policy: { type: 'graceful', until: at(60) } })
    const newer = world.scheduler({ jobs: [defineJob({ name: 'tick', schedule: byFifteen, tasks })] })
    const heard = listen(newer, 'job.registered')
    await newer.start()
    expect(heard.map(({ event }) => event.change)).toEqual(['unchanged'])
  })

  it('appears as a change in a plan even if the update changes only the owner of the job', async () => {
    const world = createWorld()
    const job = defineJob({ name: 'tick', schedule, tasks: [{ name: 'work', run: () => undefined }] })
    const scheduler = await world.start()
    await scheduler.apply(await scheduler.plan([job], { owner: 'reports' }))
    const moving = await scheduler.plan([job], { owner: 'billing' })
    expect(moving.changed.map(({ name }) => name)).toEqual(['tick'])
    await scheduler.apply(moving)
    expect((await scheduler.plan([], { owner: 'reports' })).removed).toEqual([])
    expect((await scheduler.plan([], { owner: 'billing' })).removed.map(({ name }) => name)).toEqual(['tick'])
  })
})
