import type { JobId } from '@jobistemer/core'
import {
  cursorError,
  isFailure,
  isFinal,
  type OccurrenceAddress,
  type OccurrenceQuery,
  type OccurrenceRecord,
  type Page,
} from '@jobistemer/core/storage'
import { type Item, number, text, textOf } from './attributes.ts'
import { boundsOf, type KeyBounds } from './key-bounds.ts'
import { addressOfKey, failedShardCount, failedShardOf, keyOf } from './keys.ts'
import { names, readOccurrence } from './occurrence-item.ts'
import { concurrency, loadOccurrences, type Table, wholeItem } from './table.ts'
import { failedIndex } from './table-definition.ts'
import { groupsOf, partitionQuery, type QueryInput } from './requests.ts'

type FailedQuery = Extract<OccurrenceQuery, { readonly kind: 'failed' }>

/**
 * The entries that a query of one index partition has returned. `seenUpTo`: the last entry that the query has examined,
 * or `null` if it has read the whole partition.
 */
interface ShardPage {
  readonly hints: readonly FailedHint[]
  readonly seenUpTo: string | null
}

/** An entry of the index of failures. The entry is only a hint, because the index follows the table with a delay. */
interface FailedHint {
  readonly address: OccurrenceAddress
  readonly order: string
}

/**
 * Returns a page of failures, merged from the partitions of the index of failures. All failures of one job lie in one
 * partition.
 */
export async function listFailed(table: Table, query: FailedQuery): Promise<Page<OccurrenceRecord>> {
  const { limit, jobId, cursor } = query
  if (cursor !== null && !/^-?\d{16}\/[0-9a-f-]{36}$/.test(cursor)) throw cursorError(cursor)
  const bounds = boundsOf(query, cursor)
  if (bounds.lower > bounds.upper) return { items: [], cursor: null }
  const shards =
    jobId === undefined ? Array.from({ length: failedShardCount }, (_, shard) => shard) : [failedShardOf(jobId)]
  const pages = await Promise.all(shards.map(async (shard) => await queryShard(table, shard, query, bounds)))
  const sign = query.order === 'ascending' ? 1 : -1
  const compare = (left: string, right: string) => sign * (left < right ? -1 : left > right ? 1 : 0)
  const [seenUpTo = null] = pages.flatMap(({ seenUpTo: place }) => place ?? []).sort(compare)
  // Beyond the last examined entry of any partition, the merged list may have gaps. So the page contains only entries
  // up to the earliest of these last examined entries.
  const sure = pages
    .flatMap(({ hints }) => hints)
    .filter(({ order }) => seenUpTo === null || compare(order, seenUpTo) <= 0)
    .sort((left, right) => compare(left.order, right.order))
  const taken = sure.slice(0, limit)
  const found = await loadOccurrences(
    table,
    taken.map(({ address }) => address),
    query,
  )
  const records = found.flatMap((stored) => stored?.record ?? []).filter(({ state }) => isFailure(state))
  return {
    items: records,
    cursor: sure.length > limit ? (taken.at(-1)?.order ?? null) : seenUpTo,
  }
}

async function queryShard(table: Table, shard: number, query: FailedQuery, bounds: KeyBounds): Promise<ShardPage> {
  const base = failedQuery(table, shard, bounds)
  const job = query.jobId === undefined ? {} : { ':job': text(table.keys.history(query.jobId)) }
  const { items, last } = await table.requests.query({
    ...base,
    ExpressionAttributeValues: { ...base.ExpressionAttributeValues, ...job },
    ScanIndexForward: query.order === 'ascending',
    // Each partition mixes several jobs. A query for one job has no limit, because DynamoDB applies a filter after the
    // limit.
    ...(query.jobId === undefined ? { Limit: limitOfShard(query.limit) } : { FilterExpression: 'pk = :job' }),
  })
  const hints = items.map((item) => ({ address: addressOfKey(keyOf(item)), order: textOf(item, names.failedOrder) }))
  return { hints, seenUpTo: last === null ? null : textOf(last, names.failedOrder) }
}

/** Builds the query for one partition of the index of failures. */
function failedQuery({ keys }: Table, shard: number, bounds: KeyBounds): QueryInput {
  return {
    IndexName: failedIndex,
    KeyConditionExpression: `${names.failedPartition} = :place AND ${names.failedOrder} BETWEEN :lower AND :upper`,
    ExpressionAttributeValues: {
      ':place': text(keys.failedPartition(shard)),
      ':lower': text(bounds.lower),
      ':upper': text(bounds.upper),
    },
  }
}

/**
 * Returns the number of entries to read from each partition for a page of `limit` entries. Jobs are spread evenly over
 * the partitions, so each partition needs only its share plus a reserve.
 */
function limitOfShard(limit: number): number {
  return Math.min(limit + 1, Math.ceil((limit / failedShardCount) * 1.5) + 16)
}

/**
 * Maximum number of occurrences that the search for a job's latest run passes because they were not run (such as
 * skipped slots).
 */
const passedOver = 1000

/** Returns the latest finished run of each job. One query per job reads its history from the end. */
export async function latestRuns(table: Table, jobs: readonly JobId[]): Promise<readonly (OccurrenceRecord | null)[]> {
  const found: (OccurrenceRecord | null)[] = []
  for (const some of groupsOf(jobs, concurrency)) {
    found.push(...(await Promise.all(some.map(async (job) => await latestRun(table, job)))))
  }
  return found
}

async function latestRun(table: Table, job: JobId): Promise<OccurrenceRecord | null> {
  const ofJob = partitionQuery(table.keys.history(job))
  let start: Item | null = null
  let looked = 0
  // The first page is small, because the newest occurrence of a job usually was run.
  for (let limit = 4; looked < passedOver; limit = 100) {
    const page: { items: readonly Item[]; last: Item | null } = await table.requests.query({
      ...ofJob,
      ExpressionAttributeValues: { ...ofJob.ExpressionAttributeValues, ':none': number(0) },
      FilterExpression: `${names.token} > :none AND attribute_exists(${names.finishedAt})`,
      ScanIndexForward: false,
      Limit: limit,
      ...(start !== null && { ExclusiveStartKey: start }),
    })
    for (const item of page.items) {
      const whole = await wholeItem(table, item, { runs: false })
      if (whole === null) continue
      const { record } = readOccurrence(whole)
      if (isFinal(record.state)) return record
    }
    if (page.last === null) return null
    start = page.last
    looked += limit
  }
  return null
}
