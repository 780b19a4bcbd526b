import { type ScheduleType, type SerializedSchedule, WindowedSchedule } from '@jobistemer/core/schedule'

/** The simplest schedule: it fires at every multiple of an interval since the Unix epoch. */
class Every extends WindowedSchedule {
  readonly intervalMs: number

  constructor(intervalMs: number, endMs: number) {
    super({ startMs: Number.NEGATIVE_INFINITY, endMs })
    this.intervalMs = intervalMs
  }

  get type(): ScheduleType {
    return everyType
  }

  describe(): string {
    return `every ${this.intervalMs} ms`
  }

  toJSON(): SerializedSchedule {
    const { endMs } = this.window
    return { type: 'every', intervalMs: this.intervalMs, endMs: Number.isFinite(endMs) ? endMs : null }
  }

  protected nextAfter(afterMs: number): number {
    return (Math.floor(afterMs / this.intervalMs) + 1) * this.intervalMs
  }

  protected previousBefore(beforeMs: number): number {
    return (Math.ceil(beforeMs / this.intervalMs) - 1) * this.intervalMs
  }
}

export const everyType: ScheduleType = {
  name: 'every',
  revive: ({ intervalMs, endMs }) =>
    new Every(intervalMs as number, typeof endMs === 'number' ? endMs : Number.POSITIVE_INFINITY),
}

/** Returns a schedule that fires at every multiple of `seconds`, up to `endMs` inclusive. */
export function everySeconds(seconds: number, endMs: number = Number.POSITIVE_INFINITY): Every {
  return new Every(seconds * 1000, endMs)
}
