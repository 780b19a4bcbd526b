import { readFileSync } from 'node:fs'
import {
  createClient,
  createScheduler,
  defineJob,
  type Job,
  occurrenceId,
  type JobOptions,
  silentLogger,
  type TaskContext,
} from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { describe, expect, it, onTestFinished } from 'vitest'

// The guide for adapters has a table of limits. These tests check that core accepts each value at its limit and rejects the
// next value.

const guide = readFileSync(
  new URL('../../../storage-conformance/docs/write-your-own-adapter.md', import.meta.url),
  'utf8',
)
const [, section = ''] = /^## Limits$([\s\S]*?)^## /m.exec(guide) ?? []

/** Returns the numbers in the row `value` of the limits table. */
function limitsOf(value: string): readonly number[] {
  const row = section.split('\n').find((line) => line.startsWith(`| ${value} |`))
  if (row === undefined) throw new Error(`the table has no row ${value}`)
  const [, , limit = ''] = row.split('|')
  return [...limit.replaceAll('2^53', String(2 ** 53)).matchAll(/-?\d[\d,]*/g)].map(([number]) =>
    Number(number.replaceAll(',', '')),
  )
}

const only = (value: string): number => limitsOf(value)[0] as number
const tasks = [{ name: 'work', handler: 'work' }]
const define = (options: Partial<JobOptions>): Job => defineJob({ name: 'job', tasks, ...options } as JobOptions)
const text = (length: number): string => 'x'.repeat(length)

function clientWith(jobs: readonly Job[] = [define({})]) {
  const client = createClient({ storage: memoryStorage(), logger: silentLogger })
  onTestFinished(() => client.close())
  return client.add(jobs).then(() => client)
}

/** Expects that `use` accepts a size that equals the limit, and rejects a size that exceeds the limit by 1. */
async function expectLimit(limit: number, use: (size: number) => unknown, code = 'INVALID_'): Promise<void> {
  expect(limit).toBeGreaterThan(1)
  await use(limit)
  await expect((async () => use(limit + 1))()).rejects.toMatchObject({ code: expect.stringContaining(code) })
}

describe('the table of limits for adapters', () => {
  it('contains the limits of names', async () => {
    const [names, tags] = limitsOf('name, owner and tags of a job, name of a task, node, handler') as [number, number]
    await expectLimit(names, (size) => define({ name: text(size) }))
    await expectLimit(names, (size) => define({ owner: text(size) }))
    await expectLimit(names, (size) => define({ tasks: [{ name: text(size), handler: 'work' }] }))
    await expectLimit(names, (size) => define({ tasks: [{ name: 'work', handler: text(size) }] }))
    await expectLimit(tags, (size) => define({ tags: [text(size)] }))
    const start = (size: number) => createScheduler({ storage: memoryStorage(), nodeId: text(size) })
    await expectLimit(names, start)
  })

  it('contains the limits of keys, reasons and actors', async () => {
    const client = await clientWith()
    for (const name of ['key', 'reason', 'actor']) {
      await expectLimit(only('request key, reason, actor'), (size) => client.trigger('job', { [name]: text(size) }))
    }
  })

  it('contains the limits of definitions and data', async () => {
    const client = await clientWith()
    const [bytes = 0] = limitsOf('`data` of a request, `result` of a task')
    // The limit counts the JSON text of a string, which includes two quotation marks.
    await expectLimit(bytes - 2, (size) => client.trigger('job', { data: text(size) }), 'DATA_TOO_LARGE')
    const base = Buffer.byteLength(JSON.stringify(text(0)))
    const defined = async (size: number) => {
      // A task holds at most 131,072 bytes of data, so a larger definition needs several tasks.
      const parts = Array.from({ length: 4 }, (_, index) => ({
        name: `task-${index}`,
        handler: 'work',
        data: text(Math.floor(size / 4) - base),
      }))
      await client.add(define({ name: `size-${size}`, tasks: parts }))
    }
    const [most = 0] = limitsOf('definition')
    await defined(most - 4000)
    await expect(defined(most)).rejects.toMatchObject({ code: 'DATA_TOO_LARGE' })
  })

  it('contains the limits of settings', async () => {
    await expectLimit(only('`maxQueued`'), (maxQueued) => define({ maxQueued }))
    const [starts = 0, days = 0] = limitsOf('start rate')
    const rate = (limit: number, interval: number) =>
      define({ overlapPolicy: 'queue', startRate: { limit, interval: { days: interval } } })
    await expectLimit(starts, (limit) => rate(limit, 1))
    await expectLimit(days, (interval) => rate(1, interval))
  })

  it("contains the limits of a failing handler's records: attempts, messages, stacks and logs", async () => {
    const [attempts = 0] = limitsOf('attempts of a task run')
    const [message = 0, stack = 0] = limitsOf('error of an attempt')
    const [logs = 0] = limitsOf('logs of an occurrence')
    const clock = virtualClock('2026-01-01T00:00:00Z')
    const run = ({ logger }: TaskContext) => {
      for (let line = 0; line < 200; line++) logger.info({ line }, text(1000))
      const error = new Error(text(message + 500))
      error.stack = `Error\n${text(stack + 500)}`
      throw error
    }
    const job = defineJob({
      name: 'job',
      keepLogs: { lines: 1000 },
      retryPolicy: { maxRetries: attempts + 5, retryInterval: 1 },
      tasks: [{ name: 'work', run }],
    })
    const storage = memoryStorage()
    const scheduler = createScheduler({ storage, jobs: [job], clock, logger: silentLogger })
    onTestFinished(() => scheduler.shutdown().then(() => storage.close()))
    await scheduler.start()
    const { id } = await scheduler.trigger('job')
    await clock.advance({ minutes: 1 })
    const [record] = (await storage.get({ occurrences: [id] })).occurrences
    const kept = record?.runs[0]?.attempts ?? []
    expect(kept).toHaveLength(attempts)
    const error = kept.at(-1)?.error
    expect(error?.message.length).toBe(message)
    expect(error?.stack?.length).toBe(stack)
    const { length } = JSON.stringify(kept.map((attempt) => attempt.logs ?? null))
    expect([length > logs / 2, length <= logs]).toEqual([true, true])
  })

  it('contains the bounds of instants, ids and numbers', () => {
    const [from, to] = limitsOf('instants')
    expect([from, to]).toEqual([-8.64e15, 8.64e15])
    expect(() => new Date((to as number) + 1).toISOString()).toThrow(RangeError)
    expect(only('id of a job or an occurrence')).toBe(define({}).id.length)
    expect(occurrenceId(define({}).id, 0)).toHaveLength(only('id of a job or an occurrence'))
    expect(limitsOf('`token`, `sequence`, `version`, `counter`')).toEqual([Number.MAX_SAFE_INTEGER + 1])
  })
})
