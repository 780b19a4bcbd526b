import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Dashboard } from '../src/index.ts'
import { pagePaths } from '../src/documents.ts'
import type { Route } from '../src/route.ts'
import { routes } from '../src/routes.ts'
import type { GridPage, Page } from '../src/wire.ts'
import { ask, createWorld, jsonOf, post, type World } from './world.ts'

let world: World
let run: string

beforeAll(async () => {
  world = await createWorld()
  run = (await world.client.trigger('large')).id
  await world.client.waitFor(run as never)
})
afterAll(() => world.end())

/** A valid request body for each action. */
const bodies: Readonly<Record<string, object>> = {
  '/api/trigger': {},
  '/api/replay': {},
  '/api/cancel': {},
  '/api/cancel-slot': { at: '2030-01-01T01:00:00Z' },
  '/api/pause': {},
  '/api/resume': {},
  '/api/backfill': { from: '2026-01-01T00:00:00Z', to: '2026-01-01T05:00:00Z', which: 'all' },
  '/api/stop-backfill': { key: 'none' },
  '/api/remove': {},
  '/api/go-on-with-backfill': {},
  '/api/bulk-jobs': { action: 'trigger', key: 'k', filter: {} },
  '/api/bulk-runs': { action: 'cancel', filter: {} },
}

const queries: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '/api/explain': { at: '2026-01-01T00:00:00Z' },
  '/api/task': { task: 'only' },
  '/api/value': { task: 'only' },
}

function aboutOf({ about }: Route): Record<string, string> {
  return about === 'all' ? {} : about === 'job' ? { job: 'hourly' } : { run }
}

function send(dashboard: Dashboard, route: Route, headers: Record<string, string> = {}, more: object = {}) {
  if (route.method === 'POST') {
    return post(dashboard, route.path, { ...aboutOf(route), ...bodies[route.path], ...more }, headers)
  }
  const query = new URLSearchParams({ ...aboutOf(route), ...queries[route.path], ...(more as Record<string, string>) })
  return ask(dashboard, `${route.path}?${query}`, { headers })
}

/** Returns all stored data that an action could change, as JSON. */
async function ledger(): Promise<string> {
  const jobs = await world.client.jobs({ limit: 100, include: ['counts', 'lastRun'] })
  const runs = await Promise.all(jobs.items.map(({ name }) => world.client.occurrences({ job: name, limit: 1000 })))
  return JSON.stringify([jobs.items, runs.map(({ items }) => items)])
}

async function refused(response: Response, status: number | readonly number[], code?: string): Promise<void> {
  const text = await response.text()
  expect([status].flat(), text).toContain(response.status)
  if (code !== undefined) expect(JSON.parse(text).error.code).toBe(code)
  // The answer must not contain the name of the job or the id of the run.
  expect(text).not.toContain('xxxxxxxx')
  expect(response.headers.get('access-control-allow-origin')).toBeNull()
}

describe('the table of the dashboard’s routes', () => {
  it('lists exactly the actions for which this test has a valid body', () => {
    const paths = routes.filter(({ method }) => method === 'POST').map(({ path }) => path)
    expect(paths.sort()).toEqual(Object.keys(bodies).sort())
  })

  it.each(routes.map((route) => [route.path, route] as const))(
    'contains the route %s, which the dashboard answers if authorize allows the request',
    async (path, route) => {
      // This user has all rights. The dashboard answers reads, dry runs, `resume` and `stop-backfill` with 200, so the requests
      // of this test are valid. So if a test below receives a refusal, its cause is a missing right, and not an invalid
      // request.
      const isDry = route.method === 'POST' && (path === '/api/backfill' || path.startsWith('/api/bulk'))
      const isDone = route.method === 'GET' || isDry || path === '/api/resume' || path === '/api/stop-backfill'
      if (!isDone) return expect(route.method).toBe('POST')
      const response = await send(world.dashboard(), route, {}, isDry ? { dryRun: true } : {})
      expect(response.status, await response.clone().text()).toBe(200)
    },
  )
})

