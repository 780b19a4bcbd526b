import { AfterTurn } from '../runtime/after-turn.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { RegisteredJob } from './registered-job.ts'
import { mostListed, rememberedValues } from '../../tuning.ts'
import type { OccurrenceId } from '../../ids.ts'
import type { CreateRequested } from '../../storage/storage.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import { rememberedRequestMs } from './tuning.ts'

/**
 * Detects that the storage has lost acknowledged writes, for example after a failover to a replica that was behind. Sign: a
 * job's watermark lies before a slot whose creation the storage had acknowledged to this node. The lost slots run again, so
 * this class logs an error.
 */
export class LostWriteDetector {
  readonly #engine: Pick<EngineContext, 'logger'>
  readonly #requests: Pick<LostRequests, 'look'>
  readonly #names: string[] = []
  #since = Number.POSITIVE_INFINITY
  readonly #saying = new AfterTurn(() => this.#say())

  constructor(engine: Pick<EngineContext, 'logger'>, requests: Pick<LostRequests, 'look'>) {
    this.#engine = engine
    this.#requests = requests
  }

  /** Compares the watermark of a head with the created slots. The head must have the version that this node knows. */
  look(job: RegisteredJob, watermark: number): void {
    if (watermark >= job.created) return
    // A loss of slots that this node creates from now on is reported again.
    job.created = Number.NEGATIVE_INFINITY
    this.#names.push(job.job.name)
    this.#since = Math.min(this.#since, watermark)
    this.#saying.ask()
  }

  #say(): void {
    this.#requests.look()
    const jobs = this.#names.splice(0)
    const since = new Date(this.#since)
    this.#since = Number.POSITIVE_INFINITY
    this.#engine.logger.error(
      { jobs: jobs.slice(0, mostListed), count: jobs.length, since },
      'the storage has lost acknowledged writes: slots since then run again, and requests since then are gone',
    )
  }
}

interface Acknowledged {
  readonly id: OccurrenceId
  readonly jobName: string
  readonly item: Pick<CreateRequested, 'jobId' | 'scheduledAt'>
  /** Monotonic instant of the acknowledgement. */
  readonly since: number
}

/**
 * Finds requests that the storage acknowledged to this node and then lost. Unlike lost slots, lost requests do not run again.
 * The node reads its recent requests after an outage, after a lost run, and after `LostWriteDetector` has found a loss.
 */
export class LostRequests {
  readonly #engine: Pick<EngineContext, 'clock' | 'logger' | 'maxBatch' | 'storage'>
  readonly #looking: BackgroundLoop
  #remembered: Acknowledged[] = []
  /** Index of the oldest entry, once the list is full. */
  #oldest = 0

  constructor(engine: EngineContext) {
    this.#engine = engine
    this.#looking = new BackgroundLoop(engine, { name: 'look for lost requests', round: () => this.#look() })
    engine.events.on('storage.recovered', () => this.look())
    engine.events.on('occurrence.lost', () => this.look())
  }

  /** Remembers a request that the storage has acknowledged. */
  note(id: OccurrenceId, jobName: string, { jobId, scheduledAt }: Acknowledged['item']): void {
    const one = { id, jobName, item: { jobId, scheduledAt }, since: this.#engine.clock.monotonic() }
    if (this.#remembered.length < rememberedValues) this.#remembered.push(one)
    else {
      this.#remembered[this.#oldest] = one
      this.#oldest = (this.#oldest + 1) % rememberedValues
    }
  }

  /** Checks the recent requests, because the storage may have lost acknowledged writes. */
  look(): void {
    if (this.#remembered.length > 0) this.#looking.run()
  }

  async #look(): Promise<void> {
    const { clock, maxBatch, storage } = this.#engine
    const recent = clock.monotonic() - rememberedRequestMs
    const asked = this.#remembered.filter(({ since }) => since >= recent)
    const lost = new Set<Acknowledged>()
    for (let start = 0; start < asked.length; start += maxBatch) {
      const group = asked.slice(start, start + maxBatch)
      const [ids, jobs] = [group.map(({ id }) => id), group.map(({ item }) => item.jobId)]
      const answer = await storage.repeated('get', (calls) => calls.get({ occurrences: ids, jobs }))
      for (const [index, one] of group.entries()) {
        const head = answer.jobs[index] ?? null
        // A pruned request, and a request of a removed job, are not lost.
        const isPruned = head !== null && (head.deletedAt !== null || one.item.scheduledAt <= (head.pruneFloor ?? -1))
        if (answer.occurrences[index] === null && !isPruned) lost.add(one)
      }
    }
    if (lost.size === 0) return
    this.#forget(lost)
    this.#say([...lost])
  }

  #forget(lost: ReadonlySet<Acknowledged>): void {
    const { length } = this.#remembered
    const inOrder = this.#remembered.map(
      (_, place) => this.#remembered[(this.#oldest + place) % length] as Acknowledged,
    )
    this.#remembered = inOrder.filter((one) => !lost.has(one))
    this.#oldest = 0
  }

  #say(lost: readonly Acknowledged[]): void {
    const jobs = [...new Set(lost.map(({ jobName }) => jobName))]
    const since = new Date(Math.min(...lost.map(({ item }) => item.scheduledAt)))
    this.#engine.logger.error(
      { jobs: jobs.slice(0, mostListed), count: lost.length, since },
      'the storage has lost requests that it had acknowledged: request them again if they are still wanted',
    )
  }
}
