import { type PayloadSchema, parsePayload } from '../../job/payload.ts'
import type { JsonValue } from '../../json.ts'
import type { OccurrenceDetails } from '../../storage/occurrence-record.ts'
import type { CallerContext } from '../storage-access/caller-context.ts'
import { runUserCodeOn } from '../runtime/own-context.ts'
import { detailsOf, type RequestOptions } from './request-options.ts'

/** The job that a request is for. */
interface RequestedJob {
  readonly name: string
  /** The payload schema. `null`: the job has none, or this process does not know it. */
  readonly payload: PayloadSchema | null
}

/**
 * As {@link detailsOf}, with the data parsed by the job's schema. Returns a promise only if the schema is asynchronous.
 * @throws JobistemerError `INVALID_PAYLOAD`; `WAIT_TIMEOUT`, `ABORTED` while the schema works; and those of `detailsOf`
 */
export function parsedDetailsOf(
  options: RequestOptions,
  { name, payload }: RequestedJob,
  asked: CallerContext,
  path = '',
): OccurrenceDetails | Promise<OccurrenceDetails> {
  if (payload === null) return detailsOf(options, path)
  const { data, ...others } = options
  const details = detailsOf(others, path)
  const withData = (parsed: JsonValue | undefined): OccurrenceDetails => ({
    ...details,
    isParsed: true,
    ...(parsed !== undefined && { data: parsed }),
  })
  const place = { jobName: name, field: `${path}data` }
  const parsed = runUserCodeOn(asked.clock, () => parsePayload(payload, data, place))
  if (!(parsed instanceof Promise)) return withData(parsed)
  return asked.within(() => parsed, 'schema').then(withData)
}
