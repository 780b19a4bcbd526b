import {
  type ClientOptions,
  createClient,
  createScheduler,
  JobistemerError,
  type JobOperations,
  type Logger,
  type Metrics,
  type Scheduler,
  systemClock,
  type Timer,
} from '@jobistemer/core'
import type { FastifyInstance, FastifyPluginAsync, RegisterOptions } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { areMetrics, bothMetrics } from './both-metrics.ts'
import { checkOwnOptions } from './check-options.ts'
import { withPluginNames } from './plugin-names.ts'
import type {
  JobistemerClientPluginOptions,
  JobistemerPluginOptions,
  MetricsRoute,
  SharedPluginOptions,
} from './plugin-options.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The scheduler of `jobistemerPlugin`. Not present on a server with `jobistemerClientPlugin`. */
    readonly scheduler: Scheduler
    /**
     * The job operations. On a server with a scheduler, the scheduler performs them. With `start: false`, and on a server
     * without a scheduler, a client performs them.
     */
    readonly jobs: JobOperations
  }
}

/** Returns the options that Fastify accepts for every plugin: the prefix and the logging of its routes. */
function routeOptionsOf({ prefix, logLevel, logSerializers }: RegisterOptions): RegisterOptions {
  return {
    ...(prefix !== undefined && { prefix }),
    ...(logLevel !== undefined && { logLevel }),
    ...(logSerializers !== undefined && { logSerializers }),
  }
}

const ownNames = ['closeStorage', 'dashboard', 'prefix', 'logLevel', 'logSerializers']

async function register(app: FastifyInstance, options: JobistemerPluginOptions & RegisterOptions): Promise<void> {
  checkOwnOptions(options)
  const { start = true, closeStorage = true, dashboard, metricsRoute, ...others } = options
  const { prefix: _prefix, logLevel: _logLevel, logSerializers: _logSerializers, ...given } = others
  const routes = routeOptionsOf(options)
  // If the option `metrics` is not a metrics object, the plugin does not combine it with its own metrics. The scheduler then
  // rejects the option.
  const isServed = metricsRoute !== undefined && (given.metrics === undefined || areMetrics(given.metrics))
  const own = isServed ? await metricsOf(metricsRoute) : undefined
  const metrics = own !== undefined && given.metrics !== undefined ? bothMetrics(given.metrics, own) : own
  let scheduler: Scheduler
  try {
    assertAlone(app)
    scheduler = withPluginNames(['start', 'metricsRoute', ...ownNames], () =>
      createScheduler({ ...loggerOf(app), ...given, ...(metrics !== undefined && { metrics }) }),
    )
    app.decorate('scheduler', scheduler)
  } catch (error) {
    // Ends the metrics. Otherwise their registry would stay reserved, so that no other scheduler could use it.
    own?.end?.()
    throw error
  }
  // With `start: false`, the scheduler rejects all calls, so a client performs the job operations.
  const client = start ? null : createClient({ ...loggerOf(app), ...clientOptionsOf(given) })
  const jobs: JobOperations = client ?? scheduler
  app.decorate('jobs', jobs)
  // Fastify runs `onClose` hooks in the reverse order of their registration, after it has answered pending requests.
  app.addHook('onClose', async () => {
    await scheduler.shutdown()
    await client?.close()
    if (closeStorage) await given.storage.close()
  })
  if (start) app.addHook('onReady', () => startWithin(app, scheduler))
  if (metricsRoute !== undefined) serveMetrics(app, metricsRoute, routes)
  if (dashboard !== undefined) await serveDashboard(app, { given, options: dashboard, routes })
}

/** Time between the error of {@link startWithin} and the limit of Fastify, in ms. */
const marginMs = 500

/**
 * Starts the scheduler. Fastify limits a hook by `pluginTimeout`, and would then leave the scheduler running beside a server that
 * does not listen. So this function shuts the scheduler down shortly before.
 * @throws JobistemerError `STORAGE_TIMEOUT`
 */
async function startWithin(app: FastifyInstance, scheduler: Scheduler): Promise<void> {
  const { pluginTimeout = 10_000 } = app.initialConfig
  const started = scheduler.start().then(() => true)
  if (pluginTimeout === 0) return void (await started)
  const limitMs = Math.max(pluginTimeout - marginMs, pluginTimeout / 2)
  let timer: Timer | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = systemClock.setTimer(limitMs, () => resolve(false))
  })
  const isStarted = await Promise.race([started, late]).finally(() => timer?.cancel())
  if (isStarted) return
  // Expected here: the start rejects, because the shutdown below ends it.
  started.catch(() => undefined)
  // Expected here: nothing. The hook `onClose` awaits the same shutdown, and reports its failure.
  scheduler.shutdown().catch(() => undefined)
  throw new JobistemerError('STORAGE_TIMEOUT', {
    message: `The scheduler has not started within ${limitMs} ms: the storage has not answered all its calls.`,
    field: 'storage',
    remedy: 'Check the storage, or give Fastify a longer pluginTimeout.',
  })
}

