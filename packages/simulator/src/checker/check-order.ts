import type { OccurrenceId } from '@jobistemer/core'
import { createdId, type Ordered, orderAt } from '@jobistemer/core/storage'
import type { HistoryEvent } from '../history/history.ts'
import type { Violation } from './violation.ts'

/** Checks that nodes claim and wake waiting occurrences by the priority that the job or request asked for. */
export class OrderModel {
  readonly violations: Violation[] = []
  readonly #orders = new Map<OccurrenceId, number>()

  follow(event: HistoryEvent, index: number): void {
    switch (event.kind) {
      case 'created': {
        const { item, state } = event
        if (item.kind === 'exclusion') return
        this.#know(createdId(item, state), item)
        return
      }
      case 'recovered':
        for (const entry of event.entries) {
          if (entry.kind === 'run' && !this.#orders.has(entry.id)) this.#know(entry.id, entry)
        }
        return
      case 'order.claimed':
        this.#check(event.claimed, event.left, 'was claimed', index)
        return
      case 'order.woken':
        this.#check(event.woken, event.left, 'was woken', index)
    }
  }

  /**
   * Stores the order of an occurrence under its id. If a request key is used again, the new occurrence has the same id. The
   * order of the new occurrence then replaces the stored order. For slots of a recovery whose order is already stored, callers
   * do not call this method.
   */
  #know(id: OccurrenceId, created: Ordered): void {
    this.#orders.set(id, orderAt(created))
  }

  #check(taken: readonly OccurrenceId[], left: readonly OccurrenceId[], what: string, index: number): void {
    for (const id of taken) {
      const before = left.find((other) => this.#goesBefore(other, id))
      if (before === undefined) continue
      const message = `it ${what} before ${before}, which waits and precedes it`
      this.violations.push({ rule: 'order', message, jobId: null, occurrence: id, event: index })
    }
  }

  #goesBefore(one: OccurrenceId, other: OccurrenceId): boolean {
    const [left, right] = [this.#orders.get(one), this.#orders.get(other)]
    if (left === undefined || right === undefined) return false
    return left < right || (left === right && one < other)
  }
}
