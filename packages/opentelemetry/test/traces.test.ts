import { createClient, createScheduler, defineJob, type Logger, silentLogger, type TaskContext } from '@jobistemer/core'
import { virtualClock, wrapStorage } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { cron } from '@jobistemer/ticker-cron'
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace-base'
import { expect, test } from 'vitest'
import { openTelemetryTracing } from '../src/index.ts'
import { linksOf, TestSpans, useContextManager } from './support/spans.ts'

useContextManager()

function signal() {
  let resolve = (): void => undefined
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

function world(spans: TestSpans = new TestSpans()) {
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const tracing = openTelemetryTracing({ tracerProvider: spans.provider })
  return { clock, spans, tracing, storage: memoryStorage(), logger: silentLogger as Logger }
}

test('a triggered run begins a new trace, with a link to the span of the trigger', async () => {
  const { spans, ...options } = world()
  const run = () => spans.inSpan('user', async () => 1)
  const job = defineJob({ name: 'report', tasks: [{ name: 'write', run }] })
  await using scheduler = createScheduler({ ...options, jobs: [job], nodeId: 'a' })
  await scheduler.start()
  const { id } = await spans.inSpan('request', () => scheduler.trigger('report', { key: 'once' }))
  await scheduler.waitFor(id)

  const [request] = spans.named('request')
  const [send] = spans.named('send report')
  const [root] = spans.named('process report')
  const [attempt] = spans.named('attempt write')
  const [user] = spans.named('user')
  expect([send?.kind, send?.parentSpanContext?.spanId]).toEqual([SpanKind.PRODUCER, request?.spanContext().spanId])
  expect([root?.kind, root?.parentSpanContext]).toEqual([SpanKind.CONSUMER, undefined])
  expect(root?.spanContext().traceId).not.toBe(send?.spanContext().traceId)
  expect(linksOf(root)).toEqual([[send?.spanContext().spanId, 'request']])
  expect(attempt?.parentSpanContext?.spanId).toBe(root?.spanContext().spanId)
  expect(user?.parentSpanContext?.spanId).toBe(attempt?.spanContext().spanId)
  expect(root?.attributes).toMatchObject({
    'messaging.system.name': 'jobistemer',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.destination.name': 'report',
    'messaging.message.id': id,
    'messaging.client.id': 'a',
    'jobistemer.job.name': 'report',
    'jobistemer.occurrence.kind': 'trigger',
    'jobistemer.request.key': 'once',
    'jobistemer.outcome': 'completed',
  })
  expect(root?.status.code).toBe(SpanStatusCode.UNSET)
  expect(send?.attributes).toMatchObject({ 'messaging.message.id': id, 'jobistemer.request': 'trigger' })
  expect(spans.open).toBe(0)
})

test('a run that a client requests has a link to the span of the request, which is a child of the caller’s active span', async () => {
  const { spans, ...options } = world()
  const job = defineJob({ name: 'report', tasks: [{ name: 'write', run: () => 1 }] })
  await using scheduler = createScheduler({ ...options, jobs: [job] })
  await scheduler.start()
  const { clock, storage, tracing } = options
  await using client = createClient({ clock, storage, tracing })
  const { id } = await spans.inSpan('request', () => client.trigger('report'))
  await clock.advance({ minutes: 2 })
  await scheduler.waitFor(id)
  const [send] = spans.named('send report')
  expect(send?.parentSpanContext?.spanId).toBe(spans.named('request')[0]?.spanContext().spanId)
  expect(linksOf(spans.named('process report')[0])).toEqual([[send?.spanContext().spanId, 'request']])
})

test('the call triggerMany has one span, and each run that the call requested has a link to this span', async () => {
  const { spans, ...options } = world()
  const job = defineJob({ name: 'report', overlapPolicy: 'allow', tasks: [{ name: 'write', run: () => 1 }] })
  await using scheduler = createScheduler({ ...options, jobs: [job] })
  await scheduler.start()
  const answers = await scheduler.triggerMany([{ job }, { job }, { job }])
  for (const answer of answers) if (answer.error === null) await scheduler.waitFor(answer.id)
  const [send, ...others] = spans.named('send report')
  expect([others.length, send?.attributes['messaging.batch.message_count']]).toEqual([0, 3])
  const runs = spans.named('process report')
  expect(runs.map(linksOf)).toEqual(Array(3).fill([[send?.spanContext().spanId, 'request']]))
  expect(new Set(runs.map((run) => run.spanContext().traceId)).size).toBe(3)
})

test('a replay’s span has a link to the span of its request, whose link leads to the span of the original run', async () => {
  const { spans, ...options } = world()
  const job = defineJob({ name: 'report', tasks: [{ name: 'write', run: () => 1 }] })
  await using scheduler = createScheduler({ ...options, jobs: [job] })
  await scheduler.start()
  const { id } = await scheduler.trigger('report')
  await scheduler.waitFor(id)
  await scheduler.waitFor((await scheduler.replay(id)).id)
  const [original, again] = spans.named('process report')
  const [, replay] = spans.named('send report')
  expect(linksOf(replay)).toEqual([[original?.spanContext().spanId, 'replayed']])
  expect(linksOf(again)).toEqual([[replay?.spanContext().spanId, 'request']])
  expect(again?.attributes['jobistemer.replay_of']).toBe(id)
})

test('each run of a backfill has a link to the span of the call `backfill`', async () => {
  const { spans, ...options } = world()
  const job = defineJob({ name: 'hourly', schedule: cron('0 * * * *'), tasks: [{ name: 'write', run: () => 1 }] })
  await using scheduler = createScheduler({ ...options, jobs: [job] })
  await scheduler.start()
  await scheduler.backfill('hourly', { from: '2025-12-31T00:00:00Z', to: '2025-12-31T03:00:00Z' })
  await options.clock.advance({ minutes: 5 })
  const [send] = spans.named('send hourly')
  const runs = spans.named('process hourly')
  expect(runs.map(linksOf)).toEqual(Array(3).fill([[send?.spanContext().spanId, 'request']]))
})

test('the span of a failed attempt contains the error, and the span of its run contains the outcome', async () => {
  const { spans, ...options } = world()
  let calls = 0
  const run = () => {
    calls++
    throw calls === 1 ? Object.assign(new Error('no connection'), { code: 'ECONNRESET' }) : 'nothing'
  }
  const retryPolicy = { maxRetries: 1, retryInterval: 1000, jitter: 0 } as const
  const job = defineJob({ name: 'report', retryPolicy, tasks: [{ name: 'write', run }] })
  await using scheduler = createScheduler({ ...options, jobs: [job] })
  await scheduler.start()
  await scheduler.trigger('report')
  await options.clock.advance({ seconds: 5 })
  const [first, second] = spans.named('attempt write')
  expect(first?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'no connection' })
  expect(first?.attributes).toMatchObject({
    'error.type': 'ECONNRESET',
    'jobistemer.attempt.number': 1,
    'jobistemer.attempt.state': 'failed',
    'jobistemer.retry_in': 1,
  })
  expect(first?.events[0]).toMatchObject({ name: 'exception', attributes: { 'exception.message': 'no connection' } })
  expect(second?.attributes).toMatchObject({ 'error.type': '_OTHER', 'jobistemer.attempt.number': 2 })
  const [root] = spans.named('process report')
  expect(root?.status.code).toBe(SpanStatusCode.ERROR)
  expect(root?.attributes).toMatchObject({ 'jobistemer.outcome': 'failed', 'error.type': '_OTHER' })
  expect(first?.parentSpanContext?.spanId).toBe(root?.spanContext().spanId)
  expect(second?.parentSpanContext?.spanId).toBe(root?.spanContext().spanId)
})

