import type { JobId } from '../../ids.ts'
import type { JobRecord } from '../job-record.ts'
import { finalStates, type OccurrenceRecord } from '../occurrence-record.ts'
import { isPrunable, lastSlotOf } from '../rules.ts'
import type { PruneAnswer, PruneRequest } from '../storage.ts'
import type { HistoryRemover, LedgerBase } from './ledger.ts'
import { addressOf, compareAddresses } from './step-context.ts'

const pageSize = 1000

/** `prune`, one job after the other, over the reads of a ledger and its two ways to remove. */
export async function pruneHistory(
  ledger: LedgerBase,
  history: HistoryRemover,
  request: PruneRequest,
): Promise<PruneAnswer> {
  let removed = 0
  for await (const id of jobsOf(ledger, request.jobId)) {
    const answer = await pruneJob(ledger, history, id, request, request.limit - removed)
    removed += answer.removed
    if (answer.more) return { removed, more: true }
  }
  return { removed, more: false }
}

async function* jobsOf(ledger: LedgerBase, only: JobId | null): AsyncGenerator<JobId, void, undefined> {
  if (only !== null) {
    yield only
    return
  }
  let cursor: string | null = null
  do {
    const page = await ledger.listJobs({ deleted: true, limit: pageSize, cursor })
    for (const { id } of page.items) yield id
    cursor = page.cursor
  } while (cursor !== null)
}

async function pruneJob(
  ledger: LedgerBase,
  history: HistoryRemover,
  id: JobId,
  request: PruneRequest,
  limit: number,
): Promise<PruneAnswer> {
  for (;;) {
    const { jobs } = await ledger.get({ jobs: [id] })
    const job = jobs[0] ?? null
    if (job === null) return { removed: 0, more: false }
    const victims = await victimsOf(ledger, job, request, limit + 1)
    const more = victims.length > limit
    if (more) victims.pop()
    const removed = victims.length === 0 ? 0 : await remove(history, id, victims)
    // The job's schedule has changed since it was read.
    if (removed === null) continue
    if (!more) await history.forget(id, request.before)
    return { removed, more }
  }
}

async function remove(
  history: HistoryRemover,
  jobId: JobId,
  victims: readonly OccurrenceRecord[],
): Promise<number | null> {
  const floor = victims.reduce((latest, record) => Math.max(latest, lastSlotOf(record)), Number.NEGATIVE_INFINITY)
  return await history.removeHistory({ jobId, occurrences: victims.map(addressOf), floor })
}

/** The oldest occurrences of the job that may go, at most `limit`. */
async function victimsOf(
  ledger: LedgerBase,
  { id, nextAt }: JobRecord,
  { before, keep }: PruneRequest,
  limit: number,
): Promise<OccurrenceRecord[]> {
  const end = nextAt === null ? before : Math.min(before, nextAt)
  const oldestKept = keep === 0 ? null : await oldestOfLatest(ledger, id, keep)
  if (keep > 0 && oldestKept === null) return []
  const victims: OccurrenceRecord[] = []
  for await (const record of finished(ledger, id, { order: 'ascending', to: end, limit })) {
    if (victims.length === limit || (oldestKept !== null && compareAddresses(record, oldestKept) >= 0)) break
    if (isPrunable(record, before, nextAt)) victims.push(record)
  }
  return victims
}

/** The oldest of the latest `count` finished ones; `null` when there are no more than those. */
async function oldestOfLatest(ledger: LedgerBase, job: JobId, count: number): Promise<OccurrenceRecord | null> {
  let left = count
  for await (const record of finished(ledger, job, { order: 'descending', limit: count })) {
    if (--left === 0) return record
  }
  return null
}

async function* finished(
  ledger: LedgerBase,
  jobId: JobId,
  { order, to, limit }: { readonly order: 'ascending' | 'descending'; readonly to?: number; readonly limit: number },
): AsyncGenerator<OccurrenceRecord, void, undefined> {
  let cursor: string | null = null
  do {
    const page = await ledger.listOccurrences({
      kind: 'job',
      jobId,
      order,
      states: finalStates,
      runs: false,
      limit: Math.min(limit, pageSize),
      cursor,
      ...(to !== undefined && { to }),
    })
    yield* page.items
    cursor = page.cursor
  } while (cursor !== null)
}
