import type { JobId, OccurrenceId } from '../../ids.ts'
import type { CreateRequested } from '../../storage/storage.ts'
import { mostListed, rememberedValues } from '../../tuning.ts'
import { nextTurn } from '../runtime/after-turn.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { chunksOf } from '../storage-access/retrying-storage.ts'
import type { RegisteredJob } from './registered-job.ts'
import { farClockMarginMs } from './tuning.ts'

/** Writes of one job that the storage has lost, all of them later than the instant `at`. */
interface LostWrite {
  readonly jobName: string
  readonly at: number
}

interface AcknowledgedRequest extends LostWrite {
  readonly id: OccurrenceId
  readonly jobId: JobId
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
  readonly #looking: BackgroundLoop
  /** For each loss of slots that is not logged yet: the job and its stored watermark. */
  readonly #slots: LostWrite[] = []
  /** The newest requests that the storage acknowledged to this node, at most twice `rememberedValues`. */
  #requests: AcknowledgedRequest[] = []

  constructor(engine: EngineContext) {
    this.#engine = engine
    this.#looking = new BackgroundLoop(engine, { name: 'look for lost writes', round: () => this.#look() })
    for (const event of ['storage.recovered', 'occurrence.lost'] as const) {
      engine.events.on(event, () => this.#looking.run())
    }
  }

  /**
   * Compares the watermark of an answer with the watermarks of previous answers under the same version. A lower watermark
   * shows a loss of slots.
   */
  compare(job: RegisteredJob, watermark: number): void {
    if (job.decidedUpTo === null || watermark >= job.decidedUpTo) return
    this.#slots.push({ jobName: job.job.name, at: watermark })
    this.#looking.run()
  }

  /** Remembers an acknowledged request, so that a later check can detect its loss. */
  note(id: OccurrenceId, jobName: string, { jobId, scheduledAt: at }: CreateRequested): void {
    if (this.#requests.length >= 2 * rememberedValues) this.#requests.splice(0, rememberedValues)
    this.#requests.push({ id, jobName, jobId, at, since: this.#engine.clock.monotonic() })
  }

  async #look(): Promise<void> {
    // Further answers of this turn of the event loop may show that slots of other jobs are lost too. One line names them all.
    await nextTurn()
    this.#say(
      this.#slots.splice(0),
      'the storage has lost acknowledged writes: slots after the stored watermark run again, and later requests are lost',
    )
    const recent = this.#engine.clock.monotonic() - farClockMarginMs
    this.#requests = this.#requests.filter(({ since }) => since >= recent)
    const lost = await this.#lostRequests()
    this.#requests = this.#requests.filter((request) => !lost.has(request))
    this.#say(
      [...lost],
      'the storage has lost acknowledged requests: repeat these requests if you still need their runs',
    )
  }

  async #lostRequests(): Promise<ReadonlySet<AcknowledgedRequest>> {
    const { maxBatch, storage } = this.#engine
    const lost = new Set<AcknowledgedRequest>()
    for (const group of chunksOf(this.#requests, maxBatch)) {
      const [occurrences, jobs] = [group.map(({ id }) => id), group.map(({ jobId }) => jobId)]
      const answer = await storage.repeated('get', (calls) => calls.get({ occurrences, jobs }))
      for (const [index, request] of group.entries()) {
        const head = answer.jobs[index] ?? null
        // A pruned request, or a request of a removed job, is not lost.
        const isPruned = head !== null && (head.deletedAt !== null || request.at <= (head.pruneFloor ?? -1))
        if (answer.occurrences[index] === null && !isPruned) lost.add(request)
      }
    }
    return lost
  }

  #say(lost: readonly LostWrite[], message: string): void {
    if (lost.length === 0) return
    const jobs = [...new Set(lost.map(({ jobName }) => jobName))].slice(0, mostListed)
    const since = new Date(Math.min(...lost.map(({ at }) => at)))
    this.#engine.logger.error({ jobs, count: lost.length, since }, message)
  }
}
