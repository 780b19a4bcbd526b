import type { OccurrenceId } from '../../ids.ts'
import type { CreateRequested } from '../../storage/storage.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { mostListed, rememberedValues } from '../../tuning.ts'
import { rememberedRequestMs } from './tuning.ts'

interface Acknowledged {
  readonly id: OccurrenceId
  readonly jobName: string
  readonly item: Pick<CreateRequested, 'jobId' | 'scheduledAt'>
  /** Monotonic instant of the acknowledgement. */
  readonly since: number
}

/**
 * Finds requests that the storage acknowledged to this node and then lost. Unlike lost slots, lost requests do not run again.
 * The node reads its recent requests after an outage, after a lost run, and after `ForgottenSlots` has found a loss.
 */
export class ForgottenRequests {
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
