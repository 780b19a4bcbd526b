import { defineJob, type ExecutionReport, type OccurrenceContext } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, onlyOccurrence, secondsOf } from '../support/world.ts'

const schedule = everySeconds(10, +at(10))
const fails = () => {
  throw new Error('no')
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('the first task waits for the hook onStart, and the hook onComplete follows the last task', async () => {
    const { clock, start } = createWorld(place)
    const log: string[] = []
    const note = (what: string) => log.push(`${secondsOf(clock.now())} ${what}`)
    const job = defineJob({
      name: 'hooked',
      schedule,
      onStart: async () => {
        note('onStart')
        await clock.sleep({ seconds: 2 })
      },
      tasks: [{ name: 'work', run: () => note('work') }],
      onComplete: async () => {
        await clock.sleep({ seconds: 2 })
        note('onComplete')
      },
    })
    const scheduler = await start({ jobs: [job] })
    await clock.advance({ minutes: 1 })
    expect(log).toEqual(['10 onStart', '12 work', '14 onComplete'])
    expect((await onlyOccurrence(scheduler, 'hooked')).finishedAt).toEqual(at(12))
  })

  it('the hook onStart receives the context of the occurrence', async () => {
    const { clock, start } = createWorld(place)
    const told: unknown[] = []
    const onStart = ({
      job,
      occurrence,
      scheduledAt,
      startedAt,
      latenessMs,
      recovered,
      fencingToken,
    }: OccurrenceContext) => {
      told.push([job.name, job.version, occurrence.kind, scheduledAt, startedAt, latenessMs, recovered, fencingToken])
    }
    await start({ jobs: [defineJob({ name: 'hooked', schedule, onStart, tasks: [{ name: 'work', run: () => 1 }] })] })
    await clock.advance({ minutes: 1 })
    expect(told).toEqual([['hooked', 1, 'slot', at(10), at(10), 0, false, 1]])
  })

  it('the hook onComplete receives the whole report of the occurrence', async () => {
    const { clock, start } = createWorld(place)
    const reports: ExecutionReport[] = []
    const job = defineJob({
      name: 'reported',
      schedule,
      failureStrategy: 'continue',
      retryPolicy: { maxRetries: 1, retryInterval: { seconds: 2 } },
      tasks: [
        { name: 'good', run: () => clock.sleep({ seconds: 1 }).then(() => 7) },
        { name: 'bad', run: fails },
      ],
      onComplete: (report) => {
        reports.push(report)
      },
    })
    const scheduler = await start({ jobs: [job] })
    await clock.advance({ minutes: 1 })
    const { id } = await onlyOccurrence(scheduler, 'reported')
    expect(reports).toHaveLength(1)
    expect(reports[0]).toMatchObject({
      job: { id: job.id, name: 'reported', version: 1 },
      occurrence: { id, kind: 'slot' },
      scheduledAt: at(10),
      startedAt: at(10),
      finishedAt: at(13),
      durationMs: 3000,
      outcome: 'completed_with_errors',
      reason: null,
      taskExecutionMode: 'sequential',
      failureStrategy: 'continue',
      recovered: false,
      tasks: [
        { name: 'good', state: 'completed', durationMs: 1000, result: 7, error: null },
        {
          name: 'bad',
          state: 'failed',
          durationMs: 2000,
          error: { message: 'no' },
          attempts: [
            { number: 1, state: 'failed', startedAt: at(11), durationMs: 0 },
            { number: 2, state: 'failed', startedAt: at(13), durationMs: 0 },
          ],
        },
      ],
    })
  })

  it('the report of an occurrence contains the reason of each task that did not start', async () => {
    const { clock, start } = createWorld(place)
    const reports: ExecutionReport[] = []
    const tasks = [
      { name: 'first', run: fails },
      { name: 'second', run: () => 1 },
      { name: 'third', run: () => 1 },
    ]
    const onComplete = (report: ExecutionReport) => void reports.push(report)
    await start({ jobs: [defineJob({ name: 'cut short', schedule, tasks, onComplete })] })
    await clock.advance({ minutes: 1 })
    expect(reports[0]).toMatchObject({ outcome: 'failed', reason: 'fail_fast' })
    expect(reports[0]?.tasks.map(({ name, state, reason, durationMs }) => [name, state, reason, durationMs])).toEqual([
      ['first', 'failed', null, 0],
      ['second', 'canceled', 'fail_fast', null],
      ['third', 'canceled', 'fail_fast', null],
    ])
  })

  it.each([
    ['completed', () => 1, {}],
    ['failed', fails, {}],
    ['completed_with_errors', fails, { failureStrategy: 'continue' as const }],
  ])('the hook onComplete is called when the outcome of an occurrence is %s', async (outcome, run, settings) => {
    const { clock, start } = createWorld(place)
    const outcomes: string[] = []
    const onComplete = (report: ExecutionReport) => void outcomes.push(report.outcome)
    await start({
      jobs: [defineJob({ name: 'any', schedule, ...settings, tasks: [{ name: 'work', run }], onComplete })],
    })
    await clock.advance({ minutes: 1 })
    expect(outcomes).toEqual([outcome])
  })

  it('the hook onComplete is called after an execution timeout', async () => {
    const { clock, start } = createWorld(place)
    const outcomes: unknown[] = []
    const job = defineJob({
      name: 'long',
      schedule,
      executionTimeout: { seconds: 5 },
      tasks: [{ name: 'work', run: ({ signal }) => clock.sleep({ minutes: 2 }, signal) }],
      onComplete: ({ outcome, reason }) => void outcomes.push([outcome, reason]),
    })
    await start({ jobs: [job] })
    await clock.advance({ minutes: 1 })
    expect(outcomes).toEqual([['failed', 'execution_timeout']])
  })

  it.each([
    ['throws', fails],
    ['rejects', async () => fails()],
  ])('a hook that %s causes `hook.failed`, and does not disturb the run', async (_, hook) => {
    const { clock, start } = createWorld(place)
    const job = defineJob({
      name: 'hooked',
      schedule: everySeconds(10, +at(20)),
      onStart: hook,
      tasks: [{ name: 'work', run: () => 1 }],
      onComplete: hook,
    })
    const errors: unknown[] = []
    const logger = { debug: () => 0, info: () => 0, warn: () => 0, error: (fields: object) => errors.push(fields) }
    const scheduler = await start({ jobs: [job], logger })
    const heard = listen(scheduler, 'hook.failed')
    await clock.advance({ minutes: 1 })
    expect(await fates(scheduler, 'hooked')).toEqual(['10 completed', '20 completed'])
    expect(heard.map(({ event }) => [event.hook, event.jobName, (event.error as Error).message])).toEqual([
      ['onStart', 'hooked', 'no'],
      ['onComplete', 'hooked', 'no'],
      ['onStart', 'hooked', 'no'],
      ['onComplete', 'hooked', 'no'],
    ])
    expect(errors).toHaveLength(4)
  })

  it('an occurrence whose hook onStart never returns fails at its execution timeout', async () => {
    const { clock, start } = createWorld(place)
    const called: string[] = []
    const job = defineJob({
      name: 'stuck',
      schedule,
      executionTimeout: { seconds: 30 },
      onStart: () => new Promise(() => undefined),
      tasks: [{ name: 'work', run: () => called.push('work') }],
    })
    const scheduler = await start({ jobs: [job] })
    await clock.advance({ minutes: 1 })
    const { state, reason, finishedAt, tasks } = await onlyOccurrence(scheduler, 'stuck')
    expect([state, reason, finishedAt]).toEqual(['failed', 'execution_timeout', at(40)])
    expect(tasks).toMatchObject([{ state: 'canceled', reason: 'execution_timeout' }])
    expect(called).toEqual([])
  })

  it('the hook onComplete is called after the storage has stored the end of the occurrence', async () => {
    const world = createWorld(place)
    const witness = world.connect()
    const states: unknown[] = []
    const job = defineJob({
      name: 'done',
      schedule,
      tasks: [{ name: 'work', run: () => 1 }],
      onComplete: async ({ occurrence }) => {
        const { occurrences } = await witness.get({ occurrences: [occurrence.id] })
        states.push(occurrences[0]?.state)
      },
    })
    await world.start({ jobs: [job] })
    await world.clock.advance({ minutes: 1 })
    expect(states).toEqual(['completed'])
  })
})
