import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../src/errors.ts'
import { jobId } from '../src/ids.ts'
import { defineJob, type Job } from '../src/job/define-job.ts'
import type { ScheduleContext, UnboundSchedule } from '../src/schedule/schedule.ts'
import { Every, every } from './support/every.ts'
import { refusalOf, thrownBy } from './support/thrown-by.ts'

const run = () => undefined

/** Defines a valid job, with the given members changed. */
function define(change: Record<string, unknown>): Job {
  return defineJob({ name: 'nightly', schedule: every(1000), tasks: [{ name: 'work', run }], ...change })
}

const defineTasks = (...tasks: unknown[]) => define({ tasks })

describe('a job from defineJob', () => {
  it('has the id that derives from its name, and the members of its definition', () => {
    const onStart = () => undefined
    const onComplete = () => undefined
    const job = define({ owner: 'team', onStart, onComplete, overlapPolicy: 'allow' })
    expect(job).toEqual({
      id: jobId('nightly'),
      name: 'nightly',
      owner: 'team',
      tags: [],
      payload: null,
      description: null,
      schedule: every(1000),
      unbound: null,
      settings: { overlapPolicy: 'allow' },
      tasks: [{ name: 'work', settings: {}, run }],
      onStart,
      onComplete,
    })
  })

  it('needs only a name and a task', () => {
    expect(defineJob({ name: 'nightly', tasks: [{ name: 'work', run }] }).schedule.describe()).toBe('on request')
    expect(define({})).toMatchObject({ owner: null, settings: {}, onStart: undefined, onComplete: undefined })
  })

  it('may have a name and tasks with names of 255 characters', () => {
    const name = 'é'.repeat(255)
    expect(define({ name }).name).toBe(name)
    expect(defineTasks({ name, run }).tasks[0]?.name).toBe(name)
  })

  it('may have tasks that name a handler and contain no function', () => {
    expect(defineTasks({ name: 'work', handler: 'export' }).tasks).toEqual([
      { name: 'work', settings: {}, run: undefined, handler: 'export' },
    ])
  })

  it('keeps a JSON copy of the data of its tasks', () => {
    const data = { rows: [1, 2], at: new Date(0).toISOString(), gone: undefined }
    const [task] = defineTasks({ name: 'work', run, data }).tasks
    data.rows.push(3)
    expect(task?.data).toEqual({ rows: [1, 2], at: '1970-01-01T00:00:00.000Z' })
  })

  it('passes its name and its time zone to a schedule that depends on them', () => {
    const told: ScheduleContext[] = []
    class Unbound extends Every implements UnboundSchedule {
      bind(context: ScheduleContext) {
        told.push(context)
        return every(context.timezone === undefined ? 1000 : 2000)
      }
    }
    const schedule = new Unbound(5, 0)
    expect(define({ schedule }).schedule).toEqual(every(1000))
    expect(define({ schedule, timezone: 'Europe/Berlin' }).schedule).toEqual(every(2000))
    expect(told).toEqual([{ jobName: 'nightly' }, { jobName: 'nightly', timezone: 'Europe/Berlin' }])
  })
})

type BadInput = [what: string, change: Record<string, unknown>, code: ErrorCode, field: string, value: unknown]

const long = 'x'.repeat(256)

