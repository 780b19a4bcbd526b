import { type ScheduleType, type SerializedSchedule, WindowedSchedule } from '@jobistemer/core/schedule'

/** A schedule with a slot each `intervalMs`, shifted by `phaseMs` from the epoch, up to `endMs` inclusive. */
class Every extends WindowedSchedule {
  readonly intervalMs: number
  readonly phaseMs: number

  constructor(intervalMs: number, phaseMs: number, endMs: number) {
    super({ startMs: Number.NEGATIVE_INFINITY, endMs })
    this.intervalMs = intervalMs
    this.phaseMs = phaseMs
  }

  get type(): ScheduleType {
    return everyType
  }

  describe(): string {
    return `every ${this.intervalMs} ms`
  }

  toJSON(): SerializedSchedule {
    const { endMs } = this.window
    const { intervalMs, phaseMs } = this
    return { type: 'every', intervalMs, phaseMs, endMs: Number.isFinite(endMs) ? endMs : null }
  }

  protected nextAfter(afterMs: number): number {
    return (Math.floor((afterMs - this.phaseMs) / this.intervalMs) + 1) * this.intervalMs + this.phaseMs
  }

  protected previousBefore(beforeMs: number): number {
    return (Math.ceil((beforeMs - this.phaseMs) / this.intervalMs) - 1) * this.intervalMs + this.phaseMs
  }
}

export const everyType: ScheduleType = {
  name: 'every',
  revive: ({ intervalMs, phaseMs, endMs }) =>
    new Every(intervalMs as number, phaseMs as number, typeof endMs === 'number' ? endMs : Number.POSITIVE_INFINITY),
}

export function every(intervalMs: number, options: { readonly phaseMs?: number; readonly endMs?: number } = {}): Every {
  return new Every(intervalMs, options.phaseMs ?? 0, options.endMs ?? Number.POSITIVE_INFINITY)
}
