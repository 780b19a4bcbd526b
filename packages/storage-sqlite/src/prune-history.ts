import type { OccurrenceDetails, PruneAnswer, PruneRequest } from '@jobistemer/core/storage'
import { lastSlotOf } from '@jobistemer/core/storage'
import { blockOf, compareEntries, type HistoryEntry } from './history.ts'
import type { Tables } from './tables.ts'

/** What of one job may go. */
interface Retention {
  /** The job's next instant: everything before it is decided. Infinite when there is none. */
  readonly end: number
  /** The oldest of those that are always kept; `null` when none are. */
  readonly oldestKept: HistoryEntry | null
  /** False when there are no more than are always kept. */
  readonly hasSpare: boolean
}

/** Where a call that took too long left off: the entries of a block are in the order of their jobs. */
interface Position {
  readonly block: number
  readonly job: number
}

/** How much one call may look at, in entries of the history, so that it ends soon also when nothing may go. */
const effortLimit = 200_000

/** What it costs to find out what is kept of a job, besides the entries that are kept. */
const effortPerJob = 100

/** Of how many requests it is remembered where they left off: more than are under way at once on one connection. */
const positionLimit = 200

/** Removes finished history. */
export class HistoryPruner {
  readonly #tables: Tables
  readonly #effortLimit: number
  /** By request, as only a repetition goes on from there. The one that was left off last comes last. */
  readonly #positions: Map<string, Position> = new Map()

  constructor(tables: Tables, limit: number = effortLimit) {
    this.#tables = tables
    this.#effortLimit = limit
  }

  prune(request: PruneRequest): PruneAnswer {
    const { jobs, history } = this.#tables
    const job = request.jobId === null ? null : jobs.headOf(request.jobId)?.row
    if (job === undefined) return { removed: 0, more: false }
    history.indexTail()
    const answer = this.#removeOccurrences(request, job)
    if (!answer.more) {
      this.#forgetVersions(job)
      this.#forgetTombstones(request.before, job)
    }
    return answer
  }

  /** Block by block, which touches the fewest pages. */
  #removeOccurrences(request: PruneRequest, only: number | null): PruneAnswer {
    const { before, keep, limit } = request
    const { history, jobs } = this.#tables
    const name = `${only} ${before} ${keep}`
    const found = this.#positions.get(name)
    const from = found ?? { block: -1, job: -1 }
    const retentions = new Map<number, Retention>()
    const floors = new Map<number, number>()
    const blocks = new Set<number>()
    let removed = 0
    let effort = 0
    let more = false
    let position: Position | undefined
    walk: for (const block of history.blocksBefore(before)) {
      if (block < from.block) continue
      for (const entry of history.entriesOfBlock(block, only, before)) {
        const { job } = entry
        if (block === from.block && job < from.job) continue
        let retention = retentions.get(job)
        if (retention === undefined) {
          if (effort > this.#effortLimit) {
            position = { block, job }
            more = true
            break walk
          }
          effort += keep + effortPerJob
          retention = this.#retentionOf(job, keep)
          retentions.set(job, retention)
        }
        effort++
        if (!isSpare(entry, retention)) continue
        const last = lastSlot(entry, history.detailsAt(entry.row))
        if (last >= before || last >= retention.end) continue
        if (removed === limit) {
          position = found
          more = true
          break walk
        }
        // The floor is raised in the same step as the record goes; nothing in between can be seen.
        floors.set(job, Math.max(floors.get(job) ?? last, last))
        history.remove(entry)
        blocks.add(blockOf(entry.row))
        removed++
      }
    }
    this.#remember(name, position)
    for (const [job, floor] of floors) jobs.raisePruneFloor(job, floor)
    if (removed > 0) history.afterRemoval(blocks)
    return { removed, more }
  }

  #remember(request: string, position: Position | undefined): void {
    this.#positions.delete(request)
    if (position === undefined) return
    this.#positions.set(request, position)
    if (this.#positions.size > positionLimit) this.#positions.delete(this.#positions.keys().next().value as string)
  }

  #retentionOf(job: number, keep: number): Retention {
    const head = this.#tables.jobs.headAt(job)
    const end = head?.nextAt ?? Number.POSITIVE_INFINITY
    if (keep === 0) return { end, oldestKept: null, hasSpare: true }
    const all = { job, from: -9e15, to: 9e15, after: null, order: 'descending' } as const
    const kept = this.#tables.history.walk({ ...all, limit: keep })
    return { end, oldestKept: kept[keep - 1] ?? null, hasSpare: kept.length === keep }
  }

  #forgetVersions(only: number | null): void {
    const { jobs, live, history } = this.#tables
    for (const job of only === null ? jobs.withOldVersions() : [only]) {
      const old = jobs.oldVersions(job)
      if (old.length === 0) continue
      const used = new Set([...live.versionsOf(job), ...history.versionsOf(job)])
      for (const version of old) if (!used.has(version)) jobs.removeVersion(job, version)
    }
  }

  #forgetTombstones(before: number, only: number | null): void {
    const { jobs, live, history } = this.#tables
    for (const { row } of jobs.tombstones(before)) {
      if (only !== null && row !== only) continue
      if (!live.has(row) && !history.has(row)) jobs.remove(row)
    }
  }
}

function isSpare(entry: HistoryEntry, { end, oldestKept, hasSpare }: Retention): boolean {
  if (!hasSpare || entry.scheduledAt >= end) return false
  return oldestKept === null || compareEntries(entry, oldestKept) < 0
}

function lastSlot({ scheduledAt }: HistoryEntry, details: string | null): number {
  return lastSlotOf({ scheduledAt, details: details === null ? {} : (JSON.parse(details) as OccurrenceDetails) })
}