describe('defineJob rejects an invalid definition, and the error has the invalid field and its value', () => {
  it.each<BadInput>([
    ['its name is empty', { name: '' }, 'INVALID_NAME', 'name', ''],
    ['its name has 256 characters', { name: long }, 'INVALID_NAME', 'name', long],
    ['it has no name', { name: undefined }, 'INVALID_NAME', 'name', undefined],
    ['its name has half a surrogate pair', { name: 'a\udc00' }, 'INVALID_NAME', 'name', 'a\udc00'],
    ['its name is a number', { name: 5 }, 'INVALID_NAME', 'name', 5],
    ['its owner is empty', { owner: '' }, 'INVALID_NAME', 'owner', ''],
    ['its schedule is there and undefined', { schedule: undefined }, 'INVALID_SCHEDULE', 'schedule', undefined],
    [
      'its places have no meaning',
      { overlapPolicy: 'allow', maxConcurrency: 3 },
      'INVALID_ARGUMENT',
      'maxConcurrency',
      3,
    ],
    [
      'its start rate has no meaning',
      { overlapPolicy: 'cancel_running', startRate: { limit: 2, interval: 1000 } },
      'INVALID_ARGUMENT',
      'startRate',
      { limit: 2, intervalMs: 1000 },
    ],
    ['its schedule is null', { schedule: null }, 'INVALID_SCHEDULE', 'schedule', null],
    ['its tags are no list', { tags: 'a' }, 'INVALID_ARGUMENT', 'tags', 'a'],
    ['a tag is there twice', { tags: ['a', 'b', 'a'] }, 'INVALID_ARGUMENT', 'tags[2]', 'a'],
    ['a tag is empty', { tags: ['a', ''] }, 'INVALID_NAME', 'tags[1]', ''],
    ['a tag has 65 characters', { tags: [long.slice(0, 65)] }, 'INVALID_NAME', 'tags[0]', long.slice(0, 65)],
    ['it has 33 tags', { tags: Array.from({ length: 33 }, String) }, 'INVALID_ARGUMENT', 'tags', 33],
    ['its description is empty', { description: '' }, 'INVALID_ARGUMENT', 'description', ''],
    ['its description is no text', { description: 5 }, 'INVALID_ARGUMENT', 'description', 5],
    [
      'its description has 1,001 characters',
      { description: long.repeat(4).slice(0, 1001) },
      'INVALID_ARGUMENT',
      'description',
      long.repeat(4).slice(0, 1001),
    ],
    ['its schedule is a string', { schedule: '0 2 * * *' }, 'INVALID_SCHEDULE', 'schedule', '0 2 * * *'],
    ['its schedule is some object', { schedule: { a: 1 } }, 'INVALID_SCHEDULE', 'schedule', { a: 1 }],
    ['it has no list of tasks', { tasks: undefined }, 'INVALID_ARGUMENT', 'tasks', undefined],
    ['its tasks are no list', { tasks: { name: 'work' } }, 'INVALID_ARGUMENT', 'tasks', { name: 'work' }],
    ['it has no task', { tasks: [] }, 'INVALID_ARGUMENT', 'tasks', []],
    ['onStart is no function', { onStart: 'log' }, 'INVALID_ARGUMENT', 'onStart', 'log'],
    ['onComplete is no function', { onComplete: {} }, 'INVALID_ARGUMENT', 'onComplete', {}],
    ['it has an unknown option', { retries: 3 }, 'UNKNOWN_OPTION', 'retries', 3],
    ['a setting is bad', { overlapPolicy: 'no' }, 'INVALID_ARGUMENT', 'overlapPolicy', 'no'],
    ['its zone is unknown', { timezone: 'Mars' }, 'INVALID_TIMEZONE', 'timezone', 'Mars'],
  ])('if the definition has this fault: %s', (_, change, code, field, value) => {
    expect(refusalOf(() => define(change))).toEqual({ code, field, value })
  })

  it.each<[what: string, task: unknown, code: ErrorCode, field: string, value: unknown]>([
    ['has an empty name', { name: '', run }, 'INVALID_NAME', 'tasks[1].name', ''],
    ['has a name of 256 characters', { name: long, run }, 'INVALID_NAME', 'tasks[1].name', long],
    ['has no name', { run }, 'INVALID_NAME', 'tasks[1].name', undefined],
    ['has the name of an earlier one', { name: 'first', run }, 'DUPLICATE_TASK', 'tasks[1].name', 'first'],
    ['has no handler', { name: 'work' }, 'INVALID_ARGUMENT', 'tasks[1].run', undefined],
    ['has a handler that is no function', { name: 'work', run: 5 }, 'INVALID_ARGUMENT', 'tasks[1].run', 5],
    ['has two handlers', { name: 'work', run, handler: 'export' }, 'INVALID_ARGUMENT', 'tasks[1].handler', 'export'],
    ['has a name of half a surrogate pair', { name: 'a\ud800', run }, 'INVALID_NAME', 'tasks[1].name', 'a\ud800'],
    ['has a name of the language', { name: '__proto__', run }, 'INVALID_NAME', 'tasks[1].name', '__proto__'],
    ['names its handler with nothing', { name: 'work', handler: '' }, 'INVALID_NAME', 'tasks[1].handler', ''],
    ['is no object', 'work', 'INVALID_ARGUMENT', 'tasks[1]', 'work'],
    ['is null', null, 'INVALID_ARGUMENT', 'tasks[1]', null],
    ['has an unknown option', { name: 'work', run, retry: 1 }, 'UNKNOWN_OPTION', 'tasks[1].retry', 1],
    [
      'has an option of jobs',
      { name: 'work', run, onInterrupted: 'fail' },
      'UNKNOWN_OPTION',
      'tasks[1].onInterrupted',
      'fail',
    ],
    ['has a bad setting', { name: 'work', run, taskTimeout: -5 }, 'INVALID_DURATION', 'tasks[1].taskTimeout', -5],
    [
      'has a bad setting further inside',
      { name: 'work', run, retryPolicy: { maxRetries: 1.5 } },
      'INVALID_ARGUMENT',
      'tasks[1].retryPolicy.maxRetries',
      1.5,
    ],
    ['has data with a bigint', { name: 'work', run, data: 5n }, 'INVALID_ARGUMENT', 'tasks[1].data', 5n],
    ['has a function as data', { name: 'work', run, data: run }, 'INVALID_ARGUMENT', 'tasks[1].data', run],
  ])('if the definition has a task with this fault: the task %s', (_, task, code, field, value) => {
    expect(refusalOf(() => defineTasks({ name: 'first', run }, task))).toEqual({ code, field, value })
  })

  it('if a task has data with a cycle', () => {
    const data: Record<string, unknown> = {}
    data.self = data
    expect(refusalOf(() => defineTasks({ name: 'work', run, data }))).toEqual({
      code: 'INVALID_ARGUMENT',
      field: 'tasks[0].data.self',
      value: data,
    })
  })

  it.each([undefined, null, 'nightly', []])('if the value %j is passed in place of the definition', (options) => {
    expect(refusalOf(() => defineJob(options as never))).toEqual({
      code: 'INVALID_ARGUMENT',
      field: 'options',
      value: options,
    })
  })
})

it('the error for a job name that is too long states the number of its characters', () => {
  expect(thrownBy(() => define({ name: long })).message).toContain('256 characters')
})
