import type { HistoryEvent } from '../history/history.ts'
import { BuildModel } from './check-builds.ts'
import { CallModel } from './check-calls.ts'
import { ClockModel } from './check-clocks.ts'
import { DeathModel } from './check-deaths.ts'
import { HandlerModel } from './check-handlers.ts'
import { InterruptionModel } from './check-interruptions.ts'
import { IsolationModel } from './check-isolation.ts'
import { LatenessModel } from './check-lateness.ts'
import { OrderModel } from './check-order.ts'
import { StorageModel } from './check-storage.ts'
import { TakeoverModel } from './check-takeovers.ts'
import { Quiet } from './quiet.ts'
import type { Violation } from './violation.ts'

/** Checks that the history of a simulation breaks no rule. Callers call `follow` again when the history has grown. */
export class HistoryChecker {
  /** The state that the storage must have after the events so far. */
  readonly model: StorageModel = new StorageModel()
  readonly #handlers = new HandlerModel(this.model)
  readonly #interruptions = new InterruptionModel(this.model)
  readonly #clocks = new ClockModel()
  readonly #quiet = new Quiet()
  readonly #nodes = [
    new BuildModel(),
    new CallModel(),
    new DeathModel(),
    new IsolationModel(),
    new TakeoverModel(this.model, this.#quiet),
    new LatenessModel(this.#quiet),
    new OrderModel(),
  ]
  #followed = 0

  /** Checks the events that were added since the previous call. */
  follow(events: readonly HistoryEvent[]): void {
    for (; this.#followed < events.length; this.#followed++) {
      const event = events[this.#followed] as HistoryEvent
      this.model.follow(event, this.#followed)
      this.#handlers.follow(event, this.#followed)
      this.#interruptions.follow(event, this.#followed)
      this.#clocks.follow(event, this.#followed)
      this.#quiet.follow(event)
      for (const model of this.#nodes) model.follow(event, this.#followed)
    }
  }

  /** All violations found so far, in the order of their events. */
  get violations(): readonly Violation[] {
    const models = [this.model, this.#handlers, this.#interruptions, this.#clocks, ...this.#nodes]
    const violations = models.flatMap((model) => model.violations)
    return violations.sort((one, other) => (one.event ?? 0) - (other.event ?? 0))
  }
}
