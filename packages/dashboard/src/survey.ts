import { Buffer } from 'node:buffer'
import type { CallOptions, Clock, JobInfo, JobsFilter, LiveCounts } from '@jobistemer/core'
import type { Access } from './access.ts'
import { jobLineOf, type ListedJob, listedJobOf } from './lines.ts'
import { Problem } from './problem.ts'
import type { Settings } from './read-options.ts'
import type { CountsView, JobLine, LateView, Page, SurveyView } from './wire.ts'

const pageSize = 10_000
const mostJobs = 20_000
const mostListed = 20
const perPage = 50
/**
 * Minimum time in ms for which a survey stays valid. A survey is a cached read of all jobs. If the read was slow, the
 * survey stays valid for longer: `pauseFactor` times the duration of the read.
 */
const freshMs = 5000
const pauseFactor = 10

/**
 * The pattern of cursors in lists of jobs that come from a survey, a cached read of all jobs. A cursor contains the name of
 * the last job on the previous page.
 */
const keptCursor = /^kept-([\w-]+)$/
/**
 * The pattern of cursors in the late-jobs list. A cursor contains the instant and the name of the last job on the previous
 * page.
 */
const lateCursor = /^(\d{1,16})-([\w-]+)$/

/** The members of `Access` that the survey of all jobs uses. */
type Viewer = Pick<Access, 'may' | 'isSpent' | 'seesAll'>

interface Look {
  readonly at: number
  readonly jobs: readonly ListedJob[]
  readonly isPart: boolean
}

/**
 * Answers two questions about all jobs: which jobs are late, and which jobs failed in their last run. No query of the storage
 * answers these questions, so a survey reads all jobs.
 * - All requests share a survey.
 * - A slow survey stays valid for longer.
 * - Each request counts only the jobs that its viewer may see.
 */
export class Surveys {
  readonly #settings: Settings
  readonly #look: Shared<Look>
  readonly #counts: Shared<ReadonlyMap<string, LiveCounts>>

  constructor(settings: Settings) {
    this.#settings = settings
    this.#look = new Shared(settings.clock, () => this.#takeLook())
    this.#counts = new Shared(settings.clock, () => this.#takeCounts())
  }

  async view(access: Viewer): Promise<SurveyView> {
    const { at, jobs, isPart } = await this.#look.get()
    const late = jobs.filter((job) => job.isLate).sort(compareDue)
    const failing = jobs
      .filter(({ lastRun }) => lastRun !== null && isFailure(lastRun.state))
      .sort((one, other) => endOf(other) - endOf(one))
    const withoutCode = jobs
      .filter(({ hasNoCode }) => hasNoCode)
      .sort((one, other) => compareNames(one.name, other.name))
    const upcoming = jobs
      .filter((job) => job.paused === null && !job.isLate && !job.hasNoCode && job.nextAt !== null)
      .sort(compareDue)
    const { seen, isAskedPart } = await seenOf(
      new Set([...late, ...failing, ...withoutCode, ...upcoming, ...jobs]),
      access,
    )
    const ofSeen = (some: readonly ListedJob[]) => some.filter((job) => seen.has(job))
    const [seenLate, seenFailing, seenWithoutCode] = [ofSeen(late), ofSeen(failing), ofSeen(withoutCode)]
    return {
      at: new Date(at).toISOString(),
      jobs: seen.size,
      isPart,
      paused: [...seen].filter(({ paused }) => paused !== null).length,
      late: seenLate.slice(0, mostListed).map(jobLineOf),
      lateCount: seenLate.length,
      failing: seenFailing.slice(0, mostListed).map(jobLineOf),
      failingCount: seenFailing.length,
      withoutCode: seenWithoutCode.slice(0, mostListed).map(jobLineOf),
      withoutCodeCount: seenWithoutCode.length,
      attentionCount: new Set([...seenLate, ...seenFailing, ...seenWithoutCode]).size,
      isAskedPart,
      upcoming: ofSeen(upcoming)
        .slice(0, mostListed)
        .map((job) => ({ job: job.name, at: (job.nextAt as Date).toISOString() })),
    }
  }

  /**
   * Returns the late jobs that the viewer may see. The job whose slot was due earliest comes first.
   * @throws Problem 400 for a cursor of another list
   */
  async late(cursor: string | undefined, access: Viewer): Promise<LateView> {
    const after = readPlace(cursor)
    const { at, jobs, isPart } = await this.#look.get()
    const late = jobs.filter((job) => job.isLate).sort(compareDue)
    const rest = after === null ? late : late.filter((job) => compareDue(job, after) > 0)
    const { seen, asked, isAskedPart } = await seenOf(new Set([...rest, ...late]), access)
    const items = rest.filter((job) => seen.has(job)).slice(0, perPage)
    const last = items.length === perPage ? items.at(-1) : rest[asked - 1]
    return {
      at: new Date(at).toISOString(),
      items: items.map(jobLineOf),
      count: seen.size,
      isPart: isPart || isAskedPart,
      // The cursor contains the name of the last job instead of its position, because the next survey may change the
      // positions.
      cursor: last !== undefined && last !== rest.at(-1) ? `${dueOf(last)}-${keyOf(last.name)}` : null,
    }
  }

