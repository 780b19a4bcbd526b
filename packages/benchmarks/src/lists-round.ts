import { createClient, type Client, defineJob, type JobId, jobId, occurrenceId, silentLogger } from '@jobistemer/core'
import type { CreateRequested, SettleItem, Storage, TaskRunRecord } from '@jobistemer/core/storage'
import { cron } from '@jobistemer/ticker-cron'
import { firstInstant } from './engine-round.ts'

/** The median and the maximum duration of a call, in milliseconds. */
export interface CallTimes {
  readonly median: number
  readonly max: number
}

const owner = { node: 'bench', incarnation: 'bench-1' }
const minute = 60_000
const hour = 3_600_000
const jobsPerList = 10_000

/** One occurrence in 100 fails. */
const failureEach = 100

const error = { name: 'Error', message: 'The printer has no paper.', stack: 'at print (printer.js:1:1)\n'.repeat(20) }

/** A storage with a history, and a client that lists occurrences as the CLI and the dashboard do. */
export class ListsRound {
  readonly #storage: Storage
  readonly #client: Client
  readonly #jobs: readonly JobId[]
  #rounds = 0

  constructor(storage: Storage, jobs: number) {
    this.#storage = storage
    this.#client = createClient({ storage, logger: silentLogger })
    this.#jobs = Array.from({ length: jobs }, (_, index) => jobId(`job-${index}`))
  }

  async addJobs(): Promise<void> {
    const tasks = [{ name: 'work', handler: 'work', data: { tenant: 'acme' } }]
    const schedule = cron('0 0 1 1 *')
    const all = this.#jobs.map((_, index) => defineJob({ name: `job-${index}`, schedule, tasks }))
    for (let start = 0; start < all.length; start += jobsPerList) {
      await this.#client.add(all.slice(start, start + jobsPerList))
    }
  }

  /** Stores `rounds` ended runs of each job, by direct calls of the storage. */
  async fill(rounds: number): Promise<void> {
    const { maxBatch } = this.#storage.capabilities
    for (let round = 0; round < rounds; round++) {
      const now = firstInstant + this.#rounds++ * minute
      for (let start = 0; start < this.#jobs.length; start += maxBatch) {
        await this.#run(this.#jobs.slice(start, start + maxBatch), start, now)
      }
    }
  }

  async #run(jobs: readonly JobId[], first: number, now: number): Promise<void> {
    const items = jobs.map((job) => trigger(job, now))
    const created = await this.#storage.createOccurrences({ now, owner, items })
    if (created.some(({ outcome }) => outcome !== 'created'))
      throw new Error('The storage did not create all occurrences.')
    const ends = items.map((item, index) => end(item, now, (first + index + this.#rounds) % failureEach === 0))
    const settled = await this.#storage.settle({ now: now + 20, items: ends })
    if (settled.some(({ outcome }) => outcome !== 'ok'))
      throw new Error('The storage refused the end of at least one run.')
  }

  /** Makes `calls` calls in sequence, each for the next page of 100 failures. */
  async failures(calls: number): Promise<CallTimes> {
    let cursor: string | null = null
    return await timesOf(calls, async () => {
      const page = await this.#client.failures({ limit: 100, cursor })
      if (page.items.length === 0) throw new Error('The list of failed occurrences is empty.')
      cursor = page.cursor
    })
  }

  async jobs(calls: number): Promise<CallTimes> {
    let cursor: string | null = null
    return await timesOf(calls, async () => {
      const page = await this.#client.jobs({ limit: 100, cursor, include: ['lastRun'] })
      if (page.items.some(({ lastRun }) => lastRun == null))
        throw new Error('The list of jobs contains a job without its last run.')
      cursor = page.cursor
    })
  }

  async counts(calls: number): Promise<CallTimes> {
    let cursor: string | null = null
    return await timesOf(calls, async () => {
      cursor = (await this.#client.jobs({ limit: 100, cursor, include: ['counts'] })).cursor
      await this.#client.counts()
    })
  }

  async close(): Promise<void> {
    await this.#client.close()
    await this.#storage.close()
  }
}

async function timesOf(calls: number, call: () => Promise<void>): Promise<CallTimes> {
  const times: number[] = []
  // The call with index -1 is a warm-up and not measured.
  for (let index = -1; index < calls; index++) {
    const startedAt = performance.now()
    await call()
    if (index >= 0) times.push(performance.now() - startedAt)
  }
  times.sort((left, right) => left - right)
  return { median: times[Math.floor(times.length / 2)] as number, max: times.at(-1) as number }
}

function trigger(job: JobId, at: number): CreateRequested {
  const runs: readonly TaskRunRecord[] = [
    { task: 'work', state: 'running', attempts: [{ number: 1, state: 'running', startedAt: at, endedAt: null }] },
  ]
  const times = { scheduledAt: at, dueAt: at, executionTimeoutMs: hour }
  return { kind: 'trigger', id: occurrenceId(job, at), jobId: job, jobVersion: 1, ...times, details: {}, runs }
}

function end({ id, jobId: job, scheduledAt }: CreateRequested, now: number, fails: boolean): SettleItem {
  const attempt = { number: 1, startedAt: now, endedAt: now + 20 }
  const run: TaskRunRecord = fails
    ? { task: 'work', state: 'failed', attempts: [{ ...attempt, state: 'failed', error }] }
    : { task: 'work', state: 'completed', attempts: [{ ...attempt, state: 'succeeded' }] }
  const change = { kind: 'finish', state: fails ? 'failed' : 'completed', reason: null } as const
  return { id, jobId: job, scheduledAt, token: 1, sequence: 1, runs: [run], change }
}
