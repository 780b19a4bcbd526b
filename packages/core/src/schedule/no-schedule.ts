import type { ScheduleType, SerializedSchedule } from './schedule.ts'
import { WindowedSchedule } from './windowed-schedule.ts'

/** The schedule of a job that has none: it has no slots, and runs on request alone. */
class NoSchedule extends WindowedSchedule {
  get type(): ScheduleType {
    return noScheduleType
  }

  protected nextAfter(): null {
    return null
  }

  protected previousBefore(): null {
    return null
  }

  describe(): string {
    return 'on request'
  }

  toJSON(): SerializedSchedule {
    return { type: 'none' }
  }
}

const noScheduleType: ScheduleType = { name: 'none', revive: () => noSchedule }

/**
 * It stands in a job's timeline like any other: what takes over from when, and in which window, holds for it too, and a
 * timeline has no gaps.
 */
export const noSchedule: NoSchedule = new NoSchedule()

/** Whether a stored schedule stands for none. */
export function isNoSchedule({ type }: Pick<SerializedSchedule, 'type'>): boolean {
  return type === noScheduleType.name
}