describe.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))('the route %s', (_, route) => {
  const isAction = route.method === 'POST'

  it('is refused if authorize returns false, throws, or returns an invalid value', async () => {
    const before = await ledger()
    const logger = { error: () => undefined }
    for (const answer of [
      () => false,
      () => Promise.resolve(false),
      () => 'yes' as never,
      () => 1 as never,
      () => ({}) as never,
      () => {
        throw new Error('no session')
      },
    ]) {
      const response = await send(world.dashboard({ authorize: answer, logger }), route)
      await refused(response, 403, 'FORBIDDEN')
    }
    expect(await ledger()).toBe(before)
  })

  it('is refused without the token and with a wrong token', async () => {
    const dashboard = world.dashboard({ token: 'a-token-of-24-characters' })
    await refused(await send(dashboard, route), 401, 'SIGN_IN')
    await refused(await send(dashboard, route, { authorization: 'Bearer a-token-of-24-character5' }), 401, 'SIGN_IN')
    await refused(await send(dashboard, route, { cookie: 'jobistemer-admin-jobs=a-token-of-24-characters' }), 401)
  })

  it('is refused from another origin', async () => {
    const before = await ledger()
    const dashboard = world.dashboard()
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: 'http://localhost:81' },
      { origin: 'http://localhost.evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]) {
      await refused(await send(dashboard, route, headers as never), 403, 'OTHER_ORIGIN')
    }
    expect(await ledger()).toBe(before)
  })

  it('refuses all HTTP methods except its own, and lets no other origin read its answers by CORS', async () => {
    const before = await ledger()
    const dashboard = world.dashboard()
    const body = JSON.stringify({ ...aboutOf(route), ...bodies[route.path] })
    const headers = { 'content-type': 'application/json', 'x-jobistemer': '1' }
    const query = new URLSearchParams({ ...aboutOf(route), ...queries[route.path] })
    for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS', ...(isAction ? [] : ['POST'])]) {
      await refused(await ask(dashboard, route.path, { method, headers, body }), 405, 'METHOD_NOT_ALLOWED')
    }
    for (const method of isAction ? ['GET', 'HEAD'] : []) {
      expect((await ask(dashboard, `${route.path}?${query}`, { method, headers })).status).toBe(405)
    }
    if (!isAction) {
      const head = await ask(dashboard, `${route.path}?${query}`, { method: 'HEAD' })
      expect([head.status, await head.text()]).toEqual([200, ''])
    }
    expect(await ledger()).toBe(before)
  })

  it('refuses an unknown member and a repeated member of the query', async () => {
    await refused(await send(world.dashboard(), route, {}, { surprise: '1' }), 400, 'UNKNOWN_OPTION')
    await refused(await send(world.dashboard(), route, {}, { constructor: '1' }), 400, 'UNKNOWN_OPTION')
    if (isAction) return
    const query = new URLSearchParams({ ...aboutOf(route), ...queries[route.path] })
    await refused(await ask(world.dashboard(), `${route.path}?${query}&a=1&a=2`), 400, 'INVALID_ARGUMENT')
  })

  if (route.about === 'job') {
    it('refuses a job name if no such job exists', async () => {
      for (const job of ['none', '__proto__', '../hourly', 'n'.repeat(256), '\u0000']) {
        const response = await send(world.dashboard(), route, {}, { job })
        // For a job that does not exist, the dashboard answers 400 or 404. A read may also answer 200 with an empty list,
        // because such a job has an empty history.
        const told = response.status === 200 ? await jsonOf<Partial<Page<unknown> & GridPage>>(response.clone()) : {}
        const isEmpty = (told.items ?? told.runs)?.length === 0
        if (!isEmpty) await refused(response, [400, 404])
      }
      await refused(await send(world.dashboard(), route, {}, { job: '' }), [400, 404])
    })
  }

  if (route.about === 'run') {
    it('refuses invalid ids of runs, and does not tell a user without rights whether a run exists', async () => {
      for (const forged of ['none', 'occ_', `${run}0`, run.toUpperCase(), '../x', `occ_${'0'.repeat(36)}`]) {
        await refused(await send(world.dashboard(), route, {}, { run: forged }), [400, 404])
        const blind = world.dashboard({ authorize: () => false })
        await refused(await send(blind, route, {}, { run: forged }), 403, 'FORBIDDEN')
      }
    })

    it('gives the same answer for a run of a hidden job as for a run that does not exist', async () => {
      // This user may act on the job `hourly`, but the run belongs to another job.
      const dashboard = world.dashboard({ authorize: (_, { job }) => job === null || job === 'hourly' })
      const absent = await send(dashboard, route, {}, { run: `occ_${'0'.repeat(8)}-0000-5000-8000-${'0'.repeat(12)}` })
      const other = await send(dashboard, route)
      expect([other.status, await other.text()]).toEqual([absent.status, await absent.text()])
      expect(absent.status).toBe(404)
    })
  }

  if (route.takes.includes('cursor')) {
    it('refuses a cursor that the dashboard did not make', async () => {
      for (const cursor of ['forged', 'AAAA', Buffer.from('12345678{}').toString('base64url')]) {
        await refused(await send(world.dashboard(), route, {}, { cursor }), 400, 'INVALID_ARGUMENT')
      }
    })
  }

  if (isAction) {
    it('is refused in a read-only dashboard', async () => {
      const before = await ledger()
      await refused(await send(world.dashboard({ readOnly: true }), route), 403, 'READ_ONLY')
      expect(await ledger()).toBe(before)
    })

    it('is refused without the header X-Jobistemer, and with a body that is not JSON', async () => {
      const before = await ledger()
      const dashboard = world.dashboard()
      const body = JSON.stringify({ ...aboutOf(route), ...bodies[route.path] })
      const plain = { method: 'POST', headers: { 'content-type': 'application/json' }, body }
      await refused(await ask(dashboard, route.path, plain), 403, 'HEADER_MISSING')
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
        const headers = { 'x-jobistemer': '1', 'content-type': type }
        await refused(await ask(dashboard, route.path, { method: 'POST', headers, body }), 415, 'NOT_JSON')
      }
      for (const odd of ['', '[]', 'null', '"x"', '{', '{"job":"hourly"']) {
        await refused(await post(dashboard, route.path, odd), 400, 'INVALID_JSON')
      }
      expect(await ledger()).toBe(before)
    })

    it('is refused with a body that is too large, even if its content-length is wrong', async () => {
      const large = JSON.stringify({ ...aboutOf(route), ...bodies[route.path], reason: 'r'.repeat(300_000) })
      await refused(await post(world.dashboard(), route.path, large), 413, 'BODY_TOO_LARGE')
      await refused(await post(world.dashboard(), route.path, large, { 'content-length': '10' }), 413, 'BODY_TOO_LARGE')
    })
  }
})

