import { readFile } from 'node:fs/promises'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as realTime } from 'node:timers/promises'
import {
  createScheduler,
  defineJob,
  type ExecutionReport,
  type SchedulerOptions,
  silentLogger,
  type TaskContext,
} from '@jobistemer/core'
import { type VirtualClock, virtualClock } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { once } from '@jobistemer/ticker-once'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { at, secondsOf, startMs } from '../support/world.ts'

// Value for `patience`, the maximum real time for which `advance` waits for handlers. If `advance` waited for 10 minutes,
// the test would exceed its timeout and fail.
const endless = { minutes: 10 }

const server = createServer((_, response) => {
  setImmediate(() => response.end('pong'))
})
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => new Promise((resolve) => server.close(resolve)))

function ping(): Promise<void> {
  return new Promise((resolve, reject) => {
    const { port } = server.address() as AddressInfo
    get({ port, host: '127.0.0.1', agent: false }, (response) => response.resume().on('end', resolve)).on(
      'error',
      reject,
    )
  })
}

const real: readonly [string, () => Promise<unknown>][] = [
  [
    'reads files',
    async () => {
      for (let count = 0; count < 20; count++) await readFile(new URL(import.meta.url))
    },
  ],
  [
    'calls a server',
    async () => {
      for (let count = 0; count < 5; count++) await ping()
    },
  ],
  [
    'yields to the event loop',
    async () => {
      for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
    },
  ],
  ['waits for a real timer', () => realTime(30)],
]

/** Starts a scheduler with a job whose only slot is ten seconds after the start. */
async function scene(
  clock: VirtualClock,
  run: (context: TaskContext) => unknown,
  options: Partial<Parameters<typeof defineJob>[0]> & Pick<SchedulerOptions, 'metrics'> = {},
) {
  const reports: ExecutionReport[] = []
  const job = defineJob({ name: 'job', schedule: once(at(10)), ...options, tasks: [{ name: 'work', run }] })
  const scheduler = createScheduler({ storage: memoryStorage(), jobs: [job], clock, logger: silentLogger })
  scheduler.on('occurrence.finished', ({ report }) => reports.push(report))
  await scheduler.start()
  return { scheduler, reports }
}

describe.each(real)('asynchronous work that %s', (_, work) => {
  it('stops the virtual clock while it runs in a handler', async () => {
    const clock = virtualClock(startMs, { patience: endless })
    const { scheduler, reports } = await scene(clock, work, { taskTimeout: { seconds: 1 } })
    await clock.advance({ minutes: 1 })
    expect(reports.map(({ outcome, finishedAt }) => [outcome, secondsOf(finishedAt)])).toEqual([['completed', 10]])
    await scheduler.shutdown()
  })

  it('stops the virtual clock while it runs in a hook', async () => {
    const clock = virtualClock(startMs, { patience: endless })
    const seen: [string, number][] = []
    const hook = (name: string) => async () => {
      await work()
      seen.push([name, secondsOf(clock.now())])
    }
    const hooks = { onStart: hook('onStart'), onComplete: hook('onComplete') }
    const { scheduler } = await scene(clock, () => 1, hooks)
    await clock.advance({ minutes: 1 })
    expect(seen).toEqual([
      ['onStart', 10],
      ['onComplete', 10],
    ])
    await scheduler.shutdown()
  })

  it('stops the virtual clock while it runs between two sleeps of a handler', async () => {
    const clock = virtualClock(startMs, { patience: endless })
    const seen: number[] = []
    const { scheduler } = await scene(clock, async (context) => {
      for (let round = 0; round < 3; round++) {
        await work()
        seen.push(secondsOf(context.now()))
        await context.sleep({ seconds: 5 })
      }
    })
    await clock.advance({ minutes: 1 })
    expect(seen).toEqual([10, 15, 20])
    await scheduler.shutdown()
  })
})

