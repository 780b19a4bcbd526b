import { createScheduler, jobId, occurrenceId } from '@jobistemer/core'
import type { CreateRequested, LiveCounts, Storage } from '@jobistemer/core/storage'
import { type MetricsCollector, metricsCollector } from '@jobistemer/core/testing'
import { firstInstant } from './engine-round.ts'
import { median } from './suite.ts'

export const operations = ['create', 'finish', 'claim', 'counts', 'gauges'] as const

/** Median duration of a call of each operation, in microseconds. */
export type Timings = Readonly<Record<(typeof operations)[number], number>>

const job = jobId('queue')
const owner = { node: 'bench', incarnation: 'bench-1' }
const batch = 250
const hour = 3_600_000

/** One job with a queue of constant length: each time an occurrence joins the queue, another one ends. */
export class QueueRound {
  readonly #storage: Storage
  readonly #length: number
  readonly #metrics: MetricsCollector = metricsCollector()
  #created = 0
  #finished = 0

  constructor(storage: Storage, length: number) {
    this.#storage = storage
    this.#length = length
    // This scheduler never starts: the benchmark only reads its gauges.
    createScheduler({ storage, jobs: [], metrics: this.#metrics })
  }

  /** Creates the job, one running occurrence, and the queued occurrences. */
  async fill(): Promise<void> {
    const overlap = { policy: 'queue', maxQueued: 1_000_000 } as const
    const text = { name: 'queue', owner: null, fingerprint: 'print', definition: {}, handlerKey: 'queue' }
    const content = { ...text, overlap, timeline: [], nextAt: null }
    await this.#storage.saveJobs({ now: firstInstant, changes: [{ kind: 'create', id: job, content }] })
    while (this.#created <= this.#length) {
      const count = Math.min(batch, this.#length + 1 - this.#created)
      await this.#create(count)
    }
  }

  async run(calls: number): Promise<Timings> {
    const times: Record<keyof Timings, number[]> = { create: [], finish: [], claim: [], counts: [], gauges: [] }
    const time = async (operation: keyof Timings, call: () => Promise<unknown>) => {
      const startedAt = performance.now()
      await call()
      times[operation].push((performance.now() - startedAt) * 1000)
    }
    const expected: LiveCounts = { pending: 0, queued: this.#length, running: 1 }
    for (let call = 0; call < calls; call++) {
      await time('create', () => this.#create(1))
      await time('finish', () => this.#finish())
      await time('claim', () => this.#claim())
      await time('counts', () => this.#look(expected))
    }
    // A read of the gauges counts the whole queue, which is slow for a long queue. So this benchmark reads the gauges
    // at most 20 times.
    for (let call = 0; call < Math.min(calls, 20); call++) await time('gauges', () => this.#scrape(expected))
    return Object.fromEntries(operations.map((operation) => [operation, median(times[operation])])) as Timings
  }

  /** Removes the job in several steps, as an engine does. Returns the duration of the longest step, in microseconds. */
  async remove(): Promise<number> {
    let longest = 0
    for (let more = true; more; ) {
      const startedAt = performance.now()
      const changes = [{ kind: 'delete', id: job, expectedVersion: null }] as const
      const [answer] = await this.#storage.saveJobs({ now: firstInstant, changes, cancelLimit: batch })
      longest = Math.max(longest, (performance.now() - startedAt) * 1000)
      if (answer?.outcome !== 'saved') throw new Error(`The storage did not delete the job: ${answer?.outcome}.`)
      more = answer.more === true
    }
    return longest
  }

  async #create(count: number): Promise<void> {
    const items = Array.from({ length: count }, () => trigger(this.#created++))
    const answers = await this.#storage.createOccurrences({ now: firstInstant, owner, items })
    if (answers.some(({ outcome }) => outcome !== 'created'))
      throw new Error('The storage did not create all occurrences.')
  }

  async #finish(): Promise<void> {
    const { id, jobId, scheduledAt } = trigger(this.#finished)
    const change = { kind: 'finish', state: 'completed', reason: null } as const
    // Every occurrence has token 1, because each has been started only once.
    const item = { id, jobId, scheduledAt, token: 1, sequence: 1, runs: [], change }
    const [answer] = await this.#storage.settle({ now: firstInstant, items: [item] })
    if (answer?.outcome !== 'ok') throw new Error('The storage did not accept the end of the run.')
    this.#finished++
  }

  async #claim(): Promise<void> {
    const request = { now: firstInstant, owner, limit: 1, exceptHandlerKeys: [], sweep: false }
    const { claimed } = await this.#storage.claim(request)
    if (claimed[0]?.id !== trigger(this.#finished).id)
      throw new Error('The claim did not return the oldest occurrence.')
  }

  async #look(expected: LiveCounts): Promise<void> {
    const { counts } = await this.#storage.get({ counts: ['all', job] })
    for (const found of counts) {
      const isRight = found.queued === expected.queued && found.pending === 0 && found.running === expected.running
      if (!isRight) throw new Error(`The storage returned wrong counts: ${JSON.stringify(found)}.`)
    }
    if (counts.length !== 2) throw new Error(`The storage returned ${counts.length} counts, but 2 were requested.`)
  }

  async #scrape(expected: LiveCounts): Promise<void> {
    const { scheduler_jobs_in_queue: waiting } = await this.#metrics.readGauges()
    if (waiting !== expected.queued + expected.pending)
      throw new Error(`The gauges show a wrong number of waiting occurrences: ${waiting}.`)
  }
}

/** Returns a trigger that is 1 ms later than the previous trigger. */
function trigger(number: number): CreateRequested {
  const scheduledAt = firstInstant - hour + number
  const runs = number === 0 ? [] : null
  const times = { scheduledAt, dueAt: scheduledAt, executionTimeoutMs: hour }
  return { kind: 'trigger', id: occurrenceId(job, scheduledAt), jobId: job, jobVersion: 1, ...times, details: {}, runs }
}
