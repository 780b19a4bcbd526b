import { jobLineOf } from './lines.ts'
import { Problem } from './problem.ts'
import type { Settings } from './read-options.ts'
import type { JobLine, LateView, SurveyView } from './wire.ts'

const pageSize = 1000
const mostJobs = 20_000
const mostListed = 20
const mostAsked = 200
const perPage = 50
/** A look is used for so long at least, and for so many times as long as it took. */
const freshMs = 5000
const pauseFactor = 10

interface Look {
  readonly at: number
  readonly tookMs: number
  readonly jobs: readonly JobLine[]
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
    const failing = jobs.filter(({ lastRun }) => lastRun != null && isFailure(lastRun.state))
    const upcoming = jobs.filter(
      (job) => job.paused === null && dueOf(job) >= now && dueOf(job) < Number.POSITIVE_INFINITY,
    )
    const [seenLate, seenFailing, seenUpcoming] = await Promise.all([
      firstSeen(late, (one, other) => dueOf(one) - dueOf(other), isSeen),
      firstSeen(failing, (one, other) => endOf(other) - endOf(one), isSeen),
      firstSeen(upcoming, (one, other) => dueOf(one) - dueOf(other), isSeen),
    ])
    return {
      at: new Date(at).toISOString(),
      jobs: jobs.length,
      isPart,
      paused: jobs.filter(({ paused }) => paused !== null).length,
      late: seenLate,
      lateCount: late.length,
      failing: seenFailing,
      failingCount: failing.length,
      upcoming: seenUpcoming.map((job) => ({ job: job.name, at: job.nextAt as string })),
    }
  }

  /**
   * The jobs that are late and may be seen, the latest first.
   * @throws Problem 400 for a cursor that is none
   */
  async late(cursor: string | undefined, isSeen: (job: string) => Promise<boolean>): Promise<LateView> {
    const first = readPlace(cursor)
    const { at, jobs, isPart } = await this.#look()
    const late = jobs.filter((job) => job.isLate).sort((one, other) => dueOf(one) - dueOf(other))
    const items: JobLine[] = []
    let place = first
    for (; place < late.length && items.length < perPage; place++) {
      const job = late[place] as JobLine
      if (await isSeen(job.name)) items.push(job)
    }
    return {
      at: new Date(at).toISOString(),
      items,
      count: late.length,
      isPart,
      cursor: place < late.length ? String(place) : null,
    }
  }

  async #look(): Promise<Look> {
    const { clock } = this.#settings
    const last = this.#last
    if (last !== null && clock.now() - last.at < Math.max(freshMs, last.tookMs * pauseFactor)) return last
    this.#looking ??= this.#take().finally(() => {
      this.#looking = null
    })
    return this.#looking
  }

  async #take(): Promise<Look> {
    const { client, clock } = this.#settings
    const at = clock.now()
    const begun = clock.monotonic()
    const jobs: JobLine[] = []
    let cursor: string | null = null
    do {
      const page = await client.jobs({ include: ['lastRun'], limit: pageSize, cursor })
      jobs.push(...page.items.map((job) => jobLineOf(job, at)))
      cursor = page.cursor
    } while (cursor !== null && jobs.length < mostJobs)
    this.#last = { at, tookMs: clock.monotonic() - begun, jobs, isPart: cursor !== null }
    return this.#last
  }
}

/** The first ones that may be seen. A rule may be slow, so it is not asked for all of them. */
async function firstSeen(
  jobs: JobLine[],
  order: (one: JobLine, other: JobLine) => number,
  isSeen: (job: string) => Promise<boolean>,
): Promise<readonly JobLine[]> {
  const seen: JobLine[] = []
  for (const job of jobs.sort(order).slice(0, mostAsked)) {
    if (seen.length === mostListed) break
    if (await isSeen(job.name)) seen.push(job)
  }
  return seen
}

/** The list is in memory, so a place in it will do. */
function readPlace(cursor: string | undefined): number {
  if (cursor === undefined) return 0
  if (/^\d{1,6}$/.test(cursor)) return Number(cursor)
  throw new Problem(400, 'INVALID_ARGUMENT', 'cursor is none of this list.', 'cursor')
}

function dueOf({ nextAt }: JobLine): number {
  return nextAt === null ? Number.POSITIVE_INFINITY : Date.parse(nextAt)
}

function endOf({ lastRun }: JobLine): number {
  return lastRun?.finishedAt == null ? 0 : Date.parse(lastRun.finishedAt)
}

function isFailure(state: string): boolean {
  return state === 'failed' || state === 'failed_stale' || state === 'completed_with_errors'
}
