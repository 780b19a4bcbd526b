import {
  createScheduler,
  defineJob,
  diffSchedules,
  isolatedHandler,
  type Job,
  occurrenceId,
  type Scheduler,
  ticker,
  toDurationMs,
  toInstantMs,
} from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { prometheusMetrics } from '@jobistemer/metrics-prometheus'
import { openTelemetryMetrics, openTelemetryTracing } from '@jobistemer/opentelemetry'
import { createTable, dynamodbStorage } from '@jobistemer/storage-dynamodb'
import { memoryStorage } from '@jobistemer/storage-memory'
import { postgresMigrations, postgresStorage } from '@jobistemer/storage-postgres'
import { redisStorage } from '@jobistemer/storage-redis'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'
import { iso8601 } from '@jobistemer/ticker-iso8601'
import { once } from '@jobistemer/ticker-once'
import { Registry } from 'prom-client'
import { everySeconds } from './every.ts'
import type { OptionKind } from './wrong-values.ts'

/** A public function, its options, and a way to call the function with a value for one option. */
export interface EntryPoint {
  readonly name: string
  /** For each option, by the option's path in errors: the kind of its value. */
  readonly options: Readonly<Record<string, OptionKind>>
  /** Options whose value may contain a password, so that errors must omit the value. */
  readonly secrets?: readonly string[]
  /** Calls the function with a value for the option at a path. All other options have valid values. */
  call(path: string, value: unknown, scheduler: Scheduler): unknown
}

/** Returns an object with one member, which may be nested, such as `retryPolicy.jitter`. */
function withMember(path: string, value: unknown, base: Readonly<Record<string, unknown>> = {}): never {
  const [first = '', ...rest] = path.split('.')
  const present = base[first] as Readonly<Record<string, unknown>> | undefined
  return { ...base, [first]: rest.length === 0 ? value : withMember(rest.join('.'), value, present) } as never
}

function prefixed(prefix: string, options: Readonly<Record<string, OptionKind>>): Record<string, OptionKind> {
  return Object.fromEntries(Object.entries(options).map(([path, kind]) => [`${prefix}${path}`, kind]))
}

const runSettings = {
  failureStrategy: 'choice',
  retryPolicy: 'object',
  'retryPolicy.maxRetries': { integerFrom: 0, to: 1000 },
  'retryPolicy.retryInterval': 'duration',
  'retryPolicy.backoffFactor': { numberFrom: 1, to: 100 },
  'retryPolicy.maxInterval': 'duration',
  'retryPolicy.jitter': { numberFrom: 0, to: 1 },
  taskTimeout: 'positive duration',
  'keepLogs.lines': { integerFrom: 1, to: 1000 },
} as const satisfies Record<string, OptionKind>

const jobSettings = {
  ...runSettings,
  taskExecutionMode: 'choice',
  executionTimeout: 'positive duration',
  overlapPolicy: 'choice',
  maxQueued: { integerFrom: 1, to: 1_000_000 },
  maxConcurrency: { integerFrom: 1, to: 1000 },
  'startRate.limit': { integerFrom: 1, to: 100 },
  'startRate.interval': 'positive duration',
  priority: { integerFrom: -10, to: 10 },
  recoveryStrategy: 'choice',
  'recoveryStrategy.maxOccurrences': { integerFrom: 1, to: 1_000_000 },
  'recoveryStrategy.maxAge': 'positive duration',
  misfireThreshold: 'duration',
  onInterrupted: 'choice',
  maxRescues: { integerFrom: 0, to: 1000 },
  whileIsolated: 'choice',
  'retention.olderThan': 'duration',
  alertAfter: 'positive duration',
  'retention.keep': { integerFrom: 0, to: 1_000_000 },
  timezone: 'timezone',
} as const satisfies Record<string, OptionKind>

const isolationSettings = {
  module: 'object',
  isolation: 'choice',
  pool: 'boolean',
  resourceLimits: 'object',
  'resourceLimits.maxOldGenerationSizeMb': { numberFrom: 1, to: 1_048_576 },
  'resourceLimits.maxYoungGenerationSizeMb': { numberFrom: 1, to: 1_048_576 },
  'resourceLimits.codeRangeSizeMb': { numberFrom: 1, to: 1_048_576 },
  'resourceLimits.stackSizeMb': { numberFrom: 1, to: 1_048_576 },
  killAfter: 'duration',
} as const satisfies Record<string, OptionKind>

