import type { Tables } from './tables.ts'

/** The effort that a call may still spend, as a number of history entries to read. Negative if the call has spent more. */
export interface Effort {
  left: number
}

/** Cost of checking one job or one block, in entries of the history. */
const effortPerLook = 100

/** Number of tombstones that a statement reads. */
const tombstonesAtOnce = 500

/** The search for unused versions of one job, with its position in the history. */
interface VersionSearch {
  readonly job: number
  /** Versions that neither a live occurrence nor any entry read so far uses. */
  readonly unused: Set<number>
  /** The last history block that the search has read. */
  block: number
}

/** The position at which the removal of versions continues. */
export interface VersionsPlace {
  readonly phase: 'versions'
  /** The last job whose old versions have been handled. */
  readonly job: number
  readonly search: VersionSearch | null
}

/** The tombstone after which the search for tombstones continues. */
export interface TombstonesPlace {
  readonly phase: 'tombstones'
  readonly deletedAt: number
  readonly row: number
}

/** Removes the leftovers of pruned history: versions without a reference, and tombstones. */
export class LeftoverForgetter {
  readonly #tables: Tables

  constructor(tables: Tables) {
    this.#tables = tables
  }

  /**
   * Removes unused versions of one job or of all jobs. Returns the position to continue from if the effort is spent; `null`
   * at the end.
   */
  forgetVersions(only: number | null, from: VersionsPlace, effort: Effort): VersionsPlace | null {
    const { jobs } = this.#tables
    let { job, search } = from
    for (;;) {
      if (search === null) {
        const next = only ?? jobs.nextWithOldVersions(job)
        if (next === undefined) return null
        if (effort.left < 0) return { phase: 'versions', job, search }
        search = this.#beginSearch(next, effort)
      }
      if (!this.#goOn(search, effort)) return { phase: 'versions', job, search }
      for (const version of search.unused) jobs.removeVersion(search.job, version)
      if (only !== null) return null
      job = search.job
      search = null
    }
  }

  /**
   * A replaced version never gets new occurrences. So if no live occurrence uses the version, only the history can use
   * it. Several calls may read the history one after the other.
   */
  #beginSearch(job: number, effort: Effort): VersionSearch {
    const { jobs, live } = this.#tables
    const unused = new Set(jobs.oldVersions(job))
    effort.left -= effortPerLook
    if (unused.size > 0) for (const version of live.versionsOf(job)) unused.delete(version)
    return { job, unused, block: -1 }
  }

  /** Continues a search. Returns false if the effort is spent before the search is finished. */
  #goOn(search: VersionSearch, effort: Effort): boolean {
    const { history } = this.#tables
    while (search.unused.size > 0) {
      const block = history.blockAfter(search.block)
      if (block === undefined) return true
      if (effort.left < 0) return false
      effort.left -= effortPerLook + history.countInBlock(block, search.job)
      for (const version of history.versionsIn(block, search.job)) search.unused.delete(version)
      search.block = block
    }
    return true
  }

  /**
   * Removes the tombstone of one job, or all tombstones that are older than `before`. Returns the same as {@link
   * forgetVersions}.
   */
  forgetTombstones(only: number | null, before: number, from: TombstonesPlace, effort: Effort): TombstonesPlace | null {
    const { jobs } = this.#tables
    if (only !== null) {
      if (jobs.isTombstone(only, before)) this.#forgetTombstone(only)
      return null
    }
    let place = from
    for (;;) {
      const found = jobs.tombstonesAfter(place, before, tombstonesAtOnce)
      for (const { row, deletedAt } of found) {
        if (effort.left < 0) return place
        effort.left -= effortPerLook
        this.#forgetTombstone(row)
        place = { phase: 'tombstones', deletedAt, row }
      }
      if (found.length < tombstonesAtOnce) return null
    }
  }

  #forgetTombstone(row: number): void {
    const { jobs, live, history } = this.#tables
    if (!live.has(row) && !history.has(row)) jobs.remove(row)
  }
}
