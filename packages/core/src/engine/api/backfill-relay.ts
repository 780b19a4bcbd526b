import type { JobRecord } from '../../storage/job-record.ts'
import type { BackfillRecord, OccurrenceAddress, OccurrenceDetails } from '../../storage/occurrence-record.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { SlotSeries } from '../definitions/slot-series.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { YieldBudget } from '../runtime/yield-budget.ts'
import { EngineStopped } from '../runtime/background-loop.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import type { EndedRun, Relay } from '../execution/next-runs.ts'
import type { BackfillRuns } from './backfill-runs.ts'
import { presentSeries, slotsAfter } from './backfill-slots.ts'
import { hasBegun, type SlotStanding, standingsOf } from './backfill-states.ts'
import { itemsLikelyEnough, itemsPerRead } from './tuning.ts'

/**
 * Continues backfills without a central coordinator. Before a node ends a run of a backfill, it creates the next run of the
 * same lane. Run ids derive from the slots, so repeated creation on any node gives one run.
 */
export class BackfillRelay implements Relay {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #runs: BackfillRuns
  /** Repeats each call until the storage answers. */
  readonly #storage: StorageCalls

  constructor(engine: EngineContext, options: { registry: JobRegistry; runs: BackfillRuns }) {
    this.#engine = engine
    this.#registry = options.registry
    this.#runs = options.runs
    const repeated: StorageCalls['repeated'] = (operation, call) => engine.storage.repeated(operation, call)
    this.#storage = { once: (call) => repeated('backfill', call), repeated }
  }

  async handOn({ jobId, startedAt, details }: EndedRun): Promise<void> {
    if (details.backfill === undefined) return
    const now = this.#engine.now()
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
        const head = await this.#runs.headOf(jobId, this.#storage)
        if (head === null) return
        const series = await presentSeries(this.#registry, head, this.#engine.now())
        const turns = this.#engine.yieldBudget
        const next = await nextInLane(this.#storage, { head, series, details, turns, isAgain })
        if (next?.standing !== 'open') return
        const [answer] = await this.#runs.create(this.#storage, head, [next], { details, tookMs })
        // Another node has created the run already, or the job has a new version. Read the state again.
        if (answer?.outcome !== 'exists' && answer?.outcome !== 'stale_version') return
      }
    } catch (error) {
      this.#failed(error)
    }
  }

  #failed(error: unknown): void {
    // On a stop, the run does not end either. The node that takes the run over continues the backfill.
    if (!(error instanceof EngineStopped)) this.#engine.fail('backfill', error)
  }
}

/**
 * Returns the next slot of a run's lane whose run is open, stopped or live, or `null` without one. With `isAgain`, the search
 * begins with the run's own slot.
 */
export async function nextInLane(
  storage: StorageCalls,
  {
    head,
    series,
    details,
    turns,
    isAgain = false,
  }: {
    readonly head: JobRecord
    readonly series: SlotSeries
    readonly details: OccurrenceDetails
    readonly turns: Pick<YieldBudget, 'stepped'>
    readonly isAgain?: boolean
  },
): Promise<SlotStanding | null> {
  const backfill = details.backfill as BackfillRecord
  const asked = { key: details.requestKey as string, which: backfill.which }
  const slots = slotsAfter(series, backfill)
  let some: number[] = isAgain ? [backfill.slot] : []
  for (let size = itemsLikelyEnough; ; size = Math.max(itemsLikelyEnough, Math.floor(itemsPerRead / backfill.lanes))) {
    while (some.length < size) {
      const slot = slots.next()
      if (slot.done) break
      some.push(slot.value)
      const turn = turns.stepped()
      if (turn !== null) await turn
    }
    if (some.length === 0) return null
    const standings = await standingsOf(storage, head, some, asked)
    const next = standings.find(({ standing }) => standing !== 'ended' && standing !== 'passed')
    if (next !== undefined) return next
    some = []
  }
}
