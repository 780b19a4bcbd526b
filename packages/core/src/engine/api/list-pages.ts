import { recordsPerCall } from '../../tuning.ts'
import type { JobId, OccurrenceId } from '../../ids.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { LiveCounts, OccurrenceQuery, Page } from '../../storage/storage.ts'
import { chunksOf, type StorageCalls } from '../storage-access/retrying-storage.ts'
import { eachItem } from '../../storage/pages.ts'
import { fingerprintOf } from '../../job/fingerprint.ts'
import { invalidValue } from '../../errors.ts'

/**
 * Returns the cursor that a user sees for a storage's cursor. A user's cursor consists of a digest and the storage's cursor. The
 * digest is over `list` and the storage's cursor; `list` is the name of the list, and its filter without `limit` and `cursor`.
 * By the digest, {@link openCursor} rejects a forged or truncated cursor, and a cursor of another list or filter.
 */
export function sealCursor(list: unknown, cursor: string | null): string | null {
  return cursor === null ? null : Buffer.from(`${digestOf(list, cursor)} ${cursor}`).toString('base64url')
}

/** Returns the storage's cursor that a user's cursor contains. @throws JobistemerError `INVALID_ARGUMENT` */
export function openCursor(list: unknown, sealed: string | null | undefined): string | null {
  if (sealed === null || sealed === undefined) return null
  if (typeof sealed === 'string') {
    const text = Buffer.from(sealed, 'base64url').toString()
    const cursor = text.slice(text.indexOf(' ') + 1)
    if (text === `${digestOf(list, cursor)} ${cursor}`) return cursor
  }
  const remedy = 'Pass on the cursor of the page before, with the same filter.'
  throw invalidValue('filter.cursor', 'is not a cursor of this list', sealed, remedy)
}

function digestOf(list: unknown, cursor: string): string {
  // Eight characters keep the cursor short, and are enough to detect a forged cursor.
  return fingerprintOf([list, cursor]).slice(0, 8)
}

/** A query of occurrences without its page. */
export type UnpagedQuery = OmitFromEach<OccurrenceQuery, 'limit' | 'cursor'>

/** Each member of a union type without the members `Names`. `Omit` would keep only the members that all types share. */
export type OmitFromEach<Union, Names extends string> = Union extends object ? Omit<Union, Names> : never

/**
 * Reads pages of a list until `limit` items are chosen. `least`: the minimum size of a read. `choose` returns the chosen records
 * of a read, in the order of the records.
 */
export async function filledPage<T, Chosen extends { readonly record: T }>({
  limit,
  from,
  least,
  read,
  choose,
}: {
  readonly limit: number
  readonly from: string | null
  readonly least: number
  readonly read: (size: number, cursor: string | null) => Promise<Page<T>>
  readonly choose: (records: readonly T[]) => Promise<readonly Chosen[]>
}): Promise<Page<Chosen>> {
  const items: Chosen[] = []
  let cursor = from
  do {
    const room = limit - items.length
    let page = await read(Math.min(Math.max(room, least), recordsPerCall), cursor)
    let chosen = await choose(page.items)
    const last = chosen[room - 1]
    if (last !== undefined && page.items.at(-1) !== last.record) {
      // This page is full before the last item of the read. The next page must begin after the last item of this page,
      // but the storage's cursor points to the end of the read. So this code repeats the read up to the last item of
      // this page.
      page = await read(page.items.indexOf(last.record) + 1, cursor)
      chosen = await choose(page.items)
    }
    items.push(...chosen)
    cursor = page.cursor
  } while (cursor !== null && items.length < limit)
  return { items, cursor }
}

/** Yields the occurrences of all pages of a query. */
export function eachOccurrence(
  storage: StorageCalls,
  query: UnpagedQuery,
  limit: number = recordsPerCall,
): AsyncGenerator<OccurrenceRecord, void> {
  return eachItem((cursor) => storage.once((calls) => calls.listOccurrences({ ...query, limit, cursor })))
}

/** Returns the names of jobs by their ids. Omits jobs that are not in the storage. */
export async function namesOf(ids: Iterable<JobId>, storage: StorageCalls): Promise<ReadonlyMap<JobId, string>> {
  const names = new Map<JobId, string>()
  for (const some of chunksOf([...new Set(ids)], recordsPerCall)) {
    const { jobs } = await storage.once((calls) => calls.get({ jobs: some }))
    for (const job of jobs) if (job !== null) names.set(job.id, job.name)
  }
  return names
}

/** Returns the numbers of pending, queued and running occurrences of one job, or of all jobs. */
export async function liveCounts(storage: StorageCalls, target: JobId | 'all' = 'all'): Promise<LiveCounts> {
  const { counts } = await storage.once((calls) => calls.get({ counts: [target] }))
  return counts[0] as LiveCounts
}

/**
 * Returns the records whose ids derive from a number: of each series, the records with the numbers 1, 2 and so on, up to the
 * first number without a record. Reads records by id, so the cost does not grow with the history.
 */
export async function numberedRecords(
  storage: StorageCalls,
  series: readonly ((number: number) => OccurrenceId)[],
): Promise<readonly (readonly OccurrenceRecord[])[]> {
  const found = series.map((): OccurrenceRecord[] => [])
  let open = [...series.keys()]
  for (let number = 1; open.length > 0; number++) {
    const next: number[] = []
    for (const some of chunksOf(open, recordsPerCall)) {
      const ids = some.map((index) => series[index]?.(number) as OccurrenceId)
      const { occurrences } = await storage.once((calls) => calls.get({ occurrences: ids }))
      for (const [place, index] of some.entries()) {
        const record = occurrences[place] ?? null
        if (record === null) continue
        found[index]?.push(record)
        next.push(index)
      }
    }
    open = next
  }
  return found
}
