import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Asked, AuditEntry } from '../src/index.ts'
import { createDashboard } from '../src/index.ts'
import type { TriggerResult } from '@jobistemer/core'
import type {
  BulkAnswer,
  BulkPlan,
  JobLine,
  JobView,
  Overview,
  Page,
  RunLine,
  RunView,
  SurveyView,
} from '../src/wire.ts'
import { ask, basePath, createWorld, jsonOf, post, type World } from './world.ts'

const token = 'a-token-of-24-characters'
let world: World

beforeAll(async () => {
  world = await createWorld()
})
afterAll(() => world.end())

describe('the token of a dashboard', () => {
  it('sets a cookie when it comes in the link, and is then removed from the address', async () => {
    const dashboard = world.dashboard({ authorize: undefined as never, token })
    const first = await ask(dashboard, `/job?job=hourly&token=${token}`)
    expect([first.status, first.headers.get('location')]).toEqual([303, `${basePath}/job?job=hourly`])
    const cookie = first.headers.get('set-cookie') ?? ''
    expect(cookie).toMatch(/; Path=\/admin\/jobs; HttpOnly; SameSite=Lax$/)
    expect(cookie).not.toContain(token)
    const [pair = ''] = cookie.split(';', 1)
    const second = await ask(dashboard, '/api/job?job=hourly', { headers: { cookie: `other=1; ${pair}` } })
    expect(second.status).toBe(200)
    const secure = await dashboard(new Request(`https://localhost${basePath}/?token=${token}`))
    expect(secure.headers.get('set-cookie')).toMatch(/; Secure$/)
  })

  it('sets a separate cookie for each dashboard of the same host', async () => {
    const jar = new Map<string, string>()
    const dashboards = [token, `${token}-of-another`].map((given) => {
      return [given, world.dashboard({ authorize: undefined as never, token: given })] as const
    })
    for (const [given, dashboard] of dashboards) {
      const [pair = ''] = ((await ask(dashboard, `/?token=${given}`)).headers.get('set-cookie') ?? '').split(';', 1)
      const [name = '', value = ''] = pair.split('=')
      jar.set(name, value)
    }
    const cookie = [...jar].map((pair) => pair.join('=')).join('; ')
    for (const [, dashboard] of dashboards) {
      expect((await ask(dashboard, '/api/counts', { headers: { cookie } })).status).toBe(200)
    }
  })

  it('lets the dashboard remove the oldest cookies of other dashboards with the same path, so that their number is limited', async () => {
    const dashboard = world.dashboard({ authorize: undefined as never, token })
    const [name = ''] = ((await ask(dashboard, `/?token=${token}`)).headers.get('set-cookie') ?? '').split('=', 1)
    const others = Array.from({ length: 13 }, (_, index) => `${name.slice(0, -8)}${String(index).padStart(8, '0')}`)
    const cookie = ['other=1', ...others.map((other) => `${other}=x`), `${name}=old`].join('; ')
    const { headers } = await ask(dashboard, `/?token=${token}`, { headers: { cookie } })
    const [own, ...gone] = headers.getSetCookie()
    expect(own).toMatch(new RegExp(`^${name}=[^;]+; Path=`))
    expect(gone).toEqual(
      others.slice(0, 3).map((other) => `${other}=; Max-Age=0; Path=/admin/jobs; HttpOnly; SameSite=Lax`),
    )
  })

  it('sets no cookie if it is wrong, and the sign-in page never redirects to another site', async () => {
    const dashboard = world.dashboard({ token })
    for (const path of [`/?token=${token}5`, '/?token=', `//evil.example?token=${token}`]) {
      const response = await ask(dashboard, path)
      expect([response.headers.get('set-cookie'), response.headers.get('location')]).toEqual([null, null])
    }
  })

  it('may be sent as a bearer token, and authorize then decides about each action of the request', async () => {
    const asked: Asked[] = []
    const dashboard = world.dashboard({
      token,
      authorize: (_, what) => {
        asked.push(what)
        return what.action === 'open' ? { actor: 'anna' } : false
      },
    })
    const headers = { authorization: `Bearer ${token}` }
    expect((await ask(dashboard, '/api/nodes', { headers })).status).toBe(200)
    expect((await ask(dashboard, '/api/job?job=hourly', { headers })).status).toBe(403)
    expect(asked).toEqual([
      { action: 'open', job: null },
      { action: 'open', job: null },
      { action: 'view', job: 'hourly' },
    ])
  })
})

