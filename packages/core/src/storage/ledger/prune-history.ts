import { afterThisTurn } from '../../system-clock.ts'
import { recordsPerCall } from '../../tuning.ts'
import type { JobId } from '../../ids.ts'
import { finalStates, type OccurrenceRecord } from '../occurrence-record.ts'
import { isPrunable, lastSlotOf } from '../rules.ts'
import { eachItem } from '../pages.ts'
import type { OccurrenceQuery, PruneAnswer, PruneRequest } from '../storage.ts'
import type { HistoryRemoval, HistoryRemover, LedgerBase } from './ledger.ts'
import { addressOf, compareAddresses } from './step-context.ts'

/** Implements `prune`, job by job, with the reads and the two removal primitives of a ledger. */
export async function pruneHistory(
  ledger: LedgerBase,
  history: HistoryRemover,
  request: PruneRequest,
): Promise<PruneAnswer> {
  const { jobId, limit } = request
  const all = { deleted: true, limit: recordsPerCall }
  const jobs = jobId === null ? eachItem((cursor) => ledger.listJobs({ ...all, cursor })) : [{ id: jobId }]
  let removed = 0
  for await (const { id } of jobs) {
    const answer = await pruneJob(ledger, history, { ...request, jobId: id, limit: limit - removed })
    removed += answer.removed
    if (answer.more) return { removed, more: true }
  }
  return { removed, more: false }
}

type JobRequest = PruneRequest & { readonly jobId: JobId }

async function pruneJob(ledger: LedgerBase, history: HistoryRemover, request: JobRequest): Promise<PruneAnswer> {
  const { jobId, before, limit } = request
  for (;;) {
    const [job] = (await ledger.get({ jobs: [jobId] })).jobs
    if (job == null) return { removed: 0, more: false }
    const found = await victimsOf(ledger, request, job.nextAt)
    const victims = found.slice(0, limit)
    const more = found.length > limit
    const removed = victims.length === 0 ? 0 : await history.removeHistory(removalOf(jobId, victims))
    // The job was removed, or its schedule has changed since the read: read the job again.
    if (removed === null) continue
    if (!more) await history.forget(jobId, before)
    return { removed, more }
  }
}

function removalOf(jobId: JobId, victims: readonly OccurrenceRecord[]): HistoryRemoval {
  const floor = victims.reduce((latest, record) => Math.max(latest, lastSlotOf(record)), Number.NEGATIVE_INFINITY)
  const keys = victims.flatMap((victim) => {
    const { keyId } = victim.details
    return keyId === undefined ? [] : [{ keyId, occurrence: addressOf(victim) }]
  })
  return { jobId, occurrences: victims.map(addressOf), keys, floor }
}

/**
 * Returns the oldest occurrences of the job that `prune` may remove, up to `limit + 1`. If the result has more than `limit`
 * occurrences, some remain after this call of `prune`.
 */
async function victimsOf(
  ledger: LedgerBase,
  { jobId, before, keep, limit }: JobRequest,
  nextAt: number | null,
): Promise<readonly OccurrenceRecord[]> {
  const to = nextAt === null ? before : Math.min(before, nextAt)
  const victims: OccurrenceRecord[] = []
  const oldestKept = keep === 0 ? null : await oldestOfLatest(ledger, jobId, keep)
  if (keep > 0 && oldestKept === null) return victims
  for await (const record of finished(ledger, { jobId, order: 'ascending', to, limit: limit + 1 })) {
    if (victims.length > limit || (oldestKept !== null && compareAddresses(record, oldestKept) >= 0)) break
    if (isPrunable(record, before, nextAt)) victims.push(record)
  }
  return victims
}

/**
 * Reads the oldest of the job's latest `count` final occurrences. Returns `null` if the job has fewer than `count` final
 * occurrences.
 */
async function oldestOfLatest(ledger: LedgerBase, jobId: JobId, count: number): Promise<OccurrenceRecord | null> {
  let left = count
  for await (const record of finished(ledger, { jobId, order: 'descending', limit: count })) {
    if (--left === 0) return record
  }
  return null
}

/** Yields the final occurrences of a job, one by one. Reads them from the ledger in pages of at most `limit`. */
function finished(
  ledger: LedgerBase,
  query: Pick<Extract<OccurrenceQuery, { readonly kind: 'job' }>, 'jobId' | 'order' | 'to' | 'limit'>,
): AsyncGenerator<OccurrenceRecord, void> {
  const part = { kind: 'job', states: finalStates, runs: false } as const
  const limit = Math.min(query.limit, recordsPerCall)
  return eachItem(async (cursor) => {
    // A synchronous ledger answers within this turn of the event loop. `keep` may span a million occurrences, so all pages
    // in one turn would block timers, signals and sockets for seconds.
    if (cursor !== null) await new Promise<void>((resolve) => afterThisTurn(resolve))
    return await ledger.listOccurrences({ ...part, ...query, limit, cursor })
  })
}
