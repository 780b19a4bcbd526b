import { orDefault, readChoice, readInteger, readList, readObject } from '../../configuration/read-value.ts'
import { type JobId, jobId } from '../../ids.ts'
import { toInstantMs } from '../../instant.ts'
import { readJobName } from '../../job/read-jobs.ts'
import type { OccurrenceFilter } from '../../job-operations.ts'
import { finalStates, liveStates, type OccurrenceState } from '../../storage/occurrence-record.ts'

export interface CheckedOccurrenceFilter {
  readonly jobId: JobId
  readonly order: 'ascending' | 'descending'
  readonly limit: number
  /** Absent members stay absent, as the storage protocol wants them. */
  readonly bounds: { readonly from?: number; readonly to?: number; readonly states?: readonly OccurrenceState[] }
}

const states: readonly OccurrenceState[] = [...liveStates, ...finalStates]

/** @throws JobistemerError `INVALID_NAME`, `INVALID_INSTANT`, `INVALID_ARGUMENT`, `UNKNOWN_OPTION` */
export function readOccurrenceFilter(filter: OccurrenceFilter): CheckedOccurrenceFilter {
  readObject(filter, 'filter', ['job', 'from', 'to', 'states', 'order', 'limit'])
  const { from, to } = filter
  return {
    jobId: jobId(readJobName(filter.job, 'filter.job')),
    order: readChoice(orDefault(filter.order, 'ascending'), ['ascending', 'descending'], 'filter.order'),
    limit: readInteger(orDefault(filter.limit, 100), 'filter.limit', 1, 1_000_000),
    bounds: {
      ...(from !== undefined && { from: toInstantMs(from, 'filter.from') }),
      ...(to !== undefined && { to: toInstantMs(to, 'filter.to') }),
      ...(filter.states !== undefined && { states: readStates(filter.states) }),
    },
  }
}

function readStates(wanted: readonly OccurrenceState[]): readonly OccurrenceState[] {
  return readList(wanted, 'filter.states').map((state, index) => readChoice(state, states, `filter.states[${index}]`))
}
