import {
  type Client,
  createClient,
  createScheduler,
  defineJob,
  JobistemerError,
  silentLogger,
  systemClock,
} from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Asked, type AuditEntry, createDashboard, type DashboardOptions } from '../src/index.ts'
import { routes } from '../src/routes.ts'
import type { BulkAnswer, BulkPlan, CountsView, JobLine, LateView, Overview, Page, SurveyView } from '../src/wire.ts'
import { fillHistory } from './fill.ts'
import { ask, basePath, jsonOf, post } from './world.ts'

const token = 'a-token-of-24-characters'
/** One request may call `authorize` for at most 1,000 jobs. The 1,200 hidden jobs let a request reach this limit. */
const hidden = Array.from({ length: 1200 }, (_, index) => `secret-${String(index).padStart(4, '0')}`)
const late = () => ({ now: () => Date.now() + 2 * 24 * 3_600_000 })

let storage: Storage
let client: Client
let reads: string[] = []

beforeAll(async () => {
  storage = wrapStorage(sqliteStorage({ file: ':memory:' }), {
    around: (call) => {
      reads.push(call.method)
      return call.proceed()
    },
  })
  client = createClient({ storage, logger: silentLogger })
  const tasks = [{ name: 'only', handler: 'none' }]
  const schedule = cron('0 0 * * *')
  await client.add(['mine', ...hidden].map((name) => defineJob({ name, schedule, overlapPolicy: 'allow', tasks })))
  await fillHistory(storage, { job: 'mine', tasks: ['only'], runs: 1, last: Date.now() - 7_200_000, allFail: true })
  await client.trigger('mine')
  for (const job of hidden.slice(0, 150)) {
    await fillHistory(storage, { job, tasks: ['only'], runs: 1, last: Date.now() - 3_600_000, allFail: true })
    await client.trigger(job)
  }
})
afterAll(async () => {
  await client.close()
  await storage.close()
})

function dashboardOf(options: Partial<DashboardOptions> = {}) {
  return createDashboard({ client, basePath, logger: { error: () => undefined }, ...options })
}

/** Allows only actions that concern the job `mine` or no job. */
const onlyMine: DashboardOptions['authorize'] = (_, { job }) => job === null || job === 'mine'
/** Allows the user to open the dashboard, and nothing else. */
const onlyOpen: DashboardOptions['authorize'] = (_, { action }) => action === 'open'