/**
 * By option: the members that the option's object needs besides the tested member. For example, `retryPolicy.jitter` is valid
 * only together with `maxRetries`.
 */
const around = {
  retryPolicy: { maxRetries: 1 },
  startRate: { limit: 1, interval: 1000 },
  recoveryStrategy: { type: 'bounded_window' },
}

function aroundOf(path: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(around).filter(([name]) => path.startsWith(`${name}.`)))
}

const whole: Record<string, unknown> = {
  name: 'new',
  schedule: everySeconds(10),
  tasks: [{ name: 'work', run: () => 1 }],
}
const limits = { timeout: 'positive duration', signal: 'object' } as const
const why = { reason: 'name', actor: 'name', ...limits } as const
const itemRequest = {
  key: 'name',
  data: 'plain data',
  priority: { integerFrom: -10, to: 10 },
  tasks: 'list',
  overrides: 'object',
  reason: 'name',
  actor: 'name',
} as const
const request = { ...itemRequest, ...why } as const
const schedule = { timezone: 'timezone', start: 'instant', end: 'instant' } as const
const job: Job = defineJob({ name: 'new', schedule: everySeconds(10), tasks: [{ name: 'work', run: () => 1 }] })

/** A fake of a DynamoDB client. The tested functions must reject an invalid option before they call the client. */
const noClient = { send: () => Promise.reject(new Error('asked')) }

