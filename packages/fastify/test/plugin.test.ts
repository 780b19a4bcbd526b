import { once } from 'node:events'
import { createClient, defineJob, type JobistemerError, silentLogger, type TaskContext } from '@jobistemer/core'
import { type ScheduleType, type SerializedSchedule, WindowedSchedule } from '@jobistemer/core/schedule'
import { metricsCollector, wrapStorage } from '@jobistemer/core/testing'
import { prometheusMetrics } from '@jobistemer/metrics-prometheus'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import Fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify'
import { Registry } from 'prom-client'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { jobistemerClientPlugin, jobistemerPlugin, type JobistemerPluginOptions } from '../src/index.ts'

/** A schedule type that only this process knows: high water every hour. */
class Tides extends WindowedSchedule {
  readonly type = tidesType

  constructor() {
    super({ startMs: Number.NEGATIVE_INFINITY, endMs: Number.POSITIVE_INFINITY })
  }

  describe(): string {
    return 'at high water'
  }

  toJSON(): SerializedSchedule {
    return { type: 'tides' }
  }

  protected nextAfter(afterMs: number): number {
    return (Math.floor(afterMs / 3_600_000) + 1) * 3_600_000
  }

  protected previousBefore(beforeMs: number): number {
    return (Math.ceil(beforeMs / 3_600_000) - 1) * 3_600_000
  }
}
const tidesType: ScheduleType = { name: 'tides', revive: () => new Tides() }

async function serverWith(options: Partial<JobistemerPluginOptions> = {}): Promise<FastifyInstance> {
  const app = Fastify({ forceCloseConnections: true })
  onTestFinished(() => app.close())
  await app.register(jobistemerPlugin, { storage: memoryStorage(), ...options })
  return app
}

const echo = defineJob({ name: 'echo', tasks: [{ name: 'work', run: ({ input }: TaskContext) => input }] })

/** Returns a promise, and a function that resolves the promise. */
function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

