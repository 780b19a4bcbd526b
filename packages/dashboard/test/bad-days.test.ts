import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createClient,
  createScheduler,
  defineJob,
  JobistemerError,
  type OccurrenceId,
  silentLogger,
  systemClock,
} from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { honoHandler } from '../src/hono.ts'
import { createDashboard } from '../src/index.ts'
import { nodeListener } from '../src/node.ts'
import type { BulkAnswer, JobLine, JobView, LateView, Page, ProblemView, RunView, SurveyView } from '../src/wire.ts'
import { leave, open, openBrowser, overflow, type TestBrowser } from './browser.ts'
import { isThorough } from '../../workspace/test-effort.ts'
import { fillHistory } from './fill.ts'
import { ask, basePath, createWorld, jsonOf, post, type World } from './world.ts'

let browser: TestBrowser

beforeAll(async () => {
  browser = await openBrowser()
})
afterAll(() => browser?.close())

/** Wraps a storage, which a test can then make unavailable and available again. */
function breakable(inner: Storage) {
  const state = { isAway: false }
  const storage = wrapStorage(inner, {
    around: async (call) => {
      if (state.isAway) throw new Error('the line is dead')
      return call.proceed()
    },
  })
  return { storage, state }
}

describe('a dashboard whose storage does not answer', () => {
  let world: World
  let state: { isAway: boolean }
  beforeAll(async () => {
    const broken = breakable(sqliteStorage({ file: ':memory:' }))
    state = broken.state
    world = await createWorld({ storage: broken.storage })
  })
  afterAll(async () => {
    state.isAway = false
    await world.end()
  })

  it('ends a bulk action that fails: no further job changes after its answer', async () => {
    const failing = breakable(sqliteStorage({ file: ':memory:' }))
    const { storage } = failing
    const work = { name: 'work', run: () => undefined }
    const jobs = Array.from({ length: 40 }, (_, index) => defineJob({ name: `many-${index}`, tasks: [work] }))
    const scheduler = createScheduler({ storage, jobs, logger: silentLogger })
    await scheduler.start()
    const client = createClient({ storage, callTimeout: 200, logger: silentLogger })
    let pauses = 0
    const counted = new Proxy(client, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name)
        if (name !== 'pause') return typeof member === 'function' ? member.bind(target) : member
        return async () => {
          // Only the first call fails.
          if (++pauses === 1) throw new JobistemerError('STORAGE_UNREACHABLE', { message: 'The line is dead.' })
          await new Promise((resolve) => setTimeout(resolve, 5))
          return {}
        }
      },
    })
    const options = { basePath, authorize: () => true, logger: { error: () => undefined } }
    const dashboard = createDashboard({ client: counted, ...options })
    const body = { action: 'pause', filter: { text: 'many-' } }
    expect((await post(dashboard, '/api/bulk-jobs', body)).status).toBe(503)
    const before = pauses
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(before).toBeLessThanOrEqual(8)
    expect(pauses).toBe(before)
    await client.close()
    await scheduler.shutdown()
    await storage.close()
  })

  it('counts the items of a bulk action that are done, and does not repeat them when the page sends the part again', async () => {
    const client = new Proxy(world.client, {
      get: (of, name) => {
        const member: unknown = Reflect.get(of, name)
        if (typeof member !== 'function') return member
        return (...values: unknown[]) =>
          name === 'trigger' && values[0] === 'large' && isBroken
            ? Promise.reject(new JobistemerError('STORAGE_UNREACHABLE', { message: 'The line is dead.' }))
            : member.apply(of, values)
      },
    })
    let isBroken = true
    const logged: string[] = []
    const logger = { error: (_: unknown, text: string) => void logged.push(text) }
    const dashboard = createDashboard({ client, basePath, authorize: () => true, logger })
    const before = (await world.client.jobs({ text: 'l' })).items.length
    const body = { action: 'trigger', key: 'k', filter: { text: 'l' } }
    const stopped = await post(dashboard, '/api/bulk-jobs', body)
    const { error, part } = await jsonOf<ProblemView>(stopped)
    expect([stopped.status, error.code]).toEqual([503, 'STORAGE_UNREACHABLE'])
    expect(part).toEqual({ done: before - 1, failed: [], handled: expect.not.arrayContaining(['large']) })
    expect(part?.handled).toHaveLength(before - 1)
    expect(logged).toEqual(['the dashboard cannot answer a request: the storage failed'])
    isBroken = false
    const rest = { ...body, except: part?.handled }
    expect(await jsonOf<BulkAnswer>(post(dashboard, '/api/bulk-jobs', rest))).toEqual({
      done: 1,
      failed: [],
      cursor: null,
    })
  })

  it('answers reads with status 503, without the message of the database driver', async () => {
    const client = createClient({ storage: world.storage, callTimeout: 200, logger: silentLogger })
    const dashboard = createDashboard({ client, basePath, authorize: () => true, logger: { error: () => undefined } })
    expect((await ask(dashboard, '/api/counts')).status).toBe(200)
    state.isAway = true
    for (const path of ['/api/overview', '/api/jobs', '/api/nodes', '/api/job?job=hourly']) {
      const response = await ask(dashboard, path)
      const text = await response.text()
      expect([path, response.status, text]).toEqual([path, 503, expect.stringContaining('"STORAGE_')])
      expect(text).not.toContain('the line is dead')
    }
    expect((await post(dashboard, '/api/pause', { job: 'hourly' })).status).toBeGreaterThanOrEqual(500)
    state.isAway = false
    expect((await ask(dashboard, '/api/overview')).status).toBe(200)
    await client.close()
  })

  it('shows a banner, keeps the data on its page, and recovers when the storage answers again', async () => {
    const { page } = browser
    await page.setViewportSize({ width: 1280, height: 900 })
    const client = createClient({ storage: world.storage, callTimeout: 300, logger: silentLogger })
    const quiet = { error: () => undefined }
    const origin = await world.serve(createDashboard({ client, basePath, authorize: () => true, logger: quiet }))
    await open(page, origin, '/jobs')
    state.isAway = true
    await page.locator('.banner').getByText('The storage does not answer.').first().waitFor()
    await page.locator('.live-away').waitFor()
    expect(await page.getByText('nightly-report').count()).toBeGreaterThan(0)
    state.isAway = false
    await page.locator('.banner').waitFor({ state: 'detached' })
    await page.locator('.live-live').waitFor()
    await world.client.pause('hourly')
    await page.locator('tbody').getByText('paused').first().waitFor()
    await client.close()
  })
})