/** The public functions and methods, except the methods of storages. */
export const entryPoints: readonly EntryPoint[] = [
  {
    name: 'createScheduler',
    options: {
      options: 'object',
      storage: 'object',
      jobs: 'list',
      nodeId: 'name',
      maxConcurrentJobs: { integerFrom: 1, to: 100_000 },
      maxChildren: { integerFrom: 1, to: 10_000 },
      prefetch: { integerFrom: 0, to: 10_000 },
      defaults: 'object',
      ...prefixed('defaults.', jobSettings),
      logger: 'object',
      metrics: 'object',
      tracing: 'object',
      clock: 'object',
      pollInterval: 'positive duration',
      callTimeout: 'positive duration',
      gracePeriod: 'duration',
      abortGracePeriod: 'duration',
      handleSignals: 'list',
      handlers: 'list',
      scheduleTypes: 'list',
    },
    call(path, value) {
      if (path === 'options') return createScheduler(value as never)
      const settings = aroundOf(path.replace('defaults.', ''))
      return createScheduler(withMember(path, value, { storage: memoryStorage(), defaults: settings }))
    },
  },
  {
    name: 'defineJob',
    options: {
      options: 'object',
      ...jobSettings,
      name: 'name',
      owner: 'name',
      schedule: 'object',
      tasks: 'list',
      onStart: 'function',
      onComplete: 'function',
    },
    call: (path, value) =>
      defineJob(path === 'options' ? (value as never) : withMember(path, value, { ...whole, ...aroundOf(path) })),
  },
  {
    name: 'defineJob, of a task,',
    options: prefixed('tasks[0].', { ...runSettings, name: 'name', data: 'plain data', run: 'function' }),
    call(path, value) {
      const inTask = path.replace('tasks[0].', '')
      const task = withMember(inTask, value, { name: 'work', run: () => 1, ...aroundOf(inTask) })
      return defineJob({ ...whole, tasks: [task] } as never)
    },
  },
  {
    name: 'defineJob, of an isolated task,',
    options: prefixed('tasks[0].', isolationSettings),
    call(path, value) {
      const task = withMember(path.replace('tasks[0].', ''), value, { name: 'work', module: new URL(import.meta.url) })
      return defineJob({ ...whole, tasks: [task] } as never)
    },
  },
  {
    name: 'isolatedHandler',
    options: { options: 'object', ...isolationSettings },
    call: (path, value) =>
      isolatedHandler(
        path === 'options' ? (value as never) : withMember(path, value, { module: new URL(import.meta.url) }),
      ),
  },
  {
    name: 'trigger',
    options: { name: 'name', ...request, ...prefixed('overrides.', runSettings) },
    call(path, value, scheduler) {
      if (path === 'name') return scheduler.trigger(value as string)
      const overrides = aroundOf(path.replace('overrides.', ''))
      return scheduler.trigger('a', withMember(path, value, path.startsWith('overrides.') ? { overrides } : {}))
    },
  },
  {
    name: 'triggerMany',
    options: { items: 'list', options: 'object', ...limits },
    call(path, value, scheduler) {
      if (path === 'items') return scheduler.triggerMany(value as never)
      return scheduler.triggerMany([{ job: 'a' }], path === 'options' ? (value as never) : withMember(path, value))
    },
  },
  {
    name: 'triggerMany, of an item,',
    options: prefixed('items[1].', { job: 'name', ...itemRequest, ...prefixed('overrides.', runSettings) }),
    call(path, value, scheduler) {
      const inItem = path.replace('items[1].', '')
      const overrides = aroundOf(inItem.replace('overrides.', ''))
      const base = { job: 'a', ...(inItem.startsWith('overrides.') && { overrides }) }
      return scheduler.triggerMany([{ job: 'a' }, withMember(inItem, value, base)])
    },
  },
  {
    name: 'cancel',
    options: { occurrenceId: 'name', ...why, force: 'boolean' },
    call: (path, value, scheduler) =>
      path === 'occurrenceId'
        ? scheduler.cancel(value as never)
        : scheduler.cancel('occ_none', withMember(path, value)),
  },
  {
    name: 'replay',
    options: {
      occurrenceId: 'name',
      options: 'object',
      from: 'choice',
      ...request,
      ...prefixed('overrides.', runSettings),
    },
    async call(path, value, scheduler) {
      if (path === 'occurrenceId') return scheduler.replay(value as never)
      const [ended] = (await scheduler.occurrences({ job: 'a', states: ['completed'], limit: 1 })).items
      const overrides = aroundOf(path.replace('overrides.', ''))
      const options = withMember(path, value, path.startsWith('overrides.') ? { overrides } : {})
      return scheduler.replay(ended?.id as never, path === 'options' ? (value as never) : options)
    },
  },
  {
    name: 'cancelSlot',
    options: { name: 'name', at: 'instant', ...why },
    call(path, value, scheduler) {
      if (path === 'name') return scheduler.cancelSlot(value as string, 0)
      if (path === 'at') return scheduler.cancelSlot('a', value as number)
      return scheduler.cancelSlot('a', 0, withMember(path, value))
    },
  },
  {
    name: 'pause',
    options: { name: 'name', options: 'object', until: 'instant', for: 'duration', ...why },
    call(path, value, scheduler) {
      if (path === 'name') return scheduler.pause(value as string)
      return scheduler.pause('a', path === 'options' ? (value as never) : withMember(path, value))
    },
  },
  {
    name: 'resume',
    options: { name: 'name', options: 'object', ...limits },
    call(path, value, scheduler) {
      if (path === 'name') return scheduler.resume(value as string)
      return scheduler.resume('a', path === 'options' ? (value as never) : withMember(path, value))
    },
  },
  {
    name: 'update',
    options: { name: 'name', change: 'object', ...jobSettings, schedule: 'object or null', tasks: 'list' },
    call(path, value, scheduler) {
      if (path === 'name') return scheduler.update(value as string, {})
      return scheduler.update('a', path === 'change' ? (value as never) : withMember(path, value, aroundOf(path)))
    },
  },
  {
    name: 'update, how,',
    options: {
      options: 'object',
      expectedVersion: { integerFrom: 1, to: Number.MAX_SAFE_INTEGER },
      policy: 'choice',
      'policy.until': 'instant',
      waiting: 'choice',
      ...limits,
    },
    call(path, value, scheduler) {
      const base = path === 'policy.until' ? { policy: { type: 'graceful' } } : {}
      return scheduler.update('a', {}, path === 'options' ? (value as never) : withMember(path, value, base))
    },
  },
  {
    name: 'add',
    options: { job: 'one or a list', jobs: 'list', options: 'object', ...limits },
    call(path, value, scheduler) {
      if (path === 'job') return scheduler.add(value as never)
      // `add` treats any value except an array as one job. So a test of the option `jobs` puts a wrong value into an array,
      // beside a valid job.
      if (path === 'jobs') return scheduler.add([job, ...(Array.isArray(value) ? value : [value])])
      return scheduler.add(job, path === 'options' ? (value as never) : withMember(path, value))
    },
  },
  {
    name: 'remove',
    options: {
      name: 'name, or a list',
      'names[1]': 'name',
      options: 'object',
      expectedVersion: { integerFrom: 1, to: Number.MAX_SAFE_INTEGER },
      ...limits,
    },
    call(path, value, scheduler) {
      if (path === 'name') return scheduler.remove(value as string)
      if (path === 'names[1]') return scheduler.remove(['a', value as string])
      return scheduler.remove('a', path === 'options' ? (value as never) : withMember(path, value))
    },
  },
  {
    name: 'plan',
    options: { jobs: 'list', options: 'object', owner: 'name', ...limits },
    call(path, value, scheduler) {
      if (path === 'jobs') return scheduler.plan(value as never, { owner: 'team' })
      const base = path === 'owner' ? {} : { owner: 'team' }
      return scheduler.plan([job], path === 'options' ? (value as never) : withMember(path, value, base))
    },
  },
  {
    name: 'apply',
    options: {
      plan: 'object',
      'plan.owner': 'name',
      'plan.jobs': 'list',
      'plan.added': 'list',
      'plan.removed': 'list',
      options: 'object',
      ...limits,
    },
    call(path, value, scheduler) {
      if (path === 'plan') return scheduler.apply(value as never)
      const plan = { owner: 'team', jobs: [], added: [], changed: [], removed: [], unchanged: [] }
      if (path === 'options') return scheduler.apply(plan, value as never)
      if (path in limits) return scheduler.apply(plan, withMember(path, value))
      return scheduler.apply(withMember(path.replace('plan.', ''), value, plan))
    },
  },
  {
    name: 'explain',
    options: { name: 'name', at: 'instant', options: 'object', ...limits },
    call(path, value, scheduler) {
      if (path === 'name') return scheduler.explain(value as string, 0)
      if (path === 'at') return scheduler.explain('a', value as number)
      return scheduler.explain('a', 0, path === 'options' ? (value as never) : withMember(path, value))
    },
  },
  {
    name: 'prune',
    options: {
      options: 'object',
      olderThan: 'duration',
      keep: { integerFrom: 0, to: Number.MAX_SAFE_INTEGER },
      job: 'name',
      ...limits,
    },
    call: (path, value, scheduler) =>
      scheduler.prune(path === 'options' ? (value as never) : withMember(path, value, { olderThan: 0 })),
  },
  {
    name: 'isRunning',
    options: { name: 'name', options: 'object', ...limits },
    call(path, value, scheduler) {
      if (path === 'name') return scheduler.isRunning(value as string)
      return scheduler.isRunning('a', path === 'options' ? (value as never) : withMember(path, value))
    },
  },
  {
    name: 'occurrences',
    options: {
      filter: 'object',
      'filter.job': 'name',
      'filter.from': 'instant',
      'filter.to': 'instant',
      'filter.states': 'list',
      'filter.order': 'choice',
      'filter.tasks': 'boolean',
      'filter.limit': { integerFrom: 1, to: 1_000_000 },
      options: 'object',
      ...limits,
    },
    call(path, value, scheduler) {
      if (path === 'filter') return scheduler.occurrences(value as never)
      if (path === 'options') return scheduler.occurrences({ job: 'a' }, value as never)
      if (path in limits) return scheduler.occurrences({ job: 'a' }, withMember(path, value))
      return scheduler.occurrences(withMember(path.replace('filter.', ''), value, { job: 'a' }))
    },
  },
  {
    name: 'failures',
    options: {
      filter: 'object',
      'filter.job': 'name',
      'filter.from': 'instant',
      'filter.to': 'instant',
      'filter.order': 'choice',
      'filter.includeResolved': 'boolean',
      'filter.tasks': 'boolean',
      'filter.limit': { integerFrom: 1, to: 1_000_000 },
      options: 'object',
      ...limits,
    },
    call(path, value, scheduler) {
      if (path === 'filter') return scheduler.failures(value as never)
      if (path === 'options') return scheduler.failures({}, value as never)
      if (path in limits) return scheduler.failures({}, withMember(path, value))
      return scheduler.failures(withMember(path.replace('filter.', ''), value))
    },
  },
  {
    name: 'live',
    options: {
      filter: 'object',
      'filter.state': 'choice',
      'filter.node': 'name',
      'filter.tasks': 'boolean',
      'filter.limit': { integerFrom: 1, to: 1_000_000 },
      options: 'object',
      ...limits,
    },
    call(path, value, scheduler) {
      if (path === 'filter') return scheduler.live(value as never)
      if (path === 'options') return scheduler.live({}, value as never)
      if (path in limits) return scheduler.live({}, withMember(path, value))
      return scheduler.live(withMember(path.replace('filter.', ''), value))
    },
  },
  {
    name: 'changes',
    options: { options: 'object', signal: 'object', interval: 'positive duration' },
    call: (path, value, scheduler) =>
      scheduler.changes(path === 'options' ? (value as never) : withMember(path, value)),
  },
  {
    name: 'nextRuns',
    options: { name: 'name', count: { integerFrom: 1, to: 100_000 }, options: 'object', ...limits },
    call(path, value, scheduler) {
      if (path === 'name') return scheduler.nextRuns(value as string)
      if (path === 'count') return scheduler.nextRuns('a', value as number)
      return scheduler.nextRuns('a', 1, path === 'options' ? (value as never) : withMember(path, value))
    },
  },
  {
    name: 'on',
    options: { event: 'choice', listener: 'function' },
    call: (path, value, scheduler) =>
      path === 'event' ? scheduler.on(value as never, () => 1) : scheduler.on('job.paused', value as never),
  },
  {
    name: 'runDue',
    options: { options: 'object', budget: 'positive duration', signal: 'object' },
    call: (path, value) => {
      const scheduler = createScheduler({ storage: memoryStorage() })
      return scheduler.runDue(path === 'options' ? (value as never) : withMember(path, value))
    },
  },
  {
    name: 'shutdown',
    options: { shutdown: 'object', gracePeriod: 'duration', abortGracePeriod: 'duration' },
    call: (path, value, scheduler) =>
      scheduler.shutdown(path === 'shutdown' ? (value as never) : withMember(path, value)),
  },
  {
    name: 'cron',
    options: {
      expression: 'text to parse',
      options: 'object',
      ...schedule,
      dst: 'object',
      'dst.gap': 'choice',
      'dst.fold': 'choice',
    },
    call(path, value) {
      if (path === 'expression') return cron(value as string)
      return cron('0 2 * * *', path === 'options' ? (value as never) : withMember(path, value))
    },
  },
  {
    name: 'iso8601',
    options: { interval: 'text to parse', options: 'object', ...schedule },
    call(path, value) {
      if (path === 'interval') return iso8601(value as string)
      return iso8601('PT6H', path === 'options' ? (value as never) : withMember(path, value))
    },
  },
  {
    name: 'once',
    options: { at: 'instant', options: 'object', timezone: 'timezone' },
    call(path, value) {
      if (path === 'at') return once(value as string)
      return once('2026-01-01T00:00', path === 'options' ? (value as never) : withMember(path, value))
    },
  },
  {
    name: 'ticker',
    options: {
      schedule: 'object',
      options: 'object',
      clock: 'object',
      lateAfter: 'duration',
      maxUnread: { integerFrom: 1, to: 1_000_000 },
      keepAlive: 'boolean',
    },
    call(path, value) {
      if (path === 'schedule') return ticker(value as never)
      return ticker(everySeconds(10), path === 'options' ? (value as never) : withMember(path, value))
    },
  },
  { name: 'virtualClock', options: { start: 'instant' }, call: (_, value) => virtualClock(value as string) },
  { name: 'toDurationMs', options: { wait: 'duration' }, call: (_, value) => toDurationMs(value as string, 'wait') },
  { name: 'toInstantMs', options: { at: 'instant' }, call: (_, value) => toInstantMs(value as string, 'at') },
  {
    name: 'occurrenceId',
    options: { instant: 'instant' },
    call: (_, value) => occurrenceId(job.id, value as string),
  },
  {
    name: 'diffSchedules',
    options: { from: 'instant', to: 'instant' },
    call: (path, value) =>
      path === 'from'
        ? diffSchedules(job.schedule, job.schedule, value as string, 0)
        : diffSchedules(job.schedule, job.schedule, 0, value as string),
  },
  {
    name: 'memoryStorage',
    options: { options: 'object', database: 'object' },
    call: (path, value) => memoryStorage(path === 'options' ? (value as never) : withMember(path, value)),
  },
  {
    name: 'sqliteStorage',
    options: {
      options: 'object',
      file: 'text',
      database: 'object',
      synchronous: 'choice',
      busyTimeout: 'duration',
    },
    call(path, value) {
      if (path === 'options') return sqliteStorage(value as never)
      return sqliteStorage(withMember(path, value, path === 'database' ? {} : { file: ':memory:' }))
    },
  },
  {
    name: 'redisStorage',
    options: {
      options: 'object',
      url: 'text to parse',
      client: 'object',
      prefix: 'text',
      shards: { integerFrom: 1, to: 1024 },
      commandTimeout: 'positive duration',
      minReplicas: { integerFrom: 0, to: 100 },
      waitTimeout: 'positive duration',
      logger: 'object',
    },
    secrets: ['options', 'url', 'client'],
    call(path, value) {
      if (path === 'options') return redisStorage(value as never)
      return redisStorage(withMember(path, value, path === 'client' ? {} : { url: 'redis://localhost' }))
    },
  },
  {
    name: 'dynamodbStorage',
    options: {
      options: 'object',
      client: 'object',
      tableName: 'text',
      prefix: 'text',
      requestTimeout: 'positive duration',
      retryTimeout: 'duration',
    },
    call(path, value) {
      if (path === 'options') return dynamodbStorage(value as never)
      return dynamodbStorage(withMember(path, value, { client: noClient, tableName: 'jobs' }))
    },
  },
  {
    name: 'postgresStorage',
    options: {
      options: 'object',
      pool: 'object',
      client: 'object',
      url: 'text to parse',
      schema: 'text',
      migrate: 'boolean',
      wakeUps: 'boolean',
      commandTimeout: 'positive duration',
      logger: 'object',
    },
    secrets: ['options', 'url', 'pool', 'client'],
    call(path, value) {
      if (path === 'options') return postgresStorage(value as never)
      const isSource = path === 'pool' || path === 'client'
      return postgresStorage(withMember(path, value, isSource ? {} : { url: 'postgres://localhost' }))
    },
  },
  {
    name: 'postgresMigrations',
    options: { options: 'object', schema: 'text', from: { integerFrom: 0, to: 1 } },
    call: (path, value) => postgresMigrations(path === 'options' ? (value as never) : withMember(path, value)),
  },
  {
    name: 'createTable',
    options: { options: 'object', client: 'object', tableName: 'text', timeout: 'duration' },
    call(path, value) {
      if (path === 'options') return createTable(value as never)
      return createTable(withMember(path, value, { client: noClient, tableName: 'jobs' }))
    },
  },
  {
    name: 'openTelemetryTracing',
    options: { options: 'object', tracerProvider: 'object' },
    call: (path, value) => openTelemetryTracing(path === 'options' ? (value as never) : withMember(path, value)),
  },
  {
    name: 'openTelemetryMetrics',
    options: { options: 'object', meterProvider: 'object' },
    call: (path, value) => openTelemetryMetrics(path === 'options' ? (value as never) : withMember(path, value)),
  },
  {
    name: 'prometheusMetrics',
    options: {
      options: 'object',
      registry: 'object',
      durationBuckets: 'list',
      latenessBuckets: 'list',
      histogramsByJob: 'boolean',
      totalGauges: 'boolean',
    },
    call: (path, value) =>
      prometheusMetrics(path === 'options' ? (value as never) : withMember(path, value, { registry: new Registry() })),
  },
]
