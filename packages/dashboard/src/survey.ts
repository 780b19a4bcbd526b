import { Buffer } from 'node:buffer'
import type { JobsFilter } from '@jobistemer/core'
import { jobLineOf, type ListedJob, listedJobOf } from './lines.ts'
import { Problem } from './problem.ts'
import type { Settings } from './read-options.ts'
import type { JobLine, LateView, Page, SurveyView } from './wire.ts'

const pageSize = 10_000
const mostJobs = 20_000
const mostListed = 20
const mostAsked = 2000
const perPage = 50
/** A look is used for so long at least, and for so many times as long as it took. */
const freshMs = 5000
const pauseFactor = 10

/** Behind which name a page of kept jobs begins. */
const keptCursor = /^kept-([\w-]+)$/
/** Behind which instant and name a page of late jobs begins. */
const lateCursor = /^(\d{1,16})-([\w-]+)$/

interface Look {
  readonly at: number
  readonly tookMs: number
  readonly jobs: readonly ListedJob[]
  readonly isPart: boolean
}

/**
 * Looks at all jobs, for what no list can be asked for: which are late, and which have failed last. All who ask share a
 * look, and looks are taken more rarely the longer they take.
 */
export class Surveys {
  readonly #settings: Settings
  #last: Look | null = null
  #looking: Promise<Look> | null = null

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /**
   * Counts are of all jobs; what is named may be seen.
   * @param isSeen whether whoever asks may see a job.
   */
  async view(isSeen: (job: string) => Promise<boolean>): Promise<SurveyView> {
    const { at, jobs, isPart } = await this.#look()
    const now = this.#settings.clock.now()
    const late = jobs.filter((job) => job.isLate)
    const failing = jobs.filter(({ lastRun }) => lastRun !== null && isFailure(lastRun.state))
    const withoutCode = jobs.filter(({ hasNoCode }) => hasNoCode)
    const upcoming = jobs.filter(
      (job) => job.paused === null && dueOf(job) >= now && dueOf(job) < Number.POSITIVE_INFINITY,
    )
    const [seenLate, seenFailing, seenWithoutCode, seenUpcoming] = await Promise.all([
      firstSeen(late, (one, other) => dueOf(one) - dueOf(other), isSeen),
      firstSeen(failing, (one, other) => endOf(other) - endOf(one), isSeen),
      firstSeen(withoutCode, (one, other) => compareNames(one.name, other.name), isSeen),
      firstSeen(upcoming, (one, other) => dueOf(one) - dueOf(other), isSeen),
    ])
    return {
      at: new Date(at).toISOString(),
      jobs: jobs.length,
      isPart,
      paused: jobs.filter(({ paused }) => paused !== null).length,
      late: seenLate.seen.map(jobLineOf),
      lateCount: late.length,
      failing: seenFailing.seen.map(jobLineOf),
      failingCount: failing.length,
      withoutCode: seenWithoutCode.seen.map(jobLineOf),
      withoutCodeCount: withoutCode.length,
      isAskedPart: seenLate.isPart || seenFailing.isPart || seenWithoutCode.isPart,
      upcoming: seenUpcoming.seen.map((job) => ({ job: job.name, at: (job.nextAt as Date).toISOString() })),
    }
  }

  /**
   * The jobs that are late and may be seen, the latest first.
   * @throws Problem 400 for a cursor that is none
   */
  async late(cursor: string | undefined, isSeen: (job: string) => Promise<boolean>): Promise<LateView> {
    const after = readPlace(cursor)
    const { at, jobs, isPart } = await this.#look()
    const late = jobs.filter((job) => job.isLate).sort(compareDue)
    const rest = after === null ? late : late.filter((job) => compareDue(job, after) > 0)
    const items: JobLine[] = []
    let last: ListedJob | undefined
    let place = 0
    for (; place < rest.length && items.length < perPage; place++) {
      last = rest[place] as ListedJob
      if (await isSeen(last.name)) items.push(jobLineOf(last))
    }
    return {
      at: new Date(at).toISOString(),
      items,
      count: late.length,
      isPart,
      // A look of another time has them at other places.
      cursor: last !== undefined && place < rest.length ? `${dueOf(last)}-${keyOf(last.name)}` : null,
    }
  }

