import { createClient, defineJob, type StandardSchema, type TriggerOptions } from '@jobistemer/core'
import { runJob } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { everySeconds } from './support/every.ts'
import { everywhere } from './support/places.ts'
import { createWorld } from './support/world.ts'

interface Day {
  day: string
  pages: number
}

/** The same in each library, from a text to a number: what is kept can not be parsed once more. */
const schemas: readonly [name: string, schema: StandardSchema<unknown, Day>][] = [
  ['zod', z.object({ day: z.string().min(1), pages: z.string().transform(Number) })],
  ['valibot', v.object({ day: v.pipe(v.string(), v.minLength(1)), pages: v.pipe(v.string(), v.transform(Number)) })],
  ['arktype', type({ day: 'string > 0', pages: 'string.numeric.parse' })],
  [
    'zod, asynchronous,',
    z.object({ day: z.string().refine(async (day) => day !== ''), pages: z.string().transform(async (text) => +text) }),
  ],
] as never

const retryPolicy = { maxRetries: 3, retryInterval: 1000 }

function jobOf(schema: StandardSchema<unknown, Day>, ran: unknown[]) {
  const tasks = [
    { name: 'write', run: ({ input }: { input: Day }) => ran.push(input) },
    { name: 'send', failureStrategy: 'continue', run: ({ input }: { input: Day }) => ran.push(input.pages) },
  ] as const
  const onStart = ({ input }: { input: unknown }) => void ran.push(['start', input])
  return defineJob({ name: 'report', payload: schema, overlapPolicy: 'allow', retryPolicy, onStart, tasks } as never)
}

const good = { day: 'today', pages: '12' }
const bad: TriggerOptions = { data: { day: '', pages: '12' } }
const parsed = { day: 'today', pages: 12 }

describe.each(schemas)('with a schema of %s', (_, schema) => {
  it.each(everywhere)(
    'on $name data are parsed where the job’s code is, and kept as they were parsed',
    async (place) => {
      const world = createWorld(place)
      const ran: unknown[] = []
      const job = jobOf(schema, ran)
      const node = await world.start({ jobs: [job] })
      const { id } = await node.trigger('report', { data: good })
      await world.clock.advance({ seconds: 1 })
      expect(ran).toEqual([['start', parsed], parsed, 12])
      expect((await node.occurrence(id)).input).toEqual(parsed)
      await node.replay(id)
      await node.triggerMany([{ job: 'report', data: good }])
      await world.clock.advance({ seconds: 1 })
      expect(ran.filter((one) => one === 12)).toHaveLength(3)

      const refused = {
        code: 'INVALID_PAYLOAD',
        field: 'data',
        message: expect.stringContaining('job "report": day: '),
      }
      await expect(node.trigger('report', bad)).rejects.toMatchObject(refused)
      await expect(node.replay(id, bad)).rejects.toMatchObject(refused)
      await expect(
        node.triggerMany([
          { job, data: good },
          { job: 'report', ...bad },
        ]),
      ).rejects.toMatchObject({ code: 'INVALID_PAYLOAD', field: 'items[1].data' })
      await expect(node.trigger('report')).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' })
      expect((await node.occurrences({ job: 'report' })).items).toHaveLength(3)
    },
  )

  it('data of a process without the code are parsed before the first task, and fail the run without retries', async () => {
    const world = createWorld()
    const ran: unknown[] = []
    const job = jobOf(schema, ran)
    await world.start({ jobs: [job] })
    const client = createClient({ storage: world.connect(), clock: world.clock })
    const right = await client.trigger('report', { data: good })
    const wrong = await client.trigger('report', bad)
    const message = await client.trigger(job, bad).catch((error: Error) => error.message)
    await world.clock.advance({ minutes: 1 })
    expect(ran).toEqual([['start', parsed], parsed, 12])
    expect(await client.occurrence(right.id)).toMatchObject({ state: 'completed' })
    const { state, reason, tasks } = await client.occurrence(wrong.id)
    expect([state, reason]).toEqual(['failed', 'invalid_payload'])
    expect(tasks).toMatchObject([
      { name: 'write', state: 'failed', attemptCount: 1, error: { code: 'INVALID_PAYLOAD', message } },
      { name: 'send', state: 'canceled', reason: 'invalid_payload' },
    ])
  })
})

describe('a payload schema', () => {
  it('tells the compiler what tasks find, and what a trigger takes', async () => {
    const payload = z.object({ day: z.string(), pages: z.string().transform(Number), note: z.string().optional() })
    const asked = defineJob({
      name: 'asked',
      payload,
      tasks: [
        {
          name: 'write',
          data: { of: 'task' },
          run: ({ input, data }) => {
            expectTypeOf(input).toEqualTypeOf<{ day: string; pages: number; note?: string | undefined }>()
            expectTypeOf(data).toEqualTypeOf<{ readonly of: 'task' }>()
            return input.pages
          },
        },
      ],
    })
    const planned = defineJob({
      name: 'planned',
      schedule: everySeconds(3600),
      payload: v.optional(v.object({ at: v.date() })),
      tasks: [
        {
          name: 'write',
          run: ({ input }) => {
            // JSON has no dates, and what it would change is refused.
            expectTypeOf(input).toEqualTypeOf<{ at: never } | undefined>()
          },
        },
      ],
    })
    const world = createWorld()
    const node = await world.start({ jobs: [asked, planned] })
    await node.trigger(asked, { data: { day: 'today', pages: '1' }, key: 'a' })
    await node.trigger(planned)
    const refused = [
      // @ts-expect-error what goes in is a text
      () => node.trigger(asked, { data: { day: 'today', pages: 1 } }),
      // @ts-expect-error data are needed
      () => node.trigger(asked),
      // @ts-expect-error data are needed
      () => node.trigger(asked, { key: 'b' }),
    ]
    for (const trigger of refused) await expect(trigger()).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' })
    const at = new Date(0)
    await expect(node.trigger(planned, { data: { at } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      field: 'data.at',
      value: at,
    })
  })

  it('is not asked about slots, which have no data', async () => {
    const world = createWorld()
    const ran: unknown[] = []
    const tasks = [{ name: 'work', run: ({ input }: { input: unknown }) => ran.push(input) }]
    const schedule = everySeconds(60)
    await world.start({
      jobs: [defineJob({ name: 'planned', schedule, payload: z.object({ day: z.string() }), tasks })],
    })
    await world.clock.advance({ seconds: 61 })
    expect(ran).toEqual([undefined])
  })

  it('that fails itself is told from data that do not fit', async () => {
    const broken = {
      '~standard': {
        version: 1,
        vendor: 'own',
        validate: () => {
          throw new TypeError('no database')
        },
      },
    } as const
    const job = defineJob({ name: 'broken', payload: broken, tasks: [{ name: 'work', run: () => 1 }] })
    await expect(runJob(job, { storage: memoryStorage(), data: 1 })).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
      cause: { message: 'no database' },
    })
  })

  it('has to be one', () => {
    const define = (payload: unknown) =>
      defineJob({ name: 'job', payload: payload as never, tasks: [{ name: 'work', run: () => 1 }] })
    for (const wrong of [5, null, {}, { '~standard': { version: 2, vendor: 'own', validate: () => ({}) } }]) {
      expect(() => define(wrong)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', field: 'payload' }))
    }
  })
})
