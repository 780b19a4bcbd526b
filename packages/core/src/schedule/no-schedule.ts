import type { ScheduleType, SerializedSchedule } from './schedule.ts'
import { WindowedSchedule } from './windowed-schedule.ts'

/** The schedule of a job that has no schedule: it has no slots, and the job runs only on request. */
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
 * The only instance of `NoSchedule`. A job's timeline holds this object for each span in which the job has no schedule. So the
 * timeline has no gaps.
 */
export const noSchedule: NoSchedule = new NoSchedule()

/** Returns whether a stored schedule is the schedule of a job without slots. */
export function isNoSchedule({ type }: Pick<SerializedSchedule, 'type'>): boolean {
  return type === noScheduleType.name
}