  /** Counts the waiting and running runs of the jobs that the viewer may see. */
  async counts(access: Viewer, options: CallOptions): Promise<CountsView> {
    const { client } = this.#settings
    const whole = async (): Promise<CountsView> => ({ ...(await client.counts(undefined, options)), isPart: false })
    if (await access.seesAll()) return whole()
    const { jobs, isPart } = await this.#look.get()
    const { seen, isAskedPart } = await seenOf(new Set(jobs), access)
    if (seen.size === jobs.length && !isPart) return whole()
    const of = seen.size === 0 ? new Map<string, LiveCounts>() : await this.#counts.get()
    const sum = { pending: 0, queued: 0, running: 0 }
    for (const { name } of seen) {
      const { pending = 0, queued = 0, running = 0 } = of.get(name) ?? {}
      sum.pending += pending
      sum.queued += queued
      sum.running += running
    }
    return { ...sum, isPart: isPart || isAskedPart }
  }

  /**
   * Returns a page of those jobs in the survey that match a filter by last outcome. The survey is a cached read of all
   * jobs. Returns `null` if the survey does not contain all jobs, or if the cursor belongs to another list.
   */
  async jobs(
    { text, owner, tag, paused, lastOutcome = [] }: JobsFilter,
    { limit, cursor }: { readonly limit: number; readonly cursor: string | null },
  ): Promise<Page<JobLine> | null> {
    const behind = cursor === null ? null : keptCursor.exec(cursor)?.[1]
    if (behind === undefined) return null
    const after = behind === null ? null : nameOf(behind)
    const { jobs, isPart } = await this.#look.get()
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
    // The cursor contains the name of the last job instead of its position, because the next survey may change the
    // positions.
    const rest = after === null ? found : found.filter(({ name }) => compareNames(name, after) > 0)
    const items = rest.slice(0, limit)
    const last = items.at(-1)
    return {
      items: items.map(jobLineOf),
      cursor: last !== undefined && items.length < rest.length ? `kept-${keyOf(last.name)}` : null,
    }
  }

  /** Discards the cached data about all jobs after an action, so that the next answer shows the effect of the action. */
  forget(): void {
    this.#look.forget()
    this.#counts.forget()
  }

  async #takeLook(): Promise<Look> {
    const at = this.#settings.clock.now()
    const jobs: ListedJob[] = []
    const isPart = await this.#readJobs(['lastRun', 'code'], (job) => jobs.push(listedJobOf(job, at)))
    return { at, jobs, isPart }
  }

  async #takeCounts(): Promise<ReadonlyMap<string, LiveCounts>> {
    const counts = new Map<string, LiveCounts>()
    await this.#readJobs(['counts'], (job) => counts.set(job.name, job.counts as LiveCounts))
    return counts
  }

  /**
   * Reads jobs up to the limit `mostJobs`, and calls `take` for each job. Returns whether the storage has further jobs,
   * which were not read.
   */
  async #readJobs(include: JobsFilter['include'], take: (job: JobInfo) => void): Promise<boolean> {
    const { client } = this.#settings
    let cursor: string | null = null
    let read = 0
    do {
      const page = await client.jobs({ include: include ?? [], limit: pageSize, cursor })
      page.items.forEach(take)
      read += page.items.length
      cursor = page.cursor
    } while (cursor !== null && read < mostJobs)
    return cursor !== null
  }
}

/** A cached value that concurrent requests share until it expires. */
class Shared<T> {
  readonly #clock: Clock
  readonly #take: () => Promise<T>
  /** The last value, and the monotonic time at which its read began. The wall clock may be set back. */
  #last: { readonly at: number; readonly tookMs: number; readonly value: T } | null = null
  #taking: Promise<T> | null = null

  constructor(clock: Clock, take: () => Promise<T>) {
    this.#clock = clock
    this.#take = take
  }

  async get(): Promise<T> {
    const last = this.#last
    if (last !== null && this.#clock.monotonic() - last.at < Math.max(freshMs, last.tookMs * pauseFactor))
      return last.value
    this.#taking ??= this.#read()
    return this.#taking
  }

  forget(): void {
    this.#last = null
    this.#taking = null
  }

  #read(): Promise<T> {
    const at = this.#clock.monotonic()
    const taking = this.#take()
      .then((value) => {
        if (this.#taking === taking) this.#last = { at, tookMs: this.#clock.monotonic() - at, value }
        return value
      })
      .finally(() => {
        if (this.#taking === taking) this.#taking = null
      })
    return taking
  }
}

/**
 * Returns the jobs that the viewer may see. Calls `authorize` for one job after another. When the request has reached its
 * limit of calls of `authorize`, leaves out the remaining jobs.
 */
async function seenOf(
  jobs: ReadonlySet<ListedJob>,
  access: Viewer,
): Promise<{ readonly seen: ReadonlySet<ListedJob>; readonly asked: number; readonly isAskedPart: boolean }> {
  if (await access.seesAll()) return { seen: jobs, asked: jobs.size, isAskedPart: false }
  const seen = new Set<ListedJob>()
  let asked = 0
  for (const job of jobs) {
    if (await access.may('view', job.name)) seen.add(job)
    else if (access.isSpent) return { seen, asked, isAskedPart: true }
    asked++
  }
  return { seen, asked, isAskedPart: false }
}

/** @throws Problem 400 */
function readPlace(cursor: string | undefined): Due | null {
  if (cursor === undefined) return null
  const [, due, key] = lateCursor.exec(cursor) ?? []
  if (due === undefined || key === undefined)
    throw new Problem(400, 'INVALID_ARGUMENT', 'cursor does not belong to this list.', 'cursor')
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
