import { runInNewContext } from 'node:vm'
import { createClient, defineJob, type StandardSchema, type TriggerOptions } from '@jobistemer/core'
import { runJob } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { createWorld } from '../support/world.ts'

/** Makes a Standard Schema with the given `validate`. */
function schemaOf(validate: (value: unknown) => unknown): StandardSchema {
  return { '~standard': { version: 1, vendor: 'own', validate: validate as never } }
}

interface Day {
  day: string
  pages: number
}

/** One schema in each validation library. Each turns `pages` from text to a number, so parsed data cannot be parsed again. */
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

describe.each(schemas)('with a payload schema of the library %s', (_, schema) => {
  it.each(everywhere)(
    "on the storage $name, a node with the job's code parses the data of a trigger and stores the parsed value",
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

  it("a node parses the data of a client's trigger, and invalid data fail the run without retries", async () => {
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
  it("determines the types of a task's input and of a trigger's data", async () => {
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
            // JSON has no dates, so the compiler rejects a trigger whose data contain a date.
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
      // @ts-expect-error the input type of `pages` is a string, not a number
      () => node.trigger(asked, { data: { day: 'today', pages: 1 } }),
      // @ts-expect-error a trigger of this job requires `data`
      () => node.trigger(asked),
      // @ts-expect-error a trigger of this job requires `data`
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

  it('does not validate slots, which have no data', async () => {
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

  it('that throws makes a call reject with INVALID_PAYLOAD, with the thrown error as cause', async () => {
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

  it('whose validation never ends makes a trigger reject by the trigger’s timeout, callTimeout or signal, and no trigger is stored', async () => {
    const world = createWorld()
    const payload = schemaOf(() => new Promise(() => undefined))
    const job = defineJob({ name: 'stuck', payload, tasks: [{ name: 'work', run: () => 1 }] })
    const node = await world.start({ jobs: [job], callTimeout: { seconds: 20 } })
    const controller = new AbortController()
    const { signal } = controller
    const calls = [
      node.trigger('stuck', { data: 1, timeout: 500 }),
      node.triggerMany([{ job: 'stuck', data: 1 }], { timeout: 500 }),
      node.trigger('stuck', { data: 1 }),
      node.triggerMany([{ job: 'stuck', data: 1 }]),
      node.trigger('stuck', { data: 1, signal }),
      node.triggerMany([{ job: 'stuck', data: 1 }], { signal }),
    ]
    const ended: string[] = []
    for (const [index, call] of calls.entries()) {
      call.catch(({ code, message }) => ended.push(`${index} ${code} ${message.includes('payload schema')}`))
    }
    await world.clock.advance(499)
    expect(ended).toEqual([])
    await world.clock.advance(1)
    expect(ended.splice(0)).toEqual(['0 WAIT_TIMEOUT true', '1 WAIT_TIMEOUT true'])
    controller.abort()
    await world.clock.settle()
    expect(ended.splice(0)).toEqual(['4 ABORTED true', '5 ABORTED true'])
    await world.clock.advance({ seconds: 20 })
    expect(ended).toEqual(['2 WAIT_TIMEOUT true', '3 WAIT_TIMEOUT true'])
    expect((await node.occurrences({ job: 'stuck' })).items).toEqual([])
  })

  it('whose validation never ends makes a replay and a backfill reject by their timeout', async () => {
    const world = createWorld()
    let isStuck = false
    const payload = schemaOf((value) => (isStuck ? new Promise(() => undefined) : { value }))
    const tasks = [{ name: 'work', run: () => 1 }]
    const job = defineJob({ name: 'stuck', payload, schedule: everySeconds(60), tasks })
    const node = await world.start({ jobs: [job] })
    const { id } = await node.trigger('stuck', { data: 1 })
    await world.clock.advance({ minutes: 2 })
    isStuck = true
    const span = { from: world.clock.now() - 60_000, to: world.clock.now() }
    const calls = [
      node.replay(id, { data: 2, timeout: 500 }),
      node.backfill('stuck', { ...span, which: 'all', data: 2, timeout: 500 }),
    ]
    const codes = Promise.all(calls.map((call) => call.then(String, ({ code }) => code)))
    await world.clock.advance(500)
    expect(await codes).toEqual(['WAIT_TIMEOUT', 'WAIT_TIMEOUT'])
  })

  it('whose validation never ends makes the run of a client’s trigger fail at the execution timeout of the job', async () => {
    const world = createWorld()
    const payload = schemaOf(() => new Promise(() => undefined))
    const tasks = [{ name: 'work', run: () => 1 }]
    await world.start({ jobs: [defineJob({ name: 'stuck', payload, executionTimeout: { minutes: 1 }, tasks })] })
    const client = createClient({ storage: world.connect(), clock: world.clock })
    const { id } = await client.trigger('stuck', { data: 1 })
    await world.clock.advance({ minutes: 2 })
    expect(await client.occurrence(id)).toMatchObject({ state: 'failed', reason: 'execution_timeout' })
  })

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['a text', 'fine'],
    ['an object without members', {}],
    ['issues that are not an array', { issues: 5 }],
    ['issues that are null', { issues: null }],
    ['an issue that is null', { issues: [null] }],
    ['an issue without a message', { issues: [{}] }],
    ['a message that is a number', { issues: [{ message: 5 }] }],
    ['a path that is a text', { issues: [{ message: 'wrong', path: 'day' }] }],
    ['a path with null', { issues: [{ message: 'wrong', path: [null] }] }],
    ['an empty list of issues', { issues: [] }],
  ])('that returns %s makes a call reject with INVALID_PAYLOAD', async (_, result) => {
    const world = createWorld()
    const tasks = [{ name: 'work', run: () => 1 }]
    const jobs = [
      defineJob({ name: 'sync', payload: schemaOf(() => result), tasks }),
      defineJob({ name: 'async', payload: schemaOf(async () => result), tasks }),
      defineJob({
        name: 'foreign',
        payload: schemaOf(() => runInNewContext('Promise.resolve(result)', { result })),
        tasks,
      }),
    ]
    const node = await world.start({ jobs })
    for (const { name } of jobs) {
      const refusal = { code: 'INVALID_PAYLOAD', message: expect.stringContaining(`job "${name}"`) }
      await expect(node.trigger(name, { data: 1 })).rejects.toMatchObject(refusal)
      await expect(node.triggerMany([{ job: name, data: 1 }])).rejects.toMatchObject(refusal)
    }
  })

  it('is rejected by `defineJob` if it is not a Standard Schema', () => {
    const define = (payload: unknown) =>
      defineJob({ name: 'job', payload: payload as never, tasks: [{ name: 'work', run: () => 1 }] })
    for (const wrong of [5, null, {}, { '~standard': { version: 2, vendor: 'own', validate: () => ({}) } }]) {
      expect(() => define(wrong)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', field: 'payload' }))
    }
  })
})
