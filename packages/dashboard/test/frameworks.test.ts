import { once } from 'node:events'
import { Agent, createServer, get, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { serve } from 'srvx/node'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Dashboard } from '../src/index.ts'
import { expressMiddleware } from '../src/express.ts'
import { fastifyPlugin } from '../src/fastify.ts'
import { honoHandler } from '../src/hono.ts'
import { nextHandlers } from '../src/next.ts'
import { incomingOf, nodeListener } from '../src/node.ts'
import { createClient, silentLogger, type TriggerResult } from '@jobistemer/core'
import type { JobView } from '../src/wire.ts'
import { basePath, createWorld, jsonOf, type World } from './world.ts'

let world: World

beforeAll(async () => {
  world = await createWorld()
})
afterAll(() => world.end())

interface Running {
  readonly origin: string
  close(): Promise<unknown>
}

async function listening(server: Server): Promise<Running> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

const frameworks: Readonly<Record<string, () => Promise<Running>>> = {
  'node:http': () => listening(createServer(nodeListener(world.dashboard()))),
  Express: () => {
    const app = express()
    app.use(basePath, expressMiddleware(world.dashboard()))
    app.get('/other', (_, response) => void response.send('other'))
    return listening(createServer(app))
  },
  'Express, behind its parser of JSON': () => {
    const app = express()
    app.use(express.json({ limit: '1mb' }))
    app.use(basePath, expressMiddleware(world.dashboard()))
    app.get('/other', (_, response) => void response.send('other'))
    return listening(createServer(app))
  },
  'Express, behind a parser of bytes': () => {
    const app = express()
    app.use(express.raw({ type: '*/*', limit: '1mb' }))
    app.use(basePath, expressMiddleware(world.dashboard()))
    app.get('/other', (_, response) => void response.send('other'))
    return listening(createServer(app))
  },
  'Express, behind a parser of text': () => {
    const app = express()
    app.use(express.text({ type: '*/*', limit: '1mb' }))
    app.use(basePath, expressMiddleware(world.dashboard()))
    app.get('/other', (_, response) => void response.send('other'))
    return listening(createServer(app))
  },
  'Express, with a function around the dashboard that waits first': () => {
    const app = express()
    const dashboard = world.dashboard()
    const later = async (request: Request) => {
      await new Promise((resolve) => setImmediate(resolve))
      return dashboard(request)
    }
    app.use(basePath, expressMiddleware(later))
    app.get('/other', (_, response) => void response.send('other'))
    return listening(createServer(app))
  },
  Fastify: async () => {
    const app = fastify()
    await app.register(fastifyPlugin(world.dashboard()), { prefix: basePath })
    app.get('/other', async () => 'other')
    app.post('/other', async ({ body }) => body)
    const origin = await app.listen({ port: 0, host: '127.0.0.1', forceCloseConnections: true } as never)
    return {
      origin,
      close: () => {
        app.server.closeAllConnections()
        return app.close()
      },
    }
  },
  Hono: async () => {
    const app = new Hono()
    const handler = honoHandler(world.dashboard())
    app.all(basePath, handler).all(`${basePath}/*`, handler)
    app.get('/other', (context) => context.text('other'))
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1', silent: true })
    await server.ready()
    return { origin: String(server.url).replace(/\/$/, ''), close: () => server.close(true) }
  },
  // Calls the route handlers through a plain server, without Next.js. The test `extra/next.test.ts` builds a whole Next.js app.
  'the handlers of Next.js': async () => {
    const handlers: Readonly<Record<string, ((request: Request) => Promise<Response>) | undefined>> = {
      ...nextHandlers(world.dashboard()),
    }
    const answer = async (request: Request): Promise<Response> => {
      const { pathname } = new URL(request.url)
      if (pathname !== basePath && !pathname.startsWith(`${basePath}/`)) return new Response('other')
      return (await handlers[request.method]?.(request)) ?? new Response(null, { status: 405 })
    }
    const server = serve({ fetch: answer, port: 0, hostname: '127.0.0.1', silent: true })
    await server.ready()
    return { origin: String(server.url).replace(/\/$/, ''), close: () => server.close(true) }
  },
}

