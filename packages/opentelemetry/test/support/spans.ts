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

/** The real context manager, for the tests of a file. */
export function useContextManager(): void {
  beforeAll(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  })
  afterAll(() => context.disable())
}

/** The real SDK, with an exporter that keeps what has ended, and a count of what has not. */
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

  /** How many have begun and not ended. */
  get open(): number {
    return this.#open.size
  }

  named(name: string): readonly ReadableSpan[] {
    return this.ended.filter((span) => span.name === name)
  }

  /** Calls inside a span of the user's own. */
  async inSpan<T>(name: string, call: (span: Span) => Promise<T>): Promise<T> {
    const span = this.provider.getTracer('user').startSpan(name)
    try {
      return await context.with(trace.setSpan(context.active(), span), () => call(span))
    } finally {
      span.end()
    }
  }
}

/** What a span's links say: which span, and what it is to this one. */
export function linksOf(span: ReadableSpan | undefined): readonly (readonly [spanId: string, link: unknown])[] {
  return (span?.links ?? []).map(({ context, attributes }) => [context.spanId, attributes?.['jobistemer.link']])
}
