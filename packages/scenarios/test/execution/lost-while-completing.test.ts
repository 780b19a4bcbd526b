import {
  createClient,
  createScheduler,
  defineJob,
  type JobOptions,
  silentLogger,
  type TaskContext,
} from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { expect, it, onTestFinished } from 'vitest'

// This test uses the real clock. A virtual clock would wait for storage calls that the test holds back.

/**
 * Makes a gate. `pass` returns a promise that resolves when `open` is called. `reached` resolves at the first call of
 * `pass`.
 */
function gate() {
  let open: () => void = () => undefined
  let reach: () => void = () => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const reached = new Promise<void>((resolve) => {
    reach = resolve
  })
  const pass = () => {
    reach()
    return opened
  }
  return { open: () => open(), reached, pass }
}

type Work = (context: TaskContext, call: number) => Promise<unknown>

/**
 * Starts a node with a job whose handler calls `work`. Two gates hold back storage calls until they are open:
 * - `completing` holds back the handler's call of `complete`.
 * - `saying` holds back all other calls of `settle` after a call of `holdUp`.
 */
async function scene(work: Work, options: Partial<JobOptions> = {}) {
  const database = memoryDatabase()
  const place = memoryStorage({ database })
  const completing = gate()
  const saying = gate()
  let isHeldUp = false
  const storage = wrapStorage(place, {
    async around({ method, proceed }) {
      if (method === 'settle' && isHeldUp) await saying.pass()
      return await proceed()
    },
    within: () => ({
      createOccurrences: (request) => place.createOccurrences(request),
      async settle(request) {
        await completing.pass()
        return place.settle(request)
      },
      forbidCommit: () => Promise.resolve(),
    }),
  })
  let calls = 0
  const run = (context: TaskContext) => work(context, ++calls)
  const job = defineJob({ name: 'job', tasks: [{ name: 'work', run }], ...options })
  const scheduler = createScheduler({ storage, jobs: [job], logger: silentLogger })
  onTestFinished(() => {
    saying.open()
    completing.open()
    return scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
  })
  const heard: string[] = []
  scheduler.on('occurrence.lost', () => heard.push('lost'))
  scheduler.on('occurrence.finished', ({ report }) => heard.push(`finished ${report.outcome}`))
  scheduler.on('scheduler.stopped', ({ abandoned }) => heard.push(`stopped, ${abandoned} abandoned`))
  await scheduler.start()
  const { id } = await scheduler.trigger('job')
  const holdUp = () => {
    isHeldUp = true
  }
  return { scheduler, heard, id, others: memoryStorage({ database }), completing, saying, holdUp }
}

it('a run that is canceled by force while its handler calls `complete` ends once', async () => {
  const told: string[] = []
  const begun = gate()
  const reported = gate()
  const over = gate()
  const { scheduler, heard, id, others, completing, saying, holdUp } = await scene(
    async ({ progress, complete }) => {
      await begun.pass()
      progress(0.5)
      await reported.pass()
      await complete({}, 1).catch(({ code }) => told.push(code))
      over.open()
    },
    { onComplete: ({ outcome }) => void told.push(outcome) },
  )
  await begun.reached
  holdUp()
  begun.open()
  // The handler reports progress before it calls `complete`. The test waits until the node's call with this progress has
  // reached the gate `saying`.
  await saying.reached
  reported.open()
  await completing.reached
  const client = createClient({ storage: others, logger: silentLogger })
  expect(await client.cancel(id, { force: true })).toMatchObject({ state: 'canceled' })
  saying.open()
  await expect.poll(() => told, { timeout: 30_000 }).toEqual(['canceled'])
  completing.open()
  await over.pass()
  await scheduler.shutdown()
  expect(told).toEqual(['canceled', 'OCCURRENCE_LOST'])
  expect(heard).toEqual(['lost', 'finished canceled', 'stopped, 0 abandoned'])
})

it('if a node claims its own run again, the run continues although `complete` of the earlier attempt’s handler is rejected', async () => {
  const told: string[] = []
  const again = gate()
  const over = gate()
  const { scheduler, heard, id, others, completing } = await scene(async ({ complete, signal }, call) => {
    if (call === 1) {
      await complete({}, 1).catch(({ code }) => told.push(`refused: ${code}`))
      over.open()
    } else {
      const stop = new Promise((resolve) => signal.addEventListener('abort', resolve))
      void again.pass()
      await stop
      told.push(`stops: ${signal.reason.code}`)
    }
  })
  await completing.reached
  const { occurrences } = await others.get({ occurrences: [id] })
  const [record] = occurrences
  if (!record) throw new Error('it is not there')
  const { jobId, scheduledAt, token, sequence, runs } = record
  const lost = { id, jobId, scheduledAt, token, sequence, runs, action: 'retry', reason: 'node_lost' } as const
  expect(await others.reap({ now: Date.now(), items: [lost] })).toMatchObject([{ outcome: 'reaped' }])
  await again.reached
  completing.open()
  await over.pass()
  await scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: { minutes: 1 } })
  expect(told).toEqual(['refused: OCCURRENCE_LOST', 'stops: ABORTED'])
  expect(heard).toEqual(['lost', 'finished completed', 'stopped, 0 abandoned'])
})

it('a run fails if fail_fast canceled a task, even if the failed task was later completed in a transaction', async () => {
  const begun = gate()
  const stopped = gate()
  const first = async ({ complete }: TaskContext) => {
    await begun.pass()
    // The handler returns before its call of `complete` has reached the storage.
    void complete({}, 1)
  }
  const second = async ({ signal }: TaskContext) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    stopped.open()
    throw signal.reason
  }
  const { scheduler, heard, id, completing, saying, holdUp } = await scene(() => Promise.resolve(), {
    taskExecutionMode: 'parallel',
    failureStrategy: 'fail_fast',
    tasks: [
      { name: 'first', run: first },
      { name: 'second', run: second },
    ],
  })
  await begun.reached
  holdUp()
  begun.open()
  await stopped.pass()
  await saying.reached
  completing.open()
  await new Promise((resolve) => setImmediate(resolve))
  saying.open()
  await expect.poll(() => heard, { timeout: 30_000 }).toEqual(['finished failed'])
  const run = await scheduler.occurrence(id)
  expect(run).toMatchObject({ state: 'failed', reason: 'fail_fast' })
  expect(run?.tasks.map(({ name, state }) => [name, state])).toEqual([
    ['first', 'completed'],
    ['second', 'canceled'],
  ])
})