describe('a user without the right to view a job', () => {
  it('gets counts that cover only visible jobs', async () => {
    // A storage with fewer than 1,000 jobs, so that a request can ask `authorize` about every job.
    const few = sqliteStorage({ file: ':memory:' })
    const own = createClient({ storage: few, logger: silentLogger })
    const tasks = [{ name: 'only', handler: 'none' }]
    const schedule = cron('0 0 * * *')
    const names = ['mine', ...hidden.slice(0, 20)]
    await own.add(names.map((name) => defineJob({ name, schedule, overlapPolicy: 'allow', tasks })))
    for (const name of names) {
      await fillHistory(few, { job: name, tasks: ['only'], runs: 1, last: Date.now() - 3_600_000, allFail: true })
      await own.trigger(name)
      await own.pause(name)
    }
    // This living node has no code for any job. So the stored jobs have no code on any living node.
    const node = createScheduler({ storage: few, jobs: [], logger: silentLogger })
    await node.start()
    const counted = async (authorize: DashboardOptions['authorize']) => {
      const dashboard = dashboardOf({ client: own, authorize: authorize as never })
      const overview = await jsonOf<Overview>(ask(dashboard, '/api/overview'))
      const counts = await jsonOf<CountsView>(ask(dashboard, '/api/counts'))
      const survey = await jsonOf<SurveyView>(ask(dashboard, '/api/survey'))
      expect(overview.counts).toEqual(counts)
      if (authorize === onlyMine) expect(survey.withoutCode.map(({ name }) => name)).toEqual(['mine'])
      const { jobs, paused, failingCount, withoutCodeCount } = survey
      return [counts.pending, counts.isPart, jobs, paused, failingCount, withoutCodeCount]
    }
    expect(await counted(onlyOpen)).toEqual([0, false, 0, 0, 0, 0])
    expect(await counted(onlyMine)).toEqual([1, false, 1, 1, 1, 1])
    expect(await counted(() => true)).toEqual([21, false, 21, 21, 21, 21])
    await own.close()
    await node.shutdown({ gracePeriod: 0 })
    await few.close()
  })

  it('gets a number of overdue jobs that counts only visible jobs', async () => {
    const clock = { ...(await import('@jobistemer/core')).systemClock, ...late() }
    const count = async (authorize: DashboardOptions['authorize']) =>
      (await jsonOf<LateView>(ask(dashboardOf({ clock, authorize: authorize as never }), '/api/late'))).count
    expect(await count(onlyOpen)).toBe(0)
    expect(await count(() => ({ actor: 'anna', seesAll: true }))).toBe(1201)
  })

  it('cannot tell from any answer whether the name of a hidden job begins with a given text', async () => {
    const answers = async (text: string) => {
      const dashboard = dashboardOf({ authorize: onlyOpen as never })
      const bodies = [
        ['/api/bulk-jobs', { action: 'trigger', key: 'k', filter: { text } }],
        ['/api/bulk-jobs', { action: 'trigger', key: 'k', filter: { text }, dryRun: true }],
        ['/api/bulk-runs', { action: 'replay', key: 'k', filter: { of: text } }],
        ['/api/bulk-runs', { action: 'replay', key: 'k', filter: { of: text }, dryRun: true }],
      ] as const
      const told = []
      for (const [path, body] of bodies) told.push(await (await post(dashboard, path, body)).text())
      for (const path of [
        `/api/jobs?text=${text}`,
        `/api/sparklines?text=${text}`,
        `/api/failures?of=${text}`,
        `/api/backfills?of=${text}`,
      ])
        told.push(await (await ask(dashboard, path)).text())
      return told.map((one) => one.replaceAll(text, 'TEXT'))
    }
    expect(await answers('secret-0007')).toEqual(await answers('absent-0007'))
  })

  it('gets plans of bulk actions whose counts include only jobs and runs on which the user may act', async () => {
    const dashboard = dashboardOf({ authorize: onlyMine as never })
    const plan = { action: 'pause', filter: {}, dryRun: true }
    expect(await jsonOf<BulkPlan>(post(dashboard, '/api/bulk-jobs', plan))).toMatchObject({
      count: 1,
      first: [{ what: 'mine', run: null }],
    })
    const replay = { action: 'replay', filter: {}, key: 'k', dryRun: true }
    expect(await jsonOf<BulkPlan>(post(dashboard, '/api/bulk-runs', replay))).toEqual({
      count: 1,
      first: [{ what: 'mine', run: expect.any(String), at: expect.any(String), endedAt: expect.any(String) }],
      isPart: false,
    })
    const done = await jsonOf<BulkAnswer>(post(dashboard, '/api/bulk-jobs', { action: 'pause', filter: {} }))
    expect(Object.keys(done).sort()).toEqual(['cursor', 'done', 'failed'])
    expect(done.done).toBe(1)
    await client.resume('mine')
  })
})

describe('a cursor of the dashboard', () => {
  const decoded = (cursor: string) => Buffer.from(cursor, 'base64url').toString('latin1')

  it('contains no job name in readable form, and its length does not depend on job names', async () => {
    const lists = [
      '/api/jobs?limit=3',
      '/api/failures?limit=3',
      '/api/live?state=pending&limit=3',
      '/api/jobs?outcome=bad&limit=3',
    ]
    const dashboard = dashboardOf({ authorize: () => ({ actor: 'anna', seesAll: true }) })
    for (const path of lists) {
      const { cursor } = await jsonOf<Page<unknown>>(ask(dashboard, path))
      for (const text of [String(cursor), decoded(String(cursor))])
        expect([path, text]).not.toEqual([path, expect.stringMatching(/secret|mine/)])
    }
    const { Cursors } = await import('../src/cursors.ts')
    const cursors = new Cursors({ secret: undefined, token: undefined })
    expect(cursors.seal('a').length).toBe(cursors.seal('a'.repeat(100)).length)
    for (const text of ['', 'ä🚚', 'x'.repeat(1000)]) expect(cursors.open(cursors.seal(text))).toBe(text)
  })

  it('is accepted by another process with the same secret or token', async () => {
    for (const shared of [{ secret: 'a-secret-of-25-characters', authorize: () => true }, { token }]) {
      const headers = { authorization: `Bearer ${token}` }
      const first = await jsonOf<Page<JobLine>>(ask(dashboardOf(shared), '/api/jobs?limit=2', { headers }))
      const path = `/api/jobs?limit=2&cursor=${first.cursor}`
      const second = await jsonOf<Page<JobLine>>(ask(dashboardOf(shared), path, { headers }))
      expect(second.items.map(({ name }) => name)).not.toEqual(first.items.map(({ name }) => name))
      expect(second.items).toHaveLength(2)
    }
  })

  it('of a process without a secret is refused by another process, and the error says to begin at the first page', async () => {
    const authorize = () => true
    const { cursor } = await jsonOf<Page<JobLine>>(ask(dashboardOf({ authorize }), '/api/jobs?limit=2'))
    const response = await ask(dashboardOf({ authorize }), `/api/jobs?limit=2&cursor=${cursor}`)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      error: { code: 'INVALID_ARGUMENT', field: 'cursor', message: expect.stringContaining('Begin at the first page') },
    })
  })
})