describe('a request whose body the dashboard cannot read', () => {
  it('is answered with 400, without a line in the log and without a call of the storage, if the sender disconnects', async () => {
    let calls = 0
    const storage = wrapStorage(sqliteStorage({ file: ':memory:' }), {
      around: async (call) => {
        calls++
        return call.proceed()
      },
    })
    const client = createClient({ storage, logger: silentLogger })
    await client.counts()
    calls = 0
    const logged: string[] = []
    const logger = { error: (_: unknown, text: string) => void logged.push(text) }
    const dashboard = createDashboard({ client, token: 'a-token-of-24-characters', logger })
    const answers: Promise<Response>[] = []
    const server = createServer(
      nodeListener((request) => {
        const answer = dashboard(request)
        answers.push(answer)
        return answer
      }),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    for (let count = 1; count <= 3; count++) {
      const socket = connect(port, '127.0.0.1')
      socket.write(
        'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\ntok',
      )
      await once(server, 'request')
      socket.destroy()
      await once(socket, 'close')
    }
    const statuses = (await Promise.all(answers)).map(({ status }) => status)
    expect([statuses, logged, calls]).toEqual([[400, 400, 400], [], 0])
    server.close()
    await client.close()
    await storage.close()
  })

  it('is answered with a remedy if a middleware has read the body before', async () => {
    const world = await createWorld()
    const app = new Hono()
    app.use(async (context, next) => {
      await context.req.json()
      await next()
    })
    app.all(`${basePath}/*`, honoHandler(world.dashboard()))
    const headers = { 'content-type': 'application/json', 'x-jobistemer': '1' }
    const body = JSON.stringify({ job: 'large' })
    const response = await app.request(`${basePath}/api/pause`, { method: 'POST', headers, body })
    const { error } = await jsonOf<ProblemView>(response as Response)
    expect([response.status, error]).toEqual([
      500,
      { code: 'BODY_ALREADY_READ', message: expect.stringContaining('clone()'), field: null },
    ])
    await world.end()
  })
})

describe('the overview of the dashboard', () => {
  it('shows new failures after the clock of the server was set back', async () => {
    const world = await createWorld()
    let wallMs = 0
    let passedMs = 0
    const clock = {
      ...systemClock,
      now: () => systemClock.now() + wallMs,
      monotonic: () => systemClock.monotonic() + passedMs,
    }
    const dashboard = world.dashboard({ clock })
    const failing = async () => (await jsonOf<SurveyView>(ask(dashboard, '/api/survey'))).failingCount
    expect(await failing()).toBe(0)
    wallMs = -3_600_000
    const { id } = await world.client.trigger('nightly-report', { data: { fail: true } })
    await world.client.waitFor(id)
    passedMs = 60_000
    wallMs += passedMs
    expect(await failing()).toBe(1)
    await world.end()
  })
})

describe('two users of the dashboard at the same time', () => {
  let world: World
  beforeAll(async () => {
    world = await createWorld()
  })
  afterAll(() => world.end())

  it('cancel a run once, and the second user learns that the run has ended', async () => {
    const { id: first } = await world.client.trigger('blocked')
    const { id: run } = await world.client.trigger('blocked')
    const dashboard = world.dashboard()
    const answers = await Promise.all(
      [1, 2].map(() => jsonOf<{ outcome: string }>(post(dashboard, '/api/cancel', { run }))),
    )
    expect(answers.map(({ outcome }) => outcome).sort()).toEqual(['canceled', 'final'])
    await world.client.cancel(first)
  })

  it('create one run if they send the same request', async () => {
    const dashboard = world.dashboard()
    const body = { job: 'large', key: 'one request' }
    const answers = await Promise.all(
      [1, 2].map(() => jsonOf<{ id: string; created: boolean }>(post(dashboard, '/api/trigger', body))),
    )
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1)
    expect(answers.map(({ created }) => created).sort()).toEqual([false, true])
  })

  it('cancel a slot only once, and cannot replay a run that is still running', async () => {
    const { id: run } = await world.client.trigger('blocked')
    const dashboard = world.dashboard()
    const replayed = await post(dashboard, '/api/replay', { run })
    expect([replayed.status, await replayed.text()]).toEqual([400, expect.stringContaining('INVALID_ARGUMENT')])
    await world.client.cancel(run)
    const [slot] = await world.client.nextRuns('hourly', 1)
    const at = (slot as Date).toISOString()
    const outcomes = []
    for (let count = 0; count < 2; count++) {
      outcomes.push(
        (await jsonOf<{ outcome: string }>(post(dashboard, '/api/cancel-slot', { job: 'hourly', at }))).outcome,
      )
    }
    expect(outcomes).toEqual(['canceled', 'final'])
    expect((await post(dashboard, '/api/cancel-slot', { job: 'hourly', at: '2030-01-01T00:30:00Z' })).status).toBe(400)
  })
})

