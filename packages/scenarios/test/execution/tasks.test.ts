import { setImmediate } from 'node:timers/promises'
import { defineJob, defineTask, type TaskContext } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, onlyOccurrence, secondsOf } from '../support/world.ts'

describe.each(everywhere)('on the storage $name', (place) => {
  it('a job runs at each of its slots, and not before', async () => {
    const { clock, start } = createWorld(place)
    const ranAt: number[] = []
    const schedule = everySeconds(10)
    const job = defineJob({
      name: 'tick',
      schedule,
      tasks: [{ name: 'work', run: () => ranAt.push(secondsOf(clock.now())) }],
    })
    const scheduler = await start({ jobs: [job] })
    await clock.advance(9999)
    expect(ranAt).toEqual([])
    await clock.advance(30_001)
    expect(ranAt).toEqual([10, 20, 30, 40])
    expect(await fates(scheduler, 'tick')).toEqual(['10 completed', '20 completed', '30 completed', '40 completed'])
  })

  it('sequential tasks run in their order, each after the previous task has completed', async () => {
    const { clock, start } = createWorld(place)
    const log: [string, number][] = []
    const task = (name: string, seconds: number) => ({
      name,
      run: async () => {
        log.push([`${name} starts`, secondsOf(clock.now())])
        await clock.sleep({ seconds })
        log.push([`${name} ends`, secondsOf(clock.now())])
      },
    })
    const tasks = [task('first', 3), task('second', 1), task('third', 2)]
    const scheduler = await start({ jobs: [defineJob({ name: 'chain', schedule: everySeconds(10, +at(10)), tasks })] })
    await clock.advance({ seconds: 20 })
    expect(log).toEqual([
      ['first starts', 10],
      ['first ends', 13],
      ['second starts', 13],
      ['second ends', 14],
      ['third starts', 14],
      ['third ends', 16],
    ])
    expect((await onlyOccurrence(scheduler, 'chain')).finishedAt).toEqual(at(16))
  })

  it('a run has at most one settle item in progress, although its parallel tasks retry during the call', async () => {
    const world = createWorld(place)
    const inProgress = new Set<string>()
    const twice: string[] = []
    const inner = world.connect()
    const storage = wrapStorage(inner, {
      // The engine sends a further call as soon as one item waits for it.
      capabilities: { ...inner.capabilities, worthwhileBatch: 1 },
      around: async (call) => {
        if (call.method !== 'settle') return await call.proceed()
        const ids = call.request.items.map(({ id }) => id)
        for (const id of ids) {
          if (inProgress.has(id)) twice.push(id)
          inProgress.add(id)
        }
        for (let turn = 0; turn < 20; turn++) await setImmediate()
        const answers = await call.proceed()
        for (const id of ids) inProgress.delete(id)
        return answers
      },
    })
    const task = (name: string, turns: number) => ({
      name,
      run: async ({ attempt }: TaskContext) => {
        for (let turn = 0; turn < turns; turn++) await setImmediate()
        if (attempt === 1) throw new Error('once')
        return attempt
      },
    })
    const job = defineJob({
      name: 'fan',
      schedule: everySeconds(10, +at(10)),
      taskExecutionMode: 'parallel',
      retryPolicy: { maxRetries: 1, retryInterval: 0 },
      tasks: [task('first', 1), task('second', 5), task('third', 9)],
    })
    const scheduler = await world.start({ jobs: [job], storage })
    await world.clock.advance({ seconds: 20 })
    const { state, tasks } = await onlyOccurrence(scheduler, 'fan')
    expect([state, tasks.map(({ result }) => result), twice]).toEqual(['completed', [2, 2, 2], []])
  })

  it('parallel tasks start together, and the occurrence ends when the last task has ended', async () => {
    const { clock, start } = createWorld(place)
    const started: [string, number][] = []
    const task = (name: string, seconds: number) => ({
      name,
      run: async () => {
        started.push([name, secondsOf(clock.now())])
        await clock.sleep({ seconds })
      },
    })
    const job = defineJob({
      name: 'fan',
      schedule: everySeconds(10, +at(10)),
      taskExecutionMode: 'parallel',
      tasks: [task('slow', 5), task('quick', 1), task('middle', 2)],
    })
    const scheduler = await start({ jobs: [job] })
    await clock.advance({ seconds: 20 })
    expect(started).toEqual([
      ['slow', 10],
      ['quick', 10],
      ['middle', 10],
    ])
    const occurrence = await onlyOccurrence(scheduler, 'fan')
    expect(occurrence).toMatchObject({ state: 'completed', finishedAt: at(15) })
    expect(occurrence.tasks.map(({ name, durationMs }) => [name, durationMs])).toEqual([
      ['slow', 5000],
      ['quick', 1000],
      ['middle', 2000],
    ])
  })

  it('later tasks receive the results of earlier tasks, and the storage keeps the results', async () => {
    const { clock, start } = createWorld(place)
    const count = defineTask({
      name: 'count',
      data: { table: 'orders' },
      run: ({ data }) => ({ table: data.table, rows: 3 }),
    })
    const nothing = defineTask({ name: 'nothing', run: () => undefined })
    const seen: unknown[] = []
    const job = defineJob({
      name: 'report',
      schedule: everySeconds(10, +at(10)),
      tasks: [
        count,
        nothing,
        {
          name: 'print',
          run: (context) => {
            seen.push(context.result(count), context.result(nothing), context.results)
            return `${context.result(count).rows} rows of ${context.result(count).table}`
          },
        },
      ],
    })
    const scheduler = await start({ jobs: [job] })
    await clock.advance({ seconds: 10 })
    expect(seen).toEqual([
      { table: 'orders', rows: 3 },
      undefined,
      { count: { table: 'orders', rows: 3 }, nothing: undefined },
    ])
    const { tasks } = await onlyOccurrence(scheduler, 'report')
    expect(tasks.map(({ result }) => result)).toEqual([{ table: 'orders', rows: 3 }, undefined, '3 rows of orders'])
  })

  it('`context.result` of a task throws until that task has completed', async () => {
    const { clock, start } = createWorld(place)
    const later = defineTask({ name: 'later', run: () => 1 })
    const errors: unknown[] = []
    const early = {
      name: 'early',
      run: (context: TaskContext) => {
        try {
          context.result(later)
        } catch (error) {
          errors.push(error)
        }
      },
    }
    await start({ jobs: [defineJob({ name: 'order', schedule: everySeconds(10, +at(10)), tasks: [early, later] })] })
    await clock.advance({ seconds: 10 })
    expect(errors).toEqual([expect.objectContaining({ code: 'RESULT_NOT_AVAILABLE', value: 'later' })])
  })

  it.each([
    ['a bigint', 5n, 'RESULT_NOT_SERIALISABLE'],
    ['a function', () => 1, 'RESULT_NOT_SERIALISABLE'],
    ['more than can be kept', 'x'.repeat(200_000), 'RESULT_TOO_LARGE'],
  ])('a task that returns %s fails with an error code, and is not retried', async (_, result, code) => {
    const { clock, start } = createWorld(place)
    let calls = 0
    const run = () => {
      calls++
      return result
    }
    const job = defineJob({
      name: 'odd',
      schedule: everySeconds(10, +at(10)),
      tasks: [{ name: 'work', run, retryPolicy: { maxRetries: 3, retryInterval: 1000 } }],
    })
    const scheduler = await start({ jobs: [job] })
    await clock.advance({ seconds: 30 })
    const { state, tasks } = await onlyOccurrence(scheduler, 'odd')
    expect(state).toBe('failed')
    expect(tasks).toMatchObject([{ state: 'failed', reason: 'not_retryable', error: { code } }])
    expect(calls).toBe(1)
  })

  it('a job whose schedule ends runs once for each slot, and then has no next runs', async () => {
    const { clock, start } = createWorld(place)
    const job = defineJob({
      name: 'short',
      schedule: everySeconds(10, +at(20)),
      tasks: [{ name: 'work', run: () => 1 }],
    })
    const scheduler = await start({ jobs: [job] })
    expect(await scheduler.nextRuns('short', 5)).toEqual([at(10), at(20)])
    await clock.advance({ minutes: 2 })
    expect(await fates(scheduler, 'short')).toEqual(['10 completed', '20 completed'])
    expect(await scheduler.nextRuns('short')).toEqual([])
  })

  it('twenty jobs that come due at one instant run concurrently', async () => {
    const { clock, start } = createWorld(place)
    let running = 0
    let most = 0
    const jobs = Array.from({ length: 20 }, (_, index) =>
      defineJob({
        name: `job ${index}`,
        schedule: everySeconds(10, +at(10)),
        tasks: [
          {
            name: 'work',
            run: async () => {
              most = Math.max(most, ++running)
              await clock.sleep(1000)
              running--
            },
          },
        ],
      }),
    )
    const scheduler = await start({ jobs })
    const finished = listen(scheduler, 'occurrence.finished')
    await clock.advance({ seconds: 11 })
    expect([most, finished.length]).toEqual([20, 20])
  })
})