describe('the option authorize', () => {
  const send = (dashboard: ReturnType<typeof dashboardOf>, path: string, method: string, body: object) =>
    method === 'POST' ? post(dashboard, path, body) : ask(dashboard, `${path}?${new URLSearchParams(body as never)}`)

  it.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))(
    'is called with the action `open` before the dashboard reads the storage for the route %s',
    async (_, { about, path, method }) => {
      const { items } = await client.failures()
      const run = String(items[0]?.id)
      const asked: Asked[] = []
      const dashboard = dashboardOf({
        authorize: (__, question) => {
          asked.push(question)
          return false
        },
      })
      reads = []
      const named = about === 'run' ? { run } : about === 'job' ? { job: 'mine' } : {}
      const response = await send(dashboard, path, method, named)
      expect([response.status, asked, reads]).toEqual([403, [{ action: 'open', job: null }], []])
    },
  )

  it('is called the same number of times for a hidden run and for a missing run', async () => {
    const { items } = await client.failures({ limit: 1 })
    const questions = async (run: string) => {
      const asked: string[] = []
      const dashboard = dashboardOf({
        authorize: (_, { action }) => {
          asked.push(action)
          return action === 'open'
        },
      })
      expect((await ask(dashboard, `/api/run?run=${run}`)).status).toBe(404)
      return asked
    }
    const absent = 'occ_00000000-0000-5000-8000-000000000000'
    expect(await questions(String(items[0]?.id))).toEqual(await questions(absent))
  })

  it('is called at most 1,000 times for one request, besides the call with the action `open`', async () => {
    const bodies: Readonly<Record<string, object>> = {
      '/api/bulk-jobs': { action: 'pause', filter: {}, dryRun: true },
      '/api/bulk-runs': { action: 'replay', filter: {}, key: 'k', dryRun: true },
    }
    const clock = { ...(await import('@jobistemer/core')).systemClock, ...late() }
    let most = 0
    for (const { about, path, method } of routes.filter((one) => one.about === 'all')) {
      let count = 0
      const dashboard = dashboardOf({
        clock,
        authorize: (_, { action, job }) => {
          count++
          return action === 'open' || job === 'mine'
        },
      })
      const response = await send(dashboard, path, method, bodies[path] ?? {})
      expect([about, path, response.status]).toEqual(['all', path, 200])
      most = Math.max(most, count)
      expect([path, count <= 1001]).toEqual([path, true])
    }
    expect(most).toBe(1001)
  })

  it('that returns seesAll is called once for a list', async () => {
    const asked: Asked[] = []
    const dashboard = dashboardOf({
      authorize: (_, question) => {
        asked.push(question)
        return { actor: 'anna', seesAll: true }
      },
    })
    const survey = await jsonOf<SurveyView>(ask(dashboard, '/api/survey'))
    expect([survey.jobs, survey.isAskedPart, asked]).toEqual([1201, false, [{ action: 'open', job: null }]])
  })

  it('is called at most 1,000 times for a page, and the next page continues without a gap', async () => {
    const dashboard = dashboardOf({ authorize: (_, { job }) => job === null || job === 'mine' || job >= 'secret-1150' })
    const found: string[] = []
    let cursor: string | null = null
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page: Page<JobLine> = await jsonOf(ask(dashboard, `/api/jobs?limit=200${query}`))
      found.push(...page.items.map(({ name }) => name))
      cursor = page.cursor
    } while (cursor !== null)
    expect(found.toSorted()).toEqual(['mine', ...hidden.filter((name) => name >= 'secret-1150')])
  })

  it('may return an actor of any length, which the dashboard cuts to at most 255 characters without splitting a surrogate pair', async () => {
    const entries: AuditEntry[] = []
    const dashboard = dashboardOf({
      authorize: () => ({ actor: `${'x'.repeat(254)}🚚` }),
      audit: (entry) => void entries.push(entry),
    })
    expect((await post(dashboard, '/api/resume', { job: 'mine' })).status).toBe(200)
    expect(entries[0]?.actor).toBe('x'.repeat(254))
  })
})

