import { JobistemerError } from '../../errors.ts'
import type { OccurrenceId } from '../../ids.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import { decidedUpTo } from '../../storage/rules.ts'
import type { JobContent, SaveJobAnswer } from '../../storage/storage.ts'
import { isAhead } from '../definitions/ahead.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'

/** A job that was set back, because its slots were decided ahead of the time. */
export interface RealignedJob {
  /** Its name. */
  readonly name: string
  /** Up to where its slots were decided. */
  readonly decidedUpTo: Date
  /** Its next slot now; `null` when there is none. One that ran ahead of its time is passed, and does not run again. */
  readonly nextAt: Date | null
  /**
   * Slots that were created ahead and wait for their time. By the overlap policy other slots may have to wait for them,
   * or be skipped; `cancel` takes them out of the way.
   */
  readonly waiting: readonly OccurrenceId[]
}

/** Sets jobs back whose slots were decided ahead by a clock that was wrong. See decision 8. */
export class Realigner {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry

  constructor(engine: EngineContext, registry: JobRegistry) {
    this.#engine = engine
    this.#registry = registry
  }

  /** One job. @throws JobistemerError `CLOCK_UNCONFIRMED` */
  async realign(job: RegisteredJob, storage: StorageCalls): Promise<readonly RealignedJob[]> {
    this.#assertConfirmed()
    const { jobs } = await storage.once((calls) => calls.get({ jobs: [job.job.id] }))
    const [record] = jobs
    const realigned = record == null ? null : await this.#setBack(record, storage)
    return realigned === null ? [] : [realigned]
  }

  /** All jobs in the storage. One whose schedule this node cannot revive is left to others. */
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
          logger.warn({ job: record.name, err: error }, 'schedule type unknown: not realigned here')
        }
      }
      cursor = page.cursor
    } while (cursor !== null)
    return done
  }

  /** By a time that is behind, jobs that are well would be set back. */
  #assertConfirmed(): void {
    this.#engine.now()
    if (!this.#engine.isTimeInDoubt) return
    throw new JobistemerError('CLOCK_UNCONFIRMED', {
      message: 'A clock has jumped, and it is not confirmed yet what time it is.',
      field: 'clock',
      value: 'unconfirmed',
      remedy: 'Wait for the event clock.confirmed, or set the clocks of node and storage right.',
    })
  }

  async #setBack(found: JobRecord, storage: StorageCalls): Promise<RealignedJob | null> {
    // What changes the head between the look and the write may be another node that sets it back: it is looked at again.
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

  /** As a new version: what other nodes still believe of the old next slot is refused, and they look again. */
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
