import { describe, expect, expectTypeOf, it } from 'vitest'
import type { RetryPolicyInput, TaskSettingsInput } from '../src/configuration/settings.ts'
import { defineJob, type Job } from '../src/job/define-job.ts'
import { defineTask, type RunnableTask, type TaskContext } from '../src/job/task.ts'
import type { Jsonify, JsonValue } from '../src/json.ts'
import { every } from './support/every.ts'

// The compiler checks the types in these tests. If a type is wrong, the script `typecheck` of the package fails.

const schedule = every(1000)
const count = defineTask({ name: 'count', run: async () => ({ rows: 3 }) })
const label = defineTask({ name: 'label', data: { prefix: 'rows' }, run: ({ data }) => data.prefix.length })

describe('the compiler infers types', () => {
  it('of `context.data` from the data of the same task', () => {
    const job = defineJob({
      name: 'typed',
      schedule,
      tasks: [
        {
          name: 'first',
          data: { table: 'orders', limit: 5 },
          run: (context) => {
            expectTypeOf(context.data).toEqualTypeOf<{ readonly table: 'orders'; readonly limit: 5 }>()
            expectTypeOf(context.data.table).toExtend<string>()
            // @ts-expect-error the data have no member `missing`
            return context.data.missing
          },
        },
        {
          name: 'second',
          data: ['a', 'b'],
          run: ({ data }) => {
            expectTypeOf(data).toExtend<readonly string[]>()
            // @ts-expect-error `table` belongs to the data of another task
            return data.table
          },
        },
        {
          name: 'third',
          run: ({ data }) => {
            // @ts-expect-error the task has no data
            return data.table
          },
        },
      ],
    })
    expectTypeOf(job).toEqualTypeOf<Job>()
    expect(job.tasks).toHaveLength(3)
  })

  it('of `context.result` from an earlier task of defineTask', () => {
    const job = defineJob({
      name: 'typed',
      schedule,
      tasks: [
        count,
        label,
        {
          name: 'print',
          run: (context) => {
            expectTypeOf(context.result(count)).toEqualTypeOf<{ rows: number }>()
            expectTypeOf(context.result(label)).toEqualTypeOf<number>()
            expectTypeOf(context.results).toEqualTypeOf<Readonly<Record<string, JsonValue | undefined>>>()
            // @ts-expect-error the result has no member `columns`
            return context.result(count).columns
          },
        },
      ],
    })
    expect(job.tasks.map(({ name }) => name)).toEqual(['count', 'label', 'print'])
  })

  it('of a definition from defineTask', () => {
    expectTypeOf(count).toEqualTypeOf<RunnableTask<undefined, { rows: number }>>()
    expectTypeOf<Parameters<NonNullable<typeof label.run>>[0]>().toEqualTypeOf<
      TaskContext<{ readonly prefix: 'rows' }>
    >()
    expect([count.name, label.name]).toEqual(['count', 'label'])
  })
})

describe('the type of stored data and results', () => {
  it('is the type of their JSON form, or `never` for values that JSON does not have', () => {
    interface Row {
      readonly id: number
      readonly note?: string
    }
    expectTypeOf<Jsonify<{ rows: Row[]; total: number | null }>>().toEqualTypeOf<{
      rows: { readonly id: number; readonly note?: string }[]
      total: number | null
    }>()
    expectTypeOf<Jsonify<readonly [1, 'a']>>().toEqualTypeOf<readonly [1, 'a']>()
    expectTypeOf<Jsonify<JsonValue | undefined>>().toEqualTypeOf<JsonValue | undefined>()
    expectTypeOf<Jsonify<unknown>>().toEqualTypeOf<unknown>()
    expectTypeOf<Jsonify<{ at: Date; by: Map<string, number>; ids: Set<number>; size: bigint }>>().toEqualTypeOf<{
      at: never
      by: never
      ids: never
      size: never
    }>()
    expectTypeOf<Jsonify<Row & { save(): void }>['save']>().toEqualTypeOf<never>()
    expectTypeOf<Jsonify<{ toJSON(): string }>>().toEqualTypeOf<never>()
  })

  it('is the type of `context.data` for stored data, and of `context.result` for a stored result', () => {
    const stamp = defineTask({ name: 'stamp', run: () => ({ at: new Date(0), rows: [1] }) })
    const refused = () =>
      defineTask({
        name: 'since',
        data: { since: new Date(0) },
        run: (context) => {
          expectTypeOf(context.data.since).toEqualTypeOf<never>()
          expectTypeOf(context.result(stamp)).toEqualTypeOf<{ at: never; rows: number[] }>()
          // @ts-expect-error JSON turns a Date into a string
          return context.result(stamp).at.getTime()
        },
      })
    expect(() => defineJob({ name: 'a', schedule, tasks: [refused()] })).toThrow(/data\.since cannot be kept as JSON/)
  })
})

describe('the compiler refuses', () => {
  it('a task without a name, or with an option that tasks do not have', () => {
    const refused = [
      // @ts-expect-error the task has no name
      () => defineJob({ name: 'a', schedule, tasks: [{ run: () => 1 }] }),
      // @ts-expect-error `overlapPolicy` is an option of jobs, not of tasks
      () => defineJob({ name: 'a', schedule, tasks: [defineTask({ name: 'a', run: () => 1, overlapPolicy: 'skip' })] }),
    ]
    for (const define of refused) expect(define).toThrow()
  })

  it('a job with an unknown option, or with an option whose value is not allowed', () => {
    const refused = [
      // @ts-expect-error `replace` is no overlap policy
      () => defineJob({ name: 'a', schedule, tasks: [count], overlapPolicy: 'replace' }),
      // @ts-expect-error the recovery strategy lacks its type
      () => defineJob({ name: 'a', schedule, tasks: [count], recoveryStrategy: { maxOccurrences: 1 } }),
      // @ts-expect-error a cron expression is no schedule
      () => defineJob({ name: 'a', schedule: '* * * * *', tasks: [count] }),
      // @ts-expect-error `retries` is no option
      () => defineJob({ name: 'a', schedule, tasks: [count], retries: 3 }),
    ]
    for (const define of refused) expect(define).toThrow()
  })

  it('an assignment to a member of a definition', () => {
    expectTypeOf<Job['tasks']>().toExtend<readonly unknown[]>()
    expectTypeOf<Job['tasks']>().not.toExtend<unknown[]>()
    expectTypeOf<RetryPolicyInput>().toEqualTypeOf<Readonly<RetryPolicyInput>>()
    expectTypeOf<TaskSettingsInput>().toEqualTypeOf<Readonly<TaskSettingsInput>>()
    expect(Object.isFrozen(defineJob({ name: 'a', schedule, tasks: [count] }).settings)).toBe(true)
  })
})
