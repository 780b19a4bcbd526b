import type { Alarm } from '../runtime/agenda.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { RenewedMap } from '../runtime/renewed-map.ts'

/** Milliseconds until the storage receives what an execution has not reported yet. Users watch progress meanwhile. */
const longestDelayMs = 1000

/** Milliseconds. Reports that become due within this time are sent together. */
const gatherMs = 50

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
      if (leftMs > 0) {
        this.#engine.agenda.setAlarm(this, Math.max(leftMs, gatherMs))
        return
      }
      this.#since.delete(reporter)
      reporter.reportNow()
    }
  }
}
