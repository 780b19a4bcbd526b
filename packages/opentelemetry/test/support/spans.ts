import { context, type Span, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll } from 'vitest'

/** Registers the real OpenTelemetry context manager for all tests of a file. */
export function useContextManager(): void {
  beforeAll(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  })
  afterAll(() => context.disable())
}

/** Collects spans with the real OpenTelemetry SDK: keeps all ended spans, and counts the open ones. */
export class TestSpans {
  readonly provider: BasicTracerProvider
  readonly #exporter = new InMemorySpanExporter()
  readonly #open = new Set<unknown>()

  constructor(sampler?: Sampler) {
    const counting: SpanProcessor = {
      onStart: (span) => {
        this.#open.add(span)
      },
      onEnd: (span) => {
        this.#open.delete(span)
      },
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    }
    this.provider = new BasicTracerProvider({
      ...(sampler !== undefined && { sampler }),
      spanProcessors: [counting, new SimpleSpanProcessor(this.#exporter)],
    })
  }

  get ended(): readonly ReadableSpan[] {
    return this.#exporter.getFinishedSpans()
  }

  /** The number of started spans that have not ended. */
  get open(): number {
    return this.#open.size
  }

  named(name: string): readonly ReadableSpan[] {
    return this.ended.filter((span) => span.name === name)
  }

  /** Calls the function inside an active span that does not belong to Jobistemer. */
  async inSpan<T>(name: string, call: (span: Span) => Promise<T>): Promise<T> {
    const span = this.provider.getTracer('user').startSpan(name)
    try {
      return await context.with(trace.setSpan(context.active(), span), () => call(span))
    } finally {
      span.end()
    }
  }
}

/** Returns the links of a span: the id of each linked span, and its relation. */
export function linksOf(span: ReadableSpan | undefined): readonly (readonly [spanId: string, link: unknown])[] {
  return (span?.links ?? []).map(({ context, attributes }) => [context.spanId, attributes?.['jobistemer.link']])
}