describe('a refused action in the dashboard', () => {
  const audited = async (options: Partial<DashboardOptions>, path: string, body: object, headers = {}) => {
    const entries: AuditEntry[] = []
    const dashboard = dashboardOf({ ...options, audit: (entry) => void entries.push(entry) })
    const { status } = await post(dashboard, path, body, headers)
    return [status, entries.map(({ at: _, ...entry }) => entry)]
  }
  const byAnna: DashboardOptions['authorize'] = (_, { action, job }) =>
    action === 'open' ? { actor: 'anna' } : action === 'view' && job === 'mine'

  it('is reported to the audit, with the actor, the job, the reason and the error code', async () => {
    const body = { job: 'mine', reason: 'a try' }
    const entry = { action: 'pause', job: 'mine', run: null, actor: 'anna', reason: 'a try', error: 'FORBIDDEN' }
    expect(await audited({ authorize: byAnna as never }, '/api/pause', body)).toEqual([403, [entry]])
    const allowed = { authorize: () => ({ actor: 'anna' }), readOnly: true }
    expect(await audited(allowed, '/api/pause', body)).toEqual([403, [{ ...entry, error: 'READ_ONLY' }]])
    expect(await audited(allowed, '/api/bulk-jobs', { action: 'resume', filter: {} })).toEqual([
      403,
      [{ action: 'resume', job: null, run: null, actor: 'anna', reason: null, error: 'READ_ONLY' }],
    ])
  })

  it('is reported to the audit with the id of its run, even if the user may not see the run', async () => {
    const run = String((await client.failures({ job: 'secret-0001' })).items[0]?.id)
    expect(await audited({ authorize: byAnna as never }, '/api/replay', { run })).toEqual([
      404,
      [{ action: 'replay', job: 'secret-0001', run, actor: 'anna', reason: null, error: 'OCCURRENCE_NOT_FOUND' }],
    ])
  })

  it('is reported to the audit if it came from another origin, without the token, or without the right `open`', async () => {
    const entry = { action: 'pause', job: null, run: null, actor: null, reason: null }
    const body = { job: 'mine' }
    expect(await audited({ authorize: () => true }, '/api/pause', body, { origin: 'https://evil.example' })).toEqual([
      403,
      [{ ...entry, error: 'OTHER_ORIGIN' }],
    ])
    expect(await audited({ token }, '/api/pause', body)).toEqual([401, [{ ...entry, error: 'SIGN_IN' }]])
    expect(await audited({ authorize: () => false }, '/api/pause', body)).toEqual([
      403,
      [{ ...entry, error: 'FORBIDDEN' }],
    ])
  })

  it('leaves the cached data about all jobs valid, while a successful action makes the dashboard read the jobs again', async () => {
    // The survey stays valid for at least 5 s. On this clock, no time passes.
    const clock = { ...systemClock, monotonic: () => 0 }
    const dashboard = dashboardOf({ clock, authorize: byAnna as never })
    const survey = async () => (await jsonOf<SurveyView>(ask(dashboard, '/api/survey'))).at
    const before = await survey()
    await post(dashboard, '/api/pause', { job: 'mine' })
    await post(dashboard, '/api/bulk-jobs', { action: 'pause', filter: {} })
    await post(dashboard, '/api/backfill', { job: 'mine' })
    expect(await survey()).toBe(before)
    const able = dashboardOf({ clock, authorize: () => true })
    await ask(able, '/api/survey')
    reads = []
    await ask(able, '/api/survey')
    expect(reads).toEqual([])
    await post(able, '/api/resume', { job: 'mine' })
    reads = []
    await ask(able, '/api/survey')
    expect(reads).not.toEqual([])
  })
})