describe('the list of next slots in the overview', () => {
  it('contains a job even if its slot passed while the dashboard read the jobs', async () => {
    const storage = sqliteStorage({ file: ':memory:' })
    const job = defineJob({
      name: 'each-second',
      schedule: cron('* * * * * *'),
      tasks: [{ name: 'only', run: () => 1 }],
    })
    const scheduler = createScheduler({ storage, jobs: [job], logger: silentLogger })
    const client = createClient({ storage, logger: silentLogger })
    try {
      await scheduler.start()
      let aheadMs = 0
      const clock = { ...systemClock, now: () => systemClock.now() + aheadMs }
      const dashboard = createDashboard({ client, basePath, authorize: () => true, clock })
      const first = await jsonOf<SurveyView>(ask(dashboard, '/api/survey'))
      aheadMs = 3000
      const second = await jsonOf<SurveyView>(ask(dashboard, '/api/survey'))
      expect([first, second].map(({ upcoming }) => upcoming.map((slot) => slot.job))).toEqual([[job.name], [job.name]])
    } finally {
      await client.close()
      await scheduler.shutdown()
      await storage.close()
    }
  })
})

describe('a job whose slot is overdue', () => {
  it('is marked as late in the list of jobs, on its page and in the overview', async () => {
    const world = await createWorld()
    const client = createClient({ storage: world.storage, logger: silentLogger })
    const [slot] = await client.nextRuns('hourly', 1)
    const clock = { ...systemClock, now: () => (slot as Date).getTime() + 60_000 }
    const dashboard = world.dashboard({ clock })
    const { items } = await jsonOf<Page<JobLine>>(ask(dashboard, '/api/jobs?text=hourly'))
    expect(items[0]?.isLate).toBe(true)
    expect((await jsonOf<JobView>(ask(dashboard, '/api/job?job=hourly'))).isLate).toBe(true)
    const survey = await jsonOf<SurveyView>(ask(dashboard, '/api/survey'))
    expect(survey.late.map(({ name }) => name)).toContain('hourly')
    const late = await jsonOf<LateView>(ask(dashboard, '/api/late'))
    // The next slot of the job `nightly-report` may also be due. Then this job is late too, so the test expects no fixed count.
    expect(late).toMatchObject({ count: late.items.length, cursor: null, isPart: false })
    expect(late.items.map(({ name }) => name)).toContain('hourly')
    const blind = world.dashboard({ clock, authorize: (_, { job }) => job !== 'hourly' })
    expect(await jsonOf(ask(blind, '/api/late'))).toMatchObject({
      count: late.count - 1,
      items: late.items.filter(({ name }) => name !== 'hourly'),
    })
    const { page } = browser
    await open(page, await world.serve(dashboard), '/')
    await page.getByRole('link', { name: 'Late jobs' }).click()
    await page.getByText(/^\d jobs? (is|are) late\.$/).waitFor()
    // The page shows delays by the clock of the server, not of the browser.
    const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'hourly' }) })
    expect(await row.locator('.late-by').textContent()).toMatch(/^1 min/)
    await client.close()
    await world.end()
  })
})

