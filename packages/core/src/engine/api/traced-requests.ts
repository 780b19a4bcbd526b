import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import { latestTraceOf } from '../../tracing/trace-context.ts'
import { traced, withTrace } from '../../tracing/traced-request.ts'
import type { Tracing } from '../../tracing/tracing.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { Request } from './request-item.ts'
import type { TriggerManyResult, TriggerResult } from './request-options.ts'

/** Sends and traces a request for one run. The run stores the trace context. */
export function tracedAlone(
  tracing: Tracing,
  { jobName, request, original }: { jobName: string; request: Request; original: OccurrenceRecord | null },
  send: (request: Request) => Promise<TriggerResult>,
): Promise<TriggerResult> {
  return traced(
    tracing,
    {
      operation: request.kind,
      jobName,
      count: 1,
      key: request.details.requestKey ?? null,
      replayOf: original?.id ?? null,
      original: original === null ? null : latestTraceOf(original.runs),
    },
    (trace) => send({ ...request, details: withTrace(request.details, trace) }),
    ({ id, state }) => ({ occurrenceId: id, state }),
  )
}

/** Sends requests for many runs and traces them as one. Each run stores the common trace context. */
export function tracedTogether<One extends { readonly job: RegisteredJob; readonly request: Request }>(
  tracing: Tracing,
  requests: readonly One[],
  send: (requests: readonly One[]) => Promise<readonly TriggerManyResult[]>,
): Promise<readonly TriggerManyResult[]> {
  const names = new Set(requests.map(({ job }) => job.job.name))
  const [jobName = null] = names
  return traced(
    tracing,
    {
      operation: 'trigger_many',
      jobName: names.size === 1 ? jobName : null,
      count: requests.length,
      key: null,
      replayOf: null,
      original: null,
    },
    (trace) => {
      const withTheirs = (one: One): One => {
        return { ...one, request: { ...one.request, details: withTrace(one.request.details, trace) } }
      }
      return send(requests.map(withTheirs))
    },
    () => ({ occurrenceId: null, state: null }),
  )
}