test.each([
  ['fail_fast', 'failed', 'fail_fast'],
  ['continue', 'completed_with_errors', undefined],
] as const)('under failureStrategy %s the span of a run has the error type of the failed task', async (...given) => {
  const [failureStrategy, outcome, reason] = given
  const { spans, ...options } = world()
  const refuse = () => Promise.reject(Object.assign(new Error('no connection'), { code: 'ECONNRESET' }))
  const tasks = [
    {
      name: 'flaky',
      run: ({ attempt }: { attempt: number }) => (attempt === 1 ? Promise.reject(new TypeError('x')) : 1),
    },
    { name: 'write', retryPolicy: { maxRetries: 0 }, run: refuse },
    {
      name: 'tidy',
      failureStrategy: 'continue' as const,
      retryPolicy: { maxRetries: 0 },
      run: () => Promise.reject(new RangeError('y')),
    },
  ]
  const retryPolicy = { maxRetries: 1, retryInterval: 1000, jitter: 0 } as const
  const job = defineJob({ name: 'report', failureStrategy, retryPolicy, tasks })
  await using scheduler = createScheduler({ ...options, jobs: [job] })
  await scheduler.start()
  await scheduler.trigger('report')
  await options.clock.advance({ seconds: 5 })
  const [root] = spans.named('process report')
  expect(root?.status).toEqual({ code: SpanStatusCode.ERROR, message: reason ?? outcome })
  expect(root?.attributes).toMatchObject({ 'jobistemer.outcome': outcome, 'error.type': 'ECONNRESET' })
  expect(root?.attributes['jobistemer.reason']).toBe(reason)
})