describe('the sign-in cookie of the dashboard', () => {
  it.each([
    ['x-forwarded-proto', { 'x-forwarded-proto': 'https' }],
    ['x-forwarded-proto of two proxies', { 'x-forwarded-proto': 'https, http' }],
    ['forwarded', { forwarded: 'for=192.0.2.60;proto=https;by=203.0.113.43' }],
  ])('is Secure behind a proxy that ends TLS and sends %s', async (_, headers) => {
    const response = await ask(dashboardOf({ token }), `/?token=${token}`, { headers })
    expect(response.headers.get('set-cookie')).toMatch(/; Secure$/)
  })

  it('is Secure if `origins` contains the host with https, or if the sign-in form was sent by https', async () => {
    const origins = ['https://localhost']
    expect((await ask(dashboardOf({ token, origins }), `/?token=${token}`)).headers.get('set-cookie')).toMatch(
      /; Secure$/,
    )
    const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://localhost' }
    const signedIn = await ask(dashboardOf({ token }), '/', { method: 'POST', headers, body: `token=${token}` })
    expect([signedIn.status, signedIn.headers.get('set-cookie')]).toEqual([303, expect.stringMatching(/; Secure$/)])
  })

  it('is not Secure over plain HTTP', async () => {
    for (const headers of [{}, { 'x-forwarded-proto': 'http' }, { 'x-forwarded-proto': 'http, https' }]) {
      const response = await ask(dashboardOf({ token }), `/?token=${token}`, { headers: headers as never })
      expect(response.headers.get('set-cookie')).not.toContain('Secure')
    }
  })
})

describe('the sign-in page of the dashboard', () => {
  const form = (dashboard: ReturnType<typeof dashboardOf>, path: string, body: string, headers = {}) =>
    ask(dashboard, path, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body,
    })

  it('accepts the token in a field, and redirects to the requested page', async () => {
    const dashboard = dashboardOf({ token })
    const page = await ask(dashboard, '/job?job=mine&tab=settings')
    expect([page.status, await page.text()]).toEqual([401, expect.stringContaining('<input id="token" name="token"')])
    const signedIn = await form(dashboard, '/job?job=mine&tab=settings', `token=${token}`)
    expect([signedIn.status, signedIn.headers.get('location')]).toEqual([303, `${basePath}/job?job=mine&tab=settings`])
    const cookie = String(signedIn.headers.get('set-cookie')).split(';', 1)[0] as string
    expect((await ask(dashboard, '/api/job?job=mine', { headers: { cookie } })).status).toBe(200)
  })

  it('reports a wrong token, and sets no cookie', async () => {
    for (const body of ['token=wrong', 'token=', '', `other=${token}`]) {
      const refused = await form(dashboardOf({ token }), '/', body)
      expect([refused.status, refused.headers.get('set-cookie')]).toEqual([401, null])
      expect(await refused.text()).toMatch(/This is not the token.*<input id="token"/s)
    }
  })

  it('refuses a form from another origin or of another content type, and every form if the option token is not set', async () => {
    const dashboard = dashboardOf({ token })
    expect((await form(dashboard, '/', `token=${token}`, { origin: 'https://evil.example' })).status).toBe(403)
    expect((await form(dashboard, '/', `token=${token}`, { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await form(dashboard, '/', `token=${'x'.repeat(300_000)}`)).status).toBe(413)
    expect((await form(dashboardOf({ authorize: () => true }), '/', `token=${token}`)).status).toBe(405)
  })
})

describe('an error of the storage in the dashboard', () => {
  it('is shown without the address of the server, and is logged completely', async () => {
    const logged: unknown[] = []
    const failing = new Proxy(client, {
      get(of, name) {
        if (name !== 'counts' && name !== 'job') {
          const member: unknown = Reflect.get(of, name)
          return typeof member === 'function' ? member.bind(of) : member
        }
        return async () => {
          throw new JobistemerError(name === 'job' ? 'STORAGE_REFUSED' : 'STORAGE_FAILED', {
            message: 'connect ECONNREFUSED 10.1.2.3:5432, user jobs.',
          })
        }
      },
    })
    const dashboard = dashboardOf({
      client: failing,
      authorize: () => ({ actor: 'anna', seesAll: true }),
      logger: { error: (fields) => void logged.push((fields as { err: Error }).err.message) },
    })
    for (const [path, status] of [
      ['/api/counts', 503],
      ['/api/job?job=mine', 409],
    ] as const) {
      const response = await ask(dashboard, path)
      const text = await response.text()
      expect([response.status, text]).toEqual([status, expect.not.stringMatching(/10\.1\.2\.3|user jobs/)])
    }
    expect(logged).toEqual([expect.stringContaining('10.1.2.3'), expect.stringContaining('10.1.2.3')])
  })
})
