import {
  type ClientOptions,
  createClient,
  createScheduler,
  type JobOperations,
  type Logger,
  type Scheduler,
  type SchedulerOptions,
} from '@jobistemer/core'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import type {
  JobistemerClientPluginOptions,
  JobistemerPluginOptions,
  MetricsRoute,
  SharedPluginOptions,
} from './plugin-options.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The scheduler of `jobistemerPlugin`. A server with `jobistemerClientPlugin` has none. */
    readonly scheduler: Scheduler
    /** What can be asked for: the scheduler, or the client where there is none. */
    readonly jobs: JobOperations
  }
}

async function register(app: FastifyInstance, options: JobistemerPluginOptions): Promise<void> {
  const { start = true, closeStorage = true, dashboard, metricsRoute, ...given } = options
  const metrics = metricsRoute === undefined ? {} : { metrics: await prometheusMetricsOf(metricsRoute) }
  const scheduler = createScheduler({ ...loggerOf(app), ...metrics, ...given })
  app.decorate('scheduler', scheduler)
  app.decorate('jobs', scheduler)
  // Fastify runs these hooks when requests under way have been answered, the one that was added last first.
  app.addHook('onClose', async () => {
    await scheduler.shutdown()
    if (closeStorage) await given.storage.close()
  })
  if (start) app.addHook('onReady', () => scheduler.start())
  if (metricsRoute !== undefined) serveMetrics(app, metricsRoute)
  if (dashboard !== undefined) await serveDashboard(app, given, dashboard)
}

async function registerClient(app: FastifyInstance, options: JobistemerClientPluginOptions): Promise<void> {
  const { closeStorage = true, dashboard, ...given } = options
  const client = createClient({ ...loggerOf(app), ...given })
  app.decorate('jobs', client)
  app.addHook('onClose', async () => {
    await client.close()
    if (closeStorage) await given.storage.close()
  })
  if (dashboard !== undefined) await serveDashboard(app, given, dashboard)
}

async function prometheusMetricsOf({ registry }: MetricsRoute): Promise<NonNullable<SchedulerOptions['metrics']>> {
  const { prometheusMetrics } = await import('@jobistemer/metrics-prometheus')
  return prometheusMetrics({ registry: registry as Parameters<typeof prometheusMetrics>[0]['registry'] })
}

function serveMetrics(app: FastifyInstance, { path = '/metrics', registry }: MetricsRoute): void {
  app.get(path, async (_request, reply) => {
    const text = await registry.metrics()
    return reply.type(registry.contentType).send(text)
  })
}

/** Fastify's logger, unless that is off, as it is by default: it would keep all failures to itself. */
function loggerOf({ log }: FastifyInstance): { readonly logger?: Logger } {
  const isOff = log.level === undefined && log.error === log.debug
  return isOff ? {} : { logger: log }
}

/** What the dashboard's client has in common with the scheduler, or the client, of the plugin. */
function clientOptionsOf({
  storage,
  callTimeout,
  scheduleTypes,
  logger,
  tracing,
  clock,
}: ClientOptions): ClientOptions {
  return {
    storage,
    ...(callTimeout !== undefined && { callTimeout }),
    ...(scheduleTypes !== undefined && { scheduleTypes }),
    ...(logger !== undefined && { logger }),
    ...(tracing !== undefined && { tracing }),
    ...(clock !== undefined && { clock }),
  }
}

async function serveDashboard(
  app: FastifyInstance,
  given: ClientOptions,
  options: NonNullable<SharedPluginOptions['dashboard']>,
): Promise<void> {
  const [{ createDashboard }, { fastifyPlugin: dashboardPlugin }] = await Promise.all([
    import('@jobistemer/dashboard'),
    import('@jobistemer/dashboard/fastify'),
  ])
  const clientOptions = { ...loggerOf(app), ...clientOptionsOf(given) }
  // One of its own: also a server with `start: false` shows its jobs.
  const client = createClient(clientOptions)
  app.addHook('onClose', () => client.close())
  const { logger, clock } = clientOptions
  const common = { ...(logger !== undefined && { logger }), ...(clock !== undefined && { clock }) }
  const dashboard = createDashboard({ ...common, ...options, client })
  await app.register(dashboardPlugin(dashboard) as FastifyPluginAsync, { prefix: options.basePath })
}

/**
 * Gives a server a scheduler, `app.scheduler`, that starts before the server listens, and ends when it closes.
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
 * Gives a server that runs no jobs a client, `app.jobs`: it asks for what others run. There is no scheduler and no node.
 *
 * @example
 * await app.register(jobistemerClientPlugin, { storage: redisStorage({ url }) })
 * app.post('/reports', (request) => app.jobs.trigger('report', { data: request.body }))
 */
export const jobistemerClientPlugin: FastifyPluginAsync<JobistemerClientPluginOptions> = fastifyPlugin(registerClient, {
  name: '@jobistemer/fastify',
  fastify: '5.x',
})
