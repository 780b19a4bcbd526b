import { type JobId, jobId, occurrenceId } from '@jobistemer/core'
import type { CreateSlot, SettleItem, Storage, TaskRunRecord } from '@jobistemer/core/storage'
import { type Cost, CostMeter } from './cost.ts'
import { jobCount } from './engine-round.ts'

const instant = Date.parse('2026-01-01T00:00:00Z')
const owner = { node: 'node', incarnation: 'one' }

/** Runs one-task occurrences without an engine, by direct calls of the storage. All jobs are due every second. */
export class BareCalls {
  readonly #storage: Storage
  readonly #jobs: readonly JobId[]
  #seconds = 0

  constructor(storage: Storage, count: number) {
    this.#storage = storage
    this.#jobs = Array.from({ length: count }, (_, index) => jobId(`job-${index}`))
  }

  /** Stores the jobs. */
  async addJobs(): Promise<void> {
    const { maxBatch } = this.#storage.capabilities
    for (let first = 0; first < this.#jobs.length; first += maxBatch) await this.#addJobs(first, first + maxBatch)
  }

  async #addJobs(first: number, end: number): Promise<void> {
    await this.#storage.saveJobs({
      now: instant,
      changes: this.#jobs.slice(first, end).map((id, index) => ({
        kind: 'create',
        id,
        content: {
          name: `job-${first + index}`,
          owner: null,
          fingerprint: 'f',
          definition: {},
          handlerKey: `job-${first + index}`,
          overlap: { policy: 'skip', maxQueued: 1000 },
          timeline: [{ after: null, until: null, schedule: { type: 'cron' } }],
          nextAt: instant + 1000,
        },
      })),
    })
  }

  /**
   * Runs `seconds` slots of each job, and measures only the storage calls.
   *
   * - The measured time does not include the creation of the calls' arguments.
   * - The arguments are created slot by slot. If the arguments of all slots existed at once, collecting them as garbage
   *   would cost more than the calls.
   * - If a batch is larger than the storage's `maxBatch`, concurrent calls send its parts, as in an engine.
   */
  async run(seconds: number): Promise<Cost> {
    const { maxBatch } = this.#storage.capabilities
    const meter = new CostMeter()
    for (let second = 0; second < seconds; second++) {
      const { at, creates, settles } = roundOf(this.#jobs, instant + ++this.#seconds * 1000)
      await meter.measure(async () => {
        await Promise.all(
          chunksOf(creates, maxBatch).map((items) => this.#storage.createOccurrences({ now: at, owner, items })),
        )
        await Promise.all(chunksOf(settles, maxBatch).map((items) => this.#storage.settle({ now: at, items })))
      })
    }
    return meter.per(seconds * this.#jobs.length)
  }
}

function chunksOf<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, index) => items.slice(index * size, (index + 1) * size))
}

/** Runs the slots of `count` jobs for `seconds` seconds, in an empty storage. Default: 1,000 jobs. */
export async function runBareCalls(storage: Storage, seconds: number, count: number = jobCount): Promise<Cost> {
  const calls = new BareCalls(storage, count)
  await calls.addJobs()
  return await calls.run(seconds)
}

/**
 * Creates the arguments of one slot of each job, with object literals of the same members in the same order as in the engine.
 * A spread such as `{ ...address, kind }` would give the objects ever new hidden classes. Then the calls would take 1.5 times
 * as long, because V8 would look up each member that the storage reads.
 */
function roundOf(ids: readonly JobId[], at: number) {
  const creates: CreateSlot[] = []
  const settles: SettleItem[] = []
  for (const jobId of ids) {
    const id = occurrenceId(jobId, at)
    creates.push({
      kind: 'slot',
      id,
      jobId,
      scheduledAt: at,
      jobVersion: 1,
      nextAt: at + 1000,
      executionTimeoutMs: 3_600_000,
      details: {},
      runs: [runOf(at, null)],
    })
    const change = { kind: 'finish', state: 'completed', reason: null } as const
    settles.push({ id, jobId, scheduledAt: at, token: 1, owner, sequence: 1, runs: [runOf(at, at)], change })
  }
  return { at, creates, settles }
}

function runOf(startedAt: number, endedAt: number | null): TaskRunRecord {
  const done = endedAt !== null
  return {
    task: 'work',
    state: done ? 'completed' : 'running',
    attempts: [{ number: 1, state: done ? 'succeeded' : 'running', startedAt, endedAt }],
  }
}
