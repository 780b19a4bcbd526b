import {
  orDefault,
  readBoolean,
  readChoice,
  readInteger,
  readList,
  readName,
  readObject,
} from '../../configuration/read-value.ts'
import { JobistemerError } from '../../errors.ts'
import { type JobId, jobId } from '../../ids.ts'
import { type InstantInput, toInstantMs } from '../../instant.ts'
import { readJobName } from '../../job/read-jobs.ts'
import type { FailuresFilter, LiveFilter, OccurrenceFilter } from '../../job-operations.ts'
import { finalStates, type LiveState, liveStates, type OccurrenceState } from '../../storage/occurrence-record.ts'
import type { OccurrenceQuery } from '../../storage/storage.ts'
import { Cursors } from './cursors.ts'

/** A validated filter, with the query for the storage. */
export interface CheckedFilter {
  /** The query without limit and cursor. */
  readonly query: Query
  readonly limit: number
  /** The cursor of the storage. */
  readonly cursor: string | null
  readonly cursors: Cursors
  /** Whether the list omits resolved failures. `null`: the list is not one of failures. */
  readonly leavesOutResolved: boolean | null
}

type Query = OccurrenceQuery extends infer Each ? (Each extends object ? Omit<Each, 'limit' | 'cursor'> : never) : never

const states: readonly OccurrenceState[] = [...liveStates, ...finalStates]
const orders = ['ascending', 'descending'] as const
const pageNames = ['tasks', 'limit', 'cursor']

/** @throws JobistemerError `INVALID_NAME`, `INVALID_INSTANT`, `INVALID_ARGUMENT`, `UNKNOWN_OPTION` */
export function readOccurrenceFilter(filter: OccurrenceFilter): CheckedFilter {
  readObject(filter, 'filter', ['job', 'from', 'to', 'states', 'order', ...pageNames])
  return withPage(filter, {
    kind: 'job',
    jobId: jobIdOf(filter.job),
    order: readChoice(orDefault(filter.order, 'ascending'), orders, 'filter.order'),
    ...boundsOf(filter),
    ...(filter.states !== undefined && { states: readStates(filter.states) }),
  })
}

/** @throws JobistemerError `INVALID_NAME`, `INVALID_INSTANT`, `INVALID_ARGUMENT`, `UNKNOWN_OPTION` */
export function readFailuresFilter(filter: FailuresFilter): CheckedFilter {
  readObject(filter, 'filter', ['job', 'from', 'to', 'order', 'includeResolved', ...pageNames])
  const checked = withPage(filter, {
    kind: 'failed',
    order: readChoice(orDefault(filter.order, 'descending'), orders, 'filter.order'),
    ...(filter.job !== undefined && { jobId: jobIdOf(filter.job) }),
    ...boundsOf(filter),
  })
  const includesResolved = readBoolean(orDefault(filter.includeResolved, false), 'filter.includeResolved')
  return { ...checked, leavesOutResolved: !includesResolved }
}

/** @throws JobistemerError `INVALID_NAME`, `INVALID_ARGUMENT`, `UNKNOWN_OPTION` */
export function readLiveFilter(filter: LiveFilter): CheckedFilter {
  readObject(filter, 'filter', ['state', 'node', ...pageNames])
  const state: LiveState = readChoice(orDefault(filter.state, 'running'), liveStates, 'filter.state')
  const { node } = filter
  if (node !== undefined && state !== 'running') {
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `filter.node is given, and ${state} occurrences belong to no node.`,
      field: 'filter.node',
      value: node,
      remedy: "Leave it out, or ask for the state 'running'.",
    })
  }
  return withPage(filter, { kind: 'live', state, ...(node !== undefined && { node: readName(node, 'filter.node') }) })
}

/** Adds the page to a query. A cursor is valid for other values of `limit` and `tasks`, so its digest excludes them. */
function withPage(
  { tasks, limit, cursor }: Pick<OccurrenceFilter, 'tasks' | 'limit' | 'cursor'>,
  query: Query extends infer Each ? (Each extends object ? Omit<Each, 'runs'> : never) : never,
): CheckedFilter {
  const cursors = new Cursors('occurrences', query)
  return {
    query: { ...query, runs: readBoolean(orDefault(tasks, true), 'filter.tasks') } as Query,
    limit: readInteger(orDefault(limit, 100), 'filter.limit', 1, 1_000_000),
    cursor: cursors.open(cursor, 'filter.cursor'),
    cursors,
    leavesOutResolved: null,
  }
}

function jobIdOf(name: string): JobId {
  return jobId(readJobName(name, 'filter.job'))
}

/** Omits absent bounds, because the storage protocol does not allow undefined members. */
function boundsOf({ from, to }: { readonly from?: InstantInput; readonly to?: InstantInput }) {
  return {
    ...(from !== undefined && { from: toInstantMs(from, 'filter.from') }),
    ...(to !== undefined && { to: toInstantMs(to, 'filter.to') }),
  }
}

function readStates(wanted: readonly OccurrenceState[]): readonly OccurrenceState[] {
  return readList(wanted, 'filter.states').map((state, index) => readChoice(state, states, `filter.states[${index}]`))
}
