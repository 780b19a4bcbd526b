import { type JobId, type OccurrenceId, occurrenceId } from '../../ids.ts'
import type { EngineContext } from '../loop/engine-context.ts'

/** A slot of a job. */
export interface JobSlot {
  readonly jobId: JobId
  readonly slot: number
}

/** What one recovery knows of slots that were canceled ahead. */
export class CanceledSlots {
  readonly #engine: Pick<EngineContext, 'storage' | 'maxBatch'>
  readonly #isCanceled = new Map<OccurrenceId, boolean>()

  constructor(engine: Pick<EngineContext, 'storage' | 'maxBatch'>) {
    this.#engine = engine
  }

  /** Asks the storage about slots of any jobs together, so that questions about them later cost no calls. */
  async look(slots: readonly JobSlot[]): Promise<void> {
    const { storage, maxBatch } = this.#engine
    const ids = slots.map(({ jobId, slot }) => occurrenceId(jobId, slot)).filter((id) => !this.#isCanceled.has(id))
    for (let start = 0; start < ids.length; start += maxBatch) {
      const group = ids.slice(start, start + maxBatch)
      const { occurrences } = await storage.repeated('get', (calls) => calls.get({ occurrences: group }))
      for (const [index, id] of group.entries()) this.#isCanceled.set(id, occurrences[index]?.state === 'canceled')
    }
  }

  /**
   * All of a job's slots in `[from, to]` that were canceled: costs as much as there are of them. For slots that nobody
   * has decided about: what is canceled among these was canceled ahead.
   */
  async between(jobId: JobId, from: number, to: number): Promise<ReadonlySet<number>> {
    const { storage, maxBatch: limit } = this.#engine
    const found = new Set<number>()
    const part = {
      kind: 'job',
      jobId,
      from,
      to: to + 1,
      states: ['canceled'],
      order: 'ascending',
      runs: false,
    } as const
    let cursor: string | null = null
    do {
      const page = await storage.repeated('listOccurrences', (calls) =>
        calls.listOccurrences({ ...part, limit, cursor }),
      )
      for (const { kind, scheduledAt } of page.items) if (kind === 'slot') found.add(scheduledAt)
      cursor = page.cursor
    } while (cursor !== null)
    return found
  }

  /** Those of a job's slots that were canceled. */
  async among(jobId: JobId, slots: readonly number[]): Promise<ReadonlySet<number>> {
    await this.look(slots.map((slot) => ({ jobId, slot })))
    return new Set(slots.filter((slot) => this.#isCanceled.get(occurrenceId(jobId, slot))))
  }
}