describe('a Fastify server with the plugin', () => {
  it('runs jobs that its routes trigger, and answers with their results', async () => {
    const app = await serverWith({ jobs: [echo] })
    app.post('/echo', async (request) => {
      const { id } = await app.scheduler.trigger('echo', { data: request.body })
      return (await app.scheduler.waitFor(id)).tasks[0]?.result
    })
    const address = await app.listen({ port: 0, host: '127.0.0.1' })
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${address}/echo`, { method: 'POST', headers, body: '{"page":7}' })
    expect(await response.json()).toEqual({ page: 7 })
  })

  it('answers 400 for an invalid payload, 404 for an unknown job, and 500 for other errors', async () => {
    const validate = (value: unknown) => (value === 1 ? { value } : { issues: [{ message: 'Give 1.' }] })
    const payload = { '~standard': { version: 1, vendor: 'test', validate } } as const
    const job = defineJob({ name: 'checked', payload, tasks: [{ name: 'work', run: () => undefined }] })
    const app = await serverWith({ jobs: [job] })
    app.post('/jobs/:name', ({ params, body }) => {
      return app.jobs.trigger((params as { readonly name: string }).name, { data: body })
    })
    app.get('/jobs', () => app.jobs.occurrences({ job: 'checked', limit: -1 }))
    await app.ready()
    const status = async (url: string, body: object | number) =>
      (
        await app.inject({
          method: 'POST',
          url,
          payload: JSON.stringify(body),
          headers: { 'content-type': 'application/json' },
        })
      ).statusCode
    expect(await status('/jobs/checked', 1)).toBe(200)
    expect(await status('/jobs/checked', 2)).toBe(400)
    expect(await status('/jobs/absent', 1)).toBe(404)
    expect((await app.inject('/jobs')).statusCode).toBe(500)
  })

  it('offers its scheduler to the routes of other plugins', async () => {
    const app = await serverWith({ nodeId: 'web-1' })
    await app.register(async (inner) => {
      inner.get('/node', () => ({ node: inner.scheduler.nodeId }))
    })
    expect((await app.inject('/node')).json()).toEqual({ node: 'web-1' })
  })

  it('is ready once the scheduler runs; with the option start: false, the server is ready and the scheduler does not run', async () => {
    const app = await serverWith({ jobs: [echo] })
    await expect(app.scheduler.trigger('echo')).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
    await app.ready()
    expect((await app.scheduler.trigger('echo')).state).toBe('running')
    const late = await serverWith({ jobs: [echo], start: false })
    await late.ready()
    await expect(late.scheduler.trigger('echo')).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
  })

  it('with start: false triggers runs through app.jobs, and other processes run them', async () => {
    const database = memoryDatabase()
    const worker = await serverWith({ storage: memoryStorage({ database }), jobs: [echo] })
    await worker.ready()
    const web = await serverWith({ storage: memoryStorage({ database }), start: false })
    web.post('/echo', async () => {
      const { id } = await web.jobs.trigger('echo', { data: 5 })
      return (await web.jobs.waitFor(id)).tasks[0]?.result
    })
    expect((await web.inject({ method: 'POST', url: '/echo' })).json()).toBe(5)
    await web.close()
    await expect(web.jobs.trigger('echo')).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
  })

  it('leaves the registry of its metrics free if another plugin has the decorator `scheduler`', async () => {
    const registry = new Registry()
    const options = { storage: memoryStorage(), metricsRoute: { registry } }
    const app = Fastify()
    onTestFinished(() => app.close())
    app.decorate('scheduler', {} as never)
    await expect(app.register(jobistemerPlugin, options).then()).rejects.toMatchObject({
      code: 'FST_ERR_DEC_ALREADY_PRESENT',
    })
    await serverWith(options)
  })

  it('refuses invalid options, each with its own error code', async () => {
    const app = Fastify()
    onTestFinished(() => app.close())
    const wrong = { storage: memoryStorage(), maxConcurrentJobs: 0 }
    await expect(app.register(jobistemerPlugin, wrong).then()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('an unknown option of the Fastify plugin', () => {
  it.each([
    [jobistemerPlugin, ['nodeId', 'start', 'metricsRoute', 'dashboard', 'prefix']],
    [jobistemerClientPlugin, ['callTimeout', 'dashboard', 'prefix']],
  ])('is refused, and the error names all options that exist', async (plugin, names) => {
    const app = Fastify()
    onTestFinished(() => app.close())
    const wrong = { storage: memoryStorage(), dashbord: {} } as JobistemerPluginOptions
    const error = await app.register(plugin as typeof jobistemerPlugin, wrong).then(
      () => null,
      (refusal: JobistemerError) => refusal,
    )
    expect(error).toMatchObject({ code: 'UNKNOWN_OPTION', field: 'dashbord' })
    for (const name of names) expect(error?.message).toContain(name)
  })
})

describe('app.close() of a Fastify server', () => {
  it('answers pending requests, lets running tasks end, and then closes the plugins registered before Jobistemer', async () => {
    const course: string[] = []
    const request = gate()
    const task = gate()
    const long = defineJob({
      name: 'long',
      tasks: [
        {
          name: 'work',
          run: async () => {
            await task.opened
            course.push('task ended')
          },
        },
      ],
    })
    const database = memoryDatabase()
    const app = Fastify()
    app.addHook('onClose', async () => {
      course.push('database closed')
    })
    await app.register(jobistemerPlugin, { storage: memoryStorage({ database }), jobs: [long] })
    app.get('/', async () => {
      await request.opened
      await app.scheduler.trigger('long')
      course.push('request triggered')
      return 'triggered'
    })
    const began = once(app.server, 'request')
    const address = await app.listen({ port: 0, host: '127.0.0.1' })
    // The header closes the connection after the response, because a closing Fastify server waits for idle keep-alive
    // connections.
    const response = fetch(address, { headers: { connection: 'close' } })
    await began
    const started = new Promise<void>((resolve) => {
      app.scheduler.on('occurrence.started', () => resolve())
    })
    const closing = app.close()
    request.open()
    expect(await (await response).text()).toBe('triggered')
    await started
    task.open()
    await closing
    expect(course).toEqual(['request triggered', 'task ended', 'database closed'])
    const client = createClient({ storage: memoryStorage({ database }) })
    expect((await client.occurrences({ job: 'long' })).items.map(({ state }) => state)).toEqual(['completed'])
    await client.close()
  })

  it.each([
    [true, 1],
    [false, 0],
  ])('closes the storage or leaves it open, as the option closeStorage says: %s', async (closeStorage, times) => {
    let closed = 0
    const close = async () => {
      closed++
    }
    const app = await serverWith({ storage: wrapStorage(memoryStorage(), { close }), closeStorage })
    await app.ready()
    await app.close()
    expect(closed).toBe(times)
  })
})

describe('an error in a job of a Fastify server', () => {
  const failing = defineJob({
    name: 'failing',
    tasks: [{ name: 'work', run: () => Promise.reject(new Error('out of paper')) }],
  })
  async function fail(app: FastifyInstance): Promise<void> {
    onTestFinished(() => app.close())
    await app.register(jobistemerPlugin, { storage: memoryStorage(), jobs: [failing] })
    await app.ready()
    const { id } = await app.scheduler.trigger('failing')
    await app.scheduler.waitFor(id)
  }
  function written(): string[] {
    const lines: string[] = []
    const spy = vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(String(line)) > 0)
    onTestFinished(() => spy.mockRestore())
    return lines
  }

  it('is written to stderr if the server has no logger, which is the default', async () => {
    const lines = written()
    await fail(Fastify())
    expect(lines.join('')).toContain('out of paper')
  })

  it('is written to the server’s logger, and nowhere if that logger is silent', async () => {
    const lines = written()
    const logged: string[] = []
    await fail(Fastify({ logger: { stream: { write: (line: string) => void logged.push(line) } } }))
    await fail(Fastify({ logger: { level: 'silent' } }))
    expect(logged.join('')).toContain('out of paper')
    expect(lines.join('')).not.toContain('out of paper')
  })
})

describe('the optional routes of the Fastify plugin', () => {
  it('serve the dashboard to users whom authorize allows', async () => {
    const app = await serverWith({
      jobs: [echo],
      dashboard: { basePath: '/admin/jobs', authorize: (request) => request.headers.get('x-user') === 'anna' },
    })
    const address = await app.listen({ port: 0, host: '127.0.0.1' })
    const status = async (headers: Record<string, string>) =>
      (await fetch(`${address}/admin/jobs/`, { headers })).status
    expect([await status({}), await status({ 'x-user': 'anna' })]).toEqual([403, 200])
  })

  it('serve a dashboard that computes the slots of schedule types that the scheduler has registered', async () => {
    const app = await serverWith({
      jobs: [defineJob({ name: 'tide', schedule: new Tides(), tasks: [{ name: 'work', run: () => 1 }] })],
      scheduleTypes: [tidesType],
      dashboard: { basePath: '/jobs', authorize: () => true },
    })
    const address = await app.listen({ port: 0, host: '127.0.0.1' })
    const response = await fetch(`${address}/jobs/api/next?job=tide`)
    expect([response.status, ((await response.json()) as string[])[0]]).toEqual([
      200,
      (await app.scheduler.nextRuns('tide', 1))[0]?.toISOString(),
    ])
  })

  it('do not delay the shutdown of the server while a page of the dashboard is open', async () => {
    const app = Fastify()
    onTestFinished(() => app.server.closeAllConnections())
    await app.register(jobistemerPlugin, {
      storage: memoryStorage(),
      jobs: [echo],
      dashboard: { basePath: '/jobs', authorize: () => true },
    })
    const address = await app.listen({ port: 0, host: '127.0.0.1' })
    const response = await fetch(`${address}/jobs/api/changes`)
    const { scheduler } = app
    await app.close()
    await response.text()
    await expect(scheduler.trigger('echo')).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
  })

  it('serve metrics at the given path', async () => {
    const app = await serverWith({
      jobs: [echo],
      metricsRoute: { registry: new Registry(), path: '/internal/metrics' },
    })
    await app.ready()
    const { id } = await app.scheduler.trigger('echo')
    await app.scheduler.waitFor(id)
    const response = await app.inject('/internal/metrics')
    expect(response.headers['content-type']).toContain('text/plain')
    expect(response.body).toContain('scheduler_job_occurrences_total{job="echo",status="completed"} 1')
    expect((await app.inject('/metrics')).statusCode).toBe(404)
  })

  const everybody = { authorize: () => true }

  it.each([
    ['of the scope', { around: '/api' }, '/api/jobs'],
    ['of the plugin', { own: '/internal' }, '/internal/jobs'],
    ['of both, written in any way', { around: '/api/', own: 'internal/' }, '/api/internal/jobs'],
  ])(
    'have paths that begin with the prefix %s',
    async (_, { around = '', own = '' }: { around?: string; own?: string }, place) => {
      const app = Fastify({ forceCloseConnections: true })
      onTestFinished(() => app.close())
      const options = {
        storage: memoryStorage(),
        dashboard: { basePath: '/jobs', ...everybody },
        metricsRoute: { registry: new Registry() },
      }
      const inner: FastifyPluginAsync = async (scope) => {
        await scope.register(jobistemerPlugin, { ...options, prefix: own })
      }
      await app.register(inner, { prefix: around })
      const address = await app.listen({ port: 0, host: '127.0.0.1' })
      const ask = async (path: string) => fetch(`${address}${path}`)
      const page = await ask(`${place}/`)
      expect([page.status, await page.text()]).toEqual([200, expect.stringContaining(`${place}/`)])
      expect((await ask(`${place}/api/jobs`)).status).toBe(200)
      expect((await ask(place.replace('/jobs', '/metrics'))).status).toBe(200)
    },
  )

  it.each<[field: string, options: object]>([
    ['dashboard', { dashboard: null }],
    ['dashboard', { dashboard: 5 }],
    ['metricsRoute', { metricsRoute: null }],
    ['metricsRoute.path', { metricsRoute: { path: 'metrics', registry: new Registry() } }],
    ['start', { start: 'no' }],
    ['closeStorage', { closeStorage: null }],
  ])('refuse an invalid option, and the error names the option %s: %o', async (field, wrong) => {
    const app = Fastify()
    onTestFinished(() => app.close())
    const options = { storage: memoryStorage(), ...wrong } as JobistemerPluginOptions
    await expect(app.register(jobistemerPlugin, options).then()).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      field,
    })
    expect(app.hasDecorator('jobs')).toBe(false)
  })

  it.each([undefined, 'jobs'])('refuse the value %s as the base path of the dashboard', async (wrong) => {
    const app = Fastify()
    onTestFinished(() => app.close())
    const dashboard = { basePath: wrong as string, ...everybody }
    const plugin: FastifyPluginAsync = async (scope) => {
      await scope.register(jobistemerPlugin, { storage: memoryStorage(), dashboard })
    }
    await expect(app.register(plugin, { prefix: '/api' }).then()).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      field: 'dashboard.basePath',
    })
  })

  it('cannot be registered twice in one scope, and the refused plugin leaves none of its metrics in the registry', async () => {
    const app = await serverWith()
    const registry = new Registry()
    const second = { storage: memoryStorage(), metricsRoute: { registry } }
    await expect(app.register(jobistemerPlugin, second).then()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(() => prometheusMetrics({ registry })).not.toThrow()
  })

  it('are also below the prefix if the plugin has only a client', async () => {
    const app = Fastify({ forceCloseConnections: true })
    onTestFinished(() => app.close())
    const dashboard = { basePath: '/jobs', ...everybody }
    await app.register(jobistemerClientPlugin, { storage: memoryStorage(), prefix: '/api', dashboard })
    const address = await app.listen({ port: 0, host: '127.0.0.1' })
    expect((await fetch(`${address}/api/jobs/api/jobs`)).status).toBe(200)
  })

  it('log their requests at the log level with which the routes were registered', async () => {
    const lines: string[] = []
    const app = Fastify({ logger: { stream: { write: (line: string) => void lines.push(line) } } })
    onTestFinished(() => app.close())
    const metricsRoute = { registry: new Registry() }
    await app.register(jobistemerPlugin, { storage: memoryStorage(), metricsRoute, logLevel: 'error' })
    app.get('/', async () => 'heard')
    expect((await app.inject('/metrics')).statusCode).toBe(200)
    expect((await app.inject('/')).statusCode).toBe(200)
    const urls = lines.flatMap((line) => (JSON.parse(line) as { req?: { url: string } }).req?.url ?? [])
    expect(urls).toEqual(['/'])
  })

  it('serve the metrics of Jobistemer, and also pass them to the object in the option `metrics`, even if this object throws', async () => {
    const metrics = metricsCollector()
    const app = await serverWith({
      jobs: [echo],
      metrics,
      metricsRoute: { registry: new Registry() },
      logger: silentLogger,
    })
    const broken = vi.spyOn(metrics, 'observe').mockImplementation(() => {
      throw new Error('broken')
    })
    await app.ready()
    const { id } = await app.scheduler.trigger('echo')
    await app.scheduler.waitFor(id)
    const { body } = await app.inject('/metrics')
    expect(body).toContain('scheduler_job_occurrences_total{job="echo",status="completed"} 1')
    expect(body).toContain('scheduler_nodes 1')
    expect(body).toContain('scheduler_job_execution_duration_seconds_count{job="echo"} 1')
    expect(broken).toHaveBeenCalled()
    expect(metrics.counter('scheduler_job_occurrences_total', { job: 'echo' })).toBe(1)
    expect(await metrics.readGauges()).toMatchObject({ scheduler_nodes: 1 })
  })

  it('serve counters that continue when the next server uses the same metrics, even if a scheduler was refused in between', async () => {
    const options = {
      jobs: [echo],
      metrics: prometheusMetrics({ registry: new Registry() }),
      metricsRoute: { registry: new Registry() },
    }
    for (const count of [1, 2]) {
      const app = await serverWith(options)
      await app.ready()
      const { id } = await app.scheduler.trigger('echo')
      await app.scheduler.waitFor(id)
      const { body } = await app.inject('/metrics')
      expect(body).toContain(`scheduler_job_occurrences_total{job="echo",status="completed"} ${count}`)
      expect(body).toContain('scheduler_nodes 1')
      await app.close()
      const refused = Fastify()
      onTestFinished(() => refused.close())
      const wrong = { ...options, storage: memoryStorage(), maxConcurrentJobs: -1 }
      await expect(refused.register(jobistemerPlugin, wrong).then()).rejects.toMatchObject({
        field: 'maxConcurrentJobs',
      })
    }
  })

  it.each([{}, { ...metricsCollector(), end: 'now' }])('refuse the invalid option metrics: %o', async (metrics) => {
    const app = Fastify()
    onTestFinished(() => app.close())
    const wrong = { storage: memoryStorage(), metrics: metrics as never, metricsRoute: { registry: new Registry() } }
    const error = await app.register(jobistemerPlugin, wrong).then(
      () => null,
      (refusal: JobistemerError) => refusal,
    )
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: expect.stringMatching(/^metrics/) })
  })

  it('cause no unhandled rejection if the option metrics rejects', async () => {
    const rejections: unknown[] = []
    const hear = (reason: unknown) => rejections.push(reason)
    process.on('unhandledRejection', hear)
    onTestFinished(() => void process.off('unhandledRejection', hear))
    const broken = async () => {
      throw new Error('away')
    }
    const metrics = { increment: broken, observe: broken, set: broken, removeJob: broken, gauges: broken }
    const metricsRoute = { registry: new Registry() }
    const app = await serverWith({ jobs: [echo], metrics, metricsRoute, logger: silentLogger })
    await app.ready()
    const { id } = await app.scheduler.trigger('echo')
    await app.scheduler.waitFor(id)
    const { body } = await app.inject('/metrics')
    expect(body).toContain('scheduler_job_occurrences_total{job="echo",status="completed"} 1')
    await new Promise((resolve) => setImmediate(resolve))
    expect(rejections).toEqual([])
  })

  it('do not exist if their options are not set', async () => {
    const app = await serverWith()
    expect((await app.inject('/metrics')).statusCode).toBe(404)
  })
})

describe('a Fastify server that has a client and no scheduler', () => {
  async function clientServer(options: Partial<Parameters<typeof jobistemerClientPlugin>[1]> = {}) {
    const app = Fastify({ forceCloseConnections: true })
    onTestFinished(() => app.close())
    await app.register(jobistemerClientPlugin, { storage: memoryStorage(), ...options })
    return app
  }

  it('is not a node, and other processes run the jobs that it requests', async () => {
    const database = memoryDatabase()
    const web = await clientServer({ storage: memoryStorage({ database }) })
    const worker = await serverWith({ storage: memoryStorage({ database }), nodeId: 'worker', jobs: [echo] })
    await Promise.all([web.ready(), worker.ready()])
    expect(web.hasDecorator('scheduler')).toBe(false)
    const { id } = await web.jobs.trigger('echo', { data: 7 })
    expect(await web.jobs.waitFor(id)).toMatchObject({ state: 'completed', node: 'worker' })
    expect((await web.jobs.nodes()).map(({ node }) => node)).toEqual(['worker'])
    expect(worker.jobs).toBe(worker.scheduler)
  })

  it('serves the dashboard to users whom authorize allows', async () => {
    const app = await clientServer({ dashboard: { basePath: '/jobs', authorize: () => true } })
    const address = await app.listen({ port: 0, host: '127.0.0.1' })
    expect((await fetch(`${address}/jobs/`)).status).toBe(200)
  })

  it.each([
    [true, 1],
    [false, 0],
  ])(
    'closes the client when it ends; the option closeStorage decides whether it also closes the storage: %s',
    async (closeStorage, times) => {
      let closed = 0
      const close = async () => {
        closed++
      }
      const app = await clientServer({ storage: wrapStorage(memoryStorage(), { close }), closeStorage })
      await app.ready()
      await app.close()
      expect(closed).toBe(times)
      await expect(app.jobs.nodes()).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
    },
  )

  it('refuses options that only a scheduler has', async () => {
    const app = Fastify()
    onTestFinished(() => app.close())
    const wrong = { storage: memoryStorage(), jobs: [echo] }
    await expect(app.register(jobistemerClientPlugin, wrong).then()).rejects.toMatchObject({ code: 'UNKNOWN_OPTION' })
  })
})

it('a scheduler that cannot start within the pluginTimeout of Fastify is shut down, and `ready` rejects with the reason', async () => {
  const app = Fastify({ pluginTimeout: 1000 })
  const answers = gate()
  const storage = wrapStorage(memoryStorage(), {
    around: async ({ proceed }) => {
      await answers.opened
      return await proceed()
    },
  })
  await app.register(jobistemerPlugin, { storage, jobs: [echo], logger: silentLogger })
  const { scheduler } = app
  const error = await app.ready().then(
    () => null,
    (reason: JobistemerError) => reason,
  )
  expect(error).toMatchObject({
    code: 'STORAGE_TIMEOUT',
    field: 'storage',
    message: expect.stringContaining('within 500 ms'),
    remedy: expect.stringContaining('pluginTimeout'),
  })
  answers.open()
  await scheduler.shutdown()
  await expect(scheduler.trigger('echo')).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
  await app.close()
})
