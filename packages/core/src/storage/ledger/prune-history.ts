import { recordsPerCall } from '../../tuning.ts'
import type { JobId } from '../../ids.ts'
import type { JobRecord } from '../job-record.ts'
import { finalStates, type OccurrenceRecord } from '../occurrence-record.ts'
import { isPrunable, lastSlotOf } from '../rules.ts'
import type { Page, PruneAnswer, PruneRequest } from '../storage.ts'
import type { HistoryRemover, LedgerBase } from './ledger.ts'
import type { MaybePromise } from './maybe-promise.ts'
import { addressOf, compareAddresses } from './step-context.ts'

/** Implements `prune`, job by job, with the reads and the two removal primitives of a ledger. */
export function pruneHistory(ledger: LedgerBase, history: HistoryRemover, request: PruneRequest): Promise<PruneAnswer> {
  return new HistoryPruner(ledger, history, request).prune()
}

class HistoryPruner {
  readonly #ledger: LedgerBase
  readonly #history: HistoryRemover
  readonly #request: PruneRequest

  constructor(ledger: LedgerBase, history: HistoryRemover, request: PruneRequest) {
    this.#ledger = ledger
    this.#history = history
    this.#request = request
  }

  async prune(): Promise<PruneAnswer> {
    const { jobId, limit } = this.#request
    let removed = 0
    let cursor: string | null = null
    do {
      const page: Page<Pick<JobRecord, 'id'>> =
        jobId === null
          ? await this.#ledger.listJobs({ deleted: true, limit: recordsPerCall, cursor })
          : { items: [{ id: jobId }], cursor: null }
      for (const { id } of page.items) {
        const answer = await this.#pruneJob(id, limit - removed)
        removed += answer.removed
        if (answer.more) return { removed, more: true }
      }
      cursor = page.cursor
    } while (cursor !== null)
    return { removed, more: false }
  }

  async #pruneJob(id: JobId, limit: number): Promise<PruneAnswer> {
    for (;;) {
      const { jobs } = await this.#ledger.get({ jobs: [id] })
      const job = jobs[0] ?? null
      if (job === null) return { removed: 0, more: false }
      const victims = await this.#victimsOf(job, limit + 1)
      const more = victims.length > limit
      if (more) victims.pop()
      const removed = victims.length === 0 ? 0 : await this.#remove(id, victims)
      // The job was removed, or its schedule has changed since the read: read the job again.
      if (removed === null) continue
      if (!more) await this.#history.forget(id, this.#request.before)
      return { removed, more }
    }
  }

  async #remove(jobId: JobId, victims: readonly OccurrenceRecord[]): Promise<number | null> {
    const floor = victims.reduce((latest, record) => Math.max(latest, lastSlotOf(record)), Number.NEGATIVE_INFINITY)
    const keys = victims.flatMap((victim) => {
      const { keyId } = victim.details
      return keyId === undefined ? [] : [{ keyId, occurrence: addressOf(victim) }]
    })
    return await this.#history.removeHistory({ jobId, occurrences: victims.map(addressOf), keys, floor })
  }

  /** Reads the oldest occurrences of the job that may be removed, at most `limit`. */
  async #victimsOf({ id, nextAt }: JobRecord, limit: number): Promise<OccurrenceRecord[]> {
    const { before, keep } = this.#request
    const end = nextAt === null ? before : Math.min(before, nextAt)
    const oldestKept = keep === 0 ? null : await this.#oldestOfLatest(id, keep)
    const victims: OccurrenceRecord[] = []
    if (keep > 0 && oldestKept === null) return victims
    let cursor: string | null = null
    do {
      const page: Page<OccurrenceRecord> = await this.#finished(id, { order: 'ascending', to: end, limit, cursor })
      for (const record of page.items) {
        if (victims.length === limit || (oldestKept !== null && compareAddresses(record, oldestKept) >= 0)) {
          return victims
        }
        if (isPrunable(record, before, nextAt)) victims.push(record)
      }
      cursor = page.cursor
    } while (cursor !== null)
    return victims
  }

  /**
   * Reads the oldest of the job's latest `count` final occurrences. Returns `null` if the job has `count` final occurrences or
   * fewer.
   */
  async #oldestOfLatest(job: JobId, count: number): Promise<OccurrenceRecord | null> {
    let left = count
    let cursor: string | null = null
    do {
      const page: Page<OccurrenceRecord> = await this.#finished(job, { order: 'descending', limit: left, cursor })
      for (const record of page.items) if (--left === 0) return record
      cursor = page.cursor
    } while (cursor !== null)
    return null
  }

  #finished(
    jobId: JobId,
    query: {
      readonly order: 'ascending' | 'descending'
      readonly to?: number
      readonly limit: number
      readonly cursor: string | null
    },
  ): MaybePromise<Page<OccurrenceRecord>> {
    const limit = Math.min(query.limit, recordsPerCall)
    return this.#ledger.listOccurrences({ kind: 'job', jobId, states: finalStates, runs: false, ...query, limit })
  }
}
