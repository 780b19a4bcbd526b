import { lookMs } from '../../tuning.ts'
import type { SettleAnswer, SettleItem } from '../../storage/storage.ts'
import { failInBackground } from '../runtime/background-loop.ts'
import { Batcher } from '../storage-access/batcher.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { Alarm } from '../runtime/agenda.ts'
import { RenewedMap } from '../runtime/renewed-map.ts'

/** Supplies the settle items of one running occurrence. {@link Execution} implements this interface. */
export interface Settling {
  /**
   * Returns the item for the next `settle` call; `null`: this node no longer runs the occurrence, or the occurrence has an open
   * completion.
   */
  takeItem(now: number): SettleItem | null
  settled(item: SettleItem, answer: SettleAnswer): void
  /** Called when the storage has rejected the item and would reject it again. */
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

/**
 * Returns the items for the retry of a `settle` call. If the node may start nothing now, the items no longer take a next
 * occurrence.
 */
function sentAgain(engine: EngineContext, items: readonly SettleItem[]): readonly SettleItem[] {
  // `isHeldBack` knows of a clock jump only after a call of `now`, which reads the clocks. The result is not needed.
  engine.now()
  return engine.isHeldBack ? items.map(({ takeNext, ...item }) => item) : items
}

/** Marks the answer to a retried call, because an earlier call whose answer was lost may have taken the next occurrence. */
function asRepeated(item: SettleItem, answer: SettleAnswer): SettleAnswer {
  const mayHaveTaken = item.takeNext !== undefined && answer.outcome === 'ok' && answer.taken === undefined
  return mayHaveTaken ? { ...answer, repeated: true } : answer
}

/** An execution that reports to the storage within 1 s. */
interface Reporter {
  reportNow(): void
}

/**
 * Executions whose state the storage does not fully know: their claim stands for their attempts, or their handlers have
 * reported progress or log lines. The next settle of an execution carries this state too. After 1 s without a settle, the
 * execution settles this state alone. All executions share one alarm.
 */
export class DelayedReports implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly #engine: Pick<EngineContext, 'agenda' | 'clock'>
  /** The executions with a delayed report and the monotonic instant at which each was added, oldest first. */
  readonly #since = new RenewedMap<Reporter, number>()

  constructor(engine: Pick<EngineContext, 'agenda' | 'clock'>) {
    this.#engine = engine
  }

  /** Adds a reporter. If the reporter was added before, its report is not postponed. */
  add(reporter: Reporter): void {
    if (this.#since.has(reporter)) return
    this.#since.set(reporter, this.#engine.clock.monotonic())
    if (this.heapIndex < 0) this.#engine.agenda.setAlarm(this, lookMs)
  }

  /** Removes a reporter that has reported everything or has ended. */
  delete(reporter: Reporter): void {
    if (this.#since.size > 0) this.#since.delete(reporter)
  }

  ring(): void {
    const now = this.#engine.clock.monotonic()
    for (let oldest = this.#since.first(); oldest !== undefined; oldest = this.#since.first()) {
      const [reporter, since] = oldest
      const leftMs = since + lookMs - now
      // Reports that become due within 5 % of the delay are sent now too.
      if (leftMs > lookMs / 20) {
        this.#engine.agenda.setAlarm(this, leftMs)
        return
      }
      this.#since.delete(reporter)
      reporter.reportNow()
    }
  }
}
