import { type ScheduleType, type SerializedSchedule, WindowedSchedule } from '@jobistemer/core/schedule'

const minuteMs = 60_000

/** A schedule with an instant every n minutes. */
export class Minutely extends WindowedSchedule {
  readonly #minutes: number

  constructor(minutes: number) {
    super({ startMs: Number.NEGATIVE_INFINITY, endMs: Number.POSITIVE_INFINITY })
    this.#minutes = minutes
  }

  get type(): ScheduleType {
    return { name: 'minutely', revive: ({ minutes }) => new Minutely(minutes as number) }
  }

  describe(): string {
    return `every ${this.#minutes} min`
  }

  toJSON(): SerializedSchedule {
    return { type: 'minutely', minutes: this.#minutes }
  }

  protected nextAfter(afterMs: number): number {
    const stepMs = this.#minutes * minuteMs
    return (Math.floor(afterMs / stepMs) + 1) * stepMs
  }

  protected previousBefore(beforeMs: number): number {
    const stepMs = this.#minutes * minuteMs
    return (Math.ceil(beforeMs / stepMs) - 1) * stepMs
  }
}
