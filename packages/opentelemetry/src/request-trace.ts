import type { RequestEnd, RequestTrace, TraceContext, TracedRequest } from '@jobistemer/core'
import { type Span, SpanKind, type Tracer } from '@opentelemetry/api'
import { callerContext } from './caller.ts'
import { conventional, conventionalValues, own } from './conventions.ts'
import { recordError } from './record-end.ts'
import { linksTo, printSpanContext } from './span-context.ts'

/** The span of a call that requests runs. The span belongs to the caller's trace. */
export class SpanOfRequest implements RequestTrace {
  readonly context: TraceContext | null
  readonly #span: Span

  constructor(tracer: Tracer, request: TracedRequest) {
    const { operation, jobName, count, key, replayOf } = request
    const options = {
      kind: SpanKind.PRODUCER,
      links: linksTo({ replayed: request.original }),
      attributes: {
        [conventional.systemName]: conventionalValues.system,
        [conventional.operationName]: conventionalValues.send,
        [conventional.operationType]: conventionalValues.send,
        [own.request]: operation,
        ...(jobName !== null && { [conventional.destinationName]: jobName, [own.jobName]: jobName }),
        ...(operation === 'trigger_many' && { [conventional.batchMessageCount]: count }),
        ...(key !== null && { [own.requestKey]: key }),
        ...(replayOf !== null && { [own.replayOf]: replayOf }),
      },
    }
    const name = jobName === null ? conventionalValues.send : `${conventionalValues.send} ${jobName}`
    this.#span = tracer.startSpan(name, options, callerContext())
    this.context = printSpanContext(this.#span.spanContext())
  }

  ended(end: RequestEnd): void {
    if (end.error !== null) recordError(this.#span, end.error)
    else if ('occurrenceId' in end) {
      const { occurrenceId, state } = end
      if (occurrenceId !== null) {
        this.#span.setAttributes({ [conventional.messageId]: occurrenceId, [own.occurrenceId]: occurrenceId })
      }
      if (state !== null) this.#span.setAttribute(own.occurrenceState, state)
    }
    this.#span.end()
  }
}
