import { AsyncLocalStorage } from 'node:async_hooks'
import { createClient, createScheduler, defineJob, type Scheduler, silentLogger } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { expect, it, onTestFinished } from 'vitest'
import { everySeconds } from '../support/every.ts'

// These tests use the real clock, because Node.js determines the asynchronous context of timers and immediates.

const request = new AsyncLocalStorage<string>()

/**
 * Defines jobs whose handlers and hooks record their asynchronous context, and makes a storage that records the context of
 * its calls.
 */
function noting() {
  const seen: string[] = []
  const note = (what: string) => seen.push(`${what}: ${request.getStore()}`)
  const ticks = { count: 0 }
  const asked = defineJob({
    name: 'asked',
    overlapPolicy: 'allow',
    onStart: () => void note('onStart'),
    onComplete: () => void note('onComplete'),
    tasks: [
      {
        name: 'work',
        // For this timeout, the scheduler sets a timer during the task. No other timer of the scheduler fires within 1 s.
        taskTimeout: { seconds: 1 },
        async run() {
          note('handler')
          await new Promise((resolve) => setImmediate(resolve))
          note('handler')
        },
      },
    ],
  })
  const retried = defineJob({
    name: 'retried',
    tasks: [
      {
        name: 'work',
        retryPolicy: { maxRetries: 2, retryInterval: 10 },
        run({ attempt }) {
          note('attempt')
          if (attempt < 3) throw new Error('again')
        },
      },
    ],
  })
  const entering = defineJob({
    name: 'entering',
    overlapPolicy: 'queue',
    tasks: [
      {
        name: 'work',
        run() {
          note('entering')
          request.enterWith('a handler')
        },
      },
    ],
  })
  const slots = defineJob({
    name: 'slots',
    schedule: everySeconds(1),
    tasks: [
      {
        name: 'work',
        run() {
          ticks.count++
          note('slot')
        },
      },
    ],
  })
  const ofTheEngine = ['createOccurrences', 'claim', 'settle', 'heartbeat']
  const storage = wrapStorage(memoryStorage(), {
    around({ method, proceed }) {
      if (ofTheEngine.includes(method)) note('storage')
      return proceed()
    },
  })
  return { seen, ticks, jobs: [asked, retried, entering, slots], storage }
}

/** Triggers jobs as requests of a server do, several of them in one turn of the event loop, and waits for their runs. */
async function ask(scheduler: Scheduler): Promise<void> {
  const names = ['asked', 'retried', 'asked', 'entering', 'entering', 'asked']
  const trigger = (name: string, index: number) => request.run(`request ${index}`, () => scheduler.trigger(name))
  const answers = await Promise.all(names.map(trigger))
  await Promise.all(answers.map(({ id }) => scheduler.waitFor(id, { timeout: 60_000 })))
}

it("handlers, hooks and storage calls do not inherit the async context of a trigger's caller", async () => {
  const { seen, ticks, jobs, storage } = noting()
  const scheduler = createScheduler({ storage, jobs, maxConcurrentJobs: 2, logger: silentLogger })
  onTestFinished(() => scheduler.shutdown())
  await request.run('start', () => scheduler.start())
  await ask(scheduler)
  const before = ticks.count
  await expect.poll(() => ticks.count, { timeout: 60_000 }).toBeGreaterThan(before + 1)
  await request.run('shutdown', () => scheduler.shutdown())
  const kinds = ['attempt', 'entering', 'handler', 'onComplete', 'onStart', 'slot', 'storage']
  expect([...new Set(seen)].sort()).toEqual(kinds.map((kind) => `${kind}: undefined`))
})

it('handlers, hooks and storage calls run in the async context in which the scheduler was created', async () => {
  const { seen, jobs, storage } = noting()
  const made = request.run('maker', () => createScheduler({ storage, jobs, logger: silentLogger }))
  onTestFinished(() => made.shutdown())
  await made.start()
  await ask(made)
  await made.shutdown()
  expect(seen.filter((line) => !line.endsWith(': maker'))).toEqual([])
})

it('handlers, hooks and storage calls of `runDue` do not inherit the async context of its caller', async () => {
  const { seen, jobs, storage } = noting()
  const scheduler = createScheduler({ storage, jobs, logger: silentLogger })
  onTestFinished(() => scheduler.shutdown())
  const call = () => request.run('a route', () => scheduler.runDue({ budget: 60_000 }))
  await call()
  const client = createClient({ storage })
  await request.run('a request', () => client.trigger('asked'))
  await client.close()
  expect(await call()).toMatchObject({ finished: expect.toSatisfy((count: number) => count > 0) })
  expect(new Set(seen)).toContain('handler: undefined')
  expect(seen.filter((line) => !line.endsWith(': undefined'))).toEqual([])
})

it('storage calls of `changes` do not inherit the async context of the code that iterates over `changes`', async () => {
  const seen: string[] = []
  const storage = wrapStorage(memoryStorage(), {
    around({ method, proceed }) {
      if (method === 'listJobs' || method === 'listOccurrences') seen.push(`${method}: ${request.getStore()}`)
      return proceed()
    },
    subscribe() {
      seen.push(`subscribe: ${request.getStore()}`)
      return () => undefined
    },
  })
  const client = createClient({ storage, logger: silentLogger })
  onTestFinished(() => client.close())
  const follow = async () => {
    // This iteration runs in the context of a request. The iteration starts the first poll, and each poll starts the next poll.
    // But no poll may run in the context of the request.
    for await (const { kind } of client.changes({ interval: 250 })) if (kind === 'jobs') break
  }
  const following = request.run('a request', follow)
  await expect.poll(() => seen.length, { timeout: 60_000 }).toBeGreaterThan(2)
  await client.add(defineJob({ name: 'added', tasks: [{ name: 'work', handler: 'none' }] }))
  await following
  expect(seen.filter((line) => !line.endsWith(': undefined'))).toEqual([])
})