describe('the option authorize', () => {
  const authorize = (request: Request) => {
    const user = incomingOf<{ session?: { user: string } }>(request)?.session?.user
    return user !== undefined && { actor: user }
  }
  const byName = (request: object, name: unknown): void => {
    if (typeof name === 'string') Object.assign(request, { session: { user: name } })
  }
  const withExpress = (): Promise<Running> => {
    const app = express()
    app.use(express.json(), (request, _, next) => {
      byName(request, request.headers['x-user'])
      next()
    })
    app.use(basePath, expressMiddleware(world.dashboard({ authorize })))
    return listening(createServer(app))
  }
  const withFastify = async (): Promise<Running> => {
    const app = fastify()
    app.addHook('onRequest', async ({ raw }) => byName(raw, raw.headers['x-user']))
    await app.register(fastifyPlugin(world.dashboard({ authorize })), { prefix: basePath })
    const origin = await app.listen({ port: 0, host: '127.0.0.1' })
    return { origin, close: () => app.close() }
  }

  it.each([
    ['Express', withExpress],
    ['Fastify', withFastify],
  ] as const)(
    'receives the request object of the framework %s, with the session that the framework has stored in it',
    async (_, start) => {
      const running = await start()
      const pause = (headers: Record<string, string>) =>
        fetch(`${running.origin}${basePath}/api/pause`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-jobistemer': '1', connection: 'close', ...headers },
          body: JSON.stringify({ job: 'large' }),
        })
      expect((await pause({})).status).toBe(403)
      expect((await pause({ 'x-user': 'anna' })).status).toBe(200)
      expect((await world.client.job('large')).paused?.actor).toBe('anna')
      await world.client.resume('large')
      await running.close()
      expect(incomingOf(new Request('http://localhost/'))).toBeNull()
    },
  )
})

describe('the hooks of a Fastify server', () => {
  it('run for every answer of the dashboard, and their headers are sent, as with @fastify/session and @fastify/helmet', async () => {
    const app = fastify()
    const course: string[] = []
    app.addHook('onRequest', async (_, reply) => void reply.header('strict-transport-security', 'max-age=1'))
    app.addHook('onSend', async (_, reply) => {
      course.push(`${reply.statusCode} ${reply.getHeader('content-type')}`)
      reply.header('set-cookie', 'session=renewed')
    })
    const token = 'a-token-of-24-characters'
    await app.register(fastifyPlugin(world.dashboard({ token })), { prefix: basePath })
    const origin = await app.listen({ port: 0, host: '127.0.0.1' })
    onTestFinished(async () => {
      app.server.closeAllConnections()
      await app.close()
    })
    const headers = { authorization: `Bearer ${token}` }
    for (const [path, status] of [
      ['/', 200],
      ['/api/jobs', 200],
      ['/api/none', 404],
      ['/api/changes', 200],
    ] as const) {
      const stop = new AbortController()
      const response = await fetch(`${origin}${basePath}${path}`, { headers, signal: stop.signal })
      expect([path, response.status, response.headers.get('strict-transport-security')]).toEqual([
        path,
        status,
        'max-age=1',
      ])
      expect([path, response.headers.getSetCookie()]).toEqual([path, ['session=renewed']])
      stop.abort()
    }
    const entry = await fetch(`${origin}${basePath}/?token=${token}`, { redirect: 'manual' })
    expect([entry.status, entry.headers.getSetCookie().sort()]).toEqual([
      303,
      [expect.stringContaining('HttpOnly'), 'session=renewed'],
    ])
    expect(course).toEqual([
      '200 text/html; charset=utf-8',
      '200 application/json; charset=utf-8',
      '404 application/json; charset=utf-8',
      '200 text/event-stream; charset=utf-8',
      '303 undefined',
    ])
  })
})

describe('a server that is closed while a page of the dashboard is open', () => {
  /** Opens the event stream of a page on a separate keep-alive connection. `ended` resolves when the stream has ended. */
  async function openPage(origin: string): Promise<{ readonly ended: Promise<unknown> }> {
    const agent = new Agent({ keepAlive: true })
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(`${origin}${basePath}/api/changes`, { agent }, resolve).on('error', reject)
    })
    expect(response.statusCode).toBe(200)
    await once(response, 'data')
    response.resume()
    return { ended: once(response, 'close') }
  }

  it('ends the event streams of the page in Fastify, and does not close the dashboard’s client', async () => {
    const app = fastify({ keepAliveTimeout: 3_600_000 })
    onTestFinished(() => app.server.closeAllConnections())
    await app.register(fastifyPlugin(world.dashboard()), { prefix: basePath })
    const { ended } = await openPage(await app.listen({ port: 0, host: '127.0.0.1' }))
    await app.close()
    await ended
    expect((await world.client.job('hourly')).name).toBe('hourly')
  })

  it.each([
    ['node:http', (dashboard: Dashboard) => createServer(nodeListener(dashboard))],
    ['Express', (dashboard: Dashboard) => createServer(express().use(basePath, expressMiddleware(dashboard)))],
  ] as const)('finishes closing in the framework %s once the client of the dashboard is closed', async (_, make) => {
    const client = createClient({ storage: world.storage, logger: silentLogger })
    const server = make(world.dashboard({ client }))
    server.keepAliveTimeout = 3_600_000
    onTestFinished(() => server.closeAllConnections())
    const { origin } = await listening(server)
    const { ended } = await openPage(origin)
    await client.close()
    await new Promise((resolve) => server.close(resolve))
    await ended
  })
})

