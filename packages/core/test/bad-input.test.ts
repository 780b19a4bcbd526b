import { expect, it } from 'vitest'
import {
  attemptId,
  defineJob,
  diffSchedules,
  occurrenceId,
  taskId,
  taskRunId,
  toDurationMs,
  whyOf,
} from '../src/index.ts'
import { missedRangeId } from '../src/ids.ts'
import { noSchedule } from '../src/schedule/no-schedule.ts'

/** Calls a function with values of any type, as a caller without types can. */
const call = (callee: unknown, ...values: unknown[]) => (callee as (...values: unknown[]) => unknown)(...values)

const plain = noSchedule
const schedule = (toJSON: () => unknown) => ({ ...plain, nextMs: () => 0, toJSON })
const job = (own: unknown) =>
  defineJob({ name: 'report', schedule: own as never, tasks: [{ name: 'a', run: () => 1 }] })

it.each<[title: string, code: string, field: string, () => unknown]>([
  ['toDurationMs without a field', 'INVALID_DURATION', 'duration', () => call(toDurationMs, 'soon')],
  ['whyOf(undefined)', 'INVALID_ARGUMENT', 'occurrence', () => call(whyOf, undefined)],
  ['whyOf(5)', 'INVALID_ARGUMENT', 'occurrence', () => call(whyOf, 5)],
  ['whyOf of an unknown state', 'INVALID_ARGUMENT', 'occurrence', () => call(whyOf, { state: 'toString' })],
  ['taskId(Symbol())', 'INVALID_ARGUMENT', 'job', () => call(taskId, Symbol('id'))],
  ['taskId without a name', 'INVALID_NAME', 'taskName', () => call(taskId, 'job_1')],
  ['occurrenceId(Symbol())', 'INVALID_ARGUMENT', 'job', () => call(occurrenceId, Symbol('id'), 0)],
  ['missedRangeId(null)', 'INVALID_ARGUMENT', 'job', () => call(missedRangeId, null, 0)],
  ['taskRunId without an occurrence', 'INVALID_ARGUMENT', 'occurrence', () => call(taskRunId)],
  ['taskRunId without a task', 'INVALID_ARGUMENT', 'task', () => call(taskRunId, 'occ_1')],
  ['attemptId without a run', 'INVALID_ARGUMENT', 'run', () => call(attemptId)],
  ['attemptId with a fraction', 'INVALID_ARGUMENT', 'number', () => call(attemptId, 'run_1', 1.5)],
  ['diffSchedules without schedules', 'INVALID_ARGUMENT', 'before', () => call(diffSchedules)],
  ['diffSchedules with one schedule', 'INVALID_ARGUMENT', 'after', () => call(diffSchedules, plain, {}, 0, 1)],
  ['a schedule without toJSON', 'INVALID_SCHEDULE', 'schedule', () => job({ nextMs: () => 0 })],
  [
    'a schedule without a type',
    'INVALID_SCHEDULE',
    'schedule',
    () => job({ ...schedule(() => ({ type: 'mine' })), type: undefined }),
  ],
  ['a schedule that JSON cannot keep', 'INVALID_SCHEDULE', 'schedule', () => job(schedule(() => ({ every: 1n })))],
  [
    'a list of tasks with a hole',
    'INVALID_ARGUMENT',
    'tasks[0]',
    () => call(defineJob, { name: 'a', tasks: new Array(1) }),
  ],
  ['a schedule whose toJSON returns a text', 'INVALID_SCHEDULE', 'schedule', () => job(schedule(() => 'daily'))],
])('the invalid call or value %s is refused with the error %s, which names the field %s', (_, code, field, misuse) => {
  expect(misuse).toThrow(expect.objectContaining({ code, field, remedy: expect.stringMatching(/\.$/) }))
})

it('a schedule whose toJSON throws is refused; the cause of the refusal is the thrown error', () => {
  const cause = new Error('no calendar')
  const misuse = () =>
    job(
      schedule(() => {
        throw cause
      }),
    )
  expect(misuse).toThrow(expect.objectContaining({ code: 'INVALID_SCHEDULE', field: 'schedule', cause }))
})
