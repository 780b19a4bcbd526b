import { longestDelayMs } from './tuning.ts'
import type { SettleAnswer, SettleItem } from '../../storage/storage.ts'
import { failInBackground } from '../runtime/background-loop.ts'
import { Batcher } from '../storage-access/batcher.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { Alarm } from '../runtime/agenda.ts'
import { RenewedMap } from '../runtime/renewed-map.ts'

/** A sender of settle items for one running occurrence. {@link Execution} implements it. */
export interface Settling {
  /**
   * Returns the item for the next `settle` call. `null`: the occurrence is over on this node, or an open completion holds its
   * settles back.
   */
  takeItem(now: number): SettleItem | null
  settled(item: SettleItem, answer: SettleAnswer): void
  /** The storage rejected the item, and would reject it again. */
  refused(error: unknown): void
}

/** Batches the settle items of executions. An execution has at most one item in progress. */
export type Settler = Batcher<Settling, SettleItem, SettleAnswer>

export function createSettler(engine: EngineContext): Settler {
  return new Batcher(engine, {
    operation: 'settle',
    worthwhile: engine.worthwhileBatch,
    isSerial: true,
    make: (settling, now) => settling.takeItem(now),
    send: (storage, items, now, attempt) =>
      storage.settle({ now, items: attempt === 1 ? items : sentAgain(engine, items) }),
    answered: (settling, item, answer, repeated) =>
      settling.settled(item, repeated ? asRepeated(item, answer) : answer),
    rejected: (settling, _item, error) => settling.refused(error),
    failed: (error) => failInBackground(engine, 'settle', error),
  })
}

/** Returns the items of a repeated call. If the node may start nothing now, the items no longer take a next occurrence. */
function sentAgain(engine: EngineContext, items: readonly SettleItem[]): readonly SettleItem[] {
  // Reads the clocks, as `isHeldBack` requires.
  engine.now()
  return engine.isHeldBack ? items.map(({ takeNext, ...item }) => item) : items
}

/** Marks the answer of a repeated call: an earlier call without an answer may have taken the next occurrence. */
function asRepeated(item: SettleItem, answer: SettleAnswer): SettleAnswer {
  const mayHaveTaken = item.takeNext !== undefined && answer.outcome === 'ok' && answer.taken === undefined
  return mayHaveTaken ? { ...answer, repeated: true } : answer
}

/** An execution with a report that can wait. */
interface Reporter {
  reportNow(): void
}

/**
 * Executions whose state the storage does not fully know: their claim stands for their attempts, or their handlers have
 * reported progress or log lines. The next settle of an execution takes this along. After 1 s without a settle, the
 * execution reports by itself. All executions share one alarm.
 */
export class DelayedReports implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly #engine: Pick<EngineContext, 'agenda' | 'clock'>
  /** Monotonic instant at which each reporter was added, oldest first. */
  readonly #since = new RenewedMap<Reporter, number>()

  constructor(engine: Pick<EngineContext, 'agenda' | 'clock'>) {
    this.#engine = engine
  }

  /** Adding a reporter again does not postpone its report. */
  add(reporter: Reporter): void {
    if (this.#since.has(reporter)) return
    this.#since.set(reporter, this.#engine.clock.monotonic())
    if (this.heapIndex < 0) this.#engine.agenda.setAlarm(this, longestDelayMs)
  }

  /** The reporter has reported everything, or has ended. */
  delete(reporter: Reporter): void {
    if (this.#since.size > 0) this.#since.delete(reporter)
  }

  ring(): void {
    const now = this.#engine.clock.monotonic()
    for (let oldest = this.#since.first(); oldest !== undefined; oldest = this.#since.first()) {
      const [reporter, since] = oldest
      const leftMs = since + longestDelayMs - now
      // Reports that become due soon after this one are sent with it.
      if (leftMs > longestDelayMs / 20) {
        this.#engine.agenda.setAlarm(this, leftMs)
        return
      }
      this.#since.delete(reporter)
      reporter.reportNow()
    }
  }
}
