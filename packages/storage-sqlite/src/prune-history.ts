import type { OccurrenceDetails, PruneAnswer, PruneRequest } from '@jobistemer/core/storage'
import { lastSlotOf } from '@jobistemer/core/storage'
import { blockOf, compareEntries, type HistoryEntry } from './history.ts'
import type { Ledger } from './ledger.ts'

/** What of one job may go. */
interface Retention {
  readonly watermark: number
  /** The oldest of those that are always kept; `null` when none are. */
  readonly oldestKept: HistoryEntry | null
  /** False when there are no more than are always kept. */
  readonly hasSpare: boolean
}

export function pruneHistory(ledger: Ledger, request: PruneRequest): PruneAnswer {
  const job = request.jobId === null ? null : (ledger.jobs.headOf(request.jobId)?.row ?? undefined)
  if (job === undefined) return { removed: 0, more: false }
  ledger.history.indexTail()
  const { removed, more } = removeOccurrences(ledger, request, job)
  if (!more) {
    forgetVersions(ledger, job)
    forgetTombstones(ledger, request.before, job)
  }
  return { removed, more }
}

/** Removes finished occurrences block by block, which touches the fewest pages. */
function removeOccurrences(ledger: Ledger, request: PruneRequest, only: number | null): PruneAnswer {
  const { before, limit } = request
  const { history, jobs } = ledger
  const retentions = new Map<number, Retention>()
  const floors = new Map<number, number>()
  const blocks = new Set<number>()
  let removed = 0
  let more = false
  for (const block of history.blocksBefore(before)) {
    for (const entry of history.entriesOfBlock(block, only, before)) {
      let retention = retentions.get(entry.job)
      if (retention === undefined) {
        retention = retentionOf(ledger, entry.job, request.keep)
        retentions.set(entry.job, retention)
      }
      if (!isSpare(entry, retention)) continue
      const details = history.rowAt(entry.row)?.[17] ?? null
      const last = lastSlot(entry, details)
      if (last >= before || last > retention.watermark) continue
      if (removed === limit) {
        more = true
        break
      }
      // The floor is raised in the same step as the record goes; nothing in between can be seen.
      floors.set(entry.job, Math.max(floors.get(entry.job) ?? last, last))
      history.remove(entry)
      blocks.add(blockOf(entry.row))
      removed++
    }
    if (more) break
  }
  for (const [job, floor] of floors) jobs.raisePruneFloor(job, floor)
  if (removed > 0) history.afterRemoval(blocks)
  return { removed, more }
}

function retentionOf(ledger: Ledger, job: number, keep: number): Retention {
  const head = ledger.jobs.headAt(job)
  // No slot of a deleted job is undecided, so that its watermark holds nothing back.
  const watermark = head === undefined || head.deleted ? Number.POSITIVE_INFINITY : head.watermark
  if (keep === 0) return { watermark, oldestKept: null, hasSpare: true }
  const kept = ledger.history.walk({ job, from: -9e15, to: 9e15, after: null, order: 'descending', limit: keep })
  return { watermark, oldestKept: kept[keep - 1] ?? null, hasSpare: kept.length === keep }
}

function isSpare(entry: HistoryEntry, { watermark, oldestKept, hasSpare }: Retention): boolean {
  if (!hasSpare || entry.scheduledAt > watermark) return false
  return oldestKept === null || compareEntries(entry, oldestKept) < 0
}

function lastSlot({ scheduledAt }: HistoryEntry, details: string | null): number {
  return lastSlotOf({ scheduledAt, details: details === null ? {} : (JSON.parse(details) as OccurrenceDetails) })
}

function forgetVersions(ledger: Ledger, only: number | null): void {
  const { jobs, live, history } = ledger
  for (const job of only === null ? jobs.withOldVersions() : [only]) {
    const old = jobs.oldVersions(job)
    if (old.length === 0) continue
    const used = new Set([...live.versionsOf(job), ...history.versionsOf(job)])
    for (const version of old) if (!used.has(version)) jobs.removeVersion(job, version)
  }
}

function forgetTombstones(ledger: Ledger, before: number, only: number | null): void {
  const { jobs, live, history } = ledger
  for (const { row } of jobs.tombstones(before)) {
    if (only !== null && row !== only) continue
    if (!live.has(row) && !history.has(row)) jobs.remove(row)
  }
}