describe('the rights of a user', () => {
  it('hide in every list all jobs except the job that the user may see', async () => {
    for (const job of ['hourly', 'large']) await world.client.waitFor((await world.client.trigger(job)).id)
    const failed = await world.client.trigger('deep-stack')
    await world.client.waitFor(failed.id)
    const dashboard = world.dashboard({ authorize: (_, { job }) => job === null || job === 'hourly' })
    const jobs = await jsonOf<Page<JobLine>>(ask(dashboard, '/api/jobs'))
    expect(jobs.items.map(({ name }) => name)).toEqual(['hourly'])
    expect(Object.keys(await jsonOf<object>(ask(dashboard, '/api/sparklines')))).toEqual(['hourly'])
    expect((await jsonOf<Page<RunLine>>(ask(dashboard, '/api/failures'))).items).toEqual([])
    const survey = await jsonOf<SurveyView>(ask(dashboard, '/api/survey'))
    expect([survey.failing, survey.failingCount]).toEqual([[], 0])
    expect(survey.upcoming.map(({ job }) => job)).toEqual(['hourly'])
    const overview = await jsonOf<Overview>(ask(dashboard, '/api/overview'))
    expect(overview.failures).toEqual([])
    // A hidden run gives the same answer as a run that does not exist.
    expect((await ask(dashboard, `/api/run?run=${failed.id}`)).status).toBe(404)
    expect((await ask(dashboard, `/api/task?run=${failed.id}&task=fail`)).status).toBe(404)
  })

  it('decide which buttons the page shows, and which jobs a bulk action includes', async () => {
    const dashboard = world.dashboard({
      authorize: (_, { action, job }) =>
        action === 'open' || action === 'view' || (action === 'pause' && job === 'hourly'),
    })
    const { rights } = await jsonOf<JobView>(ask(dashboard, '/api/job?job=hourly'))
    expect(rights).toEqual({
      trigger: false,
      replay: false,
      cancel: false,
      cancelSlot: false,
      pause: true,
      resume: false,
      backfill: false,
      remove: false,
    })
    const plan = await jsonOf<BulkPlan>(
      post(dashboard, '/api/bulk-jobs', { action: 'pause', filter: {}, dryRun: true }),
    )
    expect(plan).toEqual({
      count: 1,
      first: [{ what: 'hourly', run: null, at: null, endedAt: null }],
      isPart: false,
    })
    const done = await jsonOf<BulkAnswer>(post(dashboard, '/api/bulk-jobs', { action: 'pause', filter: {} }))
    expect(done).toMatchObject({ done: 1, failed: [], cursor: null })
    const paused = await world.client.jobs({ paused: true })
    expect(paused.items.map(({ name }) => name)).toEqual(['hourly'])
    await world.client.resume('hourly')
  })
})

describe('a bulk action in the dashboard', () => {
  it('does not count a skipped request, or a run that had already ended, as done', async () => {
    const dashboard = world.dashboard()
    const run = (key: string) =>
      jsonOf<BulkAnswer>(post(dashboard, '/api/bulk-jobs', { action: 'trigger', filter: { text: 'rebuild' }, key }))
    expect(await run('one')).toMatchObject({ done: 1, failed: [] })
    expect(await run('two')).toMatchObject({
      done: 0,
      failed: [{ what: 'rebuild', message: expect.stringContaining('The request was skipped') }],
    })
    // The bulk action below cancels only runs that have started.
    await expect.poll(async () => (await world.client.counts('rebuild')).running, { timeout: 20_000 }).toBe(1)
    // This client answers `cancel` as if the run had completed between the listing of the runs and the cancel request.
    const client = new Proxy(world.client, {
      get(of, name) {
        if (name === 'cancel') return async (id: string) => ({ id, outcome: 'final', state: 'completed' })
        const member: unknown = Reflect.get(of, name)
        return typeof member === 'function' ? member.bind(of) : member
      },
    })
    const late = world.dashboard({ client })
    expect(
      await jsonOf(post(late, '/api/bulk-runs', { action: 'cancel', filter: { state: 'running' } })),
    ).toMatchObject({
      done: 0,
      failed: [{ what: 'rebuild', message: 'The run had already ended as completed.' }],
    })
    expect(
      await jsonOf(post(dashboard, '/api/bulk-runs', { action: 'cancel', filter: { state: 'running' } })),
    ).toMatchObject({ done: 1, failed: [] })
  })
})

