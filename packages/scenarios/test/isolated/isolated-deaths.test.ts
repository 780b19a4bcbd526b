import { EventEmitter, once } from 'node:events'
import {
  createClient,
  createScheduler,
  defineJob,
  type ExecutionReport,
  type Isolation,
  type Logger,
  silentLogger,
} from '@jobistemer/core'
import { virtualClock, wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { IsolatedAttempt } from '../../../core/dist/engine/execution/isolation/isolated-attempt.js'
import { isThorough } from '../../../workspace/test-effort.ts'
import { behaves, isolatedScene, isolations, lastAttempt, resultOf, sharedCase } from '../support/isolated-scene.ts'
import { gone, stateOf } from '../support/living-process.ts'

function task(isolation: Isolation, kind: string, more: object = {}) {
  return { name: 'work', module: behaves, isolation, data: { kind, ...more }, killAfter: 50 }
}

interface Death {
  readonly what: string
  readonly kind: string
  readonly data?: object
  /**
   * The expected error of the attempt if the handler runs in a thread. `null` if no test runs this case in a thread, because
   * the fault would end the whole node process.
   */
  readonly thread: object | null
  readonly process: object
}

const deaths: readonly Death[] = [
  {
    what: 'process.exit(0)',
    kind: 'exits',
    data: { code: 0 },
    thread: { message: expect.stringMatching(/exit code 0\..*process\.exit/) },
    process: { message: expect.stringMatching(/exit code 0\..*process\.exit/) },
  },
  {
    what: 'process.exit(7)',
    kind: 'exits',
    data: { code: 7 },
    thread: { message: expect.stringContaining('exit code 7') },
    process: { message: expect.stringContaining('exit code 7') },
  },
  {
    what: 'an unhandled rejection',
    kind: 'rejects',
    thread: { message: expect.stringContaining('exit code 1'), cause: { message: 'not handled' } },
    process: { message: expect.stringContaining('exit code 1'), cause: { message: 'not handled' } },
  },
  {
    what: 'an uncaught error',
    kind: 'throwsLater',
    thread: { cause: { message: 'thrown later' } },
    process: { cause: { message: 'thrown later' } },
  },
  {
    what: 'its memory limit',
    kind: 'fillsMemory',
    thread: { cause: { code: 'ERR_WORKER_OUT_OF_MEMORY' } },
    process: { message: expect.stringMatching(/signal SIGABRT.*heap out of memory/s) },
  },
  {
    what: 'a native crash',
    kind: 'crashes',
    thread: null,
    process: { message: expect.stringContaining('signal SIGABRT') },
  },
]

describe.each(isolations)('in an isolated task that runs in a %s', (isolation) => {
  const shared = sharedCase(isolation)

  const cases = deaths.filter((death) => death[isolation] !== null)

  // Without `npm run test:extra`, all deaths happen beside one child, because each start of a child takes processor time.
  it.each(
    isThorough ? cases.map((death) => ({ what: death.what, some: [death] })) : [{ what: 'any death', some: cases }],
  )(
    'a handler whose child dies ($what) fails its attempt with CHILD_DIED, and harms no other run',
    async ({ some }) => {
      const dying = some.map(({ what, kind, data = {} }) => {
        const resourceLimits = kind === 'fillsMemory' ? { maxOldGenerationSizeMb: 32 } : {}
        return [what, { ...task(isolation, kind, data), resourceLimits }]
      })
      const { run, begin, scheduler, lines } = await isolatedScene({
        ...Object.fromEntries(dying),
        beside: { ...task(isolation, 'obeys'), killAfter: { minutes: 1 } },
        here: { name: 'work', run: () => 'unharmed' },
      })
      const beside = await begin('beside')
      for (const { what, ...expected } of some) {
        const dead = await run(what)
        expect(dead.state, what).toBe('failed')
        expect(lastAttempt(dead), what).toMatchObject({
          state: 'failed',
          error: { code: 'CHILD_DIED', ...expected[isolation] },
        })
        expect(resultOf(await run('here')), what).toBe('unharmed')
        expect((await scheduler.occurrence(beside.id)).state, what).toBe('running')
      }
      // Cancels the run of `beside`. Its handler reacts to the abort, which shows that its child has survived the death of the
      // other child.
      await scheduler.cancel(beside.id)
      const { tasks } = await scheduler.waitFor(beside.id)
      expect(tasks[0]?.attempts).toMatchObject([{ number: 1, state: 'aborted' }])
      expect(lines.filter(({ message }) => message === 'told to stop')).toHaveLength(1)
    },
  )

  shared?.('an attempt whose child died is retried in another child', async () => {
    const { run } = await isolatedScene(
      { job: task(isolation, 'exits', { code: 1 }) },
      {},
      { retryPolicy: { maxRetries: 2, retryInterval: 1 } },
    )
    const { tasks } = await run('job')
    expect(tasks[0]?.attempts.map(({ state }) => state)).toEqual(['failed', 'failed', 'failed'])
    const named = tasks[0]?.attempts.map(({ error }) => /^The (\w+ \d+)/.exec(error?.message ?? '')?.[1])
    expect(new Set(named).size).toBe(3)
  })

  it('a child with an endless loop is killed at its task timeout', async () => {
    const { run, lines } = await isolatedScene({ job: { ...task(isolation, 'loops'), taskTimeout: 500 } })
    expect(lastAttempt(await run('job'))).toMatchObject({ state: 'timed_out', error: { code: 'TASK_TIMEOUT' } })
    expect(lines.filter(({ message }) => message.includes('killing its child'))).toMatchObject([
      { job: 'job', task: 'work' },
    ])
  })

  shared?.('a child with an endless loop is killed when its run is canceled', async () => {
    const { begin, scheduler } = await isolatedScene({ job: task(isolation, 'loops') })
    const { id } = await begin('job')
    await scheduler.cancel(id)
    const occurrence = await scheduler.waitFor(id)
    expect(occurrence.state).toBe('canceled')
    expect(lastAttempt(occurrence)?.state).toBe('aborted')
  })

  it('a child with an endless loop is killed at a shutdown, and its run is released', async () => {
    const { begin, scheduler } = await isolatedScene({
      job: { ...task(isolation, 'loops'), killAfter: { minutes: 10 } },
    })
    const { id } = await begin('job')
    const released: unknown[] = []
    scheduler.on('occurrence.released', ({ occurrenceId, reason }) => released.push([occurrenceId, reason]))
    const stopped: number[] = []
    scheduler.on('scheduler.stopped', ({ abandoned }) => stopped.push(abandoned))
    await scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 10 })
    expect(released).toEqual([[id, 'shutdown']])
    expect(stopped).toEqual([0])
  })

  shared?.(
    'a child with an endless loop is killed at the end of a call of `runDue`, and its run is released',
    async () => {
      const storage = memoryStorage()
      const began = new EventEmitter()
      const logger: Logger = { ...silentLogger, info: (fields) => void ('task' in fields && began.emit('line')) }
      const job = defineJob({ name: 'job', tasks: [task(isolation, 'loops')] })
      const scheduler = createScheduler({ storage, logger, jobs: [job] })
      const client = createClient({ storage, logger: silentLogger })
      onTestFinished(() => client.close())
      await scheduler.runDue()
      const { id } = await client.trigger('job')
      const controller = new AbortController()
      const line = once(began, 'line')
      const called = scheduler.runDue({ signal: controller.signal })
      await line
      controller.abort()
      expect(await called).toMatchObject({ ended: 'aborted', finished: 0, handedBack: 1, leftBehind: 0 })
      expect((await client.occurrence(id)).state).toBe('pending')
    },
  )

  shared?.(
    'a call of `runDue` ends within its budget, even if an isolated task and another handler never end',
    async () => {
      const clock = virtualClock(0)
      const began = new EventEmitter()
      const logger: Logger = { ...silentLogger, info: (fields) => void ('task' in fields && began.emit('line')) }
      const jobs = [
        defineJob({ name: 'isolated', tasks: [task(isolation, 'loops')] }),
        defineJob({ name: 'other', tasks: [{ name: 'work', run: () => new Promise(() => undefined) }] }),
      ]
      const storage = memoryStorage()
      const scheduler = createScheduler({ storage, jobs, clock, logger })
      const client = createClient({ storage, clock, logger: silentLogger })
      onTestFinished(() => client.close())
      await scheduler.runDue()
      for (const { name } of jobs) await client.trigger(name)
      const line = once(began, 'line')
      const called = scheduler.runDue({ budget: { seconds: 10 } })
      await line
      await clock.advance({ seconds: 10 })
      const { ended, durationMs } = await called
      expect(ended).toBe('budget')
      expect(durationMs).toBeLessThanOrEqual(10_000)
    },
  )

  shared?.each(['nothing', 'a cancellation', 'its task timeout'])(
    'a child with a long killAfter is killed 5 s after the execution timeout, even if %s has aborted the attempt before',
    async (by) => {
      const clock = virtualClock(0)
      const own = by === 'its task timeout' ? { taskTimeout: { seconds: 50 } } : {}
      const { begin, scheduler, lines } = await isolatedScene(
        { job: { ...task(isolation, 'loops'), killAfter: { minutes: 10 }, ...own } },
        { clock },
        { executionTimeout: { minutes: 1 } },
      )
      const { id } = await begin('job')
      const ended = new Promise<ExecutionReport>((resolve) => {
        scheduler.on('occurrence.finished', ({ report }) => resolve(report))
      })
      await clock.advance({ seconds: 55 })
      if (by === 'a cancellation') await scheduler.cancel(id)
      const killed = () => lines.filter(({ message }) => message.includes('killing its child')).length
      await clock.advance({ seconds: 9 })
      expect(killed()).toBe(0)
      await clock.advance({ seconds: 1 })
      expect(killed()).toBe(1)
      // After this line the virtual clock stands still, so no other node can take over the run. Only this node can end the run.
      const { outcome, tasks } = await ended
      expect([outcome, tasks[0]?.attempts[0]?.state]).toEqual(
        by === 'a cancellation' ? ['canceled', 'aborted'] : ['failed', by === 'nothing' ? 'aborted' : 'timed_out'],
      )
    },
  )

  shared?.(
    'a node that loses a run starts no further attempt of the run, even if a child that it killed has not ended yet',
    async () => {
      const clock = virtualClock(0)
      // Because of this mock, the node never learns that the killed child has ended.
      vi.spyOn(IsolatedAttempt.prototype, 'ended').mockReturnValue(undefined)
      onTestFinished(() => void vi.restoreAllMocks())
      const database = memoryDatabase()
      const storage = wrapStorage(memoryStorage({ database }), { subscribe: undefined })
      let endBeside = (): void => undefined
      const beside = { name: 'beside', run: () => new Promise<void>((resolve) => (endBeside = resolve)) }
      const { begin, scheduler } = await isolatedScene(
        { job: [{ ...task(isolation, 'loops'), taskTimeout: { seconds: 10 } }, beside] },
        { clock, storage, pollInterval: { minutes: 10 }, deadAfter: { minutes: 30 } },
        { retryPolicy: { maxRetries: 1, retryInterval: { minutes: 1 } }, taskExecutionMode: 'parallel' },
      )
      const started: string[] = []
      scheduler.on('attempt.started', ({ task: name, attempt }) => started.push(`${name} ${attempt}`))
      const { id } = await begin('job')
      await clock.advance({ seconds: 20 })
      const attempts = async () => (await scheduler.occurrence(id)).tasks[0]?.attempts.map(({ state }) => state)
      expect(await attempts()).toEqual(['timed_out', 'waiting'])
      const client = createClient({ storage: memoryStorage({ database }), logger: silentLogger })
      onTestFinished(() => client.close())
      await client.cancel(id, { force: true })
      endBeside()
      await clock.advance({ minutes: 2 })
      expect(started).toEqual(['work 1', 'beside 1'])
    },
  )

  shared?.(
    'a child with a long killAfter is killed 5 s after its node is isolated, under `whileIsolated: abort`',
    async () => {
      const clock = virtualClock(0)
      let isAway = false
      const storage = wrapStorage(memoryStorage(), {
        around: ({ method, proceed }) =>
          isAway && method === 'heartbeat' ? Promise.reject(new Error('away')) : proceed(),
      })
      const { begin, scheduler, lines } = await isolatedScene(
        { job: { ...task(isolation, 'loops'), killAfter: { minutes: 10 } } },
        { clock, storage, deadAfter: { seconds: 30 } },
        { whileIsolated: 'abort' },
      )
      await begin('job')
      let isIsolated = false
      scheduler.on('node.isolated', () => {
        isIsolated = true
      })
      const released = new Promise((resolve) => scheduler.on('occurrence.released', resolve))
      isAway = true
      while (!isIsolated) await clock.advance({ seconds: 1 })
      const killed = () => lines.filter(({ message }) => message.includes('killing its child')).length
      await clock.advance({ seconds: 3 })
      expect(killed()).toBe(0)
      await clock.advance({ seconds: 2 })
      expect(killed()).toBe(1)
      expect(await released).toMatchObject({ reason: 'isolated' })
    },
  )

  shared?.each(['nothing', 'its task timeout'])(
    'a child with a long killAfter is killed 5 s after its node has lost the run, even if %s has aborted the attempt before',
    async (by) => {
      const clock = virtualClock(0)
      const database = memoryDatabase()
      const taskTimeout = { seconds: by === 'nothing' ? 500 : 4 }
      const { begin, scheduler, lines } = await isolatedScene(
        { job: { ...task(isolation, 'loops'), killAfter: { minutes: 10 }, taskTimeout } },
        { clock, storage: memoryStorage({ database }) },
      )
      const { id } = await begin('job')
      let isLost = false
      scheduler.on('occurrence.lost', () => {
        isLost = true
      })
      await clock.advance({ seconds: 5 })
      // Another connection reaps the run, so the node loses the run. When the node claims the run again, it detects the loss.
      const others = memoryStorage({ database })
      const { occurrences } = await others.get({ occurrences: [id] })
      const [record] = occurrences
      if (!record) throw new Error('it is not there')
      const { jobId, scheduledAt, token, sequence, runs } = record
      const reaped = { id, jobId, scheduledAt, token, sequence, runs, action: 'retry', reason: 'node_lost' } as const
      const answers = await others.reap({ now: clock.now(), items: [reaped] })
      expect(answers).toMatchObject([{ outcome: 'reaped' }])
      await clock.advance(0)
      expect(isLost).toBe(true)
      const killed = () => lines.filter(({ message }) => message.includes('killing its child')).length
      await clock.advance({ seconds: 3 })
      expect(killed()).toBe(0)
      await clock.advance({ seconds: 2 })
      expect(killed()).toBe(1)
    },
  )

  it('the child of a handler that obeys its signal is not killed', async () => {
    const { begin, scheduler, lines } = await isolatedScene({
      job: { ...task(isolation, 'obeys'), killAfter: { minutes: 10 } },
    })
    const { id } = await begin('job')
    await scheduler.cancel(id)
    const occurrence = await scheduler.waitFor(id)
    expect(lastAttempt(occurrence)).toMatchObject({
      state: 'aborted',
      error: { name: 'JobistemerError', code: 'ABORTED' },
    })
    const told = lines.filter(({ message }) => message === 'told to stop')
    expect(told).toMatchObject([{ code: 'ABORTED', name: 'JobistemerError' }])
    expect(lines.filter(({ message }) => message.includes('killing its child'))).toEqual([])
  })

  shared?.(
    'at most maxChildren children live at once, and an attempt that waits for a child can be canceled',
    async () => {
      const tasks = Array.from({ length: 5 }, (_, index) => ({ ...task(isolation, 'obeys'), name: `${index}` }))
      const { scheduler, said } = await isolatedScene(
        { job: tasks },
        { maxChildren: 2 },
        { taskExecutionMode: 'parallel' },
      )
      const heard: string[] = []
      const two = new Promise<void>((resolve) => {
        said.on('line', ({ task: name, message }) => {
          if (message === 'began') heard.push(name)
          if (heard.length === 2) resolve()
        })
      })
      const { id } = await scheduler.trigger('job')
      await two
      await scheduler.cancel(id)
      const occurrence = await scheduler.waitFor(id)
      expect(occurrence.tasks.map((one) => one.attempts[0]?.state)).toEqual(tasks.map(() => 'aborted'))
      expect(heard.sort()).toEqual(['0', '1'])
    },
  )

  shared?.('attempts beyond maxChildren run one after another', async () => {
    const tasks = Array.from({ length: 6 }, (_, index) => ({
      ...task(isolation, 'returns', { value: index }),
      name: `${index}`,
    }))
    const { run } = await isolatedScene({ job: tasks }, { maxChildren: 1 }, { taskExecutionMode: 'parallel' })
    expect((await run('job')).tasks.map(({ result }) => result)).toEqual([0, 1, 2, 3, 4, 5])
  })

  shared?.('the task timeout of an attempt starts when its child starts', async () => {
    const clock = virtualClock(0)
    const first = { ...task(isolation, 'obeys'), name: 'first', taskTimeout: 5000 }
    const second = { ...task(isolation, 'returns', { value: 'in time' }), name: 'second', taskTimeout: 4000 }
    const { begin, scheduler } = await isolatedScene(
      { job: [{ ...first, failureStrategy: 'continue' }, second] },
      { clock, maxChildren: 1 },
      { taskExecutionMode: 'parallel' },
    )
    const ended = new Promise<ExecutionReport>((resolve) => {
      scheduler.on('occurrence.finished', ({ report }) => resolve(report))
    })
    await begin('job')
    await clock.advance(5000)
    // From here on the virtual clock stands still, so the second child may start slowly.
    const { tasks } = await ended
    expect(tasks.map(({ attempts }) => attempts[0]?.state)).toEqual(['timed_out', 'succeeded'])
  })
})

it('the error CHILD_DIED contains the last stderr output of the child', async () => {
  const { run } = await isolatedScene({ job: task('process', 'complains') })
  expect(lastAttempt(await run('job'))?.error?.message).toMatch(/exit code 3\. It wrote last: the printer is on fire/)
})

it('a child process that is stopped by SIGSTOP is killed when its run is canceled, and leaves no zombie process', async () => {
  const { begin, scheduler } = await isolatedScene({ job: task('process', 'stopsItself') })
  const { id, said } = await begin('job')
  const pid = Number(said)
  while (!stateOf(pid)?.startsWith('T')) await new Promise((resolve) => setImmediate(resolve))
  await scheduler.cancel(id)
  expect((await scheduler.waitFor(id)).state).toBe('canceled')
  await gone(pid)
})

it('the subprocesses of a child process are killed together with the child process', async () => {
  const { begin, scheduler } = await isolatedScene({ job: task('process', 'starts') })
  const { id, said } = await begin('job')
  const [pid, grandchild] = said.split(' ').map(Number) as [number, number]
  expect(stateOf(grandchild)).not.toBeNull()
  await scheduler.cancel(id)
  await scheduler.waitFor(id)
  await gone(pid)
  await gone(grandchild)
})
