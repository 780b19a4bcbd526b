import type { HistoryEvent } from '../history/history.ts'
import type { Violation } from './violation.ts'

/** Checks that each call of `runDue` ends within its budget and leaves no timer running. */
export class CallModel {
  readonly violations: Violation[] = []

  follow(event: HistoryEvent, index: number): void {
    if (event.kind !== 'call.ended') return
    const { life, tookMs, budgetMs, isHindered, timersLeft } = event
    if (tookMs >= budgetMs && !isHindered) this.#note('budget', index, `${life} took ${tookMs} ms of ${budgetMs}`)
    if (timersLeft > 0) this.#note('shutdown', index, `the call ${life} is over and has ${timersLeft} timers left`)
  }

  #note(rule: 'budget' | 'shutdown', event: number, message: string): void {
    this.violations.push({ rule, message, jobId: null, occurrence: null, event })
  }
}