describe('a run that the dashboard requests with a priority', () => {
  it('has this priority in the storage and on its page', async () => {
    const dashboard = world.dashboard({ authorize: () => ({ actor: 'anna' }) })
    const { id } = await jsonOf<TriggerResult>(post(dashboard, '/api/trigger', { job: 'large', priority: 5 }))
    expect((await world.client.waitFor(id)).priority).toBe(5)
    expect((await jsonOf<RunView>(ask(dashboard, `/api/run?run=${id}`))).priority).toBe(5)
    const refused = await post(dashboard, '/api/trigger', { job: 'large', priority: 11 })
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('INVALID_ARGUMENT')])
  })
})

describe('the option audit', () => {
  it('receives the actor of a bulk action if authorize names the actor for `open` only', async () => {
    const entries: AuditEntry[] = []
    const dashboard = world.dashboard({
      audit: (entry) => void entries.push(entry),
      authorize: (_, { action }) => (action === 'open' ? { actor: 'bob' } : true),
    })
    for (const action of ['pause', 'resume']) {
      await post(dashboard, '/api/bulk-jobs', { action, filter: { text: 'large' } })
    }
    expect(entries.map(({ action, actor }) => [action, actor])).toEqual([
      ['pause', 'bob'],
      ['resume', 'bob'],
    ])
  })

  it('receives the actor, action and reason of each action, including failed actions; core also stores the actor and the reason', async () => {
    const entries: AuditEntry[] = []
    const audit = (entry: AuditEntry): void => {
      entries.push(entry)
    }
    const dashboard = world.dashboard({ audit, authorize: () => ({ actor: 'anna' }) })
    const asked = post(dashboard, '/api/trigger', { job: 'large', reason: 'a customer asked' })
    const { id } = await jsonOf<TriggerResult>(asked)
    const run = await world.client.waitFor(id)
    expect([run.requestActor, run.requestReason]).toEqual(['anna', 'a customer asked'])
    await post(dashboard, '/api/pause', { job: 'hourly', reason: 'the disk is full' })
    expect((await world.client.job('hourly')).paused).toMatchObject({ actor: 'anna', reason: 'the disk is full' })
    await post(dashboard, '/api/resume', { job: 'hourly', reason: 'there is room' })
    await post(dashboard, '/api/pause', { job: 'none' })
    await post(dashboard, '/api/bulk-runs', { action: 'replay', filter: { of: 'deep-stack' }, key: 'k', reason: 'all' })
    await post(dashboard, '/api/backfill', {
      job: 'hourly',
      from: '2026-01-01T00:00:00Z',
      to: '2026-01-02T00:00:00Z',
      dryRun: true,
    })
    expect(entries.map(({ at: _, run: of, ...entry }) => ({ ...entry, of: of !== null }))).toEqual([
      { action: 'trigger', job: 'large', actor: 'anna', reason: 'a customer asked', error: null, of: false },
      { action: 'pause', job: 'hourly', actor: 'anna', reason: 'the disk is full', error: null, of: false },
      { action: 'resume', job: 'hourly', actor: 'anna', reason: 'there is room', error: null, of: false },
      { action: 'pause', job: 'none', actor: 'anna', reason: null, error: 'JOB_NOT_FOUND', of: false },
      { action: 'replay', job: 'deep-stack', actor: 'anna', reason: 'all', error: null, of: true },
    ])
  })

  it('does not make an action fail if the function audit throws', async () => {
    const errors: string[] = []
    const dashboard = world.dashboard({
      audit: () => Promise.reject(new Error('the audit is full')),
      logger: { error: (_, message) => void errors.push(message) },
    })
    expect((await post(dashboard, '/api/resume', { job: 'hourly' })).status).toBe(200)
    expect(errors).toEqual(['the function audit threw: the action continues'])
  })
})

