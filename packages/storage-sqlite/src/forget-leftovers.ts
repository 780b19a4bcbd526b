import type { Effort } from './effort.ts'
import type { Tables } from './tables.ts'

/** What it costs to look at one job or one block for it, in entries of the history. */
const effortPerLook = 100

/** How many tombstones are read at once. */
const tombstonesAtOnce = 500

/** Which old versions of a job nothing refers to, as far as the search has come. */
interface VersionSearch {
  readonly job: number
  /** None of these is in use by what lives or by what was looked at. */
  readonly unused: Set<number>
  /** The last block that was looked at. */
  block: number
}

/** Where the search for versions goes on. */
export interface VersionsPlace {
  readonly phase: 'versions'
  /** The last job that is done. */
  readonly job: number
  readonly search: VersionSearch | null
}

/** Where the search for tombstones goes on: behind this one. */
export interface TombstonesPlace {
  readonly phase: 'tombstones'
  readonly deletedAt: number
  readonly row: number
}

/** Removes what pruned history has left behind: versions that nothing refers to, and tombstones. */
export class LeftoverForgetter {
  readonly #tables: Tables

  constructor(tables: Tables) {
    this.#tables = tables
  }

  /** Of one job or of all. Answers where to go on when the effort is spent; `null` when all is done. */
  forgetVersions(only: number | null, from: VersionsPlace, effort: Effort): VersionsPlace | null {
    const { jobs } = this.#tables
    let { job, search } = from
    for (;;) {
      if (search === null) {
        const next = only ?? jobs.nextWithOldVersions(job)
        if (next === undefined) return null
        if (effort.isSpent) return { phase: 'versions', job, search }
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
   * What nothing that lives refers to is in use by the history alone, and will never be again: nothing is created of an old
   * version. So the history may be looked at in several calls.
   */
  #beginSearch(job: number, effort: Effort): VersionSearch {
    const { jobs, live } = this.#tables
    const unused = new Set(jobs.oldVersions(job))
    effort.spend(effortPerLook)
    if (unused.size > 0) for (const version of live.versionsOf(job)) unused.delete(version)
    return { job, unused, block: -1 }
  }

  /** False when the effort is spent before the search has come to its end. */
  #goOn(search: VersionSearch, effort: Effort): boolean {
    const { history } = this.#tables
    while (search.unused.size > 0) {
      const block = history.blockAfter(search.block)
      if (block === undefined) return true
      if (effort.isSpent) return false
      effort.spend(effortPerLook + history.countInBlock(block, search.job))
      for (const version of history.versionsIn(block, search.job)) search.unused.delete(version)
      search.block = block
    }
    return true
  }

  /** The tombstone of one job, or all that were made before `before`. Answers as {@link forgetVersions}. */
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
        if (effort.isSpent) return place
        effort.spend(effortPerLook)
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
