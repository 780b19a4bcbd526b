import { ApiPart } from './api-part.ts'
import { recordsPerCall } from '../../tuning.ts'
import { chunksOf, type StorageCalls } from '../storage-access/retrying-storage.ts'
import { tellCanceled } from './interventions.ts'
import { livingHead } from './job-lookup.ts'
import { tellCreated } from './request-item.ts'
import { resolveJobSettings } from '../../configuration/resolve-settings.ts'
import type { JobOverrides } from '../../configuration/settings.ts'
import { backfillOccurrenceId } from '../../ids.ts'
import { readJobDocument } from '../../job/job-document.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { BackfillRecord, OccurrenceAddress, OccurrenceDetails } from '../../storage/occurrence-record.ts'
import type { CreateAnswer, CreateRequested } from '../../storage/storage.ts'
import { hasBegun, presentSeries, slotsAfter, type SlotStanding, standingsOf } from './backfill-states.ts'
import { backfillDelayMs, itemsLikelyEnough } from './tuning.ts'
import { EngineStopped } from '../runtime/background-loop.ts'
import type { EndedRun, Relay } from '../execution/next-runs.ts'

/**
 * Creates runs of backfills as delayed triggers: the overlap policy never skips them, and they block no other run. Continues
 * backfills without a central coordinator: before a node ends a run of a backfill, it creates the next run of the same lane.
 * Run ids derive from the slots, so repeated creation on any node gives one run.
 */
export class BackfillRuns extends ApiPart implements Relay {
  /** Repeats each call until the storage answers. */
  readonly #storage: StorageCalls = {
    once: (call) => this.engine.storage.repeated('backfill', call),
    repeated: (operation, call) => this.engine.storage.repeated(operation, call),
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
    const { owner, maxBatch } = this.engine
    const executionTimeoutMs = executionTimeoutOf(head, details)
    const answers: CreateAnswer[] = []
    for (const some of chunksOf(slots, maxBatch)) {
      const { length: start } = answers
      let items: readonly CreateRequested[] = []
      const answered = await storage.repeated('createOccurrences', (calls) => {
        const now = this.engine.now()
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
          details: { ...details, backfill: { ...(details.backfill as BackfillRecord), slot } },
          runs: null,
        }))
        return calls.createOccurrences({ now, owner, items })
      })
      for (const [index, answer] of answered.entries()) {
        const item = items[index] as CreateRequested
        if (answer.outcome === 'created') tellCreated(this.engine.events, head, item, { ...answer, id: item.id })
      }
      answers.push(...answered)
    }
    this.capacity.workAppeared()
    return answers
  }

  /** Cancels the waiting runs. Returns how many of them the storage canceled. */
  async cancel(
    storage: StorageCalls,
    addresses: readonly OccurrenceAddress[],
    { actor, reason, head }: { readonly actor: string | null; readonly reason: string; readonly head: JobRecord },
  ): Promise<number> {
    let canceled = 0
    for (const some of chunksOf(addresses, this.engine.maxBatch)) {
      const items = some.map(({ id, jobId, scheduledAt }) => {
        return { id, jobId, scheduledAt, reason, actor, mode: 'request' } as const
      })
      const now = this.engine.now()
      const answers = await storage.once((calls) => calls.cancel({ now, items }))
      const gone = some.filter((_, index) => answers[index]?.outcome === 'canceled')
      tellCanceled(this.engine.events, head.name, reason, gone)
      canceled += gone.length
    }
    this.capacity.workAppeared()
    return canceled
  }

  async handOn({ jobId, startedAt, details }: EndedRun): Promise<void> {
    if (details.backfill === undefined) return
    const now = this.engine.now()
    await this.#goOn(jobId, details, { tookMs: now - (startedAt ?? now), isAgain: false })
  }

  async displaced(addresses: readonly OccurrenceAddress[]): Promise<void> {
    if (addresses.length === 0) return
    try {
      const { occurrences } = await this.#storage.once((calls) =>
        calls.get({ occurrences: addresses.map(({ id }) => id) }),
      )
      for (const record of occurrences) {
        if (record?.details.backfill === undefined) continue
        // A run that had started is over. Its slot must not run again, even if earlier runs of the slot were pruned.
        await this.#goOn(record.jobId, record.details, { tookMs: 0, isAgain: !hasBegun(record) })
      }
    } catch (error) {
      this.#failed(error)
    }
  }

  async #goOn(
    jobId: JobRecord['id'],
    details: OccurrenceDetails,
    { tookMs, isAgain }: { readonly tookMs: number; readonly isAgain: boolean },
  ): Promise<void> {
    try {
      for (;;) {
        const head = await livingHead(this.#storage, jobId)
        if (head === null) return
        const next = await this.nextInLane(this.#storage, head, details, isAgain)
        if (next?.standing !== 'open') return
        const [answer] = await this.create(this.#storage, head, [next], { details, tookMs })
        // Another node has created the run already, or the job has a new version. Read the state again.
        if (answer?.outcome !== 'exists' && answer?.outcome !== 'stale_version') return
      }
    } catch (error) {
      this.#failed(error)
    }
  }

  #failed(error: unknown): void {
    // On a stop, the run does not end either. The node that takes the run over continues the backfill.
    if (!(error instanceof EngineStopped)) this.engine.fail('backfill', error)
  }

  /**
   * Returns the next slot of a run's lane whose run is open, stopped or live, or `null` without one. With `isAgain`, the
   * search begins with the run's own slot.
   */
  async nextInLane(
    storage: StorageCalls,
    head: JobRecord,
    details: OccurrenceDetails,
    isAgain = false,
  ): Promise<SlotStanding | null> {
    const backfill = details.backfill as BackfillRecord
    const asked = { key: details.requestKey as string, which: backfill.which }
    const slots = slotsAfter(await presentSeries(this.registry, head, this.engine.now()), backfill)
    const laterSize = Math.max(itemsLikelyEnough, Math.floor(recordsPerCall / backfill.lanes))
    let some: number[] = isAgain ? [backfill.slot] : []
    for (let size = itemsLikelyEnough; ; size = laterSize) {
      while (some.length < size) {
        const slot = slots.next()
        if (slot.done) break
        some.push(slot.value)
        const turn = this.engine.yieldBudget.stepped()
        if (turn !== null) await turn
      }
      if (some.length === 0) return null
      const standings = await standingsOf(storage, head, some, asked)
      const next = standings.find(({ standing }) => standing !== 'ended' && standing !== 'passed')
      if (next !== undefined) return next
      some = []
    }
  }
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