test('storage calls and other engine work run in no span, even if a caller calls `start` and `trigger` in a span', async () => {
  const { spans, storage, ...options } = world()
  const active: string[] = []
  const look = (where: string) => {
    if (trace.getActiveSpan() !== undefined) active.push(where)
  }
  const watched = wrapStorage(storage, {
    async around(call) {
      look(call.method)
      const answer = await call.proceed()
      look(call.method)
      return answer
    },
  })
  const job = defineJob({
    name: 'report',
    schedule: cron('* * * * *'),
    tasks: [{ name: 'write', run: ({ progress }) => progress(0.5) }],
  })
  const scheduler = createScheduler({ ...options, storage: watched, jobs: [job] })
  scheduler.on('occurrence.finished', () => look('a listener'))
  await spans.inSpan('the start of the process', async () => {
    await scheduler.start()
    await scheduler.trigger('report')
    await options.clock.advance({ minutes: 1 })
    expect(trace.getActiveSpan()).toBeDefined()
  })
  await options.clock.advance({ hours: 1 })
  await spans.inSpan('the end of the process', () => scheduler.shutdown())
  expect(active).toEqual([])
  const [start] = spans.named('the start of the process')
  const inside = spans.ended.filter((span) => span.spanContext().traceId === start?.spanContext().traceId)
  expect(inside.map(({ name }) => name).toSorted()).toEqual(['send report', 'the start of the process'])
  expect(spans.named('process report').length).toBeGreaterThan(60)
  expect(spans.open).toBe(0)
})

test('under the real clock, storage calls for the progress reports of a handler are in no span', async () => {
  const spans = new TestSpans()
  const active: string[] = []
  const settled = Array.from({ length: 2 }, () => signal())
  let calls = 0
  const storage = wrapStorage(memoryStorage(), {
    async around(call) {
      if (trace.getActiveSpan() !== undefined) active.push(call.method)
      const answer = await call.proceed()
      if (call.method === 'settle') settled[calls++]?.resolve()
      return answer
    },
  })
  const run = async ({ progress }: { progress(fraction: number): void }) => {
    await settled[0]?.promise
    progress(0.5)
    await settled[1]?.promise
  }
  const job = defineJob({ name: 'report', tasks: [{ name: 'write', run }] })
  const tracing = openTelemetryTracing({ tracerProvider: spans.provider })
  const scheduler = createScheduler({ storage, jobs: [job], tracing, logger: silentLogger })
  await spans.inSpan('the start of the process', async () => {
    await scheduler.start()
    await scheduler.trigger('report')
  })
  await settled[1]?.promise
  await scheduler.shutdown()
  expect(active).toEqual([])
  expect(spans.open).toBe(0)
})

test('the log lines of a handler contain the ids of the active span', async () => {
  const lines: object[] = []
  const logger: Logger = {
    ...silentLogger,
    info: (fields) => lines.push(fields),
    error: (fields) => lines.push(fields),
  }
  const { spans, ...options } = world()
  const job = defineJob({
    name: 'report',
    onStart: ({ logger }) => logger.info({}, 'in the hook'),
    tasks: [
      {
        name: 'write',
        run: async ({ logger }) => {
          logger.info({}, 'in the attempt')
          await spans.inSpan('user', async () => logger.info({}, 'in the span of the user'))
          throw new Error('no')
        },
      },
    ],
  })
  await using scheduler = createScheduler({ ...options, logger, jobs: [job] })
  await scheduler.start()
  lines.length = 0
  const { id } = await scheduler.trigger('report')
  await scheduler.waitFor(id)
  const expected = ['process report', 'attempt write', 'user', 'attempt write'].map((name) => {
    const { traceId, spanId } = spans.named(name)[0]?.spanContext() ?? {}
    return { trace_id: traceId, span_id: spanId, trace_flags: '01' }
  })
  expect(lines).toMatchObject(expected)
})

