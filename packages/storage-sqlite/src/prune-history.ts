import type { PruneAnswer, PruneRequest } from '@jobistemer/core/storage'
import { lastSlotOf } from '@jobistemer/core/storage'
import { type Effort, LeftoverForgetter, type TombstonesPlace, type VersionsPlace } from './forget-leftovers.ts'
import { blockOf, compareEntries, type HistoryEntry } from './history.ts'
import { readDetails } from './occurrence-row.ts'
import type { Tables } from './tables.ts'

/** The part of a job's history that a prune may remove. */
interface Retention {
  /** The job's next instant. Every earlier slot is decided. Infinite if the job has no next instant. */
  readonly end: number
  /** The oldest occurrence that the prune must keep; `null` if it need not keep any. */
  readonly oldestKept: HistoryEntry | null
  /** Whether the job has more occurrences than the prune must keep. */
  readonly hasSpare: boolean
}

/** The position at which the removal of occurrences continues. The entries of a block are sorted by job. */
interface OccurrencesPlace {
  readonly phase: 'occurrences'
  readonly block: number
  readonly job: number
}

/** The position at which a call stopped because its effort was spent. */
type Place = OccurrencesPlace | VersionsPlace | TombstonesPlace

const beginning: OccurrencesPlace = { phase: 'occurrences', block: -1, job: -1 }
const firstVersions: VersionsPlace = { phase: 'versions', job: -1, search: null }
const firstTombstones: TombstonesPlace = { phase: 'tombstones', deletedAt: -9e15, row: -1 }

/** Maximum number of history entries that a call reads. Limits the duration of a call that finds nothing to remove. */
const effortLimit = 200_000

/** Cost of the search for the entries that a prune keeps of one job, in entries. Reading the kept entries costs extra. */
const effortPerJob = 100

/**
 * If the retention of a job keeps more history entries than this number, the search for the oldest kept entry counts the
 * entries in the index, because reading each entry would take longer.
 */
const mostReadToKeep = 1000
/** Number of counted entries that cost as much as reading one entry. */
const countedPerRead = 16

/** Maximum number of requests whose position is remembered. More requests than this never run at once on one connection. */
const placeLimit = 200

/** Removes old finished occurrences, and the stored data to which only these occurrences refer. */
export class HistoryPruner {
  readonly #tables: Tables
  readonly #leftovers: LeftoverForgetter
  readonly #effortLimit: number
  /** Remembered positions by request: only a repetition of the request continues there. The latest entry comes last. */
  readonly #places: Map<string, Place> = new Map()

  constructor(tables: Tables, limit: number = effortLimit) {
    this.#tables = tables
    this.#leftovers = new LeftoverForgetter(tables)
    this.#effortLimit = limit
  }

  prune(request: PruneRequest): PruneAnswer {
    const { jobs, history } = this.#tables
    const job = request.jobId === null ? null : jobs.headOf(request.jobId)?.row
    if (job === undefined) return { removed: 0, more: false }
    history.indexTail()
    const name = `${job} ${request.before} ${request.keep}`
    const effort: Effort = { left: this.#effortLimit }
    let place: Place | null = this.#places.get(name) ?? beginning
    let removed = 0
    if (place.phase === 'occurrences') {
      const { next, ...answer } = this.#removeOccurrences(request, job, place, effort)
      removed = answer.removed
      place = next ?? firstVersions
    }
    if (place.phase === 'versions') place = this.#leftovers.forgetVersions(job, place, effort) ?? firstTombstones
    if (place.phase === 'tombstones') {
      place = this.#leftovers.forgetTombstones(job, request.before, place, effort)
    }
    this.#remember(name, place)
    return { removed, more: place !== null }
  }

  #remember(request: string, place: Place | null): void {
    this.#places.delete(request)
    if (place === null || place === beginning) return
    this.#places.set(request, place)
    if (this.#places.size > placeLimit) this.#places.delete(this.#places.keys().next().value as string)
  }

  /**
   * Removes occurrences block by block, which touches the fewest pages. `next`: where to continue; `null` if no more
   * occurrences may be removed.
   */
  #removeOccurrences(
    request: PruneRequest,
    only: number | null,
    from: OccurrencesPlace,
    effort: Effort,
  ): { readonly removed: number; readonly next: Place | null } {
    const { before, keep, limit } = request
    const { history, jobs, reusableKeys } = this.#tables
    const retentions = new Map<number, Retention>()
    const floors = new Map<number, number>()
    const blocks = new Set<number>()
    let removed = 0
    let next: Place | null = null
    walk: for (const block of history.blocksBefore(before)) {
      if (block < from.block) continue
      if (effort.left < 0) {
        next = { phase: 'occurrences', block, job: -1 }
        break
      }
      for (const entry of history.entriesOfBlock(block, only, before)) {
        const { job } = entry
        if (block === from.block && job < from.job) continue
        let retention = retentions.get(job)
        if (retention === undefined) {
          if (effort.left < 0) {
            next = { phase: 'occurrences', block, job }
            break walk
          }
          retention = this.#retentionOf(job, keep, effort)
          retentions.set(job, retention)
          if (only !== null && !retention.hasSpare) break walk
        }
        effort.left -= 1
        if (!isSpare(entry, retention)) continue
        const details = readDetails(history.detailsAt(entry.row))
        const last = lastSlotOf({ scheduledAt: entry.scheduledAt, details })
        if (last >= before || last >= retention.end) continue
        if (removed === limit) {
          next = from
          break walk
        }
        // The prune floor rises in the same transaction that removes the record, so no other node sees one without the
        // other.
        floors.set(job, Math.max(floors.get(job) ?? last, last))
        history.remove(entry)
        if (details.keyId !== undefined) reusableKeys.free(details.keyId, entry.key)
        blocks.add(blockOf(entry.row))
        removed++
      }
    }
    for (const [job, floor] of floors) jobs.raisePruneFloor(job, floor)
    if (removed > 0) history.afterRemoval(blocks)
    return { removed, next }
  }

  #retentionOf(job: number, keep: number, effort: Effort): Retention {
    const { jobs, history } = this.#tables
    const end = jobs.headAt(job)?.nextAt ?? Number.POSITIVE_INFINITY
    effort.left -= effortPerJob
    if (keep === 0) return { end, oldestKept: null, hasSpare: true }
    if (keep > mostReadToKeep) {
      const { entry, looked } = history.oldestOfLatest(job, keep)
      effort.left -= Math.ceil(looked / countedPerRead)
      return { end, oldestKept: entry, hasSpare: entry !== null }
    }
    effort.left -= keep
    const all = { job, from: -9e15, to: 9e15, after: null, order: 'descending' } as const
    const kept = history.walk({ ...all, limit: keep })
    return { end, oldestKept: kept[keep - 1] ?? null, hasSpare: kept.length === keep }
  }
}

function isSpare(entry: HistoryEntry, { end, oldestKept, hasSpare }: Retention): boolean {
  if (!hasSpare || entry.scheduledAt >= end) return false
  return oldestKept === null || compareEntries(entry, oldestKept) < 0
}
