import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@jobistemer/core'
import { openTelemetryTracing } from '@jobistemer/opentelemetry'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { expect, it, onTestFinished } from 'vitest'
import { Child } from '../support/child-process.ts'

/** A span in the form in which a node process reports it. */
interface ToldSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parent: string | null
  readonly links: readonly { readonly traceId: string; readonly spanId: string; readonly link: string }[]
  readonly attributes: Readonly<Record<string, unknown>>
}

it('a run of a killed node has one trace for each owner, with links to the request and to the earlier trace', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-traces-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'jobs.db')
  const fixture = new URL('../fixtures/traced-node.mjs', import.meta.url)

  const next = async (child: Child, name: string): Promise<ToldSpan> => {
    for (;;) {
      const told = (await child.next()) as ToldSpan
      if (told.name === name) return told
    }
  }

  const first = new Child(fixture, { file, nodeId: 'first', hangs: true })
  await next(first, 'ready')
  const exporter = new InMemorySpanExporter()
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const storage = sqliteStorage({ file })
  onTestFinished(() => storage.close())
  await using client = createClient({ storage, tracing: openTelemetryTracing({ tracerProvider }) })
  const { id } = await client.trigger('long')
  const [send] = exporter.getFinishedSpans()
  const before = await next(first, 'of the user')
  await next(first, 'settled')
  first.kill('SIGKILL')
  await first.ended

  const second = new Child(fixture, { file, nodeId: 'second', hangs: false })
  const after = await next(second, 'of the user')
  const attempt = await next(second, 'attempt work')
  const run = await next(second, 'process long')
  expect(run.parent).toBeNull()
  expect(run.links).toMatchObject([
    { link: 'request', traceId: send?.spanContext().traceId, spanId: send?.spanContext().spanId },
    { link: 'earlier_owner', traceId: before.traceId },
  ])
  expect([attempt.parent, attempt.attributes['jobistemer.attempt.number']]).toEqual([run.spanId, 2])
  expect([after.parent, after.traceId]).toEqual([attempt.spanId, run.traceId])
  expect(run.attributes).toMatchObject({ 'messaging.message.id': id, 'jobistemer.outcome': 'completed' })
  expect(new Set([before.traceId, after.traceId, send?.spanContext().traceId]).size).toBe(3)
})