test('log lines have no trace fields if no SDK is registered', async () => {
  const lines: object[] = []
  const keep = (fields: object): void => void lines.push(fields)
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep }
  const run = ({ logger: ofAttempt }: TaskContext) => {
    ofAttempt.info({}, 'in the attempt')
    throw new Error('no')
  }
  const job = defineJob({ name: 'report', tasks: [{ name: 'write', run }] })
  await using scheduler = createScheduler({
    storage: memoryStorage(),
    logger,
    tracing: openTelemetryTracing(),
    jobs: [job],
  })
  await scheduler.start()
  await scheduler.waitFor((await scheduler.trigger('report')).id)
  expect(lines.length).toBeGreaterThan(1)
  for (const line of lines) expect(line).not.toHaveProperty('trace_id')
})

test('hooks of a job are called in the span of the run', async () => {
  const { spans, ...options } = world()
  const hook = (name: string) => () => spans.inSpan(name, async () => undefined)
  const job = defineJob({
    name: 'report',
    onStart: hook('start'),
    onComplete: hook('complete'),
    tasks: [{ name: 'write', run: () => 1 }],
  })
  const scheduler = createScheduler({ ...options, jobs: [job] })
  await scheduler.start()
  await scheduler.waitFor((await scheduler.trigger('report')).id)
  await scheduler.shutdown()
  const root = spans.named('process report')[0]?.spanContext().spanId
  const parents = ['start', 'complete'].map((name) => spans.named(name)[0]?.parentSpanContext?.spanId)
  expect(parents).toEqual([root, root])
})

test('the stored record of a run contains no trace if the trace of the run is not sampled', async () => {
  const { spans, storage, ...options } = world(new TestSpans(new AlwaysOffSampler()))
  const inside: unknown[] = []
  const run = () => {
    inside.push(trace.getActiveSpan()?.spanContext().traceFlags)
    return options.clock.sleep({ seconds: 1 })
  }
  const job = defineJob({ name: 'report', tasks: [{ name: 'write', run }] })
  await using scheduler = createScheduler({ ...options, storage, jobs: [job] })
  await scheduler.start()
  const { id } = await scheduler.trigger('report')
  await options.clock.advance({ seconds: 5 })
  const { occurrences } = await storage.get({ occurrences: [id] })
  expect(JSON.stringify(occurrences)).not.toMatch(/trace/)
  // The handler's context is not sampled, so spans of libraries that the handler calls are not sampled either.
  expect(inside).toEqual([0])
  expect(spans.ended).toEqual([])
})

test('a run with a malformed stored trace has no link', async () => {
  const { spans, storage, ...options } = world()
  const forged: readonly unknown[] = [
    'x',
    1,
    null,
    {},
    { traceparent: '00-00000000000000000000000000000000-0123456789abcdef-01' },
    { traceparent: '00-0123456789abcdef0123456789abcdef-0000000000000000-01' },
    { traceparent: `00-0123456789abcdef0123456789abcdef-0123456789abcdef-01${'x'.repeat(1e5)}` },
    { traceparent: ['00-0123456789abcdef0123456789abcdef-0123456789abcdef-01'] },
  ]
  let place = 0
  const forging = wrapStorage(storage, {
    async createOccurrences(request) {
      const items = request.items.map((item) => {
        const trace = forged[place++ % forged.length] as never
        return item.kind === 'trigger' ? { ...item, details: { ...item.details, trace } } : item
      })
      return storage.createOccurrences({ ...request, items })
    },
  })
  const job = defineJob({ name: 'report', overlapPolicy: 'allow', tasks: [{ name: 'write', handler: 'write' }] })
  const { clock } = options
  await using client = createClient({ clock, storage: forging })
  await client.add(job)
  await client.triggerMany(forged.map(() => ({ job })))
  await using scheduler = createScheduler({ ...options, storage, jobs: [job], handlers: { write: () => 1 } })
  await scheduler.start()
  await clock.advance({ minutes: 2 })
  const runs = spans.named('process report')
  expect(runs.map((run) => [run.links.length, run.attributes['jobistemer.outcome']])).toEqual(
    forged.map(() => [0, 'completed']),
  )
})

