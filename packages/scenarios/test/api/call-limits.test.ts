import {
  createClient,
  createScheduler,
  defineJob,
  type CallOptions,
  JobistemerError,
  occurrenceId,
  type Scheduler,
  silentLogger,
} from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { type VirtualClock, virtualClock, wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { type Call, InterceptedStorage } from '../support/intercepted-storage.ts'
import { at, startMs } from '../support/world.ts'

interface Node {
  readonly clock: VirtualClock
  readonly scheduler: Scheduler
  readonly intercepted: InterceptedStorage
  /** A second connection to the scheduler's database, whose calls no test intercepts. */
  readonly storage: Storage
  /** The kinds of the occurrences whose handler was called, in the order of the calls. */
  readonly called: string[]
  readonly job: ReturnType<typeof defineJob>
}

/** Starts a scheduler with one job, and waits until the job has run its only slot. */
async function start(callTimeout?: number): Promise<Node> {
  const clock = virtualClock(startMs)
  // This test leaves storage calls unanswered. With its method `track`, the virtual clock would wait for these calls forever.
  const { track: _, ...untracked } = clock
  const database = memoryDatabase()
  const intercepted = new InterceptedStorage(memoryStorage({ database }))
  const called: string[] = []
  const job = defineJob({
    name: 'a',
    schedule: everySeconds(10, +at(10)),
    tasks: [{ name: 'work', run: ({ occurrence }) => called.push(`${occurrence.kind}`) }],
  })
  const scheduler = createScheduler({
    storage: intercepted.storage,
    jobs: [job],
    clock: untracked,
    logger: silentLogger,
    ...(callTimeout !== undefined && { callTimeout }),
  })
  await scheduler.start()
  await clock.advance({ seconds: 15 })
  expect(called).toEqual(['slot'])
  called.length = 0
  onTestFinished(async () => {
    intercepted.intercept = (call) => call.proceed()
    const stopped = scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
    await clock.advance({ minutes: 1 })
    await stopped
  })
  return { clock, scheduler, intercepted, storage: memoryStorage({ database }), called, job }
}

/** Collects the error with which a call rejects. The error is `null` while the call is pending. */
function refusalOf(call: Promise<unknown>): { error: JobistemerError | null } {
  const seen: { error: JobistemerError | null } = { error: null }
  call.then(
    () => {},
    (error: JobistemerError) => {
      seen.error = error
    },
  )
  return seen
}

const onRequest = defineJob({ name: 'on request', tasks: [{ name: 'work', handler: 'work' }] })

const never = (): Promise<never> => new Promise(() => {})

const removalOfA = { name: 'a', version: 1, before: [], after: [], changes: [] }

const calls: readonly [name: string, call: (node: Node, options?: CallOptions) => Promise<unknown>][] = [
  ['trigger', ({ scheduler }, options) => scheduler.trigger('a', options)],
  ['replay', ({ scheduler, job }, options) => scheduler.replay(occurrenceId(job.id, at(10)), options)],
  ['cancel', ({ scheduler, job }, options) => scheduler.cancel(occurrenceId(job.id, at(10)), options)],
  ['cancelSlot', ({ scheduler }, options) => scheduler.cancelSlot('once', at(3600), options)],
  ['pause', ({ scheduler }, options) => scheduler.pause('a', options)],
  ['resume', ({ scheduler }, options) => scheduler.resume('a', options)],
  ['update', ({ scheduler }, options) => scheduler.update('a', { overlapPolicy: 'allow' }, options)],
  ['add', ({ scheduler, job }, options) => scheduler.add({ ...job, owner: 'x' }, options)],
  ['remove', ({ scheduler }, options) => scheduler.remove('a', options)],
  ['plan', ({ scheduler, job }, options) => scheduler.plan([job], { owner: 'x', ...options })],
  [
    'apply',
    ({ scheduler }, options) =>
      scheduler.apply({ owner: 'x', jobs: [], added: [], changed: [], removed: [removalOfA], unchanged: [] }, options),
  ],
  ['realign', ({ scheduler }, options) => scheduler.update('a', {}, { realign: true, ...options })],
  ['explain', ({ scheduler }, options) => scheduler.explain('a', at(10), options)],
  ['prune', ({ scheduler }, options) => scheduler.prune({ olderThan: 0, ...options })],
  ['isRunning', ({ scheduler }, options) => scheduler.isRunning('a', options)],
  ['occurrences', ({ scheduler }, options) => scheduler.occurrences({ job: 'a' }, options)],
]

describe('while the storage does not answer,', () => {
  it.each(calls)(
    'the call %s rejects after its own timeout, or after the `callTimeout` of the scheduler if the call has no timeout',
    async (_name, call) => {
      const node = await start()
      const laterJob = defineJob({ name: 'once', schedule: everySeconds(3600), tasks: [{ name: 'w', run: () => 1 }] })
      await node.scheduler.add(laterJob)
      node.intercepted.intercept = never
      const [own, ofScheduler] = [refusalOf(call(node, { timeout: { seconds: 2 } })), refusalOf(call(node))]
      await node.clock.advance(1999)
      expect(own.error).toBe(null)
      await node.clock.advance(1)
      expect(own.error).toMatchObject({ code: 'STORAGE_TIMEOUT', field: 'timeout', value: 2000 })
      expect(own.error?.remedy).toContain('may still take effect')
      await node.clock.advance(7999)
      expect(ofScheduler.error).toBe(null)
      await node.clock.advance(1)
      expect(ofScheduler.error).toMatchObject({ code: 'STORAGE_TIMEOUT', value: 10_000 })
    },
  )

  it.each(calls)(
    'the call %s rejects when its signal is aborted, with the abort reason as cause',
    async (_name, call) => {
      const node = await start()
      const laterJob = defineJob({ name: 'once', schedule: everySeconds(3600), tasks: [{ name: 'w', run: () => 1 }] })
      await node.scheduler.add(laterJob)
      node.intercepted.intercept = never
      const controller = new AbortController()
      const refused = refusalOf(call(node, { signal: controller.signal }))
      await node.clock.settle()
      expect(refused.error).toBe(null)
      controller.abort('the client hung up')
      await node.clock.settle()
      expect(refused.error).toMatchObject({ code: 'ABORTED', field: 'signal', cause: 'the client hung up' })
      expect(JobistemerError.isInstance(refused.error)).toBe(true)
      node.intercepted.reset()
      const early = refusalOf(call(node, { signal: controller.signal }))
      await node.clock.settle()
      expect(early.error).toMatchObject({ code: 'ABORTED' })
      expect(node.intercepted.calls).toEqual([])
    },
  )

  it('a call without its own timeout rejects after the `callTimeout` of the scheduler', async () => {
    const node = await start(500)
    node.intercepted.intercept = never
    const refused = refusalOf(node.scheduler.trigger('a'))
    await node.clock.advance(500)
    expect(refused.error).toMatchObject({ code: 'STORAGE_TIMEOUT', value: 500 })
  })

  it('a call with a timeout of 5 minutes rejects after 5 minutes', async () => {
    const node = await start()
    node.intercepted.intercept = never
    const refused = refusalOf(node.scheduler.isRunning('a', { timeout: { minutes: 5 } }))
    await node.clock.advance(299_999)
    expect(refused.error).toBe(null)
    await node.clock.advance(1)
    expect(refused.error).toMatchObject({ code: 'STORAGE_TIMEOUT' })
  })
})

describe('a call that exceeds its timeout because the storage fails', () => {
  const full = new JobistemerError('STORAGE_FULL', { message: 'The disk is full.', remedy: 'Make room.' })

  it.each<[string, (scheduler: Scheduler, timeout: number) => Promise<unknown>]>([
    ['a trigger', (scheduler, timeout) => scheduler.trigger('a', { timeout })],
    [
      'one of several triggers',
      async (scheduler, timeout) => {
        const [, second] = await scheduler.triggerMany([{ job: 'a' }, { job: 'a' }], { timeout })
        throw (second as { error: unknown }).error
      },
    ],
    ['an addition', (scheduler, timeout) => scheduler.add(onRequest, { timeout })],
  ])('rejects with the last storage error as cause: %s', async (_, call) => {
    const { scheduler, intercepted, clock } = await start()
    intercepted.intercept = (made) => (made.operation === 'listJobs' ? made.proceed() : Promise.reject(full))
    const refused = refusalOf(call(scheduler, 4000))
    await clock.advance({ seconds: 4 })
    expect(refused.error).toMatchObject({ code: 'STORAGE_TIMEOUT', field: 'timeout', value: 4000, cause: full })
    expect(refused.error?.message).toContain('within 4000 ms. It failed meanwhile, last with STORAGE_FULL: The disk is')
  })

  it('rejects with a message that quotes the beginning of its cause, even if the cause is a string', async () => {
    const { scheduler, intercepted, clock } = await start()
    intercepted.intercept = () => Promise.reject(`away ${'x'.repeat(10_000)}`)
    const refused = refusalOf(scheduler.trigger('a', { timeout: 2000 }))
    await clock.advance({ seconds: 2 })
    expect(refused.error?.message).toMatch(/last with "away x{20,300}\.\.\. The call may still take effect/)
  })

  it('rejects without a cause if the only storage call that failed has succeeded when repeated', async () => {
    const { scheduler, intercepted, clock } = await start()
    let failures = 0
    intercepted.intercept = (call) => {
      if (call.operation === 'saveJobs') return never()
      if (call.operation !== 'get' || failures > 0) return call.proceed()
      failures++
      return Promise.reject(full)
    }
    const refused = refusalOf(scheduler.add(onRequest, { timeout: 2000 }))
    await clock.advance({ seconds: 5 })
    expect(failures).toBe(1)
    expect(refused.error).toMatchObject({ code: 'STORAGE_TIMEOUT' })
    expect(refused.error).not.toHaveProperty('cause')
    expect(refused.error?.message).not.toContain('failed')
  })

  it('rejects with the error that prevents the client from connecting', async () => {
    const clock: VirtualClock = { ...virtualClock(startMs), isAuthoritative: false }
    const storage = wrapStorage(memoryStorage(), { serverTime: () => Promise.reject(full) })
    const client = createClient({ storage, clock, logger: silentLogger })
    const refused = refusalOf(client.trigger('a', { timeout: 2000 }))
    await clock.advance({ seconds: 2 })
    expect(refused.error).toMatchObject({ code: 'STORAGE_TIMEOUT', cause: full })
    const closed = client.close()
    await clock.advance({ seconds: 10 })
    await closed
  })
})

describe('a trigger whose caller has stopped waiting', () => {
  const creates = ({ operation, request }: Call): boolean =>
    operation === 'createOccurrences' &&
    (request as { items: readonly { kind: string }[] }).items.some(({ kind }) => kind === 'trigger')

  it('is not sent to the storage again, and never runs', async () => {
    const node = await start()
    let sent = 0
    node.intercepted.intercept = (call) => {
      if (!creates(call)) return call.proceed()
      sent++
      return Promise.reject(new Error('away'))
    }
    const refused = refusalOf(node.scheduler.trigger('a', { timeout: { seconds: 3 } }))
    await node.clock.advance({ seconds: 3 })
    expect(refused.error).toMatchObject({ code: 'STORAGE_TIMEOUT' })
    const before = sent
    expect(before).toBeGreaterThan(1)
    node.intercepted.intercept = (call) => call.proceed()
    await node.clock.advance({ minutes: 3 })
    expect(sent).toBe(before)
    expect(node.called).toEqual([])
  })

  it('runs once if the storage accepts the trigger, but answers late', async () => {
    const node = await start()
    let answer: () => void = () => {}
    node.intercepted.intercept = async (call) => {
      const result = await call.proceed()
      if (creates(call)) {
        await new Promise<void>((resolve) => {
          answer = resolve
        })
      }
      return result
    }
    const refused = refusalOf(node.scheduler.trigger('a', { timeout: { seconds: 1 } }))
    await node.clock.advance({ seconds: 1 })
    expect(refused.error).toMatchObject({ code: 'STORAGE_TIMEOUT' })
    expect(node.called).toEqual([])
    answer()
    await node.clock.advance({ minutes: 3 })
    expect(node.called).toEqual(['trigger'])
  })

  it('runs once if the storage accepts the trigger, but the answer of the storage is lost', async () => {
    const node = await start()
    node.intercepted.intercept = async (call) => {
      const result = await call.proceed()
      if (creates(call)) throw new Error('the answer got lost')
      return result
    }
    const refused = refusalOf(node.scheduler.trigger('a', { timeout: 50 }))
    await node.clock.advance({ minutes: 3 })
    expect(refused.error).toMatchObject({ code: 'STORAGE_TIMEOUT' })
    expect(node.called).toEqual(['trigger'])
    expect((await node.scheduler.occurrences({ job: 'a' })).items.map(({ state }) => state)).toEqual([
      'completed',
      'completed',
    ])
  })
})

it('the timeout of a call with several steps starts again whenever the storage answers a step', async () => {
  const node = await start()
  const answer = async (call: Call) => {
    await node.clock.sleep({ seconds: 4 })
    return call.proceed()
  }
  await node.scheduler.plan([node.job], { owner: 'x' })
  node.intercepted.intercept = answer
  let planned = false
  void node.scheduler.plan([node.job], { owner: 'x', timeout: { seconds: 5 } }).then(() => {
    planned = true
  })
  await node.clock.advance({ seconds: 7 })
  expect(planned).toBe(false)
  await node.clock.advance({ seconds: 1 })
  expect(planned).toBe(true)
})