describe.each(Object.entries(frameworks))('the dashboard in the framework %s', (name, start) => {
  let running: Running
  beforeAll(async () => {
    running = await start()
  })
  afterAll(() => running.close())

  const act = (path: string, body: object | string, headers: Record<string, string> = {}) =>
    fetch(`${running.origin}${basePath}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-jobistemer': '1', origin: running.origin, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })

  it('serves its page and its files, with and without a trailing slash', async () => {
    for (const path of ['', '/', '/jobs?text=a', '/job?job=hourly&tab=upcoming']) {
      const response = await fetch(`${running.origin}${basePath}${path}`)
      const text = await response.text()
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
      for (const [, file] of text.matchAll(/(?:src|href)="([^"]+)"/g)) {
        expect(file).toMatch(new RegExp(`^${basePath}/assets/`))
        const found = await fetch(`${running.origin}${file}`)
        expect([found.status, (await found.text()).length > 100]).toEqual([200, true])
      }
    }
  })

  it('reads a query that contains special characters', async () => {
    const job = '../..//x?y=1&z=%2F#h'
    const response = await fetch(`${running.origin}${basePath}/api/job?${new URLSearchParams({ job })}`)
    expect([response.status, (await jsonOf<JobView>(response)).name]).toEqual([200, job])
  })

  it('passes the body of an action unchanged', async () => {
    const data = { text: 'ü 🚚 "quoted"', list: [1, null] }
    const response = await act('/api/trigger', { job: 'large', data, reason: `by ${name}` })
    expect(response.status).toBe(200)
    const { id } = await jsonOf<TriggerResult>(response)
    const run = await world.client.occurrence(id)
    expect([run.input, run.requestReason]).toEqual([data, `by ${name}`])
  })

  it('refuses requests of other origins, and requests whose body is too large', async () => {
    expect((await act('/api/trigger', { job: 'large' }, { origin: 'https://evil.example' })).status).toBe(403)
    expect((await act('/api/trigger', { job: 'large', data: 'x'.repeat(300_000) })).status).toBe(413)
    expect((await act('/api/pause', { job: 'none' })).status).toBe(404)
  })

  // The fetch standard has no request of the method TRACE, and each framework answers with a status of its own.
  it('answers requests with an invalid host, or with the method TRACE and a body, and continues to serve', async () => {
    const { hostname, port } = new URL(running.origin)
    const raw = async (head: string, body = '') => {
      const socket = connect(Number(port), hostname)
      socket.end(`${head}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
      let text = ''
      for await (const chunk of socket) text += String(chunk)
      return Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])
    }
    for (const host of ['xn--a', 'a:99999', '999.999.999.999', '[:::::]']) {
      expect(await raw(`GET ${basePath}/ HTTP/1.1\r\nHost: ${host}`), host).toBeGreaterThanOrEqual(200)
    }
    const type = 'Content-Type: application/json'
    await raw(`TRACE ${basePath}/api/pause HTTP/1.1\r\nHost: ${hostname}\r\n${type}`, '{"job":"large"}')
    expect((await fetch(`${running.origin}${basePath}/api/counts`)).status).toBe(200)
  })

  it('sends changes on its event stream, and ends the stream when the reader disconnects', async () => {
    const stop = new AbortController()
    const response = await fetch(`${running.origin}${basePath}/api/changes`, { signal: stop.signal })
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    // Without `no-transform`, the compression of Express would hold the events back.
    expect(response.headers.get('cache-control')).toBe('no-store, no-transform')
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    let told = ''
    let isAsked = false
    while (!told.includes('jobs')) {
      const { value, done } = await reader.read()
      expect(done).toBe(false)
      told += new TextDecoder().decode(value)
      if (told.includes('start') && !isAsked) {
        isAsked = true
        await world.client.pause('hourly')
      }
    }
    stop.abort()
    await world.client.resume('hourly')
  })

  it('leaves paths outside of its base path to the framework', async () => {
    const response = await fetch(`${running.origin}/other`)
    const text = await response.text()
    expect(name === 'node:http' ? response.status : text).toBe(name === 'node:http' ? 404 : 'other')
  })
})
