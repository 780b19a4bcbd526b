import type { OccurrenceId } from '../../ids.ts'
import type { CreateRequested } from '../../storage/storage.ts'
import { mostListed, rememberedValues } from '../../tuning.ts'
import { AfterTurn } from '../runtime/after-turn.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { chunksOf } from '../storage-access/retrying-storage.ts'
import type { RegisteredJob } from './registered-job.ts'
import { farClockMarginMs } from './tuning.ts'

interface AcknowledgedRequest {
  readonly id: OccurrenceId
  readonly jobName: string
  readonly item: Pick<CreateRequested, 'jobId' | 'scheduledAt'>
  /** Monotonic instant at which the storage acknowledged the request. */
  readonly since: number
}

/**
 * Detects that the storage has lost acknowledged writes, for example after a failover to a replica that was behind.
 *
 * Two kinds of writes can get lost:
 * - Slots: an answer has an earlier watermark than a previous answer. The lost slots run again.
 * - Requests: the storage does not have a request that it acknowledged to this node. Lost requests do not run again.
 *
 * To find lost requests, the node reads its recent requests after these events:
 * - The storage answers again after an outage.
 * - The node has lost an occurrence (`occurrence.lost`).
 * - The storage has lost slots.
 */
export class LostWriteDetector {
  readonly #engine: Pick<EngineContext, 'clock' | 'logger' | 'maxBatch' | 'storage'>
  readonly #names: string[] = []
  #since = Number.POSITIVE_INFINITY
  readonly #saying = new AfterTurn(() => this.#sayLostSlots())
  readonly #looking: BackgroundLoop
  /** The newest requests that the storage acknowledged to this node, at most twice `rememberedValues`. */
  #requests: AcknowledgedRequest[] = []

  constructor(engine: EngineContext) {
    this.#engine = engine
    this.#looking = new BackgroundLoop(engine, { name: 'look for lost requests', round: () => this.#readRequests() })
    for (const event of ['storage.recovered', 'occurrence.lost'] as const) {
      engine.events.on(event, () => this.#lookForRequests())
    }
  }

  /**
   * Compares the watermark of an answer with the watermarks of previous answers under the same version. A lower watermark
   * shows a loss of slots.
   */
  compare(job: RegisteredJob, watermark: number): void {
    if (job.decidedUpTo === null || watermark >= job.decidedUpTo) return
    this.#names.push(job.job.name)
    this.#since = Math.min(this.#since, watermark)
    this.#saying.ask()
  }

  /** Remembers an acknowledged request, so that a later check can detect its loss. */
  note(id: OccurrenceId, jobName: string, { jobId, scheduledAt }: AcknowledgedRequest['item']): void {
    const request = { id, jobName, item: { jobId, scheduledAt }, since: this.#engine.clock.monotonic() }
    if (this.#requests.length >= 2 * rememberedValues) this.#requests.splice(0, rememberedValues)
    this.#requests.push(request)
  }

  #sayLostSlots(): void {
    this.#lookForRequests()
    const jobs = this.#names.splice(0)
    const since = new Date(this.#since)
    this.#since = Number.POSITIVE_INFINITY
    this.#engine.logger.error(
      { jobs: jobs.slice(0, mostListed), count: jobs.length, since },
      'the storage has lost acknowledged writes: slots after the stored watermark run again, and later requests are lost',
    )
  }

  #lookForRequests(): void {
    if (this.#requests.length > 0) this.#looking.run()
  }

  async #readRequests(): Promise<void> {
    const { clock, maxBatch, storage } = this.#engine
    const recent = clock.monotonic() - farClockMarginMs
    const asked = this.#requests.filter(({ since }) => since >= recent)
    const lost = new Set<AcknowledgedRequest>()
    for (const group of chunksOf(asked, maxBatch)) {
      const [ids, jobs] = [group.map(({ id }) => id), group.map(({ item }) => item.jobId)]
      const answer = await storage.repeated('get', (calls) => calls.get({ occurrences: ids, jobs }))
      for (const [index, one] of group.entries()) {
        const head = answer.jobs[index] ?? null
        // A pruned request, or a request of a removed job, is not lost.
        const isPruned = head !== null && (head.deletedAt !== null || one.item.scheduledAt <= (head.pruneFloor ?? -1))
        if (answer.occurrences[index] === null && !isPruned) lost.add(one)
      }
    }
    if (lost.size === 0) return
    this.#requests = this.#requests.filter((one) => !lost.has(one))
    const jobs = [...new Set(Array.from(lost, ({ jobName }) => jobName))]
    const since = new Date(Math.min(...Array.from(lost, ({ item }) => item.scheduledAt)))
    this.#engine.logger.error(
      { jobs: jobs.slice(0, mostListed), count: lost.size, since },
      'the storage has lost acknowledged requests: repeat these requests if you still need their runs',
    )
  }
}
