import type { Schedule, ScheduleType, SerializedSchedule } from '../../schedule/schedule.ts'
import { WindowedSchedule } from '../../schedule/windowed-schedule.ts'

/** A stored schedule that this node cannot revive. It keeps the stored form, and throws the cause when asked for a slot. */
export class UnrevivedSchedule extends WindowedSchedule {
  readonly #serialized: SerializedSchedule
  readonly #error: unknown

  constructor(serialized: SerializedSchedule, error: unknown) {
    super()
    this.#serialized = serialized
    this.#error = error
  }

  get type(): ScheduleType {
    return {
      name: this.#serialized.type,
      revive: (serialized): Schedule => new UnrevivedSchedule(serialized, this.#error),
    }
  }

  protected nextAfter(): never {
    throw this.#error
  }

  protected previousBefore(): never {
    throw this.#error
  }

  describe(): string {
    return `a schedule of the type ${this.#serialized.type}`
  }

  toJSON(): SerializedSchedule {
    return this.#serialized
  }
}
