import { resolveJobSettings } from '../../configuration/resolve-settings.ts'
import type { JobOverrides } from '../../configuration/settings.ts'
import { backfillOccurrenceId, type JobId } from '../../ids.ts'
import { readJobDocument } from '../../job/job-document.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { OccurrenceAddress, OccurrenceDetails } from '../../storage/occurrence-record.ts'
import type { CreateAnswer, CreateRequested } from '../../storage/storage.ts'
import type { Capacity } from '../execution/capacity.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import type { SlotStanding } from './backfill-states.ts'
import { backfillDelayMs } from './tuning.ts'

/** Creates runs of backfills as delayed triggers: the overlap policy never skips them, and they block no other run. */
export class BackfillRuns {
  readonly #engine: EngineContext
  readonly #capacity: Capacity

  constructor(engine: EngineContext, capacity: Capacity) {
    this.#engine = engine
    this.#capacity = capacity
  }

  /** Returns the head of the job, or `null` if the job is deleted or missing. */
  async headOf(jobId: JobId, storage: StorageCalls): Promise<JobRecord | null> {
    const { jobs } = await storage.once((calls) => calls.get({ jobs: [jobId] }))
    const head = jobs[0] ?? null
    return head === null || head.deletedAt !== null ? null : head
  }

  /**
   * Creates the next runs of these slots, in this order, and returns the answers of the storage. `tookMs` is the known
   * duration of a run. If a run could still be active at the job's next slot, the run becomes due after that slot.
   */
  async create(
    storage: StorageCalls,
    head: JobRecord,
    slots: readonly Pick<SlotStanding, 'slot' | 'rounds'>[],
    { details, tookMs = 0, delayMs = 0 }: { details: OccurrenceDetails; tookMs?: number; delayMs?: number },
  ): Promise<readonly CreateAnswer[]> {
    const { owner, maxBatch } = this.#engine
    const executionTimeoutMs = executionTimeoutOf(head, details)
    const answers: CreateAnswer[] = []
    for (let start = 0; start < slots.length; start += maxBatch) {
      const some = slots.slice(start, start + maxBatch)
      let items: readonly CreateRequested[] = []
      const answered = await storage.repeated('createOccurrences', (calls) => {
        const now = this.#engine.now()
        const dueAt = dueAtOf(head, now, tookMs) + delayMs + start
        // If this node's clock is behind, the prune floor may lie ahead of it. The records must lie after the floor.
        const firstAt = Math.max(dueAt, (head.pruneFloor ?? Number.NEGATIVE_INFINITY) + 1 + start)
        items = some.map(({ slot, rounds }, index) => ({
          kind: 'trigger',
          id: backfillOccurrenceId(head.id, slot, rounds + 1),
          jobId: head.id,
          // Ascending times keep the order of the backfill among waiting runs.
          scheduledAt: firstAt + index,
          dueAt: dueAt + index,
          jobVersion: head.version,
          executionTimeoutMs,
          details: withSlot(details, slot),
          runs: null,
        }))
        return calls.createOccurrences({ now, owner, items })
      })
      for (const [index, answer] of answered.entries()) this.#tell(head, items[index] as CreateRequested, answer)
      answers.push(...answered)
    }
    this.#capacity.workAppeared()
    return answers
  }

  /** Cancels the waiting runs. Returns how many of them the storage canceled. */
  async cancel(
    storage: StorageCalls,
    addresses: readonly OccurrenceAddress[],
    { actor, reason, head }: { readonly actor: string | null; readonly reason: string; readonly head: JobRecord },
  ): Promise<number> {
    let canceled = 0
    for (let start = 0; start < addresses.length; start += this.#engine.maxBatch) {
      const some = addresses.slice(start, start + this.#engine.maxBatch)
      const items = some.map(({ id, jobId, scheduledAt }) => {
        return { id, jobId, scheduledAt, reason, actor, mode: 'request' } as const
      })
      const now = this.#engine.now()
      const answers = await storage.once((calls) => calls.cancel({ now, items }))
      for (const [index, answer] of answers.entries()) {
        if (answer.outcome !== 'canceled') continue
        canceled++
        const { id: occurrenceId, scheduledAt } = some[index] as OccurrenceAddress
        this.#engine.events.emit('occurrence.canceled', {
          jobId: head.id,
          jobName: head.name,
          occurrenceId,
          scheduledAt: new Date(scheduledAt),
          reason,
        })
      }
    }
    this.#capacity.workAppeared()
    return canceled
  }

  #tell(head: JobRecord, { id: occurrenceId, scheduledAt, kind }: CreateRequested, answer: CreateAnswer): void {
    if (answer.outcome !== 'created') return
    this.#engine.events.emit('occurrence.created', {
      jobId: head.id,
      jobName: head.name,
      occurrenceId,
      scheduledAt: new Date(scheduledAt),
      kind,
      state: answer.state,
      reason: answer.reason,
    })
  }
}

function withSlot(details: OccurrenceDetails, slot: number): OccurrenceDetails {
  const { backfill } = details
  return backfill === undefined ? details : { ...details, backfill: { ...backfill, slot } }
}

/**
 * Returns the due time. Under a policy other than `allow`, it is at least 1 ms ahead. The storage accepts a future request
 * even while another run of the job is active.
 */
function dueAtOf({ overlap, nextAt }: JobRecord, now: number, tookMs: number): number {
  if (overlap.policy === 'allow') return now
  const meetsSlot = nextAt !== null && nextAt <= now + 2 * tookMs
  return (meetsSlot ? Math.max(now, nextAt) + backfillDelayMs : now) + 1
}

function executionTimeoutOf({ definition }: JobRecord, details: OccurrenceDetails): number {
  const { defaults, settings } = readJobDocument(definition)
  const overrides = (details.overrides ?? {}) as JobOverrides
  return resolveJobSettings(resolveJobSettings(defaults, settings), overrides).executionTimeoutMs
}