describe('the page of a run with many tasks', () => {
  const count = isThorough ? 1000 : 200

  it(`shows all ${count} tasks, and fits into the window`, async () => {
    const storage = sqliteStorage({ file: ':memory:' })
    const tasks = Array.from({ length: count }, (_, index) => ({ name: `task-${index}`, run: async () => index }))
    const wide = defineJob({ name: 'wide', taskExecutionMode: 'parallel', tasks })
    const scheduler = createScheduler({ storage, jobs: [wide], logger: silentLogger })
    await scheduler.start()
    const client = createClient({ storage, logger: silentLogger })
    const { id } = await client.trigger('wide')
    await client.waitFor(id as OccurrenceId)
    const world = await createWorld()
    const origin = await world.serve(createDashboard({ client, basePath, authorize: () => true }))
    await open(browser.page, origin, `/run?run=${id}&task=task-${count - 1}`)
    await browser.page.getByRole('heading', { name: `task-${count - 1}` }).waitFor()
    expect(await browser.page.locator('.timeline li').count()).toBe(count)
    expect(await overflow(browser.page)).toBeLessThanOrEqual(0)
    const view = await jsonOf<RunView>(fetch(`${origin}${basePath}/api/run?run=${id}`))
    expect(view.tasks).toHaveLength(count)
    await leave(browser, origin)
    await world.end()
    await client.close()
    await scheduler.shutdown()
    await storage.close()
  })
})