  /**
   * Jobs by how they ended last, and by what else is asked for: a storage would look up the last run of each job for that.
   * `null`: not all jobs were looked at, or the page before did not come from here.
   */
  async jobs(
    { text, owner, tag, paused, lastOutcome = [] }: JobsFilter,
    { limit, cursor }: { readonly limit: number; readonly cursor: string | null },
  ): Promise<Page<JobLine> | null> {
    const behind = cursor === null ? null : keptCursor.exec(cursor)?.[1]
    if (behind === undefined) return null
    const after = behind === null ? null : nameOf(behind)
    const { jobs, isPart } = await this.#look()
    if (isPart) return null
    const outcomes: readonly string[] = [lastOutcome].flat()
    const part = text?.toLowerCase()
    const found = jobs.filter(
      (job) =>
        (part === undefined || job.name.toLowerCase().includes(part)) &&
        (owner === undefined || job.owner === owner) &&
        (tag === undefined || job.tags.includes(tag)) &&
        (paused === undefined || (job.paused !== null) === paused) &&
        job.lastRun !== null &&
        outcomes.includes(job.lastRun.state),
    )
    found.sort((one, other) => compareNames(one.name, other.name))
    // A look of another time has them at other places.
    const rest = after === null ? found : found.filter(({ name }) => compareNames(name, after) > 0)
    const items = rest.slice(0, limit)
    const last = items.at(-1)
    return {
      items: items.map(jobLineOf),
      cursor: last !== undefined && items.length < rest.length ? `kept-${keyOf(last.name)}` : null,
    }
  }

  /** Somebody has changed something: what is shown next is to show it. */
  forget(): void {
    this.#last = null
    this.#looking = null
  }

  async #look(): Promise<Look> {
    const { clock } = this.#settings
    const last = this.#last
    if (last !== null && clock.now() - last.at < Math.max(freshMs, last.tookMs * pauseFactor)) return last
    if (this.#looking !== null) return this.#looking
    const looking = this.#take()
    this.#looking = looking
    try {
      const look = await looking
      if (this.#looking === looking) this.#last = look
      return look
    } finally {
      if (this.#looking === looking) this.#looking = null
    }
  }

  async #take(): Promise<Look> {
    const { client, clock } = this.#settings
    const at = clock.now()
    const begun = clock.monotonic()
    const jobs: ListedJob[] = []
    let cursor: string | null = null
    do {
      const page = await client.jobs({ include: ['lastRun', 'code'], limit: pageSize, cursor })
      jobs.push(...page.items.map((job) => listedJobOf(job, at)))
      cursor = page.cursor
    } while (cursor !== null && jobs.length < mostJobs)
    return { at, tookMs: clock.monotonic() - begun, jobs, isPart: cursor !== null }
  }
}

/** The first ones that may be seen. A rule may be slow, so it is not asked for all of them. */
async function firstSeen(
  jobs: ListedJob[],
  order: (one: ListedJob, other: ListedJob) => number,
  isSeen: (job: string) => Promise<boolean>,
): Promise<{ readonly seen: readonly ListedJob[]; readonly isPart: boolean }> {
  const seen: ListedJob[] = []
  for (const [asked, job] of jobs.sort(order).entries()) {
    if (seen.length === mostListed || asked === mostAsked) return { seen, isPart: true }
    if (await isSeen(job.name)) seen.push(job)
  }
  return { seen, isPart: false }
}

/** @throws Problem 400 */
function readPlace(cursor: string | undefined): Due | null {
  if (cursor === undefined) return null
  const [, due, key] = lateCursor.exec(cursor) ?? []
  if (due === undefined || key === undefined)
    throw new Problem(400, 'INVALID_ARGUMENT', 'cursor is none of this list.', 'cursor')
  return { name: nameOf(key), nextAt: new Date(Number(due)) }
}

function keyOf(name: string): string {
  return Buffer.from(name).toString('base64url')
}

function nameOf(key: string): string {
  return Buffer.from(key, 'base64url').toString()
}

type Due = Pick<ListedJob, 'name' | 'nextAt'>

function compareDue(one: Due, other: Due): number {
  return dueOf(one) - dueOf(other) || compareNames(one.name, other.name)
}

function compareNames(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function dueOf({ nextAt }: Due): number {
  return nextAt === null ? Number.POSITIVE_INFINITY : nextAt.getTime()
}

function endOf({ lastRun }: ListedJob): number {
  return lastRun?.finishedAt?.getTime() ?? 0
}

function isFailure(state: string): boolean {
  return state === 'failed' || state === 'failed_stale' || state === 'completed_with_errors'
}
