import type { ScheduleType, SerializedSchedule } from '../../src/schedule/schedule.ts'
import { WindowedSchedule } from '../../src/schedule/windowed-schedule.ts'

/** A schedule for tests. The schedule fires at every multiple of `intervalMs` since the epoch, moved by `offsetMs`. */
export class Every extends WindowedSchedule {
  readonly intervalMs: number
  readonly offsetMs: number

  constructor(intervalMs: number, offsetMs: number, window?: { startMs: number; endMs: number }) {
    super(window)
    this.intervalMs = intervalMs
    this.offsetMs = offsetMs
  }

  get type(): ScheduleType {
    return everyType
  }

  describe(): string {
    return `every ${this.intervalMs} ms`
  }

  toJSON(): SerializedSchedule {
    const { startMs, endMs } = this.window
    return {
      type: 'every',
      intervalMs: this.intervalMs,
      offsetMs: this.offsetMs,
      startMs: Number.isFinite(startMs) ? startMs : null,
      endMs: Number.isFinite(endMs) ? endMs : null,
    }
  }

  protected nextAfter(afterMs: number): number {
    return (Math.floor((afterMs - this.offsetMs) / this.intervalMs) + 1) * this.intervalMs + this.offsetMs
  }

  protected previousBefore(beforeMs: number): number {
    return (Math.ceil((beforeMs - this.offsetMs) / this.intervalMs) - 1) * this.intervalMs + this.offsetMs
  }
}

export const everyType: ScheduleType = {
  name: 'every',
  revive({ intervalMs, offsetMs, startMs, endMs }) {
    return new Every(intervalMs as number, offsetMs as number, {
      startMs: typeof startMs === 'number' ? startMs : Number.NEGATIVE_INFINITY,
      endMs: typeof endMs === 'number' ? endMs : Number.POSITIVE_INFINITY,
    })
  },
}

export function every(
  intervalMs: number,
  options: { offsetMs?: number; startMs?: number; endMs?: number } = {},
): Every {
  const { offsetMs = 0, startMs = Number.NEGATIVE_INFINITY, endMs = Number.POSITIVE_INFINITY } = options
  return new Every(intervalMs, offsetMs, { startMs, endMs })
}
