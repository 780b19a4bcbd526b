import type { Schedule, SerializedSchedule } from './schedule.ts'

/**
 * The schedule of a job that has no schedule: it has no slots, and the job runs only on request. A job's timeline holds this
 * object for each span in which the job has no schedule. So the timeline has no gaps.
 */
export const noSchedule: Schedule = {
  type: { name: 'none', revive: () => noSchedule },
  next: () => null,
  previous: () => null,
  between: () => [].values(),
  nextMs: () => null,
  previousMs: () => null,
  describe: () => 'on request',
  toJSON: () => ({ type: 'none' }),
}

/** Returns whether a stored schedule is the schedule of a job without slots. */
export function isNoSchedule({ type }: Pick<SerializedSchedule, 'type'>): boolean {
  return type === noSchedule.type.name
}