async function registerClient(
  app: FastifyInstance,
  options: JobistemerClientPluginOptions & RegisterOptions,
): Promise<void> {
  checkOwnOptions(options)
  const { closeStorage = true, dashboard, ...others } = options
  const { prefix: _prefix, logLevel: _logLevel, logSerializers: _logSerializers, ...given } = others
  assertAlone(app)
  const client = withPluginNames(ownNames, () => createClient({ ...loggerOf(app), ...given }))
  app.decorate('jobs', client)
  app.addHook('onClose', async () => {
    await client.close()
    if (closeStorage) await given.storage.close()
  })
  if (dashboard !== undefined) {
    await serveDashboard(app, { given, options: dashboard, routes: routeOptionsOf(options) })
  }
}

/**
 * Checks that no plugin has already added a scheduler or a client to the server.
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
function assertAlone(app: FastifyInstance): void {
  if (!app.hasDecorator('jobs')) return
  throw new JobistemerError('INVALID_ARGUMENT', {
    message: 'This server has a scheduler or a client of jobs already.',
    field: 'plugin',
    remedy: 'Register the plugin once in a scope, with all jobs.',
  })
}

/** Imports `@jobistemer/metrics-prometheus`, and returns metrics that fill the registry of the route. */
async function metricsOf({ registry }: MetricsRoute): Promise<Metrics> {
  const { prometheusMetrics } = await import('@jobistemer/metrics-prometheus')
  return prometheusMetrics({ registry: registry as Parameters<typeof prometheusMetrics>[0]['registry'] })
}

function serveMetrics(
  app: FastifyInstance,
  { path = '/metrics', registry }: MetricsRoute,
  { prefix = '', ...logging }: RegisterOptions,
): void {
  app.get(joined(prefix, path), logging, async (_request, reply) => {
    const text = await registry.metrics()
    return reply.type(registry.contentType).send(text)
  })
}

/** Joins a prefix and a path as Fastify does. */
function joined(prefix: string, path: string): string {
  if (prefix === '' || path === '') return prefix + path
  const bare = path.startsWith('/') ? path.slice(1) : path
  return prefix.endsWith('/') ? prefix + bare : `${prefix}/${bare}`
}

/**
 * Returns Fastify's logger as an option. If Fastify's logging is off, returns no option, so that Jobistemer uses its default
 * logger. Fastify's disabled logger would hide all failures.
 */
function loggerOf({ log }: FastifyInstance): { readonly logger?: Logger } {
  const isOff = log.level === undefined && log.error === log.debug
  return isOff ? {} : { logger: log }
}

/** Returns the options that a client shares with the plugin's scheduler or client. */
function clientOptionsOf({
  storage,
  defaults,
  callTimeout,
  scheduleTypes,
  logger,
  tracing,
  clock,
}: ClientOptions): ClientOptions {
  return {
    storage,
    ...(defaults !== undefined && { defaults }),
    ...(callTimeout !== undefined && { callTimeout }),
    ...(scheduleTypes !== undefined && { scheduleTypes }),
    ...(logger !== undefined && { logger }),
    ...(tracing !== undefined && { tracing }),
    ...(clock !== undefined && { clock }),
  }
}

interface ServedDashboard {
  readonly given: ClientOptions
  readonly options: NonNullable<SharedPluginOptions['dashboard']>
  readonly routes: RegisterOptions
}

async function serveDashboard(app: FastifyInstance, { given, options, routes }: ServedDashboard): Promise<void> {
  const [{ createDashboard }, { fastifyPlugin: dashboardPlugin }] = await Promise.all([
    import('@jobistemer/dashboard'),
    import('@jobistemer/dashboard/fastify'),
  ])
  const clientOptions = { ...loggerOf(app), ...clientOptionsOf(given) }
  // With `start: false`, the scheduler rejects all calls. So the dashboard gets a separate client, and works in this case too.
  const client = createClient(clientOptions)
  app.addHook('onClose', () => client.close())
  const { logger, clock } = clientOptions
  const common = { ...(logger !== undefined && { logger }), ...(clock !== undefined && { clock }) }
  const { prefix = '', ...logging } = routes
  const own = options.basePath
  // The whole path as a browser requests it, with the prefixes of all enclosing scopes.
  const basePath = joined(joined(app.prefix, prefix), own)
  const dashboard = createDashboard({ ...common, ...options, basePath, client })
  await app.register(dashboardPlugin(dashboard) as FastifyPluginAsync, {
    ...logging,
    prefix: joined(prefix, own),
  })
}

/**
 * Adds a scheduler to a Fastify server as `app.scheduler`. The scheduler starts before the server listens, and shuts
 * down when the server closes.
 *
 * @example
 * await app.register(jobistemerPlugin, { storage: sqliteStorage({ file: 'jobs.db' }), jobs: [report] })
 * app.post('/reports', (request) => app.scheduler.trigger('report', { data: request.body }))
 */
export const jobistemerPlugin: FastifyPluginAsync<JobistemerPluginOptions> = fastifyPlugin(register, {
  name: '@jobistemer/fastify',
  fastify: '5.x',
})

/**
 * Adds a client to a Fastify server as `app.jobs`, for a server that runs no jobs.
 *
 * @example
 * await app.register(jobistemerClientPlugin, { storage: redisStorage({ url }) })
 * app.post('/reports', (request) => app.jobs.trigger('report', { data: request.body }))
 */
export const jobistemerClientPlugin: FastifyPluginAsync<JobistemerClientPluginOptions> = fastifyPlugin(registerClient, {
  name: '@jobistemer/fastify',
  fastify: '5.x',
})