describe('a dashboard with many jobs', () => {
  const count = isThorough ? 10_000 : 1000

  it(`shows ${count} jobs by page, sends a small first page, and reads all jobs once for several requests`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'jobistemer-many-'))
    const storage = sqliteStorage({ file: join(folder, 'jobs.db'), synchronous: 'normal' })
    const client = createClient({ storage, logger: silentLogger })
    await client.add(
      Array.from({ length: count }, (_, index) =>
        defineJob({
          name: `job-${index}`,
          overlapPolicy: 'allow',
          tasks: [{ name: 'only', handler: 'none' }],
          tags: ['many'],
        }),
      ),
    )
    // With `seesAll`, one request can return all jobs. Without `seesAll`, one request may call `authorize` for at most 1,000
    // jobs, and returns no further jobs.
    const dashboard = createDashboard({ client, basePath, authorize: () => ({ actor: 'anna', seesAll: true }) })
    // The names of 12 jobs with four runs each. The fourth run of each job failed.
    const hasFailed = Array.from({ length: 12 }, (_, index) => `job-${index * 10}`)
    for (const job of hasFailed)
      await fillHistory(storage, { job, tasks: ['only'], runs: 4, last: Date.now() - 60_000 })
    await fillHistory(storage, { job: 'job-1', tasks: ['only'], runs: 3, last: Date.now() - 60_000 })
    const headers = { 'accept-encoding': 'gzip' }
    const first = await Promise.all(
      ['/', '/api/session', '/api/overview', '/api/jobs'].map((path) => ask(dashboard, path, { headers })),
    )
    const sizes = await Promise.all(first.map(async (response) => (await response.arrayBuffer()).byteLength))
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(20_000)
    const names: string[] = []
    let cursor: string | null = null
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page: Page<JobLine> = await jsonOf(ask(dashboard, `/api/jobs?limit=200${query}`))
      names.push(...page.items.map(({ name }) => name))
      cursor = page.cursor
    } while (cursor !== null)
    expect(new Set(names).size).toBe(count)
    const failed: string[] = []
    for (let at: string | null = null; ; ) {
      const query: string = at === null ? '' : `&cursor=${at}`
      const page: Page<JobLine> = await jsonOf(ask(dashboard, `/api/jobs?outcome=bad&text=job-1&limit=3${query}`))
      failed.push(...page.items.map(({ name }) => name))
      expect(page.items.map(({ counts }) => counts)).toEqual(
        page.items.map(() => ({ pending: 0, queued: 0, running: 0 })),
      )
      at = page.cursor
      if (at === null) break
    }
    expect(failed.toSorted()).toEqual(hasFailed.filter((name) => name.startsWith('job-1')).toSorted())
    expect(
      Object.keys(await jsonOf<object>(ask(dashboard, '/api/sparklines?outcome=bad&text=job-10'))).toSorted(),
    ).toEqual(hasFailed.filter((name) => name.startsWith('job-10')).toSorted())
    await post(dashboard, '/api/pause', { job: 'job-10' })
    const changed = await jsonOf<Page<JobLine>>(ask(dashboard, '/api/jobs?outcome=bad&paused=true'))
    expect(changed.items.map(({ name }) => name)).toEqual(['job-10'])
    await post(dashboard, '/api/resume', { job: 'job-10' })
    const surveys = await Promise.all([1, 2, 3].map(() => jsonOf<SurveyView>(ask(dashboard, '/api/survey'))))
    expect(surveys.map(({ jobs, at }) => [jobs, at])).toEqual(surveys.map(() => [count, surveys[0]?.at]))
    const plan = await jsonOf(
      post(dashboard, '/api/bulk-jobs', { action: 'pause', filter: { tag: 'many' }, dryRun: true }),
    )
    // `seesAll` gives no right to pause jobs, so the dashboard calls `authorize` for each job of the bulk pause. One request
    // calls `authorize` for at most 1,000 jobs. So the plan counts at most 1,000 jobs.
    expect(plan).toMatchObject({ count: Math.min(count, 1000), isPart: count > 1000 })
    await client.close()
    await storage.close()
    rmSync(folder, { recursive: true, force: true })
  })
})