test('a released run continues in a new trace, which has a link to the earlier trace', async () => {
  const { spans, ...options } = world()
  const run = ({ signal, attempt }: { signal: AbortSignal; attempt: number }) =>
    attempt > 1 ? 1 : options.clock.sleep({ hours: 1 }, signal)
  const job = defineJob({ name: 'report', tasks: [{ name: 'write', run }] })
  const first = createScheduler({ ...options, jobs: [job], nodeId: 'first' })
  await first.start()
  await first.trigger('report')
  await options.clock.advance({ seconds: 2 })
  await first.shutdown({ gracePeriod: 0 })
  await using second = createScheduler({ ...options, jobs: [job], nodeId: 'second' })
  await second.start()
  await options.clock.advance({ minutes: 2 })
  const [released, completed] = spans.named('process report')
  expect(released?.attributes).toMatchObject({ 'jobistemer.outcome': 'released', 'jobistemer.reason': 'shutdown' })
  expect(completed?.attributes['jobistemer.outcome']).toBe('completed')
  const [send] = spans.named('send report')
  expect(linksOf(completed)).toEqual([
    [send?.spanContext().spanId, 'request'],
    [released?.spanContext().spanId, 'earlier_owner'],
  ])
  expect(spans.open).toBe(0)
})

test('the spans of a handler that never ends are closed when its node stops', async () => {
  const { spans, ...options } = world()
  const job = defineJob({ name: 'report', tasks: [{ name: 'write', run: () => new Promise(() => undefined) }] })
  const scheduler = createScheduler({ ...options, jobs: [job] })
  await scheduler.start()
  await scheduler.trigger('report')
  await options.clock.advance({ seconds: 2 })
  await scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
  expect(spans.named('process report')[0]?.attributes['jobistemer.outcome']).toBe('abandoned')
  expect(spans.named('attempt write')[0]?.status.code).toBe(SpanStatusCode.ERROR)
  expect(spans.open).toBe(0)
})

test('each of 1,000 concurrent runs has its own trace, which contains no spans of other runs', async () => {
  const { spans, ...options } = world()
  const run = ({ input }: { input: unknown }) =>
    spans.inSpan(`outer ${input}`, async () => {
      await options.clock.sleep({ seconds: 1 })
      await spans.inSpan(`inner ${input}`, () => options.clock.sleep({ seconds: 1 }))
    })
  const job = defineJob({ name: 'many', overlapPolicy: 'allow', tasks: [{ name: 'work', run }] })
  const scheduler = createScheduler({ ...options, jobs: [job], maxConcurrentJobs: 1000 })
  await scheduler.start()
  const items = Array.from({ length: 1000 }, (_, index) => ({ job, data: index }))
  await spans.inSpan('request', () => scheduler.triggerMany(items))
  await options.clock.advance({ seconds: 10 })
  await scheduler.shutdown()

  const roots = new Map(spans.named('process many').map((span) => [span.spanContext().traceId, span]))
  expect(roots.size).toBe(1000)
  const byId = new Map(spans.ended.map((span) => [span.spanContext().spanId, span]))
  let inner = 0
  for (const span of spans.ended) {
    const [place, number] = span.name.split(' ')
    if (place !== 'inner') continue
    const outer = byId.get(span.parentSpanContext?.spanId ?? '')
    const attempt = byId.get(outer?.parentSpanContext?.spanId ?? '')
    const root = byId.get(attempt?.parentSpanContext?.spanId ?? '')
    expect([outer?.name, attempt?.name, root?.name]).toEqual([`outer ${number}`, 'attempt work', 'process many'])
    expect(root).toBe(roots.get(span.spanContext().traceId))
    roots.delete(span.spanContext().traceId)
    inner++
  }
  expect([inner, roots.size, spans.open]).toEqual([1000, 0, 0])
})

test('a span masks passwords in the message and the stack of an error, as the logger does', async () => {
  const { spans, ...options } = world()
  const run = () => {
    const error = new Error('connect failed: postgres://app:hunter2@db/app password=hunter2')
    error.stack += '\n    at send (webpack://app/node_modules/@aws-sdk/client/index.js:1:1)'
    throw error
  }
  const job = defineJob({ name: 'report', tasks: [{ name: 'write', run }] })
  await using scheduler = createScheduler({ ...options, jobs: [job] })
  await scheduler.start()
  await scheduler.trigger('report')
  await options.clock.advance({ seconds: 5 })
  const [attempt] = spans.named('attempt write')
  expect(attempt?.status.message).toBe('connect failed: postgres://***@db/app password=***')
  expect(attempt?.events[0]?.attributes?.['exception.stacktrace']).toContain('postgres://***@db/app')
  expect(attempt?.events[0]?.attributes?.['exception.stacktrace']).toContain(
    '/node_modules/@aws-sdk/client/index.js:1:1',
  )
  expect(JSON.stringify([attempt?.status, attempt?.events, attempt?.attributes])).not.toContain('hunter2')
})
