import type { SerializedSchedule } from '../../schedule/schedule.ts'
import type { ScheduleSegment } from '../../storage/job-record.ts'
import { checkedSeries } from './checked-series.ts'
import type { ScheduleReviver } from './schedule-reviver.ts'
import type { SlotSeries } from './slot-series.ts'

/** Returns a series whose methods throw `error`, for a job whose schedule this node cannot revive. */
export function seriesThatFails(error: unknown): SlotSeries {
  const fail = () => {
    throw error
  }
  return { nextMs: fail, previousMs: fail }
}

/** Returns the series of a job's timeline. The schedule of each segment decides the slots of that segment. */
export function seriesOf(timeline: readonly ScheduleSegment[], reviver: ScheduleReviver, jobName?: string): SlotSeries {
  const [only] = timeline
  if (timeline.length === 1 && only !== undefined && only.after === null && only.until === null) {
    return checkedSeries(reviver.revive(only.schedule, jobName))
  }
  const segments = timeline.map(({ after, until, schedule }) => ({
    after: after ?? Number.NEGATIVE_INFINITY,
    until: until ?? Number.POSITIVE_INFINITY,
    schedule: checkedSeries(reviver.revive(schedule, jobName)),
  }))
  return {
    nextMs(afterMs) {
      for (const { after, until, schedule } of segments) {
        if (until <= afterMs) continue
        const slot = schedule.nextMs(Math.max(afterMs, after))
        if (slot !== null && slot <= until) return slot
      }
      return null
    },
    previousMs(beforeMs) {
      for (const { after, until, schedule } of segments.toReversed()) {
        if (after >= beforeMs - 1) continue
        const slot = schedule.previousMs(Math.min(beforeMs, until + 1))
        if (slot !== null && slot > after) return slot
      }
      return null
    },
  }
}

/**
 * Returns the timeline in which `schedule` takes effect after `from`, exclusive. The present timeline still decides the slots
 * up to `from`, because an update is never retroactive.
 */
export function switchSchedule(
  timeline: readonly ScheduleSegment[],
  schedule: SerializedSchedule,
  options: { readonly from: number; readonly watermark: number },
): ScheduleSegment[] {
  const { from, watermark } = options
  const kept = timeline
    .filter((segment) => (segment.after ?? Number.NEGATIVE_INFINITY) < from)
    .map((segment) => ({ ...segment, until: Math.min(segment.until ?? Number.POSITIVE_INFINITY, from) }))
    .filter((segment) => segment.until > watermark)
  if (kept.length === 0 && from <= watermark) return [{ after: null, until: null, schedule }]
  return [...kept, { after: from, until: null, schedule }]
}
