import { type JobId, type OccurrenceId, occurrenceId } from '../../ids.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'

/** A slot of a job. */
export interface JobSlot {
  readonly jobId: JobId
  readonly slot: number
}

/** Cache of one recovery: which slots already have a record. They were canceled ahead, or created while a clock was wrong. */
export class RecordedSlots {
  readonly #engine: Pick<EngineContext, 'storage' | 'maxBatch'>
  readonly #isRecorded = new Map<OccurrenceId, boolean>()

  constructor(engine: Pick<EngineContext, 'storage' | 'maxBatch'>) {
    this.#engine = engine
  }

  /** Reads the records of slots of several jobs in few calls. {@link among} needs no further call for these slots. */
  async look(slots: readonly JobSlot[]): Promise<void> {
    const { storage, maxBatch } = this.#engine
    const ids = slots.map(({ jobId, slot }) => occurrenceId(jobId, slot)).filter((id) => !this.#isRecorded.has(id))
    for (let start = 0; start < ids.length; start += maxBatch) {
      const group = ids.slice(start, start + maxBatch)
      const { occurrences } = await storage.repeated('get', (calls) => calls.get({ occurrences: group }))
      for (const [index, id] of group.entries()) this.#isRecorded.set(id, occurrences[index] != null)
    }
  }

  /**
   * Returns all slots of a job in `[from, to]` that have a record. The cost grows with the number of records, which is small
   * for slots that no recovery has decided yet.
   */
  async between(jobId: JobId, from: number, to: number): Promise<ReadonlySet<number>> {
    const { storage, maxBatch: limit } = this.#engine
    const found = new Set<number>()
    const part = {
      kind: 'job',
      jobId,
      from,
      to: to + 1,
      order: 'ascending',
      runs: false,
    } as const
    let cursor: string | null = null
    do {
      const page = await storage.repeated('listOccurrences', (calls) =>
        calls.listOccurrences({ ...part, limit, cursor }),
      )
      for (const record of page.items) if (isOfItsSlot(record)) found.add(record.scheduledAt)
      cursor = page.cursor
    } while (cursor !== null)
    return found
  }

  /** Returns those of a job's `slots` that have a record. */
  async among(jobId: JobId, slots: readonly number[]): Promise<ReadonlySet<number>> {
    await this.look(slots.map((slot) => ({ jobId, slot })))
    return new Set(slots.filter((slot) => this.#isRecorded.get(occurrenceId(jobId, slot))))
  }
}

/** Returns whether the record belongs to a single slot. A record of a range of missed slots does not. */
function isOfItsSlot({ id, jobId, kind, scheduledAt }: OccurrenceRecord): boolean {
  return kind === 'slot' && id === occurrenceId(jobId, scheduledAt)
}