describe('the pages and files of the dashboard', () => {
  it.each(pagePaths)(
    'page %s is refused without rights, with a document that names the missing right',
    async (path) => {
      const none = await ask(world.dashboard({ authorize: () => false }), path)
      expect([none.status, none.headers.get('content-type')]).toEqual([403, 'text/html; charset=utf-8'])
      expect(await none.text()).toContain('no right')
      const token = await ask(world.dashboard({ token: 'a-token-of-24-characters' }), path)
      expect(token.status).toBe(401)
    },
  )

  it.each(pagePaths)('page %s can be opened by a link on another site, and refuses POST', async (path) => {
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }
    expect((await ask(world.dashboard(), path, { headers })).status).toBe(200)
    expect((await ask(world.dashboard(), path, { method: 'POST', headers })).status).toBe(403)
    expect((await ask(world.dashboard(), path, { method: 'POST' })).status).toBe(405)
  })

  it.each([
    '/assets/',
    '/assets/files.js',
    '/assets/third-party.txt',
    '/assets/../index.js',
    '/assets/%2e%2e/index.js',
    '/assets/..%2findex.js',
    '/assets/..%5cindex.js',
    '/api',
    '/api/',
    '/api/none',
    '/api/jobs/',
    '/API/jobs',
    '//jobs',
    '/jobs/..%2f..',
    '/__proto__',
  ])('path %s, which names no page and no file, is answered with 404', async (path) => {
    expect((await ask(world.dashboard(), path)).status).toBe(404)
  })

  it.each([
    'http://localhost/',
    'http://localhost/admin',
    'http://localhost/admin/jobsx',
    'http://localhost/other/api/jobs',
  ])('URL outside of the base path is answered with 404: %s', async (url) => {
    expect((await world.dashboard()(new Request(url))).status).toBe(404)
  })

  const token = 'a-token-of-24-characters'
  const withToken = { authorization: `Bearer ${token}` }
  it.each([
    ['/api/jobs', 'DELETE', 'GET, HEAD'],
    ['/api/pause', 'GET', 'POST'],
    ['/api/session', 'POST', 'GET, HEAD'],
    ['/', 'PUT', 'GET, HEAD, POST'],
  ])('path %s answers the method %s with 405 and the header Allow: %s', async (path, method, allowed) => {
    const response = await ask(world.dashboard({ token }), path, { method, headers: withToken })
    expect([response.status, response.headers.get('allow')]).toEqual([405, allowed])
  })

  it('page / allows POST only with the option token', async () => {
    for (const method of ['PUT', 'POST']) {
      const response = await ask(world.dashboard(), '/', { method })
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    }
  })

  it('an answer with status 401 names the scheme of the token in WWW-Authenticate', async () => {
    const dashboard = world.dashboard({ token })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    for (const response of [
      await ask(dashboard, '/api/jobs'),
      await ask(dashboard, '/'),
      await ask(dashboard, '/', { method: 'POST', headers, body: 'token=wrong' }),
    ]) {
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    }
  })

  it('GET /api/session and GET /api/changes are refused to viewers without rights and to other origins, and refuse POST', async () => {
    for (const path of ['/api/session', '/api/changes']) {
      await refused(await ask(world.dashboard({ authorize: () => false }), path), 403, 'FORBIDDEN')
      await refused(
        await ask(world.dashboard(), path, { headers: { origin: 'https://evil.example' } }),
        403,
        'OTHER_ORIGIN',
      )
      await refused(await ask(world.dashboard(), path, { method: 'POST' }), 405, 'METHOD_NOT_ALLOWED')
    }
  })

  it('every answer has a content security policy that allows no other origin', async () => {
    for (const path of ['/', '/jobs', '/api/jobs', '/api/none', '/assets/none']) {
      const { headers } = await ask(world.dashboard(), path)
      expect(headers.get('content-security-policy')).toMatch(
        /^default-src 'none'; script-src 'self'; style-src 'self';/,
      )
      expect(headers.get('content-security-policy')).not.toMatch(/unsafe|\*|https?:/)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('x-frame-options')).toBe('DENY')
      expect(headers.get('cache-control')).toBe('no-store')
    }
  })
})
