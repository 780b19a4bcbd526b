import type { HistoryEvent } from '../history/history.ts'
import type { Quiet } from './quiet.ts'
import type { Violation } from './violation.ts'

/**
 * Maximum lateness of a launch, in ms. Only some nodes scan often for overdue slots. If these nodes have died, the other nodes
 * launch the overdue slots, and they scan only every 10 s.
 */
const longestMs = 14_000

/** Checks that every slot is launched in time, even if its assigned node has died. Other faults excuse a late launch. */
export class LatenessModel {
  readonly violations: Violation[] = []
  readonly #quiet: Quiet
  #startMs = 0

  constructor(quiet: Quiet) {
    this.#quiet = quiet
  }

  follow(event: HistoryEvent, index: number): void {
    if (event.kind === 'clocks') this.#startMs = event.startMs
    if (event.kind !== 'created' || event.item.kind !== 'slot' || this.#quiet.isTimeInDoubt) return
    const { jobId, scheduledAt, id } = event.item
    const dueAt = scheduledAt - this.#startMs
    const lateMs = event.mono - dueAt
    if (lateMs <= longestMs || dueAt < this.#quiet.since) return
    const message = `${event.life} launched it ${lateMs} ms late`
    this.violations.push({ rule: 'late slot', message, jobId, occurrence: id, event: index })
  }
}
