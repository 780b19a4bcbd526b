import type { HistoryEvent } from '../history/history.ts'
import { HandlerModel } from './check-handlers.ts'
import { StorageModel } from './check-storage.ts'
import type { Violation } from './violation.ts'

/** Whether a history keeps the promises, and what must be stored at its end. */
export function checkHistory(events: readonly HistoryEvent[]): {
  readonly violations: readonly Violation[]
  readonly model: StorageModel
} {
  const model = new StorageModel()
  const handlers = new HandlerModel(model)
  for (const [index, event] of events.entries()) {
    model.follow(event, index)
    handlers.follow(event, index)
  }
  const violations = [...model.violations, ...handlers.violations]
  violations.sort((one, other) => (one.event ?? 0) - (other.event ?? 0))
  return { violations, model }
}
