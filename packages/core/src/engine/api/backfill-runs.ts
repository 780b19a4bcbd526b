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

/** Creates runs of backfills. They wait as delayed triggers do: so they are never skipped, and keep nobody waiting. */
export class BackfillRuns {
  readonly #engine: EngineContext
  readonly #capacity: Capacity

  constructor(engine: EngineContext, capacity: Capacity) {
    this.#engine = engine
    this.#capacity = capacity
  }

  /** The head of a job that is there. */
  async headOf(jobId: JobId, storage: StorageCalls): Promise<JobRecord | null> {
    const { jobs } = await storage.once((calls) => calls.get({ jobs: [jobId] }))
    const head = jobs[0] ?? null
    return head === null || head.deletedAt !== null ? null : head
  }

  /**
   * Creates the next runs of some slots, in this order. `tookMs` is how long one takes, as far as is known: where another
   * could meet the job's next slot, it comes after that one. The answers are the storage's.
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
        // What was pruned may lie ahead of a clock that is behind.
        const firstAt = Math.max(dueAt, (head.pruneFloor ?? Number.NEGATIVE_INFINITY) + 1 + start)
        items = some.map(({ slot, rounds }, index) => ({
          kind: 'trigger',
          id: backfillOccurrenceId(head.id, slot, rounds + 1),
          jobId: head.id,
          // What comes first in the backfill comes first among what waits.
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

  /** Cancels those that wait; answers how many that were. */
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

/** Only what lies ahead is created whatever else there is of the job. */
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
