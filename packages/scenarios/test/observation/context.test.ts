import { attemptId, defineJob, defineTask, taskId, taskRunId, type TaskContext } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { withEmptyPages } from '../support/empty-pages.ts'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, onlyOccurrence, type World } from '../support/world.ts'

/**
 * Defines a job with a slot every ten seconds up to `until`, in seconds after the start of the virtual clock. Returns the job,
 * the contexts that its task has received, and a function that starts a scheduler with the job.
 */
function watched(world: World, options: { until: number; run?: (context: TaskContext) => unknown }) {
  const contexts: TaskContext[] = []
  const job = defineJob({
    name: 'watched',
    schedule: everySeconds(10, +at(options.until)),
    overlapPolicy: 'queue',
    tasks: [
      {
        name: 'work',
        run: (context) => {
          contexts.push(context)
          return options.run?.(context)
        },
      },
    ],
  })
  return { job, contexts, start: () => world.start({ jobs: [job], maxConcurrentJobs: 1 }) }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it("a task's context has the ids of its job, occurrence, task and attempt", async () => {
    const world = createWorld(place)
    const { job, contexts, start } = watched(world, { until: 10 })
    const scheduler = await start()
    await world.clock.advance({ seconds: 10 })
    const occurrence = await onlyOccurrence(scheduler, 'watched')
    const task = taskId(job.id, 'work')
    const run = taskRunId(occurrence.id, task)
    expect(contexts[0]).toMatchObject({
      job: { id: job.id, name: 'watched', version: 1 },
      occurrence: { id: occurrence.id, kind: 'slot' },
      task: { id: task, name: 'work' },
      taskRunId: run,
      attemptId: attemptId(run, 1),
      attempt: 1,
      scheduledAt: at(10),
      startedAt: at(10),
      latenessMs: 0,
      recovered: false,
      replayOf: null,
      span: null,
      fencingToken: 1,
    })
    expect([contexts[0]?.input, contexts[0]?.data]).toEqual([undefined, undefined])
    expect(occurrence.tasks[0]).toMatchObject({ id: task, runId: run, attempts: [{ id: attemptId(run, 1) }] })
  })

  it('a handler can destructure its context', async () => {
    const world = createWorld(place)
    const seen: unknown[] = []
    const job = defineJob({
      name: 'apart',
      schedule: everySeconds(10, +at(10)),
      tasks: [
        {
          name: 'work',
          data: { table: 'orders' },
          run: ({ data, attempt, scheduledAt, signal, results, logger }) => {
            seen.push(data.table, attempt, scheduledAt, signal.aborted, results, typeof logger.info)
          },
        },
      ],
    })
    await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 10 })
    expect(seen).toEqual(['orders', 1, at(10), false, {}, 'function'])
  })

  it('a handler that changes its input, its data or a result changes nothing outside of its attempt', async () => {
    const world = createWorld(place)
    const seen: unknown[] = []
    const first = defineTask({ name: 'first', run: () => ({ ids: [1] }) })
    const second = defineTask({
      name: 'second',
      data: { where: { open: true } } as Record<string, Record<string, unknown>>,
      run: (context) => {
        const { data, results } = context
        const input = context.input as { days: number[] }
        const ids = (results as { first: { ids: unknown[] } }).first.ids
        seen.push(structuredClone({ data, input, ids }))
        input.days.push(9)
        ids.push(9n)
        Object.assign(data.where as object, { tenant: 'acme' })
        expect([context.input, context.data]).toEqual([{ days: [1, 9] }, { where: { open: true, tenant: 'acme' } }])
        if (context.attempt === 1) throw new Error('again')
      },
    })
    const job = defineJob({ name: 'changing', retryPolicy: { maxRetries: 1 }, tasks: [first, second] })
    const scheduler = await world.start({ jobs: [job] })
    await scheduler.trigger('changing', { data: { days: [1] } })
    await world.clock.advance({ minutes: 1 })
    const untouched = { data: { where: { open: true } }, input: { days: [1] }, ids: [1] }
    expect(seen).toEqual([untouched, untouched])
    const { state, input, tasks } = await onlyOccurrence(scheduler, 'changing')
    expect([state, input, tasks[0]?.result]).toEqual(['completed', { days: [1] }, { ids: [1] }])
    expect(job.tasks[1]?.data).toEqual({ where: { open: true } })
  })

  it('a handler may listen to its signal many times without a warning of Node.js', async () => {
    const warnings: Error[] = []
    const heard = (warning: Error) => void warnings.push(warning)
    process.on('warning', heard)
    const world = createWorld(place)
    const run = async ({ sleep }: TaskContext) => void (await Promise.all(Array.from({ length: 40 }, () => sleep(50))))
    const { start } = watched(world, { until: 10, run })
    await start()
    await world.clock.advance({ seconds: 12 })
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', heard)
    expect(warnings).toEqual([])
  })

  it('the context of a delayed run contains the lateness of the run', async () => {
    const world = createWorld(place)
    const { contexts, start } = watched(world, { until: 20, run: () => world.clock.sleep({ seconds: 14 }) })
    await start()
    await world.clock.advance({ minutes: 1 })
    expect(contexts.map(({ scheduledAt, startedAt, latenessMs }) => [scheduledAt, startedAt, latenessMs])).toEqual([
      [at(10), at(10), 0],
      [at(20), at(24), 4000],
    ])
  })

  it('`previousRun` returns the run before the present run', async () => {
    const world = createWorld(place)
    const previous: unknown[] = []
    const run = async (context: TaskContext) => {
      const found = await context.previousRun()
      previous.push(found && [found.scheduledAt, found.finishedAt, found.state])
      await world.clock.sleep({ seconds: 2 })
      if (previous.length === 2) throw new Error('no')
    }
    await watched(world, { until: 40, run }).start()
    await world.clock.advance({ minutes: 2 })
    expect(previous).toEqual([
      null,
      [at(10), at(12), 'completed'],
      [at(20), at(22), 'failed'],
      [at(30), at(32), 'completed'],
    ])
  })

  it('`previousRun` ignores skipped slots', async () => {
    const world = createWorld(place)
    const previous: unknown[] = []
    const job = defineJob({
      name: 'skipping',
      schedule: everySeconds(10, +at(40)),
      tasks: [
        {
          name: 'work',
          run: async (context) => {
            previous.push((await context.previousRun())?.scheduledAt ?? null)
            await world.clock.sleep({ seconds: 25 })
          },
        },
      ],
    })
    await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 2 })
    expect(previous).toEqual([null, at(10)])
  })

  it('`previousRun` finds the previous run even if the storage returns an empty page first', async () => {
    const world = createWorld(place)
    const previous: unknown[] = []
    const job = defineJob({
      name: 'behind',
      schedule: everySeconds(10, +at(30)),
      tasks: [
        { name: 'work', run: async (context) => previous.push((await context.previousRun())?.scheduledAt ?? null) },
      ],
    })
    await world.start({ jobs: [job], storage: withEmptyPages(world.connect()) })
    await world.clock.advance({ minutes: 1 })
    expect(previous).toEqual([null, at(10), at(20)])
  })

  it('a handler can destructure the methods of its context and then call these methods', async () => {
    const world = createWorld(place)
    const said: unknown[] = []
    const first = defineTask({ name: 'first', run: () => 'done' })
    const job = defineJob({
      name: 'apart',
      schedule: everySeconds(10, +at(10)),
      tasks: [
        first,
        {
          name: 'second',
          run: async ({ now, sleep, result, previousRun }) => {
            said.push(now(), result(first), await previousRun())
            await sleep({ seconds: 5 })
            said.push(now())
          },
        },
      ],
    })
    await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 1 })
    expect(said).toEqual([at(10), 'done', null, at(15)])
  })

  it('the fencing token of a run grows with each owner', async () => {
    const world = createWorld(place)
    const { contexts, start } = watched(world, {
      until: 10,
      run: ({ signal }) => world.clock.sleep({ seconds: 30 }, signal),
    })
    const first = await start()
    await world.clock.advance({ seconds: 12 })
    await world.shutdown(first, 1000)
    await start()
    await world.clock.advance({ minutes: 1 })
    expect(contexts.map(({ fencingToken, attempt }) => [fencingToken, attempt])).toEqual([
      [1, 1],
      [2, 2],
    ])
  })
})
