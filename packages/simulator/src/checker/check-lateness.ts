import type { HistoryEvent } from '../history/history.ts'
import type { Quiet } from './quiet.ts'
import type { Violation } from './violation.ts'

/** Who stands by looks once in ten seconds, when those who look each second have died. */
const longestMs = 14_000

/** No slot is launched late, whoever was to launch it and has died, unless something else goes wrong. */
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
