import type { CallOptions, JobInfo } from '@jobistemer/core'
import { isLate, jobLineOf } from './lines.ts'
import type { Settings } from './read-options.ts'
import type { SurveyView } from './wire.ts'

const pageSize = 1000
const mostJobs = 20_000
const mostListed = 20
/** A look is used for so long at least, and for so many times as long as it took. */
const freshMs = 5000
const pauseFactor = 10

interface Look {
  readonly at: number
  readonly tookMs: number
  readonly jobs: readonly JobInfo[]
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

  /** @param isSeen whether whoever asks may see a job. */
  async view(isSeen: (job: string) => Promise<boolean>): Promise<SurveyView> {
    const { at, jobs, isPart } = await this.#look()
    const now = this.#settings.clock.now()
    const seen: JobInfo[] = []
    for (const job of jobs) if (await isSeen(job.name)) seen.push(job)
    const late = seen.filter((job) => isLate(job, now)).sort((one, other) => dueOf(one) - dueOf(other))
    const failing = seen.filter(({ lastRun }) => lastRun != null && isFailure(lastRun.state))
    const upcoming = seen
      .filter((job) => job.nextAt !== null && job.paused === null && dueOf(job) >= now)
      .sort((one, other) => dueOf(one) - dueOf(other))
      .slice(0, mostListed)
    return {
      at: new Date(at).toISOString(),
      jobs: seen.length,
      isPart,
      paused: seen.filter(({ paused }) => paused !== null).length,
      late: late.slice(0, mostListed).map((job) => jobLineOf(job, now)),
      lateCount: late.length,
      failing: failing
        .sort((one, other) => endOf(other) - endOf(one))
        .slice(0, mostListed)
        .map((job) => jobLineOf(job, now)),
      failingCount: failing.length,
      upcoming: upcoming.map((job) => ({ job: job.name, at: new Date(dueOf(job)).toISOString() })),
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
    const jobs: JobInfo[] = []
    let cursor: string | null = null
    const options: CallOptions = {}
    do {
      const page = await client.jobs({ include: ['lastRun'], limit: pageSize, cursor }, options)
      jobs.push(...page.items)
      cursor = page.cursor
    } while (cursor !== null && jobs.length < mostJobs)
    this.#last = { at, tookMs: clock.monotonic() - begun, jobs, isPart: cursor !== null }
    return this.#last
  }
}

function dueOf({ nextAt }: JobInfo): number {
  return nextAt?.getTime() ?? Number.POSITIVE_INFINITY
}

function endOf({ lastRun }: JobInfo): number {
  return lastRun?.finishedAt?.getTime() ?? 0
}

function isFailure(state: string): boolean {
  return state === 'failed' || state === 'failed_stale' || state === 'completed_with_errors'
}
