import { JobistemerError } from '../../errors.ts'
import type { OccurrenceId } from '../../ids.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import { decidedUpTo } from '../../storage/rules.ts'
import type { JobContent, SaveJobAnswer } from '../../storage/storage.ts'
import { type RegisteredJob, isAhead } from '../definitions/registered-job.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'

/** A job that `realign` has set back, because its watermark lay ahead of the time. */
export interface RealignedJob {
  /** The name of the job. */
  readonly name: string
  /** The watermark before the call. */
  readonly decidedUpTo: Date
  /** The next slot after the call; `null` without one. Slots that ran ahead of their time do not run again. */
  readonly nextAt: Date | null
  /**
   * Slots that were created ahead of their time and have not started. Under the overlap policy, other slots may wait for
   * them or be skipped. `cancel` removes them.
   */
  readonly waiting: readonly OccurrenceId[]
}

/** Sets jobs back whose watermark a wrong clock has moved ahead of the time. See decision 8. */
export class Realigner {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry

  constructor(engine: EngineContext, registry: JobRegistry) {
    this.#engine = engine
    this.#registry = registry
  }

  /** Sets one job back. @throws JobistemerError `CLOCK_UNCONFIRMED` */
  async realign(job: RegisteredJob, storage: StorageCalls): Promise<readonly RealignedJob[]> {
    this.#assertConfirmed()
    const { jobs } = await storage.once((calls) => calls.get({ jobs: [job.job.id] }))
    const [record] = jobs
    const realigned = record == null ? null : await this.#setBack(record, storage)
    return realigned === null ? [] : [realigned]
  }

  /** Sets all jobs of the storage back. Logs and skips jobs whose schedules this node cannot revive. */
  async realignAll(storage: StorageCalls): Promise<readonly RealignedJob[]> {
    this.#assertConfirmed()
    const { maxBatch, logger } = this.#engine
    const done: RealignedJob[] = []
    let cursor: string | null = null
    do {
      const page = await storage.once((calls) => calls.listJobs({ limit: maxBatch, cursor }))
      for (const record of page.items) {
        try {
          const realigned = await this.#setBack(record, storage)
          if (realigned !== null) done.push(realigned)
        } catch (error) {
          if (!JobistemerError.isInstance(error, 'UNKNOWN_SCHEDULE_TYPE')) throw error
          logger.warn(
            { job: record.name, err: error },
            'cannot realign the job: this node does not know its schedule type',
          )
        }
      }
      cursor = page.cursor
    } while (cursor !== null)
    return done
  }

  /** With a clock that is behind, `realign` would set back jobs that are not ahead. */
  #assertConfirmed(): void {
    this.#engine.now()
    if (!this.#engine.isTimeInDoubt) return
    throw new JobistemerError('CLOCK_UNCONFIRMED', {
      message: 'A clock has jumped, and the present time is not confirmed yet.',
      field: 'clock',
      value: 'unconfirmed',
      remedy: 'Wait for the event clock.confirmed, or set the clocks of node and storage right.',
    })
  }

  async #setBack(found: JobRecord, storage: StorageCalls): Promise<RealignedJob | null> {
    // If another node changes the head between the read and the write, it may have set the job back. So check again.
    for (let head = found; head.deletedAt === null && isAhead(head, this.#engine.now()); ) {
      const answer = await this.#save(head, this.#engine.now(), storage)
      if (answer.outcome === 'absent') return null
      const job = this.#registry.get(head.id)
      if (job !== undefined && job.version < answer.job.version) this.#registry.adopt(job.job, answer.job, 'updated')
      if (answer.outcome === 'saved') return await this.#told(head, answer.job, storage)
      head = answer.job
    }
    return null
  }

  /**
   * Stores the new watermark as a new version. The storage then rejects launches of the old next slot by other nodes, and
   * these nodes reload the job.
   */
  async #save(head: JobRecord, now: number, storage: StorageCalls): Promise<SaveJobAnswer> {
    const series = this.#registry.seriesOf(head.timeline, this.#registry.get(head.id)?.job ?? null)
    const nextAt = series.nextMs(decidedUpTo({ watermark: now, pruneFloor: head.pruneFloor }))
    const { name, owner, fingerprint, definition, handlerKey, overlap, timeline } = head
    const content: JobContent = { name, owner, fingerprint, definition, handlerKey, overlap, timeline, nextAt }
    const [answer] = await storage.once((calls) =>
      calls.saveJobs({
        now,
        changes: [
          {
            kind: 'replace',
            id: head.id,
            content,
            expectedVersion: head.version,
            expectedWatermark: head.watermark,
            waiting: 'keep',
            setBackTo: now,
          },
        ],
      }),
    )
    return answer as SaveJobAnswer
  }

  async #told(before: JobRecord, after: JobRecord, storage: StorageCalls): Promise<RealignedJob> {
    const ahead = await this.#slotsAfter(after, storage)
    const waiting = ahead.filter(({ state }) => state === 'pending' || state === 'queued').map(({ id }) => id)
    const told: RealignedJob = {
      name: before.name,
      decidedUpTo: new Date(before.watermark),
      nextAt: after.nextAt === null ? null : new Date(after.nextAt),
      waiting,
    }
    const { name: job, ...rest } = told
    this.#engine.logger.info({ job, ...rest }, 'job set back to the present')
    return told
  }

  async #slotsAfter({ id: jobId, watermark }: JobRecord, storage: StorageCalls): Promise<readonly OccurrenceRecord[]> {
    const slots: OccurrenceRecord[] = []
    let cursor: string | null = null
    do {
      const page = await storage.once((calls) =>
        calls.listOccurrences({
          kind: 'job',
          jobId,
          from: watermark + 1,
          order: 'ascending',
          runs: false,
          limit: this.#engine.maxBatch,
          cursor,
        }),
      )
      for (const record of page.items) if (record.kind === 'slot') slots.push(record)
      cursor = page.cursor
    } while (cursor !== null)
    return slots
  }
}