describe('under a virtual clock, a handler', () => {
  it.each<[string, (context: TaskContext, clock: VirtualClock) => Promise<unknown>]>([
    ['its context', (context) => context.sleep({ hours: 2 })],
    ['the clock', (_, clock) => clock.sleep({ hours: 2 })],
  ])('that sleeps for 2 hours by %s takes no real time', async (_, wait) => {
    const clock = virtualClock(startMs, { patience: endless })
    const settings = { executionTimeout: { hours: 5 }, taskTimeout: { hours: 5 } }
    const { scheduler, reports } = await scene(clock, (context) => wait(context, clock), settings)
    await clock.advance({ hours: 3 })
    expect(reports.map(({ durationMs }) => durationMs)).toEqual([7_200_000])
    await scheduler.shutdown()
  })

  it('that advances the clock takes no real time', async () => {
    const clock = virtualClock(startMs, { patience: endless })
    const { scheduler, reports } = await scene(clock, () => clock.advance({ minutes: 2 }))
    await clock.advance({ minutes: 10 })
    expect(reports.map(({ outcome }) => outcome)).toEqual(['completed'])
    await scheduler.shutdown()
  })

  it('that never ends is stopped by its timeout in virtual time, once the real `patience` of the clock is over', async () => {
    const clock = virtualClock(startMs, { patience: 20 })
    const { scheduler, reports } = await scene(clock, () => new Promise(() => undefined), {
      taskTimeout: { minutes: 5 },
    })
    await clock.advance({ hours: 1 })
    expect(reports[0]?.tasks[0]?.attempts.map(({ state }) => state)).toEqual(['timed_out'])
    await scheduler.shutdown()
  })

  it('that does many short pieces of work stops the clock, even if all pieces together exceed the clock’s `patience`', async () => {
    const patience = 100
    for (;;) {
      const clock = virtualClock(startMs, { patience })
      let longest = 0
      let ended: () => void = () => {}
      const end = new Promise<void>((resolve) => {
        ended = resolve
      })
      const { scheduler, reports } = await scene(clock, async () => {
        let heard = performance.now()
        const until = heard + 4 * patience
        while (heard < until) {
          await readFile(new URL(import.meta.url))
          const now = performance.now()
          longest = Math.max(longest, now - heard)
          heard = now
        }
        ended()
      })
      await clock.advance({ minutes: 1 })
      await end
      await scheduler.shutdown()
      // A busy machine may delay one piece of work. The clock may then stop waiting for the handler, which is no error. So if a
      // piece took longer than half of `patience`, the test repeats the round.
      if (longest > patience / 2) continue
      expect(reports.map(({ finishedAt }) => secondsOf(finishedAt))).toEqual([10])
      return
    }
  })

  it('that has worked for longer than the clock’s `patience` stops the clock again when it calls the storage', async () => {
    const clock = virtualClock(startMs, { patience: 500 })
    let open = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const { scheduler, reports } = await scene(clock, async (context) => {
      await gate
      await context.previousRun()
      await ping()
    })
    await clock.advance({ seconds: 20 })
    open()
    await clock.advance({ minutes: 1 })
    expect(reports.map(({ finishedAt }) => secondsOf(finishedAt))).toEqual([20])
    await scheduler.shutdown()
  })

  it('that works for longer than the clock’s `patience` no longer stops the clock', async () => {
    const clock = virtualClock(startMs, { patience: 0 })
    // The handler works until the end of this test, so a slow machine cannot make the handler end before the check.
    let mayEnd = false
    let state = 'not begun'
    const { scheduler } = await scene(clock, async () => {
      state = 'at work'
      while (!mayEnd) await realTime(1)
      state = 'over'
    })
    await clock.advance({ minutes: 1 })
    expect(state).toBe('at work')
    expect(secondsOf(clock.now())).toBe(60)
    mayEnd = true
    await scheduler.shutdown()
  })

  it('and the hooks of its job read the virtual time from `context.now()`', async () => {
    const clock = virtualClock(startMs)
    const seen: Date[] = []
    const { scheduler } = await scene(clock, (context) => seen.push(context.now()), {
      onStart: (context) => void seen.push(context.now()),
    })
    await clock.advance({ minutes: 1 })
    expect(seen).toEqual([at(10), at(10)])
    await scheduler.shutdown()
  })

  it('wakes from its sleep when its task times out', async () => {
    const clock = virtualClock(startMs, { patience: endless })
    const { scheduler, reports } = await scene(clock, (context) => context.sleep({ hours: 1 }), {
      taskTimeout: { seconds: 20 },
    })
    await clock.advance({ minutes: 1 })
    expect(reports.map(({ outcome, finishedAt }) => [outcome, secondsOf(finishedAt)])).toEqual([['failed', 30]])
    await scheduler.shutdown()
  })
})

describe('a shutdown under a virtual clock', () => {
  it('advances the virtual clock until the grace periods of the shutdown are over', async () => {
    const clock = virtualClock(startMs, { patience: 20 })
    const { scheduler } = await scene(clock, () => new Promise(() => undefined))
    await clock.advance({ seconds: 20 })
    await scheduler.shutdown({ gracePeriod: { seconds: 8 } })
    // The shutdown begins at 20 s, and its grace period ends at 28 s. An aborted handler has another 5 s to stop.
    expect(secondsOf(clock.now())).toBe(33)
  })

  it('takes no virtual time if no handler runs', async () => {
    const clock = virtualClock(startMs)
    const { scheduler } = await scene(clock, () => 1)
    await clock.advance({ seconds: 20 })
    await scheduler.shutdown()
    expect(secondsOf(clock.now())).toBe(20)
  })

  it('does not advance the clock while the test advances it', async () => {
    const clock = virtualClock(startMs, { patience: 0 })
    const { scheduler } = await scene(clock, () => new Promise(() => undefined))
    await clock.advance({ seconds: 20 })
    let isOver = false
    const stopping = scheduler.shutdown({ gracePeriod: { seconds: 10 } }).then(() => {
      isOver = true
    })
    for (let second = 1; second < 15; second++) {
      await clock.advance({ seconds: 1 })
      expect([secondsOf(clock.now()), isOver]).toEqual([20 + second, false])
      await clock.settle()
    }
    await clock.advance({ seconds: 1 })
    await stopping
    expect(secondsOf(clock.now())).toBe(35)
  })

  it('ends after its own grace period although another scheduler on the same clock shuts down later', async () => {
    const clock = virtualClock(startMs, { patience: 20 })
    const first = await scene(clock, () => new Promise(() => undefined))
    const second = await scene(clock, () => new Promise(() => undefined))
    await clock.advance({ seconds: 20 })
    const shutdown = (scheduler: (typeof first)['scheduler'], seconds: number) =>
      scheduler.shutdown({ gracePeriod: { seconds } }).then(() => secondsOf(clock.now()))
    expect(await Promise.all([shutdown(first.scheduler, 3), shutdown(second.scheduler, 9)])).toEqual([28, 34])
  })
})