describe('data that the option `hide` names', () => {
  const secret = 'xxxxxxxx'

  it('appear in no answer of the dashboard’s server', async () => {
    const { id } = await world.client.trigger('nightly-report', { data: { card: secret, fail: true } })
    await world.client.waitFor(id)
    const large = await world.client.trigger('large')
    await world.client.waitFor(large.id)
    const shown = world.dashboard()
    const hiding = world.dashboard({ hide: ['payloads', 'results', 'logs', 'errors'] })
    const paths = [
      `/api/run?run=${id}`,
      `/api/task?run=${id}&task=upload`,
      `/api/task?run=${large.id}&task=only`,
      `/api/value?run=${id}`,
      `/api/value?run=${large.id}&task=only`,
      '/api/failures',
      '/api/overview',
      '/api/history?job=nightly-report',
    ]
    const texts = { shown: '', hidden: '' }
    for (const path of paths) {
      texts.shown += await (await ask(shown, path)).text()
      texts.hidden += await (await ask(hiding, path)).text()
    }
    for (const text of [secret, 'the disk is full', 'nearly full', 'write failed']) {
      expect(texts.shown).toContain(text)
      expect(texts.hidden).not.toContain(text)
    }
    expect(texts.hidden).toContain('DiskError'.slice(4))
  })

  it('may be chosen by a function, and data for which that function throws are hidden too', async () => {
    const { id } = await world.client.trigger('nightly-report', { data: { card: secret } })
    await world.client.waitFor(id)
    const seen: string[] = []
    const hide = (what: string, { job }: { readonly job: string | null }) => {
      seen.push(`${what} of ${job}`)
      if (what === 'payloads') throw new Error('no rule')
      return what === 'logs'
    }
    const dashboard = world.dashboard({ hide, logger: { error: () => undefined } })
    const view = await jsonOf<RunView>(ask(dashboard, `/api/run?run=${id}`))
    expect([view.input, view.hidden]).toEqual([{ kind: 'hidden' }, ['payloads', 'logs']])
    expect(seen).toContain('payloads of nightly-report')
  })
})

describe('the options of createDashboard', () => {
  it.each([
    ['client', undefined],
    ['client', {}],
    ['basePath', 'admin'],
    ['basePath', '/a/../b'],
    ['basePath', '/a b'],
    ['authorize', 'yes'],
    ['token', 'short'],
    ['secret', 'short'],
    ['readOnly', 1],
    ['hide', 'results'],
    ['hide', ['secrets']],
    ['audit', {}],
    ['origins', 'https://x.example'],
    ['origins', ['x.example']],
    ['origins', ['https://x.example/path']],
    ['title', ''],
    ['logger', {}],
    ['clock', {}],
    ['basepath', '/x'],
  ])('refuse the option %s with the invalid value %j', (name, value) => {
    const options = { client: world.client, authorize: () => true, [name]: value }
    expect(() => createDashboard(options as never)).toThrow(new RegExp(name))
    try {
      createDashboard(options as never)
    } catch (error) {
      expect(error).toMatchObject({ code: name === 'basepath' ? 'UNKNOWN_OPTION' : 'INVALID_ARGUMENT' })
      if (name === 'token') expect(String(error)).not.toContain('short.')
    }
  })

  it('refuse a dashboard with neither authorize nor a token, and the error names the remedy', () => {
    expect(() => createDashboard({ client: world.client })).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        field: 'authorize',
        remedy: expect.stringContaining('authorize: () => true'),
      }),
    )
  })

  it('refuse an unknown option, and the error omits its value, which may be a secret', () => {
    try {
      createDashboard({ client: world.client, tokens: ['a-secret-of-24-characters'] } as never)
      expect.fail('the option was accepted')
    } catch (error) {
      expect(error).toMatchObject({ code: 'UNKNOWN_OPTION', field: 'tokens' })
      expect(inspect(error, { depth: 10 }) + JSON.stringify(error)).not.toContain('a-secret')
    }
  })

  it('take the host of a request from its Host header, or without that header from the URL', async () => {
    const dashboard = world.dashboard()
    const from = (origin: string, host: string) => post(dashboard, '/api/resume', { job: 'hourly' }, { origin, host })
    expect((await from('https://jobs.example.com', 'jobs.example.com')).status).toBe(200)
    expect((await from('http://localhost', 'jobs.example.com')).status).toBe(403)
    expect((await from('https://jobs.example.com:8443', 'jobs.example.com')).status).toBe(403)
  })

  it('allow a page whose proxy changes the host, if `origins` contains the origin of the page', async () => {
    const dashboard = world.dashboard({ origins: ['https://jobs.example.com'] })
    const headers = { origin: 'https://jobs.example.com', 'sec-fetch-site': 'same-origin' }
    expect((await post(dashboard, '/api/resume', { job: 'hourly' }, headers)).status).toBe(200)
  })
})
